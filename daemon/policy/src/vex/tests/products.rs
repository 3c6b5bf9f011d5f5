//! Statements about products: which components they are about, and which they are not.

use super::*;

#[test]
fn statement_about_the_subject_covers_all_packages() {
    let said = |product: &str| {
        read(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
            "statements": [{"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": product}], "status": "fixed"}],
        }))
    };
    let image = described(
        "shop",
        "",
        Some("pkg:oci/shop@sha256%3Aabcd?repository_url=example.org/shop"),
    );
    let of_image = Scanned {
        subject: Some(&image),
        ..Scanned::default()
    };
    for (product, applies) in [
        ("pkg:oci/shop@sha256%3Aabcd", true),
        ("pkg:oci/shop", true),
        ("pkg:oci/shop?repository_url=example.org/shop", true),
        ("pkg:oci/shop@sha256%3Affff", false),
        ("pkg:oci/other", false),
        ("pkg:docker/shop@sha256%3Aabcd", false),
    ] {
        let documents = [said(product)];
        let settled = VexIndex::of(&documents, &of_image, &[finding(Level::High)])
            .settle(&finding(Level::High))
            .map(|(found, _)| found.status);
        assert_eq!(settled.is_some(), applies, "{product}");
        let elsewhere = VexIndex::of(&documents, &undescribed(), &[finding(Level::High)])
            .settle(&finding(Level::High))
            .map(|(found, _)| found.status);
        assert!(elsewhere.is_none(), "{product}");
    }
}

#[test]
fn subject_statement_needs_a_single_subject() {
    let package = |id: &str, purl: &str| {
        json!({"SPDXID": id, "name": id, "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]})
    };
    let described_by = |described: &[&str]| {
        let document = json!({
            "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "dataLicense": "CC0-1.0",
            "documentNamespace": "https://example.org/x", "documentDescribes": described,
            "creationInfo": {"created": "2020-01-01T00:00:00Z", "creators": ["Tool: x"]},
            "packages": [package("SPDXRef-a", "pkg:oci/a@1"), package("SPDXRef-b", "pkg:oci/b@1")],
        });
        let inventory = starling_scanner::sbom::read(document.to_string().as_bytes()).unwrap();
        Scanned::of(&inventory).purl().map(ToString::to_string)
    };
    assert_eq!(described_by(&["SPDXRef-a"]).as_deref(), Some("pkg:oci/a@1"));
    assert_eq!(described_by(&["SPDXRef-a", "SPDXRef-b"]), None);
}

/// Returns true if the documents settle the standard finding in an SBOM.
fn settles(documents: &[VexDocument], scanned: &Scanned<'_>) -> bool {
    let found = finding(Level::High);
    VexIndex::of(documents, scanned, [&found])
        .settle(&found)
        .is_some()
}

#[test]
fn statement_about_one_product_does_not_excuse_another() {
    let in_argo = |whole: Value| {
        read(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
            "statements": [{"vulnerability": {"name": "CVE-2024-1"}, "status": "not_affected",
                "justification": "component_not_present",
                "products": [{"@id": whole, "subcomponents": [{"@id": "pkg:npm/express@4.0.0"}]}]}],
        }))
    };
    let mut csaf = csaf("known_not_affected");
    csaf["product_tree"]["full_product_names"][0]["product_identification_helper"] =
        json!({"purl": "pkg:golang/example.org/argo@2.9.3"});
    let by_purl = [in_argo(json!("pkg:golang/example.org/argo@2.9.3")), read(&csaf)];
    let argo = described("argo", "2.9.3", Some("pkg:golang/example.org/argo@2.9.3"));
    let nameless = described("argo", "2.9.3", None);
    let newer = described("argo", "3.0.0", Some("pkg:golang/example.org/argo@3.0.0"));
    let other = described("kyverno", "1", Some("pkg:golang/example.org/kyverno@1"));
    let other_by_name = described("kyverno", "", None);
    for document in by_purl {
        for (subject, applies) in [
            (&argo, true),
            (&nameless, true),
            (&newer, false),
            (&other, false),
            (&other_by_name, false),
        ] {
            let scanned = Scanned {
                subject: Some(subject),
                ..Scanned::default()
            };
            assert_eq!(
                settles(std::slice::from_ref(&document), &scanned),
                applies,
                "{subject:?}"
            );
            assert_eq!(
                settles(&[document.clone().for_all_scans()], &scanned),
                applies,
                "{subject:?}"
            );
        }
        // A document given for an SBOM without a subject is taken to be about that SBOM.
        assert!(settles(std::slice::from_ref(&document), &undescribed()));
        assert!(!settles(&[document.clone().for_all_scans()], &undescribed()));
        let several = Scanned {
            several: true,
            ..Scanned::default()
        };
        assert!(!settles(std::slice::from_ref(&document), &several));
        // Given for this scan, the document also applies if it is stored too.
        let both = VexDocument::set_of(vec![document.clone().for_all_scans(), document]);
        assert!(both.len() == 1 && settles(&both, &undescribed()));
    }
    for (name, applies) in [
        ("argo 2.9.3", true),
        ("Argo", true),
        ("argo 3", false),
        ("kyverno", false),
    ] {
        let scanned = Scanned {
            subject: Some(&argo),
            ..Scanned::default()
        };
        assert_eq!(settles(&[in_argo(json!(name))], &scanned), applies, "{name}");
    }
}

#[test]
fn cpe_of_an_os_matches_images_based_on_it() {
    let mut on_rhel = csaf("known_not_affected");
    on_rhel["product_tree"]["full_product_names"][0]["product_identification_helper"] =
        json!({"cpe": "cpe:/o:redhat:enterprise_linux:9"});
    let document = read(&on_rhel).for_all_scans();
    let image = described("ubi9", "", Some("pkg:oci/ubi9@sha256%3Aabcd"));
    for (distro, applies) in [
        ("rhel-9.3", true),
        ("rhel-9", true),
        ("rhel-8.9", false),
        ("debian-9", false),
    ] {
        let scanned = Scanned {
            subject: Some(&image),
            distro: Some(distro),
            ..Scanned::default()
        };
        assert_eq!(
            settles(std::slice::from_ref(&document), &scanned),
            applies,
            "{distro}"
        );
    }
}

#[test]
fn image_is_named_by_digest_or_repository() {
    let said = |product: &str| {
        read(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
            "statements": [{"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": product}], "status": "fixed"}],
        }))
    };
    let image = described(
        "shop:1",
        "",
        Some("pkg:oci/shop@sha256%3Aabcd?arch=amd64&repository_url=index.hub.example%2Facme%2Fshop"),
    );
    let scanned = Scanned {
        subject: Some(&image),
        ..Scanned::default()
    };
    for (product, applies) in [
        (
            "pkg:oci/shop@sha256%3Aabcd?repository_url=mirror.example/shop&tag=7",
            true,
        ),
        ("pkg:oci/shop@sha256%3Aabcd?arch=arm64", true),
        (
            "pkg:oci/shop@sha256%3Affff?repository_url=index.hub.example/acme/shop",
            false,
        ),
        ("pkg:oci/shop?repository_url=hub.example/acme/shop", true),
        ("pkg:oci/shop?repository_url=hub.example/other/shop", false),
        ("pkg:oci/shop?arch=arm64", false),
        ("hub.example/acme/shop@sha256:abcd", true),
        ("hub.example/acme/shop:1@sha256:ffff", false),
    ] {
        assert_eq!(settles(&[said(product)], &scanned), applies, "{product}");
    }
}

#[test]
fn bom_link_matches_by_serial_number_and_reference() {
    let vex = |reference: &str| {
        read(&json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": [{"id": "CVE-2024-1",
                "affects": [{"ref": reference}], "analysis": {"state": "not_affected"}}],
        }))
    };
    let references = BomReferences {
        serial: Some("urn:uuid:3E671687-395b-41f5-a30f-a58921a69b79".into()),
        version: Some("1".into()),
        subject: Some("root".into()),
        purls: [("7c1a".to_owned(), "pkg:npm/express@4.0.0".to_owned())].into(),
    };
    let scanned = Scanned {
        references: Some(references),
        ..Scanned::default()
    };
    let link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79";
    for (reference, applies) in [
        (format!("{link}/1#7c1a"), true),
        (format!("{link}/1#pkg%3Anpm%2Fexpress%404.0.0"), true),
        (format!("{link}/1#root"), true),
        (format!("{link}/2#7c1a"), false),
        (format!("{link}/1#other"), false),
        (
            "urn:cdx:00000000-395b-41f5-a30f-a58921a69b79/1#7c1a".to_owned(),
            false,
        ),
        (
            "urn:cdx:00000000-395b-41f5-a30f-a58921a69b79/1#pkg:npm/express@4.0.0".to_owned(),
            false,
        ),
        ("7c1a".to_owned(), false),
    ] {
        let document = vex(&reference);
        assert_eq!(
            settles(std::slice::from_ref(&document), &scanned),
            applies,
            "{reference}"
        );
        assert_eq!(
            settles(&[document.for_all_scans()], &scanned),
            applies,
            "{reference}"
        );
    }
    // Without a serial number it is unknown, so only a document given for the SBOM applies.
    let linked = vex(&format!("{link}/1#pkg:npm/express@4.0.0"));
    assert!(settles(std::slice::from_ref(&linked), &undescribed()));
    assert!(!settles(&[linked.for_all_scans()], &undescribed()));
}

#[test]
fn components_are_parts_of_the_documents_subject() {
    let document = |reference: &str| {
        read(&json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5",
            "metadata": {"component": {"type": "application", "name": "argo", "version": "2", "bom-ref": "a"}},
            "components": [{"type": "library", "name": "express", "bom-ref": "e", "purl": "pkg:npm/express@4.0.0"}],
            "vulnerabilities": [{"id": "CVE-2024-1", "affects": [{"ref": reference}], "analysis": {"state": "not_affected"}}],
        }))
    };
    let cases = [("argo", "2", true), ("argo", "3", false), ("kyverno", "2", false)];
    let with_both = |case| [document("e"), document("pkg:npm/express@4.0.0")].map(|vex| (case, vex));
    for ((name, version, applies), vex) in cases.into_iter().flat_map(with_both) {
        let subject = described(name, version, None);
        let scanned = Scanned {
            subject: Some(&subject),
            ..Scanned::default()
        };
        assert_eq!(
            settles(std::slice::from_ref(&vex), &scanned),
            applies,
            "{name} {version}"
        );
    }
}

#[test]
fn every_package_of_one_source_needs_a_statement() {
    let mut both = finding(Level::High);
    both.package.other_purls = ["pkg:npm/express-extra@4.0.0".into()].into();
    let settles = |documents: &[VexDocument]| {
        let mut index = VexIndex::of(documents, &undescribed(), &[both.clone()]);
        index.settle(&both).is_some()
    };
    let one = openvex(&json!({"@id": "pkg:npm/express@4.0.0"}), "not_affected");
    let other = openvex(&json!({"@id": "pkg:npm/express-extra@4.0.0"}), "fixed");
    assert!(!settles(std::slice::from_ref(&one)));
    assert!(!settles(std::slice::from_ref(&other)));
    assert!(settles(&[one, other]));
}

#[test]
fn version_range_settles_nothing() {
    let named = |category: &str, name: &str, purl: &str, status: &str| {
        read(&json!({
            "document": {"csaf_version": "2.0", "tracking": {"current_release_date": "2025-01-01T00:00:00Z"}},
            "product_tree": {
                "branches": [{"category": category, "name": name, "product": {"product_id": "P", "name": "express",
                    "product_identification_helper": {"purl": purl}}}],
                "relationships": [{"product_reference": "P", "relates_to_product_reference": "none",
                    "full_product_name": {"product_id": "Q", "name": "express of nothing"}}],
            },
            "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {status: ["P"]}}],
        }))
    };
    let of = |category, purl, status| named(category, "vers:npm/<4", purl, status);
    let settles = |category, purl, status| settled(&[of(category, purl, status)]).is_some();
    for status in ["known_not_affected", "fixed"] {
        // A fix is in a version: one that no version states excuses nothing.
        let of_all = status != "fixed";
        for (name, settles) in [
            ("4.0.0", true),
            ("4.0.1", false),
            ("vers:npm/<5", false),
            (">= 4", false),
            ("all versions", of_all),
            ("express2", of_all),
            ("v4.0.0", false),
            ("*", of_all),
        ] {
            let of_branch = named("product_version", name, "pkg:npm/express", status);
            assert_eq!(settled(&[of_branch]).is_some(), settles, "{name}");
        }
        assert!(!settles("product_version_range", "pkg:npm/express", status));
        assert!(settles("product_version_range", "pkg:npm/express@4.0.0", status));
    }
    let below = read(&json!({
        "document": {"csaf_version": "2.0", "tracking": {"current_release_date": "2025-01-01T00:00:00Z"}},
        "product_tree": {"branches": [{"category": "product_version_range", "name": "<1.2", "branches": [
            {"category": "architecture", "name": "noarch", "product": {"product_id": "P", "name": "express",
                "product_identification_helper": {"purl": "pkg:npm/express"}}}]}]},
        "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {"known_not_affected": ["P"]}}],
    }));
    assert!(settled(&[below]).is_none(), "what lies below a range is of it");
    let affected = of("product_version_range", "pkg:npm/express", "known_affected");
    assert_eq!((affected.len(), affected.unusable()), (1, 0));
}
