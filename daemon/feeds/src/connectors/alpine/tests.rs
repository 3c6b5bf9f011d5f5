use super::super::Kind;
use super::super::tests::{ignored, json_records, noted, ranges, rejected};

const DATABASE: &str = r#"{"apkurl":"{{urlprefix}}/x","archs":["x86_64"],"reponame":"main","urlprefix":"https://dl.alpinelinux.org/alpine","distroversion":"v3.18","packages":[
{"pkg":{"name":"rocket","secfixes":{"0":["CVE-2030-0001"],"1.2-r0":["CVE-2030-0002 GHSA-aaaa-bbbb-1ccc","XSA-108 (a note)"],"1.3-r0":["CVE-2030-0002"],"1.4-r0":["nothing"]}}},
{"pkg":{"name":"sled","secfixes":{"2-r1":["CVE-2030-0002"]}}},
{"pkg":{"name":"empty","secfixes":null}},{"pkg":{"secfixes":{}}},{"pkg":{"name":"odd","secfixes":7}}]}"#;

#[test]
fn fixes_by_package_become_records_by_vulnerability() {
    assert_eq!(Kind::detect(DATABASE.as_bytes()).map(Kind::name), Some("alpine"));
    let records = json_records("alpine", DATABASE.as_bytes());
    let shown: Vec<(&str, Vec<String>)> = records
        .iter()
        .map(|r| (r["id"].as_str().unwrap(), ranges(r)))
        .collect();
    let line = |text: &str| text.to_owned();
    assert_eq!(
        shown,
        [
            ("ALPINE-CVE-2030-0001", vec![]),
            (
                "ALPINE-CVE-2030-0002",
                vec![
                    line("Alpine:v3.18 rocket introduced=0 fixed=1.2-r0"),
                    line("Alpine:v3.18 rocket introduced=0 fixed=1.3-r0"),
                    line("Alpine:v3.18 sled introduced=0 fixed=2-r1"),
                ]
            ),
            (
                "ALPINE-GHSA-aaaa-bbbb-1ccc",
                vec![line("Alpine:v3.18 rocket introduced=0 fixed=1.2-r0")]
            ),
            (
                "ALPINE-XSA-108",
                vec![line("Alpine:v3.18 rocket introduced=0 fixed=1.2-r0")]
            ),
        ]
    );
    assert_eq!(records[1]["upstream"], serde_json::json!(["CVE-2030-0002"]));
    assert_eq!(
        records[0]["database_specific"]["native"]["never_affected"],
        serde_json::json!({"Alpine:v3.18": ["rocket"]})
    );
}

#[test]
fn entry_without_fix_is_reported() {
    assert_eq!(
        rejected("alpine", DATABASE.as_bytes()),
        [
            "/packages/0: rocket 1.4-r0: not an id: \"nothing\"",
            "/packages/3: the package has no name",
            "/packages/4: odd: expected versions, found a number",
        ]
    );
    assert_eq!(
        ignored("alpine", DATABASE.as_bytes()),
        ["/packages/2: empty: nothing was fixed"]
    );
    assert_eq!(noted("alpine", DATABASE.as_bytes()).len(), 1);
    assert!(rejected("alpine", b"{\"packages\":[]}")[0].contains("which branch"));
    let cut = &DATABASE.as_bytes()[..DATABASE.len() - 30];
    assert!(json_records("alpine", cut).len() == 4 && rejected("alpine", cut).len() > 3);
}
