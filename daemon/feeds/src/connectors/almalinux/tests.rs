use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

const ERRATA: &str = r#"{"schema_version":"1.0","data":[{"updateinfo_id":"ALSA-2030:0001","title":"Important: virt:rhel security update","description":"A flaw.",
 "issued_date":1893456000,"updated_date":1893452400,"severity":"Important","type":"security","references":[{"href":"https://example.org/c","type":"cve","id":"CVE-2030-0001"}],
 "pkglist":{"name":"almalinux-8-for-x86_64-appstream-rpms__8_1_virt","module":{"name":"virt","stream":"rhel"},"packages":[
  {"name":"libiscsi","epoch":"0","version":"1.18","release":"8.module_el8.1.0+248","arch":"x86_64"},
  {"name":"libiscsi","epoch":"0","version":"1.18","release":"8.module_el8.1.0+248","arch":"i686"},
  {"name":"bind","epoch":"32","version":"9.11","release":"1.el8","arch":"src"}]}},
 {"updateinfo_id":"XX-1"},
 {"updateinfo_id":"ALBA-2030:0002","issued_date":{"$date":1893456000000},"severity":"None","pkglist":{"packages":[]}}]}"#;

const NOTICES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><updates><update from="x" status="final" type="security" version="1">
<id>ALSA-2030:0003</id><title>Moderate: rocket security update</title><issued date="2030-11-28 00:00:00"/><updated date="2030-11-29 00:00:00"/>
<severity>Moderate</severity><summary>s</summary><description>d</description><references>
<reference href="https://example.org/c" id="CVE-2030-0001" type="cve" title="CVE-2030-0001"/><reference href="https://example.org/s" id="ALSA-2030:0003" type="self"/></references>
<pkglist><collection short="almalinux-9-for-x86_64-appstream-rpms__9_default"><name>almalinux-9</name>
<package name="rocket" version="18.18" release="1.el9" epoch="1" arch="x86_64"><filename>rocket.rpm</filename></package></collection></pkglist></update>
<update><id>BAD</id></update></updates>"#;

#[test]
fn errata_are_read_with_their_modules() {
    assert_eq!(Kind::detect(ERRATA.as_bytes()).map(Kind::name), Some("almalinux"));
    let records = json_records("almalinux", ERRATA.as_bytes());
    let record = &records[0];
    assert_eq!(record["published"], "2030-01-01T00:00:00Z");
    assert_eq!(
        record["modified"], record["published"],
        "updated may lie before issued"
    );
    assert_eq!(record["upstream"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["database_specific"]["severity"], "Important");
    assert_eq!(
        ranges(record),
        ["AlmaLinux:8 libiscsi introduced=0 fixed=1.18-8.module_el8.1.0+248"]
    );
    assert_eq!(
        record["affected"][0]["ecosystem_specific"],
        serde_json::json!({"rpmmod": "virt:rhel", "arch": ["i686", "x86_64"]})
    );
    assert_eq!(records[1]["id"], "ALBA-2030:0002");
    assert!(records[1]["database_specific"]["severity"].is_null());
    assert_eq!(
        warnings("almalinux", ERRATA.as_bytes()),
        ["the erratum names no package"]
    );
    assert!(rejected("almalinux", ERRATA.as_bytes())[0].contains("XX-1"));
    let without = ERRATA.replace("\"release\":\"1.el8\",", "");
    assert_eq!(
        warnings("almalinux", without.as_bytes())[0],
        "1 packages have no name, version or release, and no entry"
    );
}

#[test]
fn notices_of_repositories_are_read() {
    assert_eq!(
        Kind::detect(NOTICES.as_bytes()).map(Kind::name),
        Some("almalinux")
    );
    let record = &json_records("almalinux", NOTICES.as_bytes())[0];
    assert_eq!(record["id"], "ALSA-2030:0003");
    assert_eq!(record["modified"], "2030-11-29T00:00:00Z");
    assert_eq!(
        ranges(record),
        ["AlmaLinux:9 rocket introduced=0 fixed=1:18.18-1.el9"]
    );
    assert_eq!(record["references"][1]["type"], "ADVISORY");
    assert!(rejected("almalinux", NOTICES.as_bytes())[0].contains("\"BAD\""));
}

#[test]
fn package_of_several_modules_has_an_entry_for_each() {
    let text = r#"{"data":[{"id":"ALSA-2030:0004","issued_date":1893456000,"updated_date":1893456000,"packages":[
        {"name":"ocaml","epoch":"0","version":"4.07","release":"3.module_el8.4.0+2523","arch":"x86_64"},
        {"name":"plain","epoch":"0","version":"1","release":"1.el8","arch":"x86_64"}],
        "modules":[{"name":"virt","stream":"rhel"},{"name":"virt-devel","stream":"rhel"}]}]}"#;
    let record = &json_records("almalinux", text.as_bytes())[0];
    let modules: Vec<_> = record["affected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["package"]["name"].clone(),
                entry["ecosystem_specific"]["rpmmod"].clone(),
            )
        })
        .collect();
    let of = |name: &str, module: serde_json::Value| (serde_json::json!(name), module);
    assert_eq!(
        modules,
        [
            of("ocaml", "virt-devel:rhel".into()),
            of("ocaml", "virt:rhel".into()),
            of("plain", serde_json::Value::Null)
        ]
    );
}

/// A vulnerability or a list of packages in another form was lost, and only the packages were missed.
#[test]
fn single_item_in_place_of_a_list_is_read() {
    let reference = r#"{"href":"https://example.org/c","type":"cve","id":"CVE-2030-0001"}"#;
    let text = ERRATA
        .replacen(&format!("[{reference}]"), reference, 1)
        .replacen("\"pkglist\":{\"name\"", "\"pkglist\":[{\"name\"", 1)
        .replacen("\"arch\":\"src\"}]}}", "\"arch\":\"src\"}]}]}", 1);
    assert_eq!(
        json_records("almalinux", text.as_bytes())[0]["affected"],
        json_records("almalinux", ERRATA.as_bytes())[0]["affected"]
    );
    assert_eq!(
        json_records("almalinux", text.as_bytes())[0]["upstream"],
        serde_json::json!(["CVE-2030-0001"])
    );
}

#[test]
fn titles_of_references_name_or_link_vulnerabilities() {
    let of = |references: &str| {
        let reference = r#"{"href":"https://example.org/c","type":"cve","id":"CVE-2030-0001"}"#;
        let text = ERRATA.replacen(reference, references, 1);
        let record = &json_records("almalinux", text.as_bytes())[0];
        (record["upstream"].clone(), record["related"].clone())
    };
    let (cve, null) = (serde_json::json!(["CVE-2030-0007"]), serde_json::Value::Null);
    let titled = r#"{"type":"cve","id":"","title":"CVE-2030-0007"}"#;
    assert_eq!(of(titled), (cve.clone(), null.clone()));
    let bug = r#"{"type":"bugzilla","id":"17","title":"CVE-2030-0007 rocket: flaw"}"#;
    assert_eq!(of(bug), (null, cve));
}

#[test]
fn version_that_is_not_understood_leaves_its_package_undecided() {
    for version in ["18.18 or later", "&lt;18.18", "18,18"] {
        let text = NOTICES.replace("version=\"18.18\"", &format!("version=\"{version}\""));
        let record = &json_records("almalinux", text.as_bytes())[0];
        assert_eq!(ranges(record), ["AlmaLinux:9 rocket"], "{version}");
        assert!(
            warnings("almalinux", text.as_bytes())[0].contains("is not understood"),
            "{version}"
        );
    }
}
