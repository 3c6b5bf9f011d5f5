//! Statements of equal age: which of them counts, in any order of the documents.

use super::*;

#[test]
fn tie_prefers_package_level_statement() {
    let image = described("shop", "", Some("pkg:oci/shop@sha256%3Aabcd"));
    let of_image = Scanned {
        subject: Some(&image),
        ..Scanned::default()
    };
    let words = read(&json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2020-01-01T00:00:00Z",
        "statements": [
            {"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": "pkg:npm/express"}], "status": "affected"},
            {"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": "pkg:oci/shop"}], "status": "fixed"},
        ],
    }));
    let documents = [words];
    let mut index = VexIndex::of(&documents, &of_image, &[finding(Level::High)]);
    assert!(index.settle(&finding(Level::High)).is_none());
}

#[test]
fn tie_between_documents_prefers_no_excuse() {
    let said = |author: &str, status: &str| {
        read(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "author": author, "timestamp": "2020-01-01T00:00:00Z",
            "statements": [
                {"vulnerability": {"name": "CVE-2024-1"}, "products": [{"@id": "pkg:npm/express"}], "status": status,
                    "justification": "component_not_present"}],
        }))
    };
    for author in ["a", "b", "c", "d"] {
        let (harmless, harmful) = (said(author, "not_affected"), said("z", "affected"));
        assert_eq!(settled(&[harmless.clone(), harmful.clone()]), None);
        assert_eq!(settled(&[harmful, harmless]), None);
    }
}

#[test]
fn tie_between_documents_prefers_a_possible_fix() {
    let said = |author: &str, response: &str| {
        read(&json!({
            "bomFormat": "CycloneDX", "metadata": {"timestamp": "2020-01-01T00:00:00Z", "authors": [{"name": author}]},
            "vulnerabilities": [{"id": "CVE-2024-1", "analysis": {"state": "exploitable", "response": [response]},
                "affects": [{"ref": "pkg:npm/express"}]}],
        }))
    };
    let finding = finding(Level::High);
    for author in ["a", "b", "c", "d", "e", "f"] {
        let documents = VexDocument::set_of(vec![said(author, "update"), said("z", "will_not_fix")]);
        assert!(
            !VexIndex::of(&documents, &undescribed(), [&finding]).will_not_fix(&finding),
            "{author}"
        );
        assert!(
            VexIndex::of(&[said(author, "can_not_fix")], &undescribed(), [&finding]).will_not_fix(&finding)
        );
    }
}

#[test]
fn order_of_documents_does_not_matter() {
    let said = |author: &str| {
        read(&json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": author, "statements": []}))
    };
    let all: Vec<VexDocument> = ["a", "b", "c", "a"].map(said).into();
    let hashes = |documents: Vec<VexDocument>| -> Vec<[u8; 32]> {
        VexDocument::set_of(documents)
            .iter()
            .map(|document| *document.hash())
            .collect()
    };
    let mut backwards = all.clone();
    backwards.reverse();
    assert_eq!(hashes(all.clone()), hashes(backwards));
    let set = hashes(all);
    assert_eq!(set.len(), 3);
    assert!(set.is_sorted());
}
