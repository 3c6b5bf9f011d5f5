use super::super::Kind;
use super::super::tests::{json_records, noted, ranges, rejected, warnings};

/// Returns a definition with this version, whose package was fixed in this one.
fn definition(version: u32, title: &str, reference: &str, evr: &str) -> String {
    format!(
        r#"<definition id="oval:com.oracle.elsa:def:2030" version="{version}" class="patch"><metadata><title>
{title}  Moderate: rocket security update  (MODERATE)
</title>{reference}<reference source="CVE" ref_id="CVE-2030-0001" ref_url="https://example.org/c"/><description> [1] x </description>
<!-- ~~~ --><advisory><severity>MODERATE</severity><issued date="2030-06-26"/>
<cve cvss4="9.3/CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N" cvss3="5.9/CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H" cvss2="7.8/AV:N/AC:L/Au:N/C:N/I:N/A:C">CVE-2030-0001</cve></advisory></metadata>
<criteria operator="AND"><criterion comment="Oracle Linux 8 is installed"/><criterion comment="Module virt:kvm_utils is enabled"/><criteria operator="OR"><criteria operator="AND">
<criterion comment="Oracle Linux arch is x86_64"/><criteria operator="OR"><criteria operator="AND"><criterion comment="rocket is earlier than {evr}"/><criterion comment="rocket is signed with the key"/></criteria>
<criterion comment="openssl is earlier than 1.1.1g-15.ksplice1.el8_3"/><criterion comment="openssl is earlier than 0:1.1.1k-12.el8_9.FIPS"/><criterion comment="moon is full"/></criteria></criteria></criteria></criteria></definition>"#
    )
}

#[test]
fn highest_version_number_of_a_definition_applies() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let document = format!(
        "<oval_definitions><definitions>{}{}{}<definition/></definitions></oval_definitions>",
        definition(900, "ELSA-2030-0001:", reference, "30:1.0-1.el8"),
        definition(1000, "ELSA-2030-0001:", reference, "30:2.0-1.el8"),
        definition(1, "ELSA-2030:0002:", "", "0:3.0-1.el8"),
    );
    assert_eq!(Kind::detect(document.as_bytes()).map(Kind::name), Some("oracle"));
    let records = json_records("oracle", document.as_bytes());
    assert_eq!(records[0]["id"], "ELSA-2030-0001");
    assert_eq!(
        records[0]["summary"],
        "ELSA-2030-0001: Moderate: rocket security update (MODERATE)"
    );
    assert_eq!(
        ranges(&records[0]),
        ["Oracle Linux:8 rocket introduced=0 fixed=30:2.0-1.el8"]
    );
    assert_eq!(
        records[0]["affected"][0]["ecosystem_specific"],
        serde_json::json!({"rpmmod": "virt:kvm_utils", "arch": ["x86_64"]})
    );
    assert_eq!(records[0]["severity"][0]["type"], "CVSS_V4");
    assert_eq!(records[0]["severity"][2]["type"], "CVSS_V3");
    assert_eq!(records[0]["database_specific"]["severity"], "MODERATE");
    assert_eq!(records[0]["upstream"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(records[1]["id"], "ELSA-2030-0002", "of a title in the other form");
    assert_eq!(
        ranges(&records[1]),
        ["Oracle Linux:8 rocket introduced=0 fixed=3.0-1.el8"]
    );
    assert_eq!(noted("oracle", document.as_bytes()).len(), 1);
    assert_eq!(
        rejected("oracle", document.as_bytes()),
        ["/definition/3: the definition names no advisory"]
    );
    assert_eq!(
        warnings("oracle", document.as_bytes())[..2],
        [
            "2 builds of ksplice and FIPS have no epoch of their own, and no entry",
            "the criterion \"moon is full\" is not understood"
        ]
    );
}

/// Their fixes were lost, and they counted as newer than the plain builds' ones.
#[test]
fn builds_with_an_epoch_of_their_own_have_ranges_in_it() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let text = definition(1, "ELSA-2030-0001:", reference, "1-1.el8")
        .replace("1.1.1g-15.ksplice1", "2:1.1.1g-15.ksplice1")
        .replace("0:1.1.1k-12.el8_9.FIPS", "10:1.1.1k-12.el8_9.FIPS");
    let document = format!("<oval_definitions><definitions>{text}</definitions></oval_definitions>");
    assert_eq!(
        ranges(&json_records("oracle", document.as_bytes())[0]),
        [
            "Oracle Linux:8 openssl introduced=10:0 fixed=10:1.1.1k-12.el8_9.FIPS",
            "Oracle Linux:8 openssl introduced=2:0 fixed=2:1.1.1g-15.ksplice1.el8_3",
            "Oracle Linux:8 rocket introduced=0 fixed=1-1.el8"
        ]
    );
    assert_eq!(
        warnings("oracle", document.as_bytes())[0],
        "the criterion \"moon is full\" is not understood"
    );
}

#[test]
fn worst_of_several_vulnerabilities_rates_the_definition() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let second = r#"</cve><cve cvss3="9.8/CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" cvss4="N/A">CVE-2030-0002</cve></advisory>"#;
    let text = definition(1, "ELSA-2030-0001:", reference, "1-1").replace("</cve></advisory>", second);
    let document = format!("<oval_definitions><definitions>{text}</definitions></oval_definitions>");
    let record = &json_records("oracle", document.as_bytes())[0];
    let list = record["severity"].as_array().unwrap();
    let third = list.iter().find(|one| one["type"] == "CVSS_V3").unwrap();
    assert_eq!(third["score"], "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
    assert_eq!((list.len(), record["upstream"].as_array().unwrap().len()), (4, 2));
    let partial = document
        .replace("9.8/CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "N/A")
        .replace("9.3/CVSS:4.0", "5.9/CVSS:4.0")
        .replace("7.8/AV", "5.0/AV");
    let of = |word: &str| {
        let text = partial.replace("<severity>MODERATE", &format!("<severity>{word}"));
        json_records("oracle", text.as_bytes())[0]["severity"].clone()
    };
    assert!(
        of("IMPORTANT").is_null(),
        "the one without a vector may be the important one"
    );
    assert!(of("MODERATE").is_array());
}

#[test]
fn own_kernel_begins_at_its_version_line() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let of = |name: &str, evr: &str| {
        let text = definition(1, "ELSA-2030-0001:", reference, evr)
            .replace("rocket is earlier", &format!("{name} is earlier"));
        let document = format!("<oval_definitions><definitions>{text}</definitions></oval_definitions>");
        ranges(&json_records("oracle", document.as_bytes())[0])
    };
    assert_eq!(
        of("kernel-uek", "0:5.4.17-2136.302.7.2.el8uek"),
        ["Oracle Linux:8 kernel-uek introduced=5.4 fixed=5.4.17-2136.302.7.2.el8uek"]
    );
    assert_eq!(
        of("kernel-uek-debug", "0:2.6.39-400.290.2.el6uek"),
        ["Oracle Linux:8 kernel-uek-debug introduced=2.6.39 fixed=2.6.39-400.290.2.el6uek"]
    );
    assert_eq!(
        of("kernel", "0:4.18.0-553.el8_10"),
        ["Oracle Linux:8 kernel introduced=0 fixed=4.18.0-553.el8_10"]
    );
}

#[test]
fn definitions_of_one_edition_all_apply() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let of = |version: u32, evr: &str| definition(version, "ELSA-2030-0001:", reference, evr);
    let document = format!(
        "<oval_definitions><definitions>{}{}{}{}</definitions></oval_definitions>",
        of(501, "0:0.9-1.el8"),
        of(502, "0:1.0-1.el8"),
        of(502, "0:2.0-1.el9").replace("Oracle Linux 8", "Oracle Linux 9"),
        of(502, "0:1.0-1.el8"),
    );
    let records = json_records("oracle", document.as_bytes());
    let all: Vec<String> = records.iter().flat_map(ranges).collect();
    assert_eq!(
        all,
        [
            "Oracle Linux:8 rocket introduced=0 fixed=1.0-1.el8",
            "Oracle Linux:9 rocket introduced=0 fixed=2.0-1.el9"
        ]
    );
    assert!(noted("oracle", document.as_bytes())[0].starts_with("2 definitions"));
}

#[test]
fn list_for_several_releases_is_divided_by_the_builds() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let one = r#"<criterion comment="Oracle Linux 8 is installed"/>"#;
    let two = format!("{one}{}", one.replace('8', "9"));
    let of = |asked: &str, evr: &str| {
        let text = definition(1, "ELSA-2030-0001:", reference, evr).replace(one, asked);
        let document = format!("<oval_definitions><definitions>{text}</definitions></oval_definitions>");
        ranges(&json_records("oracle", document.as_bytes())[0])
    };
    let nested = format!(r#"<criteria operator="OR">{two}</criteria>"#);
    for asked in [two.as_str(), nested.as_str()] {
        assert_eq!(
            of(asked, "0:1-10.el9_3"),
            ["Oracle Linux:9 rocket introduced=0 fixed=1-10.el9_3"]
        );
        assert_eq!(
            of(asked, "0:1-10"),
            [
                "Oracle Linux:8 rocket introduced=0 fixed=1-10",
                "Oracle Linux:9 rocket introduced=0 fixed=1-10"
            ]
        );
    }
}

#[test]
fn ids_in_one_element_and_in_any_capitals_are_read() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let text = definition(1, "ELSA-2030-0001:", reference, "1-1.el8")
        .replace("CVE-2030-0001</cve>", "cve-2030-0001, CVE-2030-0002</cve>");
    let document = format!("<oval_definitions><definitions>{text}</definitions></oval_definitions>");
    assert_eq!(
        json_records("oracle", document.as_bytes())[0]["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
}

#[test]
fn criterion_of_another_form_leaves_its_package_undecided() {
    let reference = r#"<reference source="elsa" ref_id="ELSA-2030-0001" ref_url="https://example.org/e"/>"#;
    let document = format!(
        "<oval_definitions><definitions>{}</definitions></oval_definitions>",
        definition(1, "ELSA-2030-0001:", reference, "30:1.0-1.el8"),
    )
    .replace("moon is full", "sled is less than 0:1.3");
    assert!(
        ranges(&json_records("oracle", document.as_bytes())[0]).contains(&"Oracle Linux:8 sled".to_owned())
    );
}
