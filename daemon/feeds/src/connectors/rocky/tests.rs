use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected};

const NOTICES: &str = r#"<updates><update type="security"><id>RLSA-2030:0001</id><title>Important: rocket security update</title>
<issued date="2030-05-03 00:00:00"/><updated date="2030-05-03 00:00:00"/><severity>Important</severity><description>d</description>
<references><reference href="https://example.org/c" id="CVE-2030-0001" type="cve" title=""/></references>
<pkglist><collection short="rocky-linux-9-x86-64-baseos-rpms"><name>n</name>
<package name="rocket" arch="x86_64" epoch="1" version="1.1.1k" release="6.el8_5"/><package name="rocket" arch="src" epoch="1" version="1.1.1k" release="6.el8_5"/></collection></pkglist></update>
<update><id>RLSA-2030:0002</id><title>cut"#;

const PAGE: &str = r#"{"advisories":[{"name":"RLSA-2030:0003","synopsis":"Important: x","severity":"SEVERITY_IMPORTANT","published_at":"2030-01-01T00:00:00Z",
 "cves":[{"cve":"CVE-2030-0002"}],"packages":[{"nevra":"sled-0:2.0-1.module+el9.1+7.x86_64.rpm","module_name":"sled","module_stream":"2","product_name":"Rocky Linux 9"},{"nevra":"odd"}]},
 {"id":"RLSA-2030:0004","modified":"2030-01-01T00:00:00Z","affected":[]},{"name":"X"}],"links":{"next":null}}"#;

#[test]
fn release_is_read_from_the_package() {
    assert_eq!(Kind::detect(NOTICES.as_bytes()).map(Kind::name), Some("rocky"));
    let records = json_records("rocky", NOTICES.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        ["Rocky Linux:8 rocket introduced=0 fixed=1:1.1.1k-6.el8_5"]
    );
    assert_eq!(
        rejected("rocky", NOTICES.as_bytes()),
        ["/update/1: the document is cut off in this element"]
    );
}

#[test]
fn pages_of_the_service_are_read_in_both_forms() {
    assert_eq!(Kind::detect(PAGE.as_bytes()).map(Kind::name), Some("rocky"));
    let records = json_records("rocky", PAGE.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        ["Rocky Linux:9 sled introduced=0 fixed=2.0-1.module+el9.1+7"]
    );
    assert_eq!(
        records[0]["affected"][0]["ecosystem_specific"]["rpmmod"],
        "sled:2"
    );
    assert_eq!(records[0]["database_specific"]["severity"], "IMPORTANT");
    assert_eq!(records[1]["id"], "RLSA-2030:0004");
    assert_eq!(rejected("rocky", PAGE.as_bytes()).len(), 1);
}

#[test]
fn errata_of_the_second_version_are_read() {
    let of = |rpms: &str| {
        let text = format!(
            r#"{{"advisories":[{{"id":1,"type":"TYPE_SECURITY","shortCode":"RL","name":"RLSA-2030:0005","synopsis":"Important: x",
             "severity":"SEVERITY_IMPORTANT","publishedAt":"2030-01-01T00:00:00Z","affectedProducts":["Rocky Linux 9"],"rpms":{rpms},
             "cves":[{{"name":"CVE-2030-0003","cvss3ScoringVector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}],"total":1}}"#
        );
        assert_eq!(Kind::detect(text.as_bytes()).map(Kind::name), Some("rocky"));
        json_records("rocky", text.as_bytes())[0].clone()
    };
    let nevra = r#"["rocket-1:2.0-1.el9_2.x86_64.rpm","rocket-1:2.0-1.el9_2.src.rpm"]"#;
    let listed = of(&format!(r#"{{"Rocky Linux 9":{nevra}}}"#));
    assert_eq!(
        ranges(&listed),
        ["Rocky Linux:9 rocket introduced=0 fixed=1:2.0-1.el9_2"]
    );
    assert_eq!(listed["published"], "2030-01-01T00:00:00Z");
    assert_eq!(listed["severity"][0]["type"], "CVSS_V3");
    let nested = of(&format!(r#"{{"Rocky Linux 9":{{"nvras":{nevra}}}}}"#));
    assert_eq!(nested["affected"], listed["affected"]);
}

#[test]
fn erratum_of_a_bug_has_its_class() {
    let class = |kind: &str| {
        let text = PAGE
            .replace("\"synopsis\"", &format!("{kind},\"synopsis\""))
            .replace("CVE-2030-0002", "");
        let record = &json_records("rocky", text.as_bytes())[0];
        record["affected"][0]["database_specific"]["informational"].clone()
    };
    assert_eq!(class(r#""kind":"Bug Fix""#), "bugfix");
    assert_eq!(class(r#""type":"TYPE_ENHANCEMENT""#), "enhancement");
    assert!(class(r#""kind":"Security""#).is_null());
}

#[test]
fn worst_of_several_vulnerabilities_rates_the_erratum() {
    let cves = r#"{"cve":"CVE-2030-0001","cvss3_scoring_vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N","cvss3_base_score":"5.3"},
        {"cve":"CVE-2030-0002","cvss3_scoring_vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","cvss3_base_score":"9.8"}"#;
    let text = PAGE.replace(r#"{"cve":"CVE-2030-0002"}"#, cves);
    let record = &json_records("rocky", text.as_bytes())[0];
    assert_eq!(
        record["severity"][0]["score"],
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    );
    assert_eq!(record["severity"].as_array().unwrap().len(), 2);
    // One of unknown severity may be the important one.
    let partial = text
        .replace("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "UNKNOWN")
        .replace("9.8", "UNKNOWN");
    let record = &json_records("rocky", partial.as_bytes())[0];
    assert!(record["severity"].is_null());
    assert_eq!(record["database_specific"]["severity"], "IMPORTANT");
    let moderate = partial.replace("SEVERITY_IMPORTANT", "Moderate");
    let record = &json_records("rocky", moderate.as_bytes())[0];
    assert_eq!(record["severity"].as_array().unwrap().len(), 1);
}

/// A vulnerability or a package in another form was lost.
#[test]
fn packages_and_vulnerabilities_are_read_in_every_form() {
    let nevra = r#"{"nevra":"sled-0:2.0-1.module+el9.1+7.x86_64.rpm","module_name":"sled","module_stream":"2","product_name":"Rocky Linux 9"},{"nevra":"odd"}"#;
    let packages_of = |packages: &str| {
        let text = PAGE.replacen(&format!("[{nevra}]"), packages, 1);
        ranges(&json_records("rocky", text.as_bytes())[0])
    };
    for packages in [
        r#"["sled-1:2.0-1.el9.x86_64.rpm"]"#,
        r#"{"nevra":"sled-1:2.0-1.el9.x86_64"}"#,
        r#"[{"name":"sled","epoch":1,"version":"2.0","release":"1.el9","arch":"x86_64"}]"#,
        r#"null,"rpms":["sled-1:2.0-1.el9.x86_64"]"#,
    ] {
        assert_eq!(
            packages_of(packages),
            ["Rocky Linux:9 sled introduced=0 fixed=1:2.0-1.el9"],
            "{packages}"
        );
    }
    let text = PAGE
        .replacen(r#"[{"cve":"CVE-2030-0002"}]"#, r#"{"cve":"CVE-2030-0002"}"#, 1)
        .replacen(
            "\"cves\"",
            r#""fixes":[{"ticket":"1","description":"CVE-2030-0009 sled: flaw"}],"cves""#,
            1,
        );
    let record = &json_records("rocky", text.as_bytes())[0];
    assert_eq!(record["upstream"], serde_json::json!(["CVE-2030-0002"]));
    assert_eq!(record["related"], serde_json::json!(["CVE-2030-0009"]));
}
