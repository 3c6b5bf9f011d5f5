//! Withdrawals that are announced: until their time, what a record states counts as before.

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::ScanParams;

use crate::bench::{Bench, Site, advisory};

const NAME: &str = "site-a";
const BEFORE: &str = "2025-12-31T23:59:59.000Z";
const WITHDRAWN: &str = "2026-01-01T00:00:00Z";
const AFTER: &str = "2026-01-01T00:00:00.000Z";

/// Returns the level, its source, the exploitation, and its probability of the one finding at a time: by the index
/// and by the view.
fn shown(bench: &Bench, at: &str) -> String {
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "library", "name": "express", "version": "4.17.0", "purl": "pkg:npm/express@4.17.0"}]});
    let documents = ScanDocuments {
        sbom: sbom.to_string().into(),
        ..ScanDocuments::default()
    };
    let params = ScanParams {
        at: Some(at.parse().unwrap()),
        ..ScanParams::default()
    };
    let scan = || {
        let site = bench.open(NAME);
        site.wait(site.service.scan(documents.clone(), params.clone()))
            .unwrap()
            .verdict
    };
    let by_index = scan();
    let index = bench.home(NAME).join("match.idx");
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert_eq!(scan(), by_index, "by the view");
    std::fs::remove_dir(&index).unwrap();
    let body: Value = serde_json::from_str(by_index.as_str()).unwrap();
    let findings = body["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{body}");
    let finding = &findings[0];
    let severity = &finding["severity"];
    let parts = [
        &severity["level"],
        &severity["stated"]["source"],
        &finding["kev"],
        &finding["epss"],
    ];
    parts
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .join(" ")
}

/// Returns a record about the vulnerability, with a severity.
fn rated(mut record: Value, kind: &str, score: &str) -> Value {
    record["aliases"] = json!(["CVE-2025-1"]);
    record["severity"] = json!([{"type": kind, "score": score}]);
    record
}

/// Returns a record that names no package.
fn listed(id: &str) -> Value {
    rated(
        json!({"schema_version": "1.6.0", "id": id, "modified": "2025-02-01T00:00:00Z"}),
        "severity",
        "unknown",
    )
}

fn until(mut record: Value, withdrawn: &str) -> Value {
    record["withdrawn"] = json!(withdrawn);
    record["modified"] = json!("2025-03-01T00:00:00Z");
    record
}

fn site(bench: &Bench) -> Site<'_> {
    let site = bench.site(NAME);
    site.feed(
        "nvd",
        &[rated(advisory("EX-1", "express", "9.0.0"), "severity", "low")],
    );
    site
}

/// A record that names the package lost its place in the order of the sources as soon as its withdrawal was announced.
#[test]
fn announced_withdrawal_of_a_package_record_leaves_its_rating() {
    let bench = Bench::new();
    let site = site(&bench);
    let record = rated(advisory("GHSA-1", "express", "9.0.0"), "severity", "critical");
    site.feed("ghsa", std::slice::from_ref(&record));
    drop(site);
    let before = shown(&bench, BEFORE);
    assert_eq!(before, "critical ghsa null null");
    let site = bench.open(NAME);
    site.feed("ghsa", &[until(record, WITHDRAWN)]);
    drop(site);
    assert_eq!(shown(&bench, BEFORE), before);
    assert_eq!(shown(&bench, AFTER), "low nvd null null");
}

/// Records that do not name the package counted as withdrawn from the announcement on.
#[test]
fn announced_withdrawal_of_other_records_leaves_their_ratings() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let mut plain = advisory("EX-1", "express", "9.0.0");
    plain["aliases"] = json!(["CVE-2025-1"]);
    site.feed("mine", &[plain]);
    let records = [
        ("kev", listed("KEV-1")),
        ("epss", rated(listed("EPSS-1"), "EPSS", "0.97425")),
        ("nvd", rated(listed("CVE-2025-1"), "severity", "high")),
    ];
    for (source, record) in &records {
        site.feed(source, std::slice::from_ref(record));
    }
    site.feed("kev", &[json!({"schema_version": "1.6.0", "id": "KEV-2", "modified": "2025-02-01T00:00:00Z", "aliases": ["CVE-2025-2"]})]);
    drop(site);
    let before = shown(&bench, BEFORE);
    assert_eq!(before, "high nvd true 0.97425");
    let site = bench.open(NAME);
    for (source, record) in records.clone() {
        site.feed(source, &[until(record, WITHDRAWN)]);
    }
    drop(site);
    assert_eq!(shown(&bench, BEFORE), before);
    assert_eq!(shown(&bench, AFTER), "unknown null false null");

    // A text that is not a time withdraws nothing.
    let site = bench.open(NAME);
    for (source, record) in records {
        site.feed(source, &[until(record, "false")]);
    }
    drop(site);
    assert_eq!(shown(&bench, AFTER), before);
}

/// So are records about a vulnerability that only leads to the advisory.
#[test]
fn announced_withdrawal_of_related_records_leaves_their_ratings() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let mut fixes_two = advisory("UPDATE-1", "express", "9.0.0");
    fixes_two["upstream"] = json!(["CVE-2025-1", "CVE-2025-2"]);
    site.feed("mine", &[fixes_two]);
    let record = rated(listed("CVE-2025-1"), "severity", "high");
    let mut kev = listed("KEV-1");
    kev["aliases"] = json!(["CVE-2025-2"]);
    let records = [("nvd", record), ("kev", kev)];
    for (source, record) in &records {
        site.feed(source, std::slice::from_ref(record));
    }
    drop(site);
    let before = shown(&bench, BEFORE);
    assert_eq!(before, "high nvd true null");
    let site = bench.open(NAME);
    for (source, record) in records {
        site.feed(source, &[until(record, WITHDRAWN)]);
    }
    drop(site);
    assert_eq!(shown(&bench, BEFORE), before);
    let after = shown(&bench, AFTER);
    assert!(after.starts_with("unknown null"), "{after}");
}
