use super::super::Kind;
use super::super::tests::{ignored, json_records};

#[test]
fn indexes_are_distinguished_from_records() {
    for index in [
        r#"{"modified":"2030-01-01T00:00:00Z"}"#,
        r#"[{"id":"GO-2030-0001","modified":"2030-01-01T00:00:00Z","aliases":["CVE-2030-0001"]},{"id":"GO-2030-0002","modified":"2030-01-01T00:00:00Z"}]"#,
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
    let list = r#"[{"id":"A","modified":"2030-01-01T00:00:00Z"}]"#;
    assert_eq!(Kind::detect(list.as_bytes()), None);
}
