//! VEX documents of other projects' own tests, as suites of the self-test.

use serde_json::Value;
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_scanner::sbom;
use starling_scanner::scan::{Coverage, Finding, FoundPackage, ScanResult};
use starling_scanner::selftest::{Suite, SuiteFiles, Tally, suite};
use starling_scanner::severity::{Level, Rating};
use starling_scanner::threat::Threat;

use crate::{Action, Judged, KnowledgeState, Policy, VexDocument, VexFormat, decide};

/// The VEX suites, by name.
pub static SUITES: &[Suite] = &[
    suite("claircore-csaf", "VEX in CSAF, by Clair", 10, readable),
    suite("csaf-oasis", "VEX in CSAF, by OASIS", 900, readable),
    suite("grype-vex", "VEX and what it settles, by Grype", 13, grype),
    suite("openvex", "VEX, by the OpenVEX project", 15, readable),
];

/// Documents that claim to be VEX must be readable; schemas, other advisories and broken examples are next to them.
fn readable(suite: &SuiteFiles, tally: &mut Tally) {
    for (path, bytes) in suite.files() {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            continue;
        };
        let context = value.get("@context").map(Value::to_string).unwrap_or_default();
        let is_openvex = value.get("statements").is_some() && context.contains("openvex.dev/ns");
        let version = value.pointer("/document/csaf_version").and_then(Value::as_str);
        if is_openvex || matches!(version, Some("2.0" | "2.1")) {
            let found = VexDocument::read(bytes);
            tally.check(found.is_ok(), || {
                let error = found.err().map(|error| error.to_string()).unwrap_or_default();
                format!("{path}: expected to be read, found {error}")
            });
        }
    }
}

const LIBCRYPTO: &str =
    "pkg:apk/alpine/libcrypto3@3.0.8-r3?arch=x86_64&upstream=openssl&distro=alpine-3.17.3";

/// The expected result of Grype's documents for a finding of CVE-2023-1255 in a package.
const GRYPE: &[(&str, VexFormat, &str, Action)] = &[
    (
        "openvex-demo1.json",
        VexFormat::OpenVex,
        LIBCRYPTO,
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
    ("csaf-demo1.json", VexFormat::Csaf, LIBCRYPTO, Action::Ignore),
    (
        "csaf-demo1.json",
        VexFormat::Csaf,
        "pkg:apk/alpine/libcrypto3@3.0.8-r3",
        Action::Warn,
    ),
    // A statement about an image; the finding is about a package.
    (
        "openvex-image-no-subcomponents.json",
        VexFormat::OpenVex,
        LIBCRYPTO,
        Action::Warn,
    ),
];

fn grype(suite: &SuiteFiles, tally: &mut Tally) {
    readable(suite, tally);
    for (name, format, purl, expected) in GRYPE {
        let document = suite.files().find(|(path, _)| path.ends_with(name));
        let document = document.and_then(|(_, bytes)| VexDocument::read(bytes).ok());
        let found = document
            .filter(|document| document.format() == *format)
            .and_then(|document| judge(purl, document));
        tally.check(found == Some(*expected), || {
            format!("{name} about {purl}: expected {expected:?}, found {found:?}")
        });
    }
}

/// Returns the decision about one finding of medium severity with the default policy.
fn judge(purl: &str, document: VexDocument) -> Option<Action> {
    let bom = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#;
    let inventory = sbom::read(bom).ok()?;
    let finding = Finding {
        vulnerability: "CVE-2023-1255".into(),
        ids: vec!["CVE-2023-1255".into()],
        related: vec![],
        merge_hashes: vec![],
        package: FoundPackage {
            ecosystem: "Alpine:v3.17".into(),
            name: "openssl".into(),
            version: "3.0.8-r3".into(),
            purl: purl.into(),
            cpe: None,
            other_purls: Default::default(),
        },
        matched_by: None,
        summary: String::new(),
        severity: Rating {
            level: Level::Medium,
            score: None,
            stated: None,
        },
        informational: None,
        threat: Threat::default(),
        rules: vec![],
        fixed: vec![],
        fix_states: vec![],
        places: vec![],
        provenance: vec![],
        conflicts: vec![],
        disputed: false,
        unresolved: false,
        statements: vec![],
    };
    let result = ScanResult {
        findings: vec![finding.into()],
        coverage: Coverage {
            matched: 1,
            ..Coverage::default()
        },
        gaps: vec![],
        ecosystems: Default::default(),
    };
    let knowledge = KnowledgeState {
        root: KnowledgeRoot::from_bytes([0; 32]),
        advisories: 1,
        sources: vec![],
        unchecked: vec![],
        heads: vec![],
        held_back: vec![],
        lost: vec![],
        frozen: vec![],
        ahead: vec![],
        view_policy_hash: "blake3:view".to_owned(),
        mutes: Default::default(),
        unconfirmed: Default::default(),
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
    Some(verdict.findings.first()?.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_sorted_and_fail_without_files() {
        assert!(SUITES.windows(2).all(|two| two[0].name < two[1].name));
        for suite in SUITES {
            assert!(suite.run(&SuiteFiles::default()).failed > 0, "{}", suite.name);
        }
    }

    #[test]
    fn unnamed_package_is_not_settled() {
        let document =
            br#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"urn:x","author":"a","timestamp":
            "2024-01-01T00:00:00Z","version":1,"statements":[{"vulnerability":{"name":"CVE-2023-1255"},
            "products":[{"@id":"pkg:apk/alpine/libcrypto3@3.0.8-r3"}],"status":"fixed"}]}"#;
        let files: SuiteFiles = [("x/openvex-demo1.json".to_owned(), document.to_vec())]
            .into_iter()
            .collect();
        let report = SUITES[2].run(&files);
        // One document is read and settles; another version and package are not settled; three other documents are
        // missing.
        assert_eq!((report.suite, report.passed), ("grype-vex", 4));
    }
}
