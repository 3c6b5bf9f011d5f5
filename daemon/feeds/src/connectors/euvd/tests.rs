use super::super::Kind;
use super::super::tests::{ignored, json_records, rejected, warnings};

const PAGE: &str = r#"{"items":[{"id":"EUVD-2030-1","enisaUuid":"u","description":"A flaw.","datePublished":"Apr 8, 2030, 8:18:05 AM","dateUpdated":"Apr 9, 2030, 8:18:05 PM",
 "baseScore":9.8,"baseScoreVersion":"3.1","baseScoreVector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","references":"https://example.org/a\nhttps://example.org/b\n",
 "aliases":"CVE-2030-0001\nGHSA-aaaa-bbbb-cccc\n","assigner":"acme","epss":72.95,"enisaIdProduct":[{"id":"p","product":{"name":"Rocket"},"product_version":"6.6 <6.6.85"}]},
 {"id":"EUVD-2030-2","description":"** REJECT ** no","datePublished":"","dateUpdated":"Apr 9, 2030, 8:18:05 PM","baseScore":0,"baseScoreVersion":"","baseScoreVector":"AV:N/AC:L/Au:N/C:N/I:N/A:N",
  "aliases":"CVE-2030-0002\nCVE-2030-0003\na/../b\n","references":""},{"id":"X"}],"total":2}"#;

#[test]
fn entry_names_are_read_from_lines() {
    assert_eq!(Kind::detect(PAGE.as_bytes()).map(Kind::name), Some("euvd"));
    let records = json_records("euvd", PAGE.as_bytes());
    let record = &records[0];
    assert_eq!(
        record["aliases"],
        serde_json::json!(["CVE-2030-0001", "GHSA-aaaa-bbbb-cccc"])
    );
    assert_eq!(record["modified"], "2030-04-09T20:18:05Z");
    assert_eq!(record["references"].as_array().unwrap().len(), 2);
    assert_eq!(
        record["severity"].as_array().unwrap().len(),
        1,
        "a percentage is not an EPSS score"
    );
    assert_eq!(record["database_specific"]["native"]["epss"], 72.95);
    assert!(
        records[1]["aliases"].is_null(),
        "two CVE records are not one vulnerability"
    );
    assert_eq!(
        records[1]["upstream"],
        serde_json::json!(["CVE-2030-0002", "CVE-2030-0003"])
    );
    assert_eq!(records[1]["withdrawn"], "2030-04-09T20:18:05Z");
    assert_eq!(records[1]["severity"][0]["type"], "CVSS_V2");
    assert_eq!(
        warnings("euvd", PAGE.as_bytes()),
        ["not a name of a vulnerability: \"a/../b\""]
    );
    assert_eq!(rejected("euvd", PAGE.as_bytes()).len(), 1);
    assert_eq!(
        ignored("euvd", br#"{"items":[],"total":450486}"#).len(),
        1,
        "the page after the last"
    );
}

#[test]
fn names_may_stand_in_one_line_or_a_list() {
    for (aliases, expected) in [
        (r#""CVE-2030-0001, GHSA-a""#, &["CVE-2030-0001", "GHSA-a"][..]),
        (r#"["CVE-2030-0001","GHSA-a"]"#, &["CVE-2030-0001", "GHSA-a"]),
        (r#""CVE-2030-0001\nCVE-2030-0001""#, &["CVE-2030-0001"]),
    ] {
        let text = format!(r#"{{"id":"EUVD-2030-1","aliases":{aliases}}}"#);
        let record = &json_records("euvd", text.as_bytes())[0];
        assert_eq!(record["aliases"], serde_json::json!(expected), "{aliases}");
    }
}

#[test]
fn version_of_a_vector_may_be_a_number() {
    let text = r#"{"id":"EUVD-2030-1","baseScoreVersion":3.1,"baseScoreVector":"AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#;
    let record = &json_records("euvd", text.as_bytes())[0];
    assert_eq!(
        record["severity"][0]["score"],
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    );
}

#[test]
fn rejection_is_recognised_by_its_prefix() {
    for (description, is_rejected) in [
        ("** REJECT ** no", true),
        ("**REJECT** no", true),
        ("** REJECTED ** no", true),
        ("Rejected reason: no", true),
        ("REJECT packets are not handled", false),
        ("** RESERVED **", false),
        ("* REJECT rules are bypassed", false),
    ] {
        let text = format!(
            r#"{{"id":"EUVD-2030-1","description":"{description}","dateUpdated":"Apr 9, 2030, 8:18:05 PM"}}"#
        );
        let record = &json_records("euvd", text.as_bytes())[0];
        assert_eq!(record["withdrawn"].is_string(), is_rejected, "{description}");
    }
}

#[test]
fn score_without_a_vector_is_a_word() {
    let of = |members: &str| {
        let text = format!(r#"{{"id":"EUVD-2030-1",{members}}}"#);
        json_records("euvd", text.as_bytes())[0]["database_specific"]["severity"].clone()
    };
    assert_eq!(
        of(r#""baseScore":9.8,"baseScoreVersion":"3.1","baseScoreVector":"""#),
        "CRITICAL"
    );
    assert_eq!(of(r#""baseScore":"9.8","baseScoreVersion":"2.0""#), "HIGH");
    assert_eq!(of(r#""baseScore":7.5,"baseScoreVector":"unreadable""#), "HIGH");
    for none in [r#""baseScore":0"#, r#""baseScore":-1"#, r#""baseScore":null"#] {
        assert!(of(none).is_null(), "{none}");
    }
    let vector = r#""baseScore":9.8,"baseScoreVector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H""#;
    assert!(of(vector).is_null(), "its vector says it");
}

#[test]
fn member_of_another_type_is_reported() {
    let text = r#"{"id":"EUVD-2030-1","aliases":["CVE-2030-0001",7],"references":{"a":1},"description":["x"],"dateUpdated":7,"baseScoreVector":null}"#;
    let record = &json_records("euvd", text.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    let warned = warnings("euvd", text.as_bytes());
    for key in ["aliases", "references", "description", "dateUpdated"] {
        assert!(
            warned.contains(&format!("{key}: expected a text")),
            "{key}: {warned:?}"
        );
    }
}

#[test]
fn names_and_addresses_may_be_separated_by_blanks() {
    let text = r#"{"id":"EUVD-2030-1","aliases":"CVE-2030-0001 GHSA-a","references":"https://example.org/a https://example.org/b"}"#;
    let record = &json_records("euvd", text.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001", "GHSA-a"]));
    assert_eq!(record["references"].as_array().unwrap().len(), 2);
    assert_eq!(
        Kind::detect(b"{ \"items\" : [ ], \"total\": 7 }").map(Kind::name),
        Some("euvd")
    );
}
