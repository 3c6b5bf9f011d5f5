//! Records whose rules cannot be read: their packages are not judged, and never count as clean.

use serde_json::{Value, json};
use starling_api::ScanDocuments;

use crate::bench::Bench;
use crate::scans::scan_documents;

/// Returns entries about a package that say nothing readable about its version 1.0.0.
fn entries() -> Vec<Value> {
    let range = |events: Value| json!({"ranges": [{"type": "SEMVER", "events": events}]});
    vec![
        json!({"ranges": "all"}),
        json!({"ranges": [1]}),
        json!({"ranges": {"type": "SEMVER", "events": [{"introduced": "0"}]}}),
        range(json!("x")),
        range(json!({"introduced": "0"})),
        range(json!([{"introduced": ["0"]}])),
        range(json!([{"introduced": "0"}, {"fixed": {"v": 1}}])),
        range(json!([{"introduced": "0"}, {"fixed": "0.1"}, {"resumed": "0.5"}])),
        json!({"versions": "1.0.0"}),
        json!({"versions": [{"v": "1.0.0"}]}),
        json!({"versions": ["0.9"], "ranges": [null, 7]}),
    ]
}

#[test]
fn package_of_an_unreadable_entry_is_undecided() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let mut records = Vec::new();
    let mut components = Vec::new();
    for (number, mut entry) in entries().into_iter().enumerate() {
        let name = format!("odd-{number}");
        entry["package"] = json!({"ecosystem": "npm", "name": name});
        records.push(
            json!({"id": format!("ODD-{number}"), "modified": "2024-01-01T00:00:00Z", "affected": [entry]}),
        );
        components.push(json!({"type": "library", "name": name, "version": "1.0.0",
            "purl": format!("pkg:npm/{name}@1.0.0")}));
    }
    site.feed("odd", &records);
    drop(site);
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components});
    let documents = ScanDocuments::from(bytes::Bytes::from(sbom.to_string()));
    let verdict = scan_documents(&bench, &documents);
    assert_eq!(verdict["coverage"]["undecided"], records.len(), "{verdict}");
    assert_eq!(verdict["coverage"]["matched"], 0, "{verdict}");
}

#[test]
fn unreadable_severity_hides_no_finding_or_other_severity() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let entry = |severity: Value| json!([{"package": {"ecosystem": "npm", "name": "express"}, "versions": ["4.17.0"], "severity": severity}]);
    let severity = json!([7, {"type": "CVSS_V3", "score": vector}]);
    site.feed(
        "odd",
        &[
            json!({"id": "ODD-1", "modified": "2024-01-01T00:00:00Z", "affected": entry(json!("high"))}),
            json!({"id": "ODD-2", "modified": "2024-01-01T00:00:00Z", "affected": entry(severity.clone())}),
            json!({"id": "ODD-3", "modified": "2024-01-01T00:00:00Z", "severity": severity,
                "affected": entry(Value::Null)}),
        ],
    );
    drop(site);
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "library", "name": "express", "version": "4.17.0", "purl": "pkg:npm/express@4.17.0"}]});
    let documents = ScanDocuments::from(bytes::Bytes::from(sbom.to_string()));
    let verdict = scan_documents(&bench, &documents);
    let findings = verdict["findings"].as_array().unwrap();
    let severities: Vec<&str> = findings
        .iter()
        .map(|finding| finding["severity"]["level"].as_str().unwrap())
        .collect();
    assert_eq!(severities, ["unknown", "critical", "critical"], "{verdict}");
}

#[test]
fn exploited_catalogue_under_another_source_name_warns() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let entry = json!({"cveID": "CVE-2030-0001", "vendorProject": "Acme", "product": "Rocket", "vulnerabilityName": "n",
        "dateAdded": "2030-01-02", "shortDescription": "d", "requiredAction": "r", "dueDate": "2030-02-01",
        "knownRansomwareCampaignUse": "Known", "notes": "", "cwes": []});
    let catalogue =
        json!({"title": "Catalogue", "catalogVersion": "1", "dateReleased": "2030-01-02T00:00:00.0000Z",
        "count": 1, "vulnerabilities": [entry]})
        .to_string();
    let warned = |source| {
        let report = site.take_in(source, &catalogue, None).unwrap();
        report
            .warnings
            .iter()
            .any(|warning| warning.contains("--source kev"))
    };
    assert!(warned("cisa"));
    assert!(!warned("kev"));
}
