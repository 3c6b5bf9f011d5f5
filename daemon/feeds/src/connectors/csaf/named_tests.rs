use super::super::tests::{json_records, warnings};

/// Returns a document with these branches, and this status of its products.
fn document(branches: &str, status: &str) -> String {
    format!(
        r#"{{"document":{{"category":"csaf_security_advisory","csaf_version":"2.0","title":"t","publisher":{{"namespace":"https://acme.example"}},
        "tracking":{{"id":"ACME-1","status":"final","initial_release_date":"2030-01-01T00:00:00Z","current_release_date":"2030-01-01T00:00:00Z"}}}},
        "product_tree":{{"branches":[{branches}]}},
        "vulnerabilities":[{{"cve":"CVE-2030-0001","product_status":{{{status}}}}}]}}"#
    )
}

fn product(category: &str, name: &str, id: &str, helper: &str) -> String {
    format!(
        r#"{{"category":"{category}","name":"{name}","product":{{"name":"{name}","product_id":"{id}","product_identification_helper":{{{helper}}}}}}}"#
    )
}

fn matches(branches: &str, status: &str) -> Vec<String> {
    let records = json_records("csaf", document(branches, status).as_bytes());
    let found = &records[0]["database_specific"]["native"]["configurations"][0]["nodes"][0]["cpeMatch"];
    let found = found.as_array().cloned().unwrap_or_default();
    let shown = found.iter().map(|leaf| {
        let text = |key: &str| leaf[key].as_str().unwrap_or_default().to_owned();
        let parts = [
            ("", text("criteria")),
            ("? ", text("@name")),
            (" >= ", text("versionStartIncluding")),
            (" < ", text("versionEndExcluding")),
            (" <= ", text("versionEndIncluding")),
        ];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        parts
            .map(|(sign, text)| format!("{sign}{text}"))
            .collect::<String>()
    });
    shown.collect()
}

/// Products that a document names by CPE alone were found by no scan.
#[test]
fn products_with_a_cpe_name_alone_have_configurations() {
    let any = r#""cpe":"cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*""#;
    for (category, name, helper, status, expected) in [
        (
            "product_name",
            "Box",
            any,
            r#""known_affected":["P"]"#,
            "cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*",
        ),
        (
            "product_version",
            "1.5",
            any,
            r#""known_affected":["P"]"#,
            "cpe:2.3:a:acme:box:*:*:*:*:*:*:*:* >= 1.5 <= 1.5",
        ),
        (
            "product_version",
            "1.5",
            r#""cpe":"cpe:2.3:a:acme:box:1.5:*:*:*:*:*:*:*""#,
            r#""known_affected":["P"]"#,
            "cpe:2.3:a:acme:box:1.5:*:*:*:*:*:*:*",
        ),
        (
            "product_version_range",
            "vers:generic/>=1.0|<1.5",
            r#""cpe":"cpe:2.3:a:acme:box:1.0:beta:*:*:*:*:*:*""#,
            r#""known_affected":["P"]"#,
            "cpe:2.3:a:acme:box:*:*:*:*:*:*:*:* >= 1.0 < 1.5",
        ),
        (
            "product_version_range",
            "<=2",
            r#""cpe":"cpe:/a:acme:box:2""#,
            r#""known_affected":["P"]"#,
            "cpe:/a:acme:box <= 2",
        ),
        (
            "product_version",
            "2",
            r#""cpe":"cpe:/a:acme:box:2""#,
            r#""last_affected":["P"]"#,
            "cpe:/a:acme:box <= 2",
        ),
        (
            "product_name",
            "Box",
            r#""cpe":"cpe:/a:acme:box:-""#,
            r#""known_affected":["P"]"#,
            "? cpe:/a:acme:box",
        ),
        (
            "product_version",
            "2",
            r#""cpe":"cpe:/a:acme:box:2.0_sp1""#,
            r#""fixed":["P"]"#,
            "cpe:/a:acme:box < 2.0_sp1",
        ),
        (
            "product_name",
            "Box",
            any,
            r#""strange":["P"]"#,
            "? cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*",
        ),
        (
            "product_name",
            "Box",
            r#""cpe":"cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*","purl":"pkg:generic/box""#,
            r#""under_investigation":["P"]"#,
            "cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*",
        ),
    ] {
        assert_eq!(
            matches(&product(category, name, "P", helper), status),
            [expected],
            "{category} {name}"
        );
    }
}

#[test]
fn fixed_version_ends_a_product_without_versions() {
    let any = r#""cpe":"cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*""#;
    let open = product("product_name", "Box", "P", any);
    let fixed = product("product_version", "2.0", "F", any);
    let both = format!("{open},{fixed}");
    assert_eq!(
        matches(&both, r#""known_affected":["P"],"fixed":["F"]"#),
        ["cpe:2.3:a:acme:box:*:*:*:*:*:*:*:* < 2.0"]
    );
    // The document does not say which version has the fix.
    let somewhere = product("product_name", "Box", "F", any);
    assert_eq!(
        matches(
            &format!("{open},{somewhere}"),
            r#""known_affected":["P"],"fixed":["F"]"#
        ),
        ["? cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*"]
    );
}

#[test]
fn products_that_are_packages_or_not_affected_have_none() {
    let helper = r#""cpe":"cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*","purl":"pkg:npm/box""#;
    assert!(
        matches(
            &product("product_name", "Box", "P", helper),
            r#""known_affected":["P"]"#
        )
        .is_empty()
    );
    let any = r#""cpe":"cpe:2.3:a:acme:box:*:*:*:*:*:*:*:*""#;
    let named = product("product_name", "Box", "P", any);
    assert!(matches(&named, r#""known_not_affected":["P"]"#).is_empty());
    assert!(
        matches(
            &product("product_name", "Box", "P", r#""cpe":"box""#),
            r#""known_affected":["P"]"#
        )
        .is_empty()
    );
    for helper in ["", r#""cpe":"box""#] {
        let without = product("product_name", "Box", "Q", helper);
        let told = document(&format!("{named},{without}"), r#""known_affected":["P","Q"]"#);
        assert_eq!(
            warnings("csaf", told.as_bytes()),
            ["1 products have neither a package URL nor a CPE name, and no entry"]
        );
    }
}
