//! An index built from the previous one equals an index built from everything.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{ExportRequest, ImportParams, ScanParams};
use starling_scanner::index::MatchIndex;
use starling_scanner::knowledge::{Advisory, Knowledge};

use crate::bench::{Bench, advisory};

const NAME: &str = "site-a";

/// Returns the content of an index, by package.
pub(crate) fn content(path: &Path) -> BTreeMap<(String, String), Vec<Advisory>> {
    let index = MatchIndex::open(std::fs::read(path).unwrap()).unwrap();
    let mut names = Vec::new();
    index
        .for_each_package(|ecosystem, name| names.push((ecosystem.to_owned(), name.to_owned())))
        .unwrap();
    let advisories = |(ecosystem, name): &(String, String)| index.advisories(ecosystem, name).unwrap();
    names
        .into_iter()
        .map(|package| (package.clone(), advisories(&package)))
        .collect()
}

/// Builds the index like the first scan, and compares it with one built from everything. Returns the packages.
pub(crate) fn index(bench: &Bench) -> Vec<String> {
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []});
    let scan = || {
        let site = bench.open(NAME);
        let documents = ScanDocuments::from(bytes::Bytes::from(sbom.to_string()));
        site.wait(site.service.scan(documents, ScanParams::default()))
            .unwrap();
    };
    scan();
    let path = bench.home(NAME).join("match.idx");
    let made = content(&path);
    let kept = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    scan();
    assert_eq!(made, content(&path));
    // The next one is built from this one.
    std::fs::write(&path, kept).unwrap();
    made.into_keys()
        .map(|(ecosystem, name)| format!("{ecosystem} {name}"))
        .collect()
}

fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

#[test]
fn incremental_index_equals_a_full_one() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let first = [
        advisory("EX-1", "express", "4.17.1"),
        advisory("EX-2", "lodash", "4.17.21"),
    ];
    site.feed("mine", &first);
    drop(site);
    assert_eq!(index(&bench), ["npm express", "npm lodash"]);

    // Another package, and another range of an existing one.
    let site = bench.open(NAME);
    site.feed(
        "mine",
        &[
            advisory("EX-3", "left-pad", "1.3.0"),
            with(
                advisory("EX-1", "express", "4.18.0"),
                "modified",
                json!("2025-03-01T00:00:00Z"),
            ),
        ],
    );
    drop(site);
    assert_eq!(index(&bench), ["npm express", "npm left-pad", "npm lodash"]);

    // A late alias that links two vulnerabilities, a withdrawal, and a package that a record no longer names.
    let site = bench.open(NAME);
    let moved = with(
        advisory("EX-3", "right-pad", "1.3.0"),
        "modified",
        json!("2025-03-01T00:00:00Z"),
    );
    let tied = with(
        advisory("GHSA-xxxx-xxxx-xxxx", "express", "4.18.0"),
        "aliases",
        json!(["EX-1"]),
    );
    let withdrawn = with(
        advisory("EX-2", "lodash", "4.17.21"),
        "withdrawn",
        json!("2025-03-01T00:00:00Z"),
    );
    site.feed("mine", &[moved, withdrawn]);
    site.feed("ghsa", &[tied]);
    drop(site);
    assert_eq!(index(&bench), ["npm express", "npm lodash", "npm right-pad"]);

    // Another site with the same statement is listed in provenance; for one record it differs.
    let site = bench.open(NAME);
    let other = bench.site("site-b");
    other.feed(
        "mine",
        &[
            advisory("EX-1", "express", "4.18.0"),
            with(
                advisory("EX-2", "lodash", "4.17.22"),
                "modified",
                json!("2025-04-01T00:00:00Z"),
            ),
        ],
    );
    site.list(&other, &["*"]);
    let bundle = other.export(ExportRequest::default());
    site.import(&bundle, ImportParams::default()).unwrap();
    drop((site, other));
    index(&bench);

    // A source that drops all records except one, and a catalogue of exploited vulnerabilities.
    let site = bench.open(NAME);
    site.feed_whole("mine", &first[..1]);
    drop(site);
    index(&bench);
    let site = bench.open(NAME);
    let listed = json!({"schema_version": "1.6.0", "id": "KEV-1", "modified": "2025-02-01T00:00:00Z", "aliases": ["EX-1"]});
    site.feed("kev", &[listed]);
    drop(site);
    index(&bench);
}

/// Returns the ids of a package's advisories.
fn ids(bench: &Bench, package: &str) -> Vec<String> {
    let advisories = content(&bench.home(NAME).join("match.idx"));
    let found = &advisories[&("npm".to_owned(), package.to_owned())];
    found.iter().flat_map(|advisory| advisory.ids.clone()).collect()
}

#[test]
fn late_alias_changes_rows_of_other_packages() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let cve = |record| with(record, "aliases", json!(["CVE-2025-1"]));
    site.feed(
        "ghsa",
        &[cve(advisory("GHSA-2222-2222-2222", "express", "4.18.0"))],
    );
    drop(site);
    index(&bench);
    assert_eq!(ids(&bench, "express"), ["CVE-2025-1", "GHSA-2222-2222-2222"]);

    // Only by the CVE, which does not link records.
    let site = bench.open(NAME);
    site.feed("acme", &[cve(advisory("ACME-1", "left-pad", "1.3.0"))]);
    drop(site);
    index(&bench);
    assert_eq!(
        ids(&bench, "express"),
        ["ACME-1", "CVE-2025-1", "GHSA-2222-2222-2222"]
    );

    // Its id disappears with it.
    let site = bench.open(NAME);
    site.feed_whole("acme", &[advisory("ACME-2", "left-pad", "1.3.0")]);
    drop(site);
    index(&bench);
    assert_eq!(ids(&bench, "express"), ["CVE-2025-1", "GHSA-2222-2222-2222"]);
}

#[test]
fn catalogue_affects_every_advisory() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed(
        "mine",
        &[
            advisory("EX-1", "express", "4.18.0"),
            advisory("EX-2", "lodash", "4.17.21"),
        ],
    );
    drop(site);
    index(&bench);
    let site = bench.open(NAME);
    let listed = with(advisory("KEV-1", "express", "4.18.0"), "aliases", json!(["EX-1"]));
    site.feed("kev", &[listed]);
    drop(site);
    index(&bench);
}
