//! Foreign documents, damaged in every way, are read or refused without a panic.

use proptest::prelude::*;

use crate::*;

const POLICY: &str = include_str!("../../../docs/examples/policy.yaml");
const OPENVEX: &str = r#"{"@context":"https://openvex.dev/ns/v0.2.0","author":"a","timestamp":"2025-01-01T00:00:00Z",
"statements":[{"vulnerability":{"name":"CVE-1","aliases":["G"]},"products":[{"@id":"pkg:npm/a@1?b=c#d",
"subcomponents":[{"@id":"pkg:npm/b"}]}],"status":"not_affected","impact_statement":"x"}]}"#;
const CSAF: &str = r#"{"document":{"csaf_version":"2.0","tracking":{"current_release_date":"2025-01-01T00:00:00Z"}},
"product_tree":{"branches":[{"branches":[{"product":{"product_id":"P","product_identification_helper":{"purl":"pkg:npm/a@1"}}}]}],
"relationships":[{"product_reference":"P","full_product_name":{"product_id":"Q"}}]},
"vulnerabilities":[{"cve":"CVE-1","product_status":{"fixed":["Q"]},"flags":[{"label":"x","product_ids":["Q"]}]}]}"#;
const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","components":[{"bom-ref":"a %","purl":"pkg:npm/a@1"}],
"vulnerabilities":[{"id":"CVE-1","affects":[{"ref":"urn:cdx:1/1#a%20%"}],"analysis":{"state":"resolved","detail":"d"}}]}"#;
const BASELINE: &str = r#"{"verdict":{"format":"starling-verdict/1","findings":[{"vulnerability":"CVE-1","ids":["CVE-1"],
"package":{"ecosystem":"npm","name":"a"}}]}}"#;

/// Returns a text with some bytes removed, replaced or doubled.
fn damaged(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..text.len(), 0_u8..4, any::<u8>(), 1_usize..20);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, kind, byte, length) in changes {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, byte),
                2 => bytes.extend_from_within(at..end),
                _ => bytes.splice(at..end, b"[{:&*!".iter().copied()).for_each(drop),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_damaged_policy_is_read_or_refused_in_one_line(bytes in damaged(POLICY)) {
        if let Err(error) = PolicyDocument::read(&bytes) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn a_damaged_vex_document_is_read_or_refused(
        bytes in prop_oneof![damaged(OPENVEX), damaged(CSAF), damaged(CYCLONEDX)],
    ) {
        let _ = VexDocument::read(&bytes);
    }

    #[test]
    fn a_damaged_baseline_is_read_or_refused(bytes in damaged(BASELINE)) {
        let _ = Baseline::read(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (PolicyDocument::read(&bytes), VexDocument::read(&bytes), Baseline::read(&bytes));
    }
}

#[test]
fn undamaged_documents_are_accepted() {
    PolicyDocument::read(POLICY.as_bytes()).unwrap();
    for text in [OPENVEX, CSAF, CYCLONEDX] {
        assert_eq!(VexDocument::read(text.as_bytes()).unwrap().len(), 1);
    }
    Baseline::read(BASELINE.as_bytes()).unwrap();
}
