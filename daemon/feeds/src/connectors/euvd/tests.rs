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
fn rejection_is_known_by_its_mark() {
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
