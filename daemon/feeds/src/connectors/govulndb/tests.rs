use super::super::Kind;
use super::super::tests::{ignored, json_records};

#[test]
fn indexes_are_distinguished_from_records() {
    for index in [
        r#"{"modified":"2030-01-01T00:00:00Z"}"#,
        r#"[{"id":"GO-2030-0001","modified":"2030-01-01T00:00:00Z","aliases":["CVE-2030-0001"]},{"id":"GO-2030-0002","modified":"2030-01-01T00:00:00Z"}]"#,
        r#"[{"id":"ECHO-1","modified":"2030-01-01T00:00:00Z"},{"modified":"2030-01-01T00:00:00Z","id":"ECHO-2"}]"#,
        r#"[{"path":"stdlib","vulns":[{"id":"GO-2030-0001","modified":"2030-01-01T00:00:00Z"}]}]"#,
    ] {
        assert_eq!(
            Kind::detect(index.as_bytes()).map(Kind::name),
            Some("govulndb"),
            "{index}"
        );
        assert_eq!(
            ignored("govulndb", index.as_bytes()),
            [": an index of records, not a record"]
        );
    }
    let record = r#"{"id":"GO-2030-0001","modified":"2030-01-01T00:00:00Z","affected":[]}"#;
    assert_eq!(Kind::detect(record.as_bytes()), None, "it is in the OSV schema");
    assert_eq!(
        json_records("govulndb", record.as_bytes())[0]["id"],
        "GO-2030-0001"
    );
    // Lists of records may begin with one that says nothing.
    let list = r#"[{"id":"A","modified":"2030-01-01T00:00:00Z"},{"id":"B","modified":"2030-01-01T00:00:00Z","affected":[]}]"#;
    assert_eq!(json_records("govulndb", list.as_bytes()).len(), 2);
    let one = r#"{"id":"A","modified":"2030-01-01T00:00:00Z"}"#;
    assert_eq!(Kind::detect(one.as_bytes()), None);
}

#[test]
fn reports_of_the_maintainers_are_distinguished_from_records() {
    for report in [
        "id: GO-2030-0001\nmodules:\n    - module: example.com/r\nsummary: s\n",
        "id: GO-2030-0002\nexcluded: NOT_GO_CODE\nmodules:\n    - module: example.com/r\n",
    ] {
        assert_eq!(Kind::detect(report.as_bytes()).map(Kind::name), Some("govulndb"));
        assert_eq!(
            ignored("govulndb", report.as_bytes()),
            [": a report that a record is made from, not the record"]
        );
    }
    let record = "id: GO-2030-0001\nmodified: 2030-01-01T00:00:00Z\naffected: []\n";
    assert_eq!(Kind::detect(record.as_bytes()), None);
    assert_eq!(
        json_records("govulndb", record.as_bytes())[0]["id"],
        "GO-2030-0001"
    );
}
