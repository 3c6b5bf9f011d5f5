//! What the kinds of document demand of a statement, and how their contradictions are read.

use serde_json::json;

use super::*;

fn said(statement: &Value) -> VexDocument {
    let mut whole =
        json!({"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": "pkg:npm/express@4.0.0"}]});
    for (key, value) in statement.as_object().unwrap() {
        whole[key] = value.clone();
    }
    read(&json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [whole]}))
}

#[test]
fn openvex_not_affected_needs_a_reason() {
    for (statement, settles) in [
        (json!({"status": "not_affected"}), false),
        (json!({"status": "not_affected", "justification": ""}), false),
        (
            json!({"status": "not_affected", "impact_statement": " \n"}),
            false,
        ),
        (
            json!({"status": "not_affected", "justification": null, "impact_statement": "off"}),
            true,
        ),
        (
            json!({"status": "not_affected", "justification": "component_not_present"}),
            true,
        ),
        (
            json!({"status": "not_affected", "justification": "code_not_reachable"}),
            false,
        ),
        (
            json!({"status": "not_affected", "justification": "we think so", "impact_statement": "off"}),
            true,
        ),
        (json!({"status": "fixed"}), true),
    ] {
        let document = said(&statement);
        assert_eq!(document.unusable(), u64::from(!settles), "{statement}");
        assert_eq!(settled(&[document]).is_some(), settles, "{statement}");
    }
}

#[test]
fn csaf_profile_for_vex_demands_an_impact() {
    let settles = |change: &dyn Fn(&mut Value)| {
        let mut document = csaf("known_not_affected");
        document["vulnerabilities"][0]["flags"] = json!([]);
        change(&mut document);
        settled(&[read(&document)]).is_some()
    };
    let threat = |of: Value| {
        move |document: &mut Value| {
            let mut impact = json!({"category": "impact", "details": "not called"});
            for (key, value) in of.as_object().unwrap() {
                impact[key] = value.clone();
            }
            document["vulnerabilities"][0]["threats"] = json!([impact]);
            document["product_tree"]["product_groups"] =
                json!([{"group_id": "G", "product_ids": ["OS:SHOP:E"]}]);
        }
    };
    assert!(!settles(&|_| {}));
    assert!(settles(&threat(json!({"product_ids": ["OS:SHOP:E"]}))));
    assert!(settles(&threat(json!({"group_ids": ["G"]}))));
    assert!(settles(&threat(json!({}))));
    assert!(!settles(&threat(json!({"product_ids": ["SHOP:E"]}))));
    assert!(!settles(&threat(json!({"group_ids": ["H"]}))));
    assert!(!settles(&threat(json!({"details": " "}))));
    assert!(!settles(&threat(json!({"category": "exploit_status"}))));
    // Other profiles demand none.
    assert!(settles(
        &|document| document["document"]["category"] = json!("csaf_security_advisory")
    ));
}

#[test]
fn withdrawn_csaf_document_excuses_nothing() {
    for (category, settles) in [
        ("csaf_vex", true),
        ("csaf_withdrawn", false),
        ("csaf_superseded", false),
    ] {
        let mut document = csaf("fixed");
        document["document"]["category"] = json!(category);
        assert_eq!(settled(&[read(&document)]).is_some(), settles, "{category}");
    }
}

#[test]
fn unknown_csaf_status_excuses_nothing() {
    let mut document = csaf("known_not_affected");
    document["vulnerabilities"][0]["product_status"]["unknown"] = json!(["OS:SHOP:E"]);
    assert_eq!(settled(&[read(&document)]), None);
    let mut odd = csaf("known not affected");
    odd["vulnerabilities"][0]["product_status"]["recommended"] = json!(["E"]);
    odd["vulnerabilities"][0]["product_status"]["fixed"] = json!([3]);
    let odd = read(&odd);
    assert_eq!((odd.len(), odd.unusable()), (0, 2));
}

#[test]
fn csaf_status_other_than_a_list_is_refused() {
    for statuses in [
        json!({"known_affected": "E"}),
        json!({"known_affected": {"E": 1}}),
        json!(["E"]),
        json!("known_affected"),
    ] {
        let mut document = csaf("fixed");
        document["vulnerabilities"][0]["product_status"] = statuses.clone();
        let bytes = document.to_string();
        assert!(
            matches!(VexDocument::read(bytes.as_bytes()), Err(VexError::Invalid { .. })),
            "{statuses}"
        );
    }
}

#[test]
fn order_of_entries_does_not_decide_in_csaf_and_cyclonedx() {
    let mut document = csaf("known_not_affected");
    let entry = |status: &str| json!({"cve": "CVE-2024-1", "product_status": {status: ["E"]}});
    for entries in [
        [entry("known_affected"), entry("fixed")],
        [entry("fixed"), entry("known_affected")],
    ] {
        document["vulnerabilities"] = json!(entries);
        assert_eq!(settled(&[read(&document)]), None);
    }
    let entry = |state: &str| json!({"id": "CVE-2024-1", "analysis": {"state": state}, "affects": [{"ref": "pkg:npm/express@4.0.0"}]});
    for entries in [
        [entry("exploitable"), entry("not_affected")],
        [entry("not_affected"), entry("exploitable")],
    ] {
        let document = read(&json!({"bomFormat": "CycloneDX", "vulnerabilities": entries}));
        assert_eq!(settled(&[document]), None);
    }
}

#[test]
fn csaf_branch_of_several_versions_excuses_no_version() {
    let settles = |category: &str, name: &str| {
        let mut document = csaf("known_not_affected");
        let leaf = &mut document["product_tree"]["branches"][0]["branches"][0];
        leaf["category"] = json!(category);
        leaf["name"] = json!(name);
        leaf["product"]["product_identification_helper"]["purl"] = json!("pkg:npm/express");
        settled(&[read(&document)]).is_some()
    };
    for (name, expected) in [
        ("4.0.0", true),
        ("all versions", true),
        ("express", true),
        ("4.0.0 and later", false),
        ("up to 5.0", false),
        ("≤5.0", false),
        ("4.0.0, 5.0.0", false),
        ("Versions prior to 5", false),
        ("latest", false),
        ("5.0.0", false),
    ] {
        assert_eq!(settles("product_version", name), expected, "{name}");
    }
    for category in ["service_pack", "patch_level", "product_version_range"] {
        assert!(!settles(category, "4"), "{category}");
    }
}

#[test]
fn unknown_csaf_product_is_not_the_scanned_one() {
    let mut document = csaf("fixed");
    document["product_tree"]["relationships"][1]["relates_to_product_reference"] = json!("NOWHERE");
    document["vulnerabilities"][0]["product_status"]["fixed"] = json!(["SHOP:E"]);
    let shop = described("shop", "1", None);
    let of_shop = Scanned {
        subject: Some(&shop),
        ..Scanned::default()
    };
    let documents = [read(&document)];
    let mut index = VexIndex::of(&documents, &of_shop, &[finding(Level::High)]);
    assert!(index.settle(&finding(Level::High)).is_none());
}

#[test]
fn listed_versions_limit_a_link_into_the_sbom() {
    let scanned = Scanned {
        references: Some(BomReferences {
            serial: Some("urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79".into()),
            purls: [("e".to_owned(), "pkg:npm/express@4.0.0".to_owned())].into(),
            ..BomReferences::default()
        }),
        ..Scanned::default()
    };
    let settles = |versions: Value| {
        let document = read(
            &json!({"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "CVE-2024-1",
            "analysis": {"state": "not_affected"},
            "affects": [{"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#e", "versions": versions}]}]}),
        );
        let documents = [document];
        let mut index = VexIndex::of(&documents, &scanned, &[finding(Level::High)]);
        index.settle(&finding(Level::High)).is_some()
    };
    assert!(settles(json!([])));
    assert!(settles(json!([{"version": "4.0.0", "status": "unaffected"}])));
    assert!(!settles(json!([{"version": "4.0.0", "status": "affected"}])));
    assert!(!settles(json!([{"version": "5.0.0", "status": "unaffected"}])));
    assert!(!settles(
        json!([{"range": "vers:npm/<9", "status": "unaffected"}])
    ));
}

#[test]
fn version_that_is_listed_twice_is_excused_by_neither() {
    let document = read(
        &json!({"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "CVE-2024-1",
        "analysis": {"state": "not_affected"}, "affects": [{"ref": "pkg:npm/express@4.0.0", "versions": [
            {"version": "4.0.0", "status": "unaffected"}, {"version": "4.0.0", "status": "affected"}]}]}]}),
    );
    assert_eq!(settled(&[document]), None);
}

#[test]
fn cyclonedx_analysis_of_another_form_is_refused() {
    for analysis in [
        json!([{"state": "exploitable"}]),
        json!("exploitable"),
        json!({"state": {"is": "exploitable"}}),
        json!({"state": 1}),
    ] {
        let document = json!({"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "CVE-2024-1", "analysis": analysis}]});
        assert!(
            VexDocument::read(document.to_string().as_bytes()).is_err(),
            "{analysis}"
        );
    }
    let later = json!({"bomFormat": "CycloneDX", "specVersion": "2.0", "vulnerabilities": []});
    assert!(VexDocument::read(later.to_string().as_bytes()).is_err());
    let none = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [
        {"id": "CVE-2024-1"}, {"id": "CVE-2024-1", "analysis": null}, {"id": "CVE-2024-1", "analysis": {"detail": "x"}}]});
    assert_eq!(read(&none).len(), 0);
}

#[test]
fn fix_needs_a_version() {
    let openvex = |product: Value| {
        settled(&[read(&json!({"@context": "https://openvex.dev/ns/v0.2.0",
            "statements": [{"vulnerability": {"name": "CVE-2024-1"}, "status": "fixed", "products": [product]}]}))])
    };
    assert!(openvex(json!({"@id": "pkg:npm/express@4.0.0"})).is_some());
    assert!(openvex(json!({"@id": "pkg:npm/express"})).is_none());
    let part = json!([{"@id": "pkg:npm/express"}]);
    assert!(openvex(json!({"@id": "pkg:oci/shop", "subcomponents": part})).is_some());
    assert!(openvex(json!({"@id": "pkg:generic/shop@1", "subcomponents": part})).is_some());
    assert!(openvex(json!({"@id": "pkg:generic/shop", "subcomponents": part})).is_none());
    let unusable = read(
        &json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [
        {"vulnerability": {"name": "CVE-2024-1"}, "status": "fixed", "products": [{"@id": "pkg:npm/express"}]}]}),
    );
    assert_eq!((unusable.len(), unusable.unusable()), (0, 1));
    let cyclonedx = |component: Value, reference: &str| {
        let document = read(
            &json!({"bomFormat": "CycloneDX", "components": [component], "vulnerabilities": [
            {"id": "CVE-2024-1", "analysis": {"state": "resolved"}, "affects": [{"ref": reference}, {"ref": "other"}]}]}),
        );
        (document.len(), document.unusable())
    };
    let bare = json!({"bom-ref": "a", "purl": "pkg:npm/express"});
    let of_version = json!({"bom-ref": "a", "purl": "pkg:npm/express", "version": "4.0.0"});
    assert_eq!(cyclonedx(of_version, "a"), (1, 1));
    assert_eq!(cyclonedx(bare, "a"), (0, 2));
    assert_eq!(cyclonedx(json!({}), "pkg:npm/express@4.0.0"), (1, 1));
    assert_eq!(cyclonedx(json!({}), "pkg:npm/express"), (0, 2));
    let linked = "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#pkg:npm/express";
    assert_eq!(cyclonedx(json!({}), linked), (1, 1));
}

#[test]
fn draft_excuses_nothing() {
    for (status, settles) in [
        ("final", true),
        ("interim", true),
        ("draft", false),
        (" Draft", false),
    ] {
        for statement in ["known_not_affected", "fixed"] {
            let mut document = csaf(statement);
            document["document"]["tracking"]["status"] = json!(status);
            let document = read(&document);
            assert_eq!(document.unusable() == 0, settles, "{status} {statement}");
            assert_eq!(settled(&[document]).is_some(), settles, "{status} {statement}");
        }
    }
    let mut harmful = csaf("known_affected");
    harmful["document"]["tracking"]["status"] = json!("draft");
    assert_eq!(read(&harmful).unusable(), 0, "what does not excuse applies");
}
