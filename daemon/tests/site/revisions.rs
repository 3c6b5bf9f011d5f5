//! What is imported later is not always newer.

use serde_json::{Value, json};

use crate::bench::{Bench, Site, advisory};
use crate::scans::{NAME, scan};

fn document(version: &str, date: &str, package: &str) -> String {
    json!({
        "document": {
            "csaf_version": "2.0", "category": "csaf_security_advisory", "title": "t",
            "publisher": {"namespace": "https://acme.example"},
            "tracking": {"id": "ACME-1", "version": version, "status": "final", "current_release_date": date},
        },
        "product_tree": {"full_product_names": [
            {"name": "p", "product_id": "P", "product_identification_helper": {"purl": format!("pkg:npm/{package}@1.0")}}]},
        "vulnerabilities": [{"cve": "CVE-2025-1000", "product_status": {"known_affected": ["P"]}}],
    })
    .to_string()
}

/// Returns the one package of the document that is here.
fn package(site: &Site<'_>) -> String {
    let lookup = serde_json::to_value(site.get("ACME-1").unwrap()).unwrap();
    let text = lookup.to_string();
    ["express", "lodash"]
        .into_iter()
        .filter(|name| text.contains(&format!("npm/{name}")))
        .collect()
}

#[test]
fn earlier_revision_does_not_replace_a_later_one() {
    let (first, second) = ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z");
    for (version, date, expected) in [
        ("1.0.0", first, "express"),
        ("1.9.0", second, "express"),
        // Its publisher restarts the numbering.
        ("1.0.0", "2025-03-01T00:00:00Z", "lodash"),
        ("2.0.1", first, "lodash"),
    ] {
        let bench = Bench::new();
        let site = bench.site(NAME);
        site.take_in("acme", &document("2.0.0", second, "express"), None)
            .unwrap();
        let report = site
            .take_in("acme", &document(version, date, "lodash"), None)
            .unwrap();
        assert_eq!(package(&site), expected, "{version} {date}");
        let is_named = report
            .warnings
            .iter()
            .any(|warning| warning.contains("earlier revision"));
        assert_eq!(is_named, expected == "express", "{:?}", report.warnings);
    }
}

#[test]
fn record_that_goes_back_in_time_is_named() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let record = |modified: &str, fixed: &str| {
        let mut record = advisory("EX-1", "express", fixed);
        record["modified"] = json!(modified);
        record.to_string()
    };
    let take = |modified: &str, fixed: &str| site.take_in("mine", &record(modified, fixed), None).unwrap();
    assert!(take("2025-02-01T00:00:00Z", "2.0.0").warnings.is_empty());
    let report = take("2025-01-01T00:00:00Z", "3.0.0");
    assert_eq!(
        report.warnings,
        [
            "a record was modified before the one that it replaces: EX-1, of 2025-01-01T00:00:00Z after 2025-02-01T00:00:00Z"
        ]
    );
    assert!(take("2025-03-01T00:00:00Z", "2.0.0").warnings.is_empty());
}

/// AlmaLinux names the CVEs of its OSV records as related only: that one is exploited was not known of them.
#[test]
fn exploited_cve_applies_to_a_record_that_is_only_related() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let record = |id: &str, field: &str, value: Value| {
        let mut record = advisory(id, "express", "4.18.0");
        record[field] = value;
        record
    };
    let cve = json!(["CVE-2025-1000"]);
    site.feed_whole(
        "mine",
        &[
            record("EX-1", "related", cve.clone()),
            // It has a name of its own; the related one is another flaw.
            {
                let mut named = record("EX-2", "related", cve);
                named["aliases"] = json!(["CVE-2025-2000"]);
                named
            },
        ],
    );
    site.feed_whole(
        "kev",
        &[json!({"id": "CVE-2025-1000", "modified": "2025-02-01T00:00:00Z", "summary": "s"})],
    );
    drop(site);
    let verdict = scan(&bench, None);
    let findings = verdict["findings"].as_array().unwrap();
    let shown: Vec<_> = findings
        .iter()
        .map(|found| {
            (
                found["vulnerability"].clone(),
                found["kev"].clone(),
                found["related"].clone(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (json!("CVE-2025-2000"), json!(false), Value::Null),
            (json!("EX-1"), json!(true), json!(["CVE-2025-1000"])),
        ]
    );
}
