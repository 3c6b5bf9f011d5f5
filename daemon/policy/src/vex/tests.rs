//! Each kind of document, and which findings it settles.

mod demands;
mod products;
mod ties;
mod times;

use serde_json::json;
use starling_scanner::sbom::{BomReferences, Component, ComponentKind, Place};
use starling_scanner::severity::Level;

use super::product::Scanned;
use super::*;
use crate::tests::finding;

fn read(value: &Value) -> VexDocument {
    VexDocument::read(value.to_string().as_bytes()).unwrap()
}

/// Returns an SBOM that does not say what it describes.
fn undescribed() -> Scanned<'static> {
    Scanned::default()
}

/// Returns an SBOM with a subject.
fn described(name: &str, version: &str, purl: Option<&str>) -> Component {
    Component {
        name: name.into(),
        version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        purl: purl.map(|purl| PackageUrl::parse_lenient(purl).unwrap()),
        cpes: None,
        origin: None,
        kind: ComponentKind::Subject,
        place: Place::Line { line: 1, column: 1 },
    }
}

/// Returns the status and reason that settle the standard finding (CVE-2024-1 in express 4.0.0).
fn settled(documents: &[VexDocument]) -> Option<(VexStatus, Option<String>)> {
    let mut index = VexIndex::of(documents, &undescribed(), &[finding(Level::High)]);
    let found = index.settle(&finding(Level::High));
    found.map(|(statement, _)| (statement.status, statement.why.as_ref().map(ToString::to_string)))
}

fn openvex(product: &Value, status: &str) -> VexDocument {
    read(&json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "author": "A", "timestamp": "2025-01-01T00:00:00Z",
        "statements": [{
            "vulnerability": {"name": "CVE-2024-1", "aliases": ["GHSA-x"]},
            "products": [product], "status": status, "justification": "vulnerable_code_not_present",
        }],
    }))
}

#[test]
fn openvex_settles_by_package_url_in_both_versions() {
    let express = json!({"@id": "pkg:npm/express@4.0.0"});
    let why = Some("vulnerable_code_not_present".to_owned());
    assert_eq!(
        settled(&[openvex(&express, "not_affected")]),
        Some((VexStatus::NotAffected, why.clone()))
    );
    assert_eq!(
        settled(&[openvex(&express, "fixed")]),
        Some((VexStatus::Fixed, why))
    );
    for status in ["affected", "under_investigation"] {
        assert_eq!(settled(&[openvex(&express, status)]), None, "{status}");
    }
    let old = read(&json!({
        "@context": "https://openvex.dev/ns",
        "statements": [{"vulnerability": "CVE-2024-1", "products": ["pkg:npm/express"], "status": "not_affected",
            "impact_statement": "the parser is off"}],
    }));
    assert_eq!(
        settled(&[old]),
        Some((VexStatus::NotAffected, Some("the parser is off".to_owned())))
    );
}

#[test]
fn statement_applies_only_to_its_own_package() {
    for (product, applies) in [
        (json!({"@id": "pkg:npm/express"}), true),
        (json!({"@id": "pkg:npm/express@4.0.1"}), false),
        (json!({"@id": "pkg:npm/express@4.0.0?arch=x"}), false),
        (json!({"@id": "pkg:npm/koa"}), false),
        (json!({"@id": "pkg:pypi/express"}), false),
        (
            json!({"@id": "any", "identifiers": {"purl": "pkg:npm/express"}}),
            true,
        ),
        (
            json!({"@id": "pkg:oci/shop", "subcomponents": [{"@id": "pkg:npm/express@4.0.0"}]}),
            true,
        ),
        (
            json!({"@id": "pkg:npm/express", "subcomponents": [{"@id": "pkg:npm/koa"}]}),
            false,
        ),
        (json!({"@id": "https://example.org/product"}), false),
    ] {
        let document = openvex(&product, "not_affected");
        assert_eq!(settled(&[document]).is_some(), applies, "{product}");
    }
    let unusable = openvex(&json!({"@id": "https://example.org/product"}), "not_affected");
    assert_eq!(
        (unusable.len(), reasons(&unusable)),
        (0, vec![(UnusableReason::NoPackage, 1)])
    );
}

fn reasons(document: &VexDocument) -> Vec<(UnusableReason, u64)> {
    document.unusable_by().iter().collect()
}

/// Only their number was stated, and nobody knew what to mend.
#[test]
fn statements_that_do_not_apply_have_their_reasons_counted() {
    let statement = |status: &str, product: &str, why: &str| {
        json!({"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": product}], "status": status,
            "impact_statement": why})
    };
    let document = read(&json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
        "statements": [
            statement("not_affected", "pkg:npm/express@4.0.0", ""),
            statement("not_affected", "pkg:npm/express@4.0.0", ""),
            statement("fixed", "pkg:npm/express", ""),
            statement("not_affected", "https://example.org/product", "unused"),
            statement("not_affected", "pkg:npm/express@4.0.0", "unused"),
        ],
    }));
    assert_eq!((document.len(), document.unusable()), (1, 4));
    assert_eq!(
        reasons(&document),
        [
            (UnusableReason::NoPackage, 1),
            (UnusableReason::NoVersion, 1),
            (UnusableReason::NoJustification, 2),
        ]
    );
    let entry = |affects: serde_json::Value, state: &str| json!({"id": "CVE-2024-1", "analysis": {"state": state, "detail": "x"}, "affects": affects});
    let document = read(
        &json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": [
            entry(json!([]), "not_affected"),
            entry(json!([{"ref": "pkg:npm/express"}]), "resolved"),
            {"analysis": {"state": "not_affected"}, "affects": [{"ref": "pkg:npm/express@4.0.0"}]},
        ]}),
    );
    assert_eq!(
        reasons(&document),
        [
            (UnusableReason::NoPackage, 1),
            (UnusableReason::NoVersion, 1),
            (UnusableReason::NoVulnerability, 1),
        ]
    );
}

#[test]
fn newest_statement_applies_from_any_document() {
    let statement = |time: &str, status: &str| {
        read(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
            "statements": [{"timestamp": time, "vulnerability": {"name": "CVE-2024-1"},
                "products": [{"@id": "pkg:npm/express@4.0.0"}], "status": status, "justification": "component_not_present"}],
        }))
    };
    let (old, new) = (
        statement("2025-01-01T00:00:00Z", "not_affected"),
        statement("2025-02-01T00:00:00Z", "affected"),
    );
    assert_eq!(settled(&[old.clone(), new.clone()]), None);
    assert_eq!(settled(&[new, old.clone()]), None);
    let newest = statement("2025-03-01T00:00:00Z", "fixed");
    assert_eq!(settled(&[newest, old]).unwrap().0, VexStatus::Fixed);
}

fn csaf(status: &str) -> Value {
    json!({
        "document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "P"},
            "tracking": {"current_release_date": "2025-01-01T00:00:00Z"}},
        "product_tree": {
            "branches": [{"category": "vendor", "name": "v", "branches": [
                {"category": "product_version", "name": "4", "product": {"name": "e", "product_id": "E",
                    "product_identification_helper": {"purl": "pkg:npm/express@4.0.0"}}}]}],
            "full_product_names": [{"product_id": "CPE", "name": "c", "product_identification_helper": {"cpe": "cpe:/o:x"}}],
            "relationships": [
                {"category": "default_component_of", "product_reference": "SHOP:E", "relates_to_product_reference": "CPE",
                    "full_product_name": {"name": "twice", "product_id": "OS:SHOP:E"}},
                {"category": "default_component_of", "product_reference": "E", "relates_to_product_reference": "CPE",
                    "full_product_name": {"name": "once", "product_id": "SHOP:E"}},
            ],
        },
        "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {status: ["OS:SHOP:E"]},
            "flags": [{"label": "component_not_present", "product_ids": ["OS:SHOP:E"]}]}],
    })
}

#[test]
fn csaf_settles_through_tree_and_relationships() {
    let why = Some("component_not_present".to_owned());
    assert_eq!(
        settled(&[read(&csaf("known_not_affected"))]),
        Some((VexStatus::NotAffected, why))
    );
    assert_eq!(settled(&[read(&csaf("fixed"))]), Some((VexStatus::Fixed, None)));
    assert_eq!(settled(&[read(&csaf("known_affected"))]), None);
    let mut contradiction = csaf("known_not_affected");
    contradiction["vulnerabilities"][0]["product_status"]["known_affected"] = json!(["E"]);
    assert_eq!(settled(&[read(&contradiction)]), None, "the worse of two counts");
    let mut by_cpe = csaf("known_not_affected");
    by_cpe["vulnerabilities"][0]["product_status"]["known_not_affected"] = json!(["CPE", "NONE"]);
    assert_eq!(read(&by_cpe).unusable(), 2);
}

#[test]
fn supplier_may_exclude_a_fix() {
    let will_not_fix = |document: &Value| {
        let documents = [read(document)];
        VexIndex::of(&documents, &undescribed(), &[finding(Level::High)]).will_not_fix(&finding(Level::High))
    };
    let mut csaf = csaf("known_affected");
    assert!(!will_not_fix(&csaf));
    csaf["vulnerabilities"][0]["remediations"] = json!([
        {"category": "none_available", "product_ids": ["OS:SHOP:E"]},
        {"category": "no_fix_planned", "product_ids": ["OTHER"], "group_ids": ["G"]},
    ]);
    assert!(!will_not_fix(&csaf), "other products");
    csaf["product_tree"]["product_groups"] = json!([{"group_id": "G", "product_ids": ["OS:SHOP:E"]}]);
    assert!(will_not_fix(&csaf));
    let mut bom = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5",
        "vulnerabilities": [{"id": "CVE-2024-1", "affects": [{"ref": "pkg:npm/express@4.0.0"}],
            "analysis": {"state": "exploitable", "response": ["workaround_available", "will_not_fix"]}}],
    });
    assert!(will_not_fix(&bom));
    bom["vulnerabilities"][0]["analysis"]["state"] = json!("not_affected");
    assert!(!will_not_fix(&bom), "nothing is to be fixed");
}

#[test]
fn circular_relationships_end() {
    let mut circle = csaf("fixed");
    circle["product_tree"]["relationships"] = json!([
        {"product_reference": "A", "full_product_name": {"product_id": "B"}},
        {"product_reference": "B", "full_product_name": {"product_id": "A"}},
        {"product_reference": "E", "full_product_name": {"product_id": "A"}},
    ]);
    circle["vulnerabilities"][0]["product_status"]["fixed"] = json!(["B"]);
    assert!(settled(&[read(&circle)]).is_some());
}

#[test]
fn cyclonedx_settles_by_reference_link_and_url() {
    for reference in [
        "e",
        "pkg:npm/express@4.0.0",
        "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#e",
        "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Anpm%2Fexpress%404.0.0",
    ] {
        let document = json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5",
            "components": [{"type": "library", "name": "outer", "components": [
                {"type": "library", "name": "express", "bom-ref": "e", "purl": "pkg:npm/express@4.0.0"}]}],
            "vulnerabilities": [{"id": "CVE-2024-1", "affects": [{"ref": reference}],
                "analysis": {"state": "not_affected", "justification": "code_not_reachable"}}],
        });
        let why = Some("code_not_reachable".to_owned());
        assert_eq!(
            settled(&[read(&document)]),
            Some((VexStatus::NotAffected, why)),
            "{reference}"
        );
    }
}

#[test]
fn non_vex_document_is_refused() {
    for bytes in [
        "",
        "[]",
        "{}",
        r#"{"@context":"https://openvex.dev/ns"}"#,
        r#"{"@context":"https://openvex.dev/ns","statements":[{"status":"fine"}]}"#,
        r#"{"@context":"https://openvex.dev/ns","statements":[{"status":"fixed","products":[]}]}"#,
        r#"{"document":{"csaf_version":"1.2"}}"#,
        r#"{"bomFormat":"CycloneDX"}"#,
        r#"{"bomFormat":"CycloneDX","vulnerabilities":[{"id":"A","analysis":{"state":"odd"}}]}"#,
    ] {
        assert!(VexDocument::read(bytes.as_bytes()).is_err(), "{bytes}");
    }
    assert!(VexDocument::read(&vec![b' '; MAX_VEX_BYTES + 1]).is_err());
    let deep = format!(
        "{}{}",
        r#"{"document":{"csaf_version":"2.0"},"product_tree":{"branches":"#,
        "[".repeat(100_000)
    );
    assert!(VexDocument::read(deep.as_bytes()).is_err());
}

#[test]
fn expanding_document_is_refused() {
    let mut many = csaf("known_not_affected");
    let products: Vec<String> = vec!["E".to_owned(); 300_000];
    many["vulnerabilities"][0]["product_status"]["known_not_affected"] = json!(products);
    many["vulnerabilities"][0]["flags"] = json!([]);
    many["vulnerabilities"][0]["threats"] = json!([{"category": "impact", "details": "x".repeat(100_000)}]);
    let bytes = many.to_string();
    let document = VexDocument::read(bytes.as_bytes()).unwrap();
    assert!(
        document
            .statements
            .iter()
            .all(|said| said.why.as_ref().unwrap().len() == MAX_TEXT_CHARS)
    );
    let two = VexDocument::read_beside(&[], [bytes.as_bytes(), bytes.as_bytes()]).unwrap_err();
    assert!(
        matches!(two.source, VexError::TooLarge { .. }),
        "the limit is one for all"
    );
    assert_eq!(two.to_string(), "cannot read number 2 of the given VEX documents");
}

#[test]
fn statement_without_vulnerability_is_unusable() {
    let affects: Vec<Value> = vec![json!({"ref": "pkg:npm/express"}); 1_000];
    for id in [json!(null), json!(""), json!(5)] {
        let document = read(&json!({"bomFormat": "CycloneDX", "vulnerabilities": [
            {"id": id, "analysis": {"state": "not_affected"}, "affects": affects}]}));
        assert_eq!((document.len(), document.unusable()), (0, 1), "{id}");
    }
    let mut nameless = csaf("known_not_affected");
    nameless["vulnerabilities"][0]["cve"] = json!("");
    nameless["vulnerabilities"][0]["ids"] = json!([]);
    let document = read(&nameless);
    assert_eq!((document.len(), document.unusable()), (0, 1));
}

#[test]
fn ids_match_in_any_spelling() {
    let mut found = finding(Level::High);
    found.ids = vec!["CVE-2024-1".into(), "GHSA-aaaa-bbbb-cccc".into()];
    let mut nameless = csaf("known_not_affected");
    for id in ["cve-2024-1", " CVE-2024-1", "ghsa-AAAA-bbbb-cccc"] {
        nameless["vulnerabilities"][0]["cve"] = json!(id);
        let documents = [
            json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [
                {"vulnerability": {"name": id}, "products": [{"@id": "pkg:npm/express@4.0.0"}], "status": "fixed"}]}),
            json!({"@context": "https://openvex.dev/ns", "statements": [
                {"vulnerability": id, "products": ["pkg:npm/express@4.0.0"], "status": "fixed"}]}),
            json!({"bomFormat": "CycloneDX", "vulnerabilities": [
                {"id": id, "analysis": {"state": "resolved"}, "affects": [{"ref": "pkg:npm/express@4.0.0"}]}]}),
            nameless.clone(),
        ];
        for document in documents {
            let documents = [read(&document)];
            let settled = VexIndex::of(&documents, &undescribed(), [&found]).settle(&found);
            assert!(settled.is_some(), "{id} {document}");
        }
    }
}

/// The statement excused every version of the package.
#[test]
fn version_of_a_component_completes_its_package_url() {
    let found = finding(Level::High);
    let own = found.package.version.clone();
    for state in ["resolved", "not_affected"] {
        let settles = |version: &str| {
            let document = read(&json!({"bomFormat": "CycloneDX",
                "components": [{"bom-ref": "c", "purl": "pkg:npm/express", "version": version}],
                "vulnerabilities": [{"id": "CVE-2024-1", "analysis": {"state": state}, "affects": [{"ref": "c"}]}]}));
            VexIndex::of(&[document], &undescribed(), [&found])
                .settle(&found)
                .is_some()
        };
        assert!(settles(&own), "{state}");
        assert!(!settles("9.9.9"), "{state}");
    }
}

#[test]
fn version_list_excuses_only_its_versions() {
    let found = finding(Level::High);
    let version = found.package.version.clone();
    let settles = |reference: &str, versions: Value| {
        let document = read(
            &json!({"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "CVE-2024-1",
            "analysis": {"state": "not_affected"}, "affects": [{"ref": reference, "versions": versions}]}]}),
        );
        VexIndex::of(&[document], &undescribed(), [&found])
            .settle(&found)
            .is_some()
    };
    let bare = "pkg:npm/express";
    let own = format!("{bare}@{version}");
    assert!(settles(bare, json!([])));
    assert!(settles(bare, json!([{"version": version}])));
    assert!(settles(
        bare,
        json!([{"version": "9.9.9"}, {"version": version, "status": "unaffected"}])
    ));
    assert!(!settles(
        bare,
        json!([{"version": "9.9.9", "status": "unaffected"}])
    ));
    assert!(!settles(
        bare,
        json!([{"version": version, "status": "affected"}])
    ));
    assert!(!settles(
        bare,
        json!([{"range": "vers:npm/*", "status": "unaffected"}])
    ));
    assert!(settles(&own, json!([{"version": "9.9.9", "status": "affected"}])));
    assert!(!settles(
        &own,
        json!([{"version": "9.9.9", "status": "unaffected"}])
    ));
    for status in ["affected", "unaffected"] {
        assert!(
            !settles(&own, json!([{"range": "vers:npm/>=9", "status": status}])),
            "{status}"
        );
    }
    assert!(!settles(&own, json!([{"version": version, "status": "unknown"}])));
}

#[test]
fn reference_of_several_packages_settles_nothing() {
    let document = |second: &str| {
        read(&json!({"bomFormat": "CycloneDX",
            "components": [{"type": "library", "bom-ref": "x", "purl": "pkg:npm/express@4.0.0"},
                {"type": "library", "bom-ref": "x", "purl": second}],
            "vulnerabilities": [{"id": "CVE-2024-1", "analysis": {"state": "not_affected"}, "affects": [{"ref": "x"}]}]}))
    };
    assert!(settled(&[document("pkg:npm/express@4.0.0")]).is_some());
    for other in ["pkg:npm/koa@1", "pkg:npm/express@5.0.0"] {
        let document = document(other);
        assert_eq!(document.unusable(), 1);
        assert!(settled(&[document]).is_none(), "{other}");
    }
}

#[test]
fn statement_with_a_repeated_key_is_refused() {
    let text = r#"{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-2024-1"},
        "products":["pkg:npm/express"],"status":"affected","status":"not_affected"}]}"#;
    assert!(matches!(
        VexDocument::read(text.as_bytes()),
        Err(VexError::Json(_))
    ));
}

#[test]
fn every_name_and_product_counts_as_a_statement() {
    let statement = |names: usize, products: usize| {
        json!({"status": "fixed",
            "vulnerability": {"name": "CVE-1", "aliases": (1..names).map(|name| format!("A-{name}")).collect::<Vec<_>>()},
            "products": (0..products).map(|name| format!("pkg:npm/p{name}@1")).collect::<Vec<_>>()})
    };
    let document = |names: usize, products: usize| {
        json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "é".repeat(1_000),
            "statements": [statement(names, products)]})
        .to_string()
    };
    let most = VexDocument::read(document(500, 1_000).as_bytes()).unwrap();
    assert_eq!((most.len(), most.weight()), (1_000, MAX_STATEMENTS));
    assert_eq!(most.author().unwrap().chars().count(), MAX_TEXT_CHARS);
    for (names, products) in [(501, 1_000), (500, 1_001), (MAX_STATEMENTS + 1, 1)] {
        let refused = VexDocument::read(document(names, products).as_bytes());
        assert!(
            matches!(refused, Err(VexError::TooLarge { .. })),
            "{names}, {products}"
        );
    }
    assert!(VexDocument::read_beside(&[most], [document(1, 1).as_bytes()]).is_err());
}
