use super::super::tests::{json_records, ranges, warnings};

const DOCUMENT: &str = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"flaw","aggregate_severity":{"text":"Moderate"},
 "publisher":{"namespace":"https://www.redhat.com"},"tracking":{"id":"CVE-2030-0001","status":"final","initial_release_date":"2030-01-01T00:00:00+00:00","current_release_date":"2030-01-02T00:00:00+00:00"}},
"product_tree":{"branches":[{"category":"vendor","name":"Red Hat","branches":[
 {"category":"product_name","name":"AppStream","product":{"name":"A","product_id":"AppStream-8.10","product_identification_helper":{"cpe":"cpe:/a:redhat:enterprise_linux:8::appstream"}}},
 {"category":"product_name","name":"RHEL 8","product":{"name":"R","product_id":"rhel_8","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:8"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"redis-1:6.2-1.module+el8+7.x86_64::redis:6","product_identification_helper":{"purl":"pkg:rpm/redhat/redis@6.2-1.module%2Bel8%2B7?arch=x86_64&rpmmod=redis:6:8100:ctx"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"redis-1:6.2-1.module+el8+7.s390x::redis:6","product_identification_helper":{"purl":"pkg:rpm/redhat/redis@6.2-1.module%2Bel8%2B7?arch=s390x&rpmmod=redis:6:8100:ctx"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"bind-0","product_identification_helper":{"purl":"pkg:rpm/redhat/bind@9.16-1.el8?arch=src&epoch=32"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"redis.src","product_identification_helper":{"purl":"pkg:rpm/redhat/redis?arch=src&rpmmod=redis:5"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"odd.src","product_identification_helper":{"purl":"pkg:rpm/redhat/odd?arch=src&rpmmod=rhel10"}}},
 {"category":"product_version","name":"x","product":{"name":"x","product_id":"image","product_identification_helper":{"purl":"pkg:oci/image"}}}]}],
 "relationships":[
  {"full_product_name":{"product_id":"1"},"product_reference":"redis-1:6.2-1.module+el8+7.x86_64::redis:6","relates_to_product_reference":"AppStream-8.10"},
  {"full_product_name":{"product_id":"2"},"product_reference":"redis-1:6.2-1.module+el8+7.s390x::redis:6","relates_to_product_reference":"AppStream-8.10"},
  {"full_product_name":{"product_id":"3"},"product_reference":"bind-0","relates_to_product_reference":"AppStream-8.10"},
  {"full_product_name":{"product_id":"4"},"product_reference":"redis.src","relates_to_product_reference":"rhel_8"},
  {"full_product_name":{"product_id":"5"},"product_reference":"odd.src","relates_to_product_reference":"rhel_8"},
  {"full_product_name":{"product_id":"6"},"product_reference":"image","relates_to_product_reference":"rhel_8"}]},
"vulnerabilities":[{"cve":"CVE-2030-0001","product_status":{"fixed":["1","2","3"],"known_affected":["4","6"],"under_investigation":["5"],"known_not_affected":["7"]},
 "remediations":[{"category":"vendor_fix","product_ids":["1"]},{"category":"no_fix_planned","details":"Out of support scope","product_ids":["4"]}],
 "threats":[{"category":"impact","details":"Important","product_ids":["1","2"]},{"category":"impact","details":"Low","product_ids":["4"]}],
 "notes":[{"category":"description","text":"What happens."}]}]}"#;

#[test]
fn streams_have_their_own_fixes_and_states() {
    let record = &json_records("redhat", DOCUMENT.as_bytes())[0];
    assert_eq!(record["id"], "CVE-2030-0001");
    assert_eq!(record["details"], "What happens.");
    assert!(
        record["upstream"].is_null(),
        "the record has the id of the CVE record"
    );
    assert_eq!(record["database_specific"]["severity"], "Moderate");
    assert_eq!(
        ranges(record),
        [
            "Red Hat:enterprise_linux:8 odd introduced=0",
            "Red Hat:enterprise_linux:8 redis introduced=0",
            "Red Hat:enterprise_linux:8::appstream bind introduced=0 fixed=32:9.16-1.el8",
            "Red Hat:enterprise_linux:8::appstream redis introduced=0 fixed=1:6.2-1.module+el8+7",
        ]
    );
    let entry = |index: usize| &record["affected"][index];
    assert_eq!(entry(0)["database_specific"]["fix_state"], "under_investigation");
    assert_eq!(entry(1)["database_specific"]["fix_state"], "end_of_life");
    assert_eq!(entry(1)["database_specific"]["severity"], "Low");
    assert_eq!(
        entry(1)["ecosystem_specific"],
        serde_json::json!({"rpmmod": "redis:5", "arch": "src"})
    );
    assert_eq!(
        entry(3)["ecosystem_specific"],
        serde_json::json!({"rpmmod": "redis:6"})
    );
    assert_eq!(entry(3)["database_specific"]["severity"], "Important");
}

#[test]
fn products_outside_of_streams_are_counted() {
    assert_eq!(
        warnings("redhat", DOCUMENT.as_bytes()),
        [
            "the product \"7\" is not in the product tree",
            "the module \"rhel10\" has no stream",
            "1 products are not RPM packages of a product stream, and have no entry",
        ]
    );
}

#[test]
fn packages_of_modules_are_of_their_platform() {
    let text = r#"{"document":{"csaf_version":"2.0","publisher":{"namespace":"https://www.redhat.com"},"tracking":{"id":"RHSA-2030:0001","current_release_date":"2030-01-02T00:00:00Z"}},
    "product_tree":{"full_product_names":[
     {"product_id":"AppStream-8.4","product_identification_helper":{"cpe":"cpe:/a:redhat:rhel_aus:8.4::appstream"}},
     {"product_id":"rhel_8","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:8"}},
     {"product_id":"python36:3.6:8040:ctx","product_identification_helper":{"purl":"pkg:rpmmod/redhat/python36@3.6:8040:ctx"}},
     {"product_id":"python-nose-0:1.3-1.module+el8.4.0+7.noarch","product_identification_helper":{"purl":"pkg:rpm/redhat/python-nose@1.3-1.module%2Bel8.4.0%2B7?arch=noarch"}},
     {"product_id":"postgresql:15/postgresql","product_identification_helper":{"purl":"pkg:rpmmod/redhat/postgresql:15/postgresql"}}],
    "relationships":[
     {"full_product_name":{"product_id":"1"},"product_reference":"python36:3.6:8040:ctx","relates_to_product_reference":"AppStream-8.4"},
     {"full_product_name":{"product_id":"2"},"product_reference":"python-nose-0:1.3-1.module+el8.4.0+7.noarch","relates_to_product_reference":"1"},
     {"full_product_name":{"product_id":"3"},"product_reference":"postgresql:15/postgresql","relates_to_product_reference":"rhel_8"}]},
    "vulnerabilities":[{"cve":"CVE-2030-0001","product_status":{"fixed":["1","2"],"known_affected":["3"]}}]}"#;
    // The form of CSAF 2.1.
    let paths = text.replace(
        r#""relationships":["#,
        r#""product_paths":[{"full_product_name":{"product_id":"2"},"beginning_product_reference":"python-nose-0:1.3-1.module+el8.4.0+7.noarch",
          "subpaths":[{"next_product_reference":"python36:3.6:8040:ctx"},{"next_product_reference":"AppStream-8.4"}]}],
        "relationships":["#,
    );
    let paths = paths.replace(
        r#"{"full_product_name":{"product_id":"2"},"product_reference""#,
        r#"{"full_product_name":{"product_id":"9"},"product_reference""#,
    );
    let record = &json_records("redhat", paths.as_bytes())[0];
    assert_eq!(
        record["affected"],
        json_records("redhat", text.as_bytes())[0]["affected"]
    );
    assert_eq!(
        ranges(record),
        [
            "Red Hat:enterprise_linux:8 postgresql introduced=0",
            "Red Hat:rhel_aus:8.4::appstream python-nose introduced=0 fixed=1.3-1.module+el8.4.0+7",
        ]
    );
    let module = |index: usize| &record["affected"][index]["ecosystem_specific"]["rpmmod"];
    assert_eq!(
        (module(0), module(1)),
        (&"postgresql:15".into(), &"python36:3.6".into())
    );
    assert_eq!(
        warnings("redhat", text.as_bytes()),
        ["1 products are not RPM packages of a product stream, and have no entry"]
    );
}

#[test]
fn build_of_a_module_is_not_a_version_of_a_package() {
    let text = DOCUMENT.replace(
        "pkg:rpm/redhat/bind@9.16-1.el8?arch=src&epoch=32",
        "pkg:rpm/redhat/python39@3.9-8040020240902080505.63cd9eba?epoch=0",
    );
    let record = &json_records("redhat", text.as_bytes())[0];
    let entry = &record["affected"][2];
    assert_eq!(entry["package"]["name"], "python39");
    assert_eq!(entry["ranges"][0]["events"], serde_json::json!([]), "undecided");
    assert_eq!(entry["ecosystem_specific"]["rpmmod"], "python39:3.9");
    assert!(warnings("redhat", text.as_bytes())[1].contains("is the build of a module"));
}

#[test]
fn affected_components_without_a_url_are_named_by_their_ids() {
    let bare = DOCUMENT
        .replace(
            r#","product_identification_helper":{"purl":"pkg:rpm/redhat/redis?arch=src&rpmmod=redis:5"}"#,
            "",
        )
        .replace(
            r#""product_reference":"redis.src""#,
            r#""product_reference":"%P""#,
        )
        .replace(r#""product_id":"redis.src""#, r#""product_id":"%P""#);
    for (id, expected) in [
        ("kernel-rt", "Red Hat:enterprise_linux:8 kernel-rt introduced=0"),
        (
            "nodejs:16/nodejs",
            "Red Hat:enterprise_linux:8 nodejs introduced=0",
        ),
    ] {
        let record = &json_records("redhat", bare.replace("%P", id).as_bytes())[0];
        assert_eq!(ranges(record)[0], expected);
    }
    let image = bare.replace("%P", "openshift4/ose-cli");
    assert!(warnings("redhat", image.as_bytes())[2].starts_with("2 products are not RPM packages"));
}

#[test]
fn platform_may_have_either_form_of_a_cpe_name() {
    let formatted = DOCUMENT
        .replace(
            "cpe:/a:redhat:enterprise_linux:8::appstream",
            "cpe:2.3:a:redhat:enterprise_linux:8:*:appstream:*:*:*:*:*",
        )
        .replace(
            "\"cpe:/o:redhat:enterprise_linux:8\"",
            "\"cpe:2.3:o:redhat:enterprise_linux:8:*:*:*:*:*:*:*\"",
        );
    assert_eq!(
        ranges(&json_records("redhat", formatted.as_bytes())[0]),
        ranges(&json_records("redhat", DOCUMENT.as_bytes())[0])
    );
}

/// Names of platforms and types of package URLs ignore capitals; their products had no entry.
#[test]
fn platforms_and_types_are_known_in_any_capitals() {
    let respelt = DOCUMENT
        .replace("cpe:/a:redhat:enterprise_linux", "CPE:/a:RedHat:Enterprise_Linux")
        .replace("pkg:rpm/redhat/bind", " pkg:RPM/redhat/bind");
    assert_ne!(respelt, DOCUMENT);
    let record = |text: &str| json_records("redhat", text.as_bytes())[0]["affected"].clone();
    assert_eq!(record(&respelt), record(DOCUMENT));
}

#[test]
fn version_that_a_package_url_leaves_empty_is_that_of_the_id() {
    let whole = "redis@6.2-1.module%2Bel8%2B7?arch=x86_64";
    let text = DOCUMENT.replace(whole, "redis@?arch=x86_64");
    assert!(DOCUMENT.contains(whole));
    let both = [DOCUMENT, text.as_str()].map(|text| ranges(&json_records("redhat", text.as_bytes())[0]));
    assert_eq!(both[0], both[1]);
}
