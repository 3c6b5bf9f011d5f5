use super::super::tests::{json_records, ranges, warnings};

const DOCUMENT: &str = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"SUSE CVE CVE-2030-0001","publisher":{"namespace":"https://www.suse.com/"},
 "tracking":{"id":"CVE-2030-0001","status":"interim","initial_release_date":"2030-01-01T00:00:00Z","current_release_date":"2030-01-02T00:00:00Z"}},
"product_tree":{"branches":[{"category":"vendor","name":"SUSE","branches":[
  {"category":"product_name","name":"SUSE Linux Enterprise Server 15 SP3","product":{"name":"S","product_id":"SUSE Linux Enterprise Server 15 SP3"}},
  {"category":"product_version","name":"bind-9.16-1.1","product":{"name":"b","product_id":"bind-9.16-1.1"}}]}],
 "relationships":[
  {"full_product_name":{"product_id":"SUSE Linux Enterprise Server 15 SP3:bind-9.16-1.1"},"product_reference":"bind-9.16-1.1","relates_to_product_reference":"SUSE Linux Enterprise Server 15 SP3"},
  {"full_product_name":{"product_id":"openSUSE Tumbleweed:bind-9.18-1.1.x86_64"},"product_reference":"bind-9.18-1.1.x86_64","relates_to_product_reference":"openSUSE Tumbleweed"},
  {"full_product_name":{"product_id":"openSUSE Leap 15.5:bind"},"product_reference":"bind","relates_to_product_reference":"openSUSE Leap 15.5"},
  {"full_product_name":{"product_id":"openSUSE Leap 15.4:bind"},"product_reference":"bind","relates_to_product_reference":"openSUSE Leap 15.4"}]},
"vulnerabilities":[{"cve":"CVE-2030-0001","product_status":{"fixed":["SUSE Linux Enterprise Server 15 SP3:bind-9.16-1.1","openSUSE Tumbleweed:bind-9.18-1.1.x86_64","SUSE Linux Enterprise Server 15 SP3"],
  "known_affected":["openSUSE Leap 15.5:bind"],"known not affected":["openSUSE Leap 15.4:bind"]},
  "threats":[{"category":"impact","details":"moderate"}]}]}"#;

#[test]
fn products_are_named_as_in_the_osv_records_of_suse() {
    let record = &json_records("suse", DOCUMENT.as_bytes())[0];
    assert_eq!(
        ranges(record),
        [
            "SUSE:Linux Enterprise Server 15 SP3 bind introduced=0 fixed=9.16-1.1",
            "openSUSE:Leap 15.5 bind introduced=0",
            "openSUSE:Tumbleweed bind introduced=0 fixed=9.18-1.1",
        ]
    );
    assert_eq!(record["database_specific"]["severity"], "moderate");
    assert_eq!(record["affected"][1]["database_specific"]["fix_state"], "none");
    assert_eq!(
        warnings("suse", DOCUMENT.as_bytes()),
        ["1 products are not packages of a product, and have no entry"]
    );
}

#[test]
fn recommended_builds_are_the_fixed_ones() {
    let recommended = DOCUMENT.replace("\"fixed\":", "\"recommended\":");
    assert_eq!(
        ranges(&json_records("suse", recommended.as_bytes())[0]),
        ranges(&json_records("suse", DOCUMENT.as_bytes())[0])
    );
}

#[test]
fn fixed_builds_of_any_release_are_read() {
    for (build, range) in [
        (
            "bind-9.16-slfo.1.1_1.2",
            "bind introduced=0 fixed=9.16-slfo.1.1_1.2",
        ),
        ("bind-9.16-lp155.2.1", "bind introduced=0 fixed=9.16-lp155.2.1"),
        ("bind-P4-0.6.1", "bind introduced=0 fixed=P4-0.6.1"),
        ("bind", "bind"),
        ("libgtk-3-0", "libgtk-3-0"),
    ] {
        let text = DOCUMENT.replace("bind-9.16-1.1", build);
        let record = &json_records("suse", text.as_bytes())[0];
        let server = "SUSE:Linux Enterprise Server 15 SP3";
        assert!(ranges(record).contains(&format!("{server} {range}")), "{build}");
        let is_reported = warnings("suse", text.as_bytes())[0].contains("has no version");
        assert_eq!(is_reported, build == "bind" || build == "libgtk-3-0");
    }
}

#[test]
fn affected_source_package_has_its_name() {
    let text = DOCUMENT
        .replace("openSUSE Leap 15.5:bind", "openSUSE Leap 15.5:bind.src")
        .replace(
            r#""product_reference":"bind","relates_to_product_reference":"openSUSE Leap 15.5""#,
            r#""product_reference":"bind.src","relates_to_product_reference":"openSUSE Leap 15.5""#,
        );
    assert_eq!(
        ranges(&json_records("suse", text.as_bytes())[0]),
        ranges(&json_records("suse", DOCUMENT.as_bytes())[0])
    );
}

#[test]
fn numbers_at_the_end_of_a_name_are_not_a_version() {
    for (component, name) in [
        ("libwebkit2gtk-4_0-37", "libwebkit2gtk-4_0-37"),
        ("libgtk-3-0", "libgtk-3-0"),
        ("libglib-2_0-0.x86_64", "libglib-2_0-0"),
        ("bind-9.16.6-150400.6.1.x86_64", "bind"),
        ("xen-4.17-lp155.1.2", "xen"),
    ] {
        assert_eq!(super::name_of_affected(component), name);
    }
}

#[test]
fn blanks_and_capitals_hide_neither_a_fix_nor_a_severity() {
    let text = DOCUMENT.replace("\"fixed\":", "\" Fixed \":").replace(
        "\"title\":",
        "\"aggregate_severity\":{\"text\":\"none\"},\"title\":",
    );
    let record = &json_records("suse", text.as_bytes())[0];
    assert_eq!(
        ranges(record),
        ranges(&json_records("suse", DOCUMENT.as_bytes())[0])
    );
    assert_eq!(record["database_specific"]["severity"], "moderate");
}

#[test]
fn package_url_of_a_component_names_it() {
    let component = r#""product_id":"bind-9.16-1.1""#;
    for (url, range) in [
        (
            "pkg:rpm/suse/bind-1@9.16-1?upstream=bind-9.16-1.src.rpm",
            "bind-1 introduced=0 fixed=9.16-1",
        ),
        ("pkg:rpm/suse/gtk%2B@9-1.1", "gtk+ introduced=0 fixed=9-1.1"),
        (
            "pkg:rpm/suse/bind@?upstream=bind.src.rpm",
            "bind introduced=0 fixed=9.16-1.1",
        ),
        ("pkg:deb/debian/bind@1", "bind introduced=0 fixed=9.16-1.1"),
    ] {
        let with = format!(r#"{component},"product_identification_helper":{{"purl":"{url}"}}"#);
        let text = DOCUMENT.replace(component, &with);
        assert_eq!(
            ranges(&json_records("suse", text.as_bytes())[0])[0],
            format!("SUSE:Linux Enterprise Server 15 SP3 {range}"),
            "{url}"
        );
        let text = text
            .replace("\"fixed\":", "\"known_affected\":")
            .replace("\"known_affected\":[\"openSUSE", "\"x\":[\"openSUSE");
        let name = range.split(' ').next().unwrap();
        assert!(
            ranges(&json_records("suse", text.as_bytes())[0]).contains(&format!(
                "SUSE:Linux Enterprise Server 15 SP3 {name} introduced=0"
            )),
            "{url}"
        );
    }
}

#[test]
fn product_without_a_relationship_is_read_by_its_id() {
    let relation = r#"{"full_product_name":{"product_id":"SUSE Linux Enterprise Server 15 SP3:bind-9.16-1.1"},"product_reference":"bind-9.16-1.1","relates_to_product_reference":"SUSE Linux Enterprise Server 15 SP3"},"#;
    let text = DOCUMENT.replace(relation, "");
    assert_eq!(
        ranges(&json_records("suse", text.as_bytes())[0]),
        ranges(&json_records("suse", DOCUMENT.as_bytes())[0])
    );
    assert!(
        warnings("suse", text.as_bytes())
            .iter()
            .any(|warning| warning.contains("is not in the product tree"))
    );
}
