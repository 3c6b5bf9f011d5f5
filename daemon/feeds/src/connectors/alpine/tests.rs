use super::super::Kind;
use super::super::tests::{ignored, json_records, noted, ranges, rejected, warnings};

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

/// Returns the ids of the records of a text in the place of an id.
fn ids_of(text: &str) -> Vec<String> {
    let database = DATABASE.replace("\"XSA-108 (a note)\"", text);
    let records = json_records("alpine", database.as_bytes());
    let ids = records
        .iter()
        .map(|record| record["upstream"][0].as_str().unwrap_or_default().to_owned());
    let known = ["CVE-2030-0001", "CVE-2030-0002", "GHSA-aaaa-bbbb-1ccc"];
    ids.filter(|id| !known.contains(&id.as_str())).collect()
}

#[test]
fn ids_are_read_in_any_spelling() {
    for (text, ids) in [
        ("CVE-2030-0003;", &["CVE-2030-0003"][..]),
        ("CVE-2030-0003:", &["CVE-2030-0003"]),
        ("[CVE-2030-0003]", &["CVE-2030-0003"]),
        ("CVE-2030-0003/CVE-2030-0004", &["CVE-2030-0003", "CVE-2030-0004"]),
        ("CVE-2030-0003 | XSA-1", &["CVE-2030-0003", "XSA-1"]),
        ("cve-2030-0003", &["CVE-2030-0003"]),
        ("CVE_2030-0003", &["CVE-2030-0003"]),
        ("CVE 2030-0003", &["CVE-2030-0003"]),
        ("CVE\u{2011}2030\u{2011}0003", &["CVE-2030-0003"]),
        ("VSV00001", &["VSV00001"]),
        ("GHSA-jjjj-qqqq-xxxx", &["GHSA-jjjj-qqqq-xxxx"]),
    ] {
        assert_eq!(ids_of(&format!("\"{text}\"")), ids, "{text}");
    }
    let alone = DATABASE.replace("[\"CVE-2030-0001\"]", "\"CVE-2030-0001\"");
    assert_eq!(json_records("alpine", alone.as_bytes()).len(), 4);
}

#[test]
fn database_without_packages_is_empty() {
    let empty = r#"{"distroversion":"v3.2","reponame":"main","urlprefix":"https://dl.alpinelinux.org/alpine","packages":null}"#;
    assert!(rejected("alpine", empty.as_bytes()).is_empty());
    assert!(ignored("alpine", empty.as_bytes())[0].contains("without any package"));
}

#[test]
fn database_in_yaml_is_the_same() {
    let yaml = "apkurl: '{{urlprefix}}/x'\narchs:\n- x86_64\nreponame: main\nurlprefix: https://dl-cdn.alpinelinux.org/alpine\ndistroversion: v3.18\npackages:\n- pkg:\n    name: rocket\n    secfixes:\n      0:\n      - CVE-2030-0001\n      1.10:\n      - CVE-2030-0002 GHSA-aaaa-bbbb-1ccc\n- pkg:\n    name: empty\n    secfixes: null\n";
    assert_eq!(Kind::detect(yaml.as_bytes()).map(Kind::name), Some("alpine"));
    let records = json_records("alpine", yaml.as_bytes());
    let ids: Vec<&str> = records
        .iter()
        .filter_map(|record| record["id"].as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "ALPINE-CVE-2030-0001",
            "ALPINE-CVE-2030-0002",
            "ALPINE-GHSA-aaaa-bbbb-1ccc"
        ]
    );
    assert!(ranges(&records[0]).is_empty());
    assert_eq!(
        ranges(&records[1]),
        ["Alpine:v3.18 rocket introduced=0 fixed=1.10"]
    );
    assert_eq!(
        ignored("alpine", yaml.as_bytes()),
        ["/packages/1: empty: nothing was fixed"]
    );
    let broken = yaml.replace("reponame: main", "reponame: [main");
    assert!(rejected("alpine", broken.as_bytes())[0].contains("reading YAML"));
}

#[test]
fn version_that_is_not_understood_leaves_its_package_undecided() {
    for version in ["banana", "< 1.3-r0", "1.3-r0, 1.4-r0", "v1.3-r0", ""] {
        let text = format!(
            r#"{{"reponame":"main","urlprefix":"https://dl.alpinelinux.org/alpine","distroversion":"v3.18","packages":[
{{"pkg":{{"name":"rocket","secfixes":{{"{version}":["CVE-2030-0001"],"1.2-r0":["CVE-2030-0002"]}}}}}}]}}"#
        );
        let records = json_records("alpine", text.as_bytes());
        assert_eq!(ranges(&records[0]), ["Alpine:v3.18 rocket"], "{version}");
        assert_eq!(
            warnings("alpine", text.as_bytes()),
            [format!("rocket: the version \"{version}\" is not understood")]
        );
    }
}

#[test]
fn branch_has_one_spelling() {
    for (branch, ecosystem) in [("3.18", "v3.18"), ("V3.18 ", "v3.18"), ("Edge", "edge")] {
        let text = DATABASE.replace("v3.18", branch);
        let records = json_records("alpine", text.as_bytes());
        assert!(
            ranges(&records[1])[0].starts_with(&format!("Alpine:{ecosystem} ")),
            "{branch}"
        );
    }
}
