use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

const PAGE: &str = r#"[{"ghsa_id":"GHSA-aaaa-bbbb-cccc","cve_id":"CVE-2030-0001","summary":"s","description":"d","severity":"medium",
 "identifiers":[{"type":"GHSA","value":"GHSA-aaaa-bbbb-cccc"},{"type":"CVE","value":"CVE-2030-0001"}],"references":["https://example.org/r"],"html_url":"https://example.org/h",
 "published_at":"2030-01-01T00:00:00Z","updated_at":"2030-01-02T00:00:00Z","withdrawn_at":null,
 "vulnerabilities":[{"package":{"ecosystem":"pip","name":"Rocket"},"vulnerable_version_range":">= 1.0, < 1.2.3","first_patched_version":"1.2.3"},
  {"package":{"ecosystem":"npm","name":"@acme/rocket"},"vulnerable_version_range":"= 2.0.0","first_patched_version":null},
  {"package":{"ecosystem":"rust","name":"sled"},"vulnerable_version_range":"<= 3.0","first_patched_version":{"identifier":"3.1"}},
  {"package":{"ecosystem":"maven","name":"a:b"},"vulnerable_version_range":"before 3","first_patched_version":null},
  {"package":{"ecosystem":"other","name":"x"},"vulnerable_version_range":""}],
 "cvss_severities":{"cvss_v3":{"vector_string":"CVSS:3.1/AV:N/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:H","score":7.6},"cvss_v4":{"vector_string":null,"score":0.0}},
 "cwes":[{"cwe_id":"CWE-79","name":"x"}]},{"ghsa_id":"X"}]"#;

#[test]
fn advisory_of_the_interface_becomes_a_record() {
    assert_eq!(Kind::detect(PAGE.as_bytes()).map(Kind::name), Some("ghsa"));
    let record = &json_records("ghsa", PAGE.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(
        ranges(record),
        [
            "PyPI Rocket introduced=1.0 fixed=1.2.3",
            "npm @acme/rocket ==2.0.0",
            "crates.io sled introduced=0 fixed=3.1",
            "Maven a:b introduced=0",
        ]
    );
    assert_eq!(record["severity"].as_array().unwrap().len(), 1);
    assert_eq!(record["database_specific"]["severity"], "MEDIUM");
    assert_eq!(
        record["affected"][2]["database_specific"]["last_known_affected_version_range"],
        "<= 3.0"
    );
    assert_eq!(warnings("ghsa", PAGE.as_bytes()).len(), 2);
    assert!(rejected("ghsa", PAGE.as_bytes())[0].contains("not the id"));
}

#[test]
fn several_cve_records_are_not_aliases_of_each_other() {
    let text = PAGE.replace(
        r#"{"type":"CVE","value":"CVE-2030-0001"}"#,
        r#"{"type":"CVE","value":"CVE-2030-0001"},{"type":"CVE","value":"CVE-2030-0002"}"#,
    );
    let record = &json_records("ghsa", text.as_bytes())[0];
    assert!(record["aliases"].is_null());
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
}

#[test]
fn older_member_has_the_vector_if_the_newer_one_is_empty() {
    let vector = "CVSS:3.1/AV:N/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:H";
    let text = format!(
        r#"[{{"ghsa_id":"GHSA-aaaa-bbbb-cccc","cvss":{{"vector_string":"{vector}","score":7.6}},"cvss_severities":{{"cvss_v3":null,"cvss_v4":null}}}}]"#
    );
    let record = &json_records("ghsa", text.as_bytes())[0];
    assert_eq!(record["severity"][0]["score"], vector);
}

#[test]
fn patched_version_before_the_last_affected_one_ends_nothing() {
    let text = PAGE.replace(r#""identifier":"3.1""#, r#""identifier":"2.9.1""#);
    let record = &json_records("ghsa", text.as_bytes())[0];
    assert_eq!(ranges(record)[2], "crates.io sled introduced=0 last_affected=3.0");
    assert_eq!(
        record["affected"][2]["database_specific"]["first_patched_version"],
        "2.9.1"
    );
}

/// Returns the page with the first package's range and patched version changed, as its rules and own data.
fn first_package(range: &str, patched: &str) -> (String, serde_json::Value) {
    let text = PAGE
        .replace(">= 1.0, < 1.2.3", range)
        .replace(r#""first_patched_version":"1.2.3""#, patched);
    let record = &json_records("ghsa", text.as_bytes())[0];
    let own = record["affected"][0]["database_specific"].clone();
    (
        ranges(record)[0].trim_start_matches("PyPI Rocket ").to_owned(),
        own,
    )
}

#[test]
fn range_ends_as_in_githubs_own_records() {
    let fix = r#""first_patched_version":"1.2.4""#;
    let none = r#""first_patched_version":null"#;
    let word = r#""first_patched_version":"None""#;
    let known = "last_known_affected_version_range";
    for (range, patched, expected, key, stated) in [
        (">= 1.0, < 1.2.3", none, "introduced=1.0", known, "< 1.2.3"),
        (">= 1.0, < 1.2.3", word, "introduced=1.0", known, "< 1.2.3"),
        ("< 1.2.3", fix, "introduced=0 fixed=1.2.4", known, "< 1.2.3"),
        ("<= 1.2.3", none, "introduced=0 last_affected=1.2.3", known, ""),
        ("< 1.2.4", fix, "introduced=0 fixed=1.2.4", known, ""),
        (
            "< 2.0",
            fix,
            "introduced=0 fixed=2.0",
            "first_patched_version",
            "1.2.4",
        ),
        ("> 1.0", fix, "introduced=1.0 fixed=1.2.4", known, ""),
        ("= 1.2.3", fix, "introduced=1.2.3 fixed=1.2.4", known, ""),
        ("= 1.2.3", none, "==1.2.3", known, ""),
        ("= 2.0", fix, "==2.0", "first_patched_version", "1.2.4"),
    ] {
        let (rules, own) = first_package(range, patched);
        assert_eq!(rules, expected, "{range} {patched}");
        assert_eq!(own[key].as_str().unwrap_or_default(), stated, "{range} {patched}");
    }
}

#[test]
fn patched_versions_of_a_repository_are_a_fix_if_they_are_one() {
    for (patched, expected) in [
        ("1.2.4", "introduced=1.0 fixed=1.2.4"),
        (">= 1.2.4", "introduced=1.0 fixed=1.2.4"),
        (" v1.2.3 ", "introduced=1.0 fixed=1.2.3"),
        ("", "introduced=1.0"),
        ("None", "introduced=1.0"),
        ("1.2.4, 2.0.1", "introduced=1.0"),
        ("> 1.2.3", "introduced=1.0"),
    ] {
        let (rules, _) = first_package(">= 1.0, < 1.2.3", &format!(r#""patched_versions":"{patched}""#));
        assert_eq!(rules, expected, "{patched}");
    }
    let several = PAGE.replace(
        r#""first_patched_version":"1.2.3""#,
        r#""patched_versions":"1.2.4, 2.0.1""#,
    );
    let warned = warnings("ghsa", several.as_bytes());
    assert!(
        warned.iter().any(|text| text.contains("not a single one")),
        "{warned:?}"
    );
}

#[test]
fn state_of_a_repositorys_advisory_is_evaluated() {
    let of = |state: &str, more: &str| {
        PAGE.replace(
            r#""withdrawn_at":null"#,
            &format!(r#""withdrawn_at":null,"state":"{state}"{more}"#),
        )
    };
    let withdrawn = |text: &str| json_records("ghsa", text.as_bytes())[0]["withdrawn"].clone();
    assert!(withdrawn(&of("published", "")).is_null());
    assert_eq!(
        withdrawn(&of("closed", r#","closed_at":"2030-02-01T00:00:00Z""#)),
        "2030-02-01T00:00:00Z"
    );
    assert_eq!(withdrawn(&of("withdrawn", "")), "2030-01-02T00:00:00Z");
    let draft = of("draft", "");
    assert!(withdrawn(&draft).is_null());
    let warned = warnings("ghsa", draft.as_bytes());
    assert!(
        warned.iter().any(|text| text.contains("not published")),
        "{warned:?}"
    );
}

#[test]
fn single_package_without_its_list_is_read() {
    let text = r#"[{"ghsa_id":"GHSA-aaaa-bbbb-cccc","updated_at":"2030-01-01T00:00:00Z",
        "vulnerabilities":{"package":{"ecosystem":"npm","name":"p"},"vulnerable_version_range":"< 2.0","first_patched_version":2.0}}]"#;
    let record = &json_records("ghsa", text.as_bytes())[0];
    assert_eq!(ranges(record), ["npm p introduced=0 fixed=2.0"]);
    assert_eq!(
        warnings("ghsa", text.as_bytes()),
        ["vulnerabilities is an object instead of a list, and is read as its only entry"]
    );
}
