//! Entries of a list of vulnerabilities that give way to the advisories that it names.

use serde_json::{Value, json};
use starling_api::ScanDocuments;

use crate::bench::Bench;
use crate::scans::scan_documents;

const LIST: &str = "CVE-2030-0002 (A flaw in rocket ...)\n\t{DSA-9001-1}\n\t- rocket 2.0-1\n";
const ADVISORIES: &str = "[19 Jul 2030] DSA-9001-1 rocket - security update\n\t{CVE-2030-0002}\n\t[bookworm] - rocket 1.0-1+deb12u1\n";

/// Returns the versions of a package that are affected, each in a release, after these documents were imported one by one.
fn affected_after(documents: &[&str]) -> (Vec<String>, Vec<String>) {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let mut warnings = Vec::new();
    for text in documents {
        let report = site.take_in("debian", text, None).unwrap();
        assert_eq!(report.rejected, 0);
        warnings.extend(report.warnings);
    }
    drop(site);
    let component = |release: &str, version: &str| {
        json!({"type": "library", "name": "rocket", "version": version,
            "purl": format!("pkg:deb/debian/rocket@{version}?arch=source&distro=debian-{release}")})
    };
    let components = [
        component("11", "0.9-1"),
        component("12", "0.9-1"),
        component("12", "1.0-1+deb12u1"),
        component("13", "1.9-1"),
        component("13", "2.0-1"),
        component("14", "1.9-1"),
    ];
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components});
    let verdict = scan_documents(&bench, &ScanDocuments::from(bytes::Bytes::from(sbom.to_string())));
    let findings = verdict["findings"].as_array().unwrap().iter();
    let mut affected: Vec<String> = findings
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let package = &finding["package"];
            format!("{} {}", text(&package["ecosystem"]), text(&package["version"]))
        })
        .collect();
    affected.sort();
    affected.dedup();
    (affected, warnings)
}

#[test]
fn release_is_affected_until_a_fix_is_noted_for_it() {
    let others = [
        "Debian:11 0.9-1",
        "Debian:12 0.9-1",
        "Debian:13 1.9-1",
        "Debian:14 1.9-1",
    ];
    let both = format!("{LIST}{ADVISORIES}");
    for documents in [&[both.as_str()][..], &[ADVISORIES, LIST]] {
        assert_eq!(
            affected_after(documents),
            (Vec::from(others.map(str::to_owned)), Vec::new())
        );
    }
    let (affected, warnings) = affected_after(&[LIST]);
    assert!(
        affected.contains(&"Debian:12 1.0-1+deb12u1".to_owned()),
        "{affected:?}"
    );
    assert!(warnings[0].contains("such as DSA-9001-1"), "{warnings:?}");
}
