//! VEX documents that others wrote, read from the corpus that `STARLING_CORPUS` names. Without it every
//! test here says that it is skipped, and passes.

// The corpus is outside of the crate, so these tests read the environment and the disk.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;
use starling_policy::{Action, Judged, KnowledgeState, Policy, VexDocument, VexFormat, decide};
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_scanner::sbom;
use starling_scanner::scan::{Coverage, Finding, FoundPackage, ScanResult};
use starling_scanner::severity::{Level, Rating};
use starling_scanner::threat::Threat;

/// The files of one suite by their path inside it; `None`, said aloud, without a corpus.
fn suite(name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let Some(root) = std::env::var_os("STARLING_CORPUS").map(PathBuf::from) else {
        println!("skipped: STARLING_CORPUS is not set, so {name} is not read");
        return None;
    };
    let file = root.join(format!("suites/{name}.tar.zst"));
    let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
    let tar = zstd::decode_all(&bytes[..]).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
    }
    Some(files)
}

/// Reads every file, whatever it is; those that say that they are VEX must be read.
fn read_all(name: &str, least: usize) {
    let Some(files) = suite(name) else {
        return;
    };
    let (mut read, mut failed) = (0, Vec::new());
    for (path, bytes) in &files {
        let outcome = VexDocument::read(bytes);
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            continue;
        };
        let is_openvex = value.get("statements").is_some()
            && value
                .get("@context")
                .is_some_and(|context| context.to_string().contains("openvex.dev/ns"));
        let is_csaf = value
            .pointer("/document/csaf_version")
            .is_some_and(|version| version == "2.0" || version == "2.1");
        if is_openvex || is_csaf {
            match outcome {
                Ok(_) => read += 1,
                Err(error) => failed.push(format!("{path}: {error}")),
            }
        }
    }
    println!("{name}: {read} of {} read", read + failed.len());
    assert!(failed.is_empty(), "{name}: {failed:#?}");
    assert!(
        read >= least,
        "{name}: {read} documents, expected at least {least}"
    );
}

#[test]
fn every_openvex_document_is_read() {
    read_all("openvex", 15);
}

#[test]
fn every_csaf_document_is_read() {
    read_all("csaf-oasis", 900);
    read_all("claircore-csaf", 10);
}

/// Grype's own documents settle the finding that Grype's tests hold against them.
#[test]
fn grypes_documents_settle_what_they_are_about() {
    read_all("grype-vex", 7);
    let Some(files) = suite("grype-vex") else {
        return;
    };
    let document = |ending: &str| {
        let found = files.iter().find(|(path, _)| path.ends_with(ending));
        VexDocument::read(found.expect("the suite has it").1).unwrap()
    };
    let libcrypto = "pkg:apk/alpine/libcrypto3@3.0.8-r3?arch=x86_64&upstream=openssl&distro=alpine-3.17.3";
    for (name, format, purl, action) in [
        (
            "openvex-demo1.json",
            VexFormat::OpenVex,
            libcrypto,
            Action::Ignore,
        ),
        (
            "openvex-demo1.json",
            VexFormat::OpenVex,
            "pkg:apk/alpine/libcrypto3@3.0.8-r4",
            Action::Warn,
        ),
        (
            "openvex-demo1.json",
            VexFormat::OpenVex,
            "pkg:apk/alpine/zlib@3.0.8-r3",
            Action::Warn,
        ),
        ("csaf-demo1.json", VexFormat::Csaf, libcrypto, Action::Ignore),
        (
            "csaf-demo1.json",
            VexFormat::Csaf,
            "pkg:apk/alpine/libcrypto3@3.0.8-r3",
            Action::Warn,
        ),
        // About an image: a finding is about a package.
        (
            "openvex-image-no-subcomponents.json",
            VexFormat::OpenVex,
            libcrypto,
            Action::Warn,
        ),
    ] {
        let document = document(name);
        assert_eq!(document.format(), format);
        assert_eq!(judged("CVE-2023-1255", purl, document), action, "{name} {purl}");
    }
}

fn judged(vulnerability: &str, purl: &str, document: VexDocument) -> Action {
    let bom = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#;
    let inventory = sbom::read(bom).unwrap();
    let finding = Finding {
        vulnerability: vulnerability.into(),
        ids: vec![vulnerability.into()],
        merge_hashes: vec![],
        package: FoundPackage {
            ecosystem: "Alpine:v3.17".into(),
            name: "openssl".into(),
            version: "3.0.8-r3".into(),
            purl: purl.into(),
        },
        summary: String::new(),
        severity: Rating {
            level: Level::Medium,
            score: None,
            stated: None,
        },
        threat: Threat::default(),
        rules: vec![],
        fixed: vec![],
        places: vec![],
        provenance: vec![],
        conflicts: vec![],
    };
    let result = ScanResult {
        findings: vec![finding.into()],
        coverage: Coverage {
            matched: 1,
            ..Coverage::default()
        },
        gaps: vec![],
    };
    let knowledge = KnowledgeState {
        root: KnowledgeRoot::from_bytes([0; 32]),
        advisories: 1,
        sources: vec![],
        unchecked: vec![],
        view_policy_hash: "blake3:view".to_owned(),
        mutes: Default::default(),
    };
    let judged = Judged {
        document: bom,
        inventory: &inventory,
        result: &result,
        baseline: None,
        vex: &[document],
        rego: None,
    };
    let verdict = decide(judged, &Policy::default(), &knowledge, UnixMillis::EPOCH);
    verdict.findings[0].action
}
