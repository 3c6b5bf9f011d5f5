//! End-to-end: real `starling` processes, real sockets, real files.
//!
//! One executable, so that it is linked once. Every test makes its sites in a separate folder.

// Helper functions of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests are about files, clocks and processes"
)]

mod bad_bundles;
mod bad_luck;
mod clocks;
mod commands;
mod configuration;
mod copies;
mod corpus;
mod craft;
mod crafted;
mod daily;
mod federation;
mod feeds;
mod http_api;
mod lost_homes;
mod mutes;
mod one_fetch;
mod opening;
mod pages;
mod released;
mod restored_by_file;
mod restores;
mod scanning;
mod scans;
mod variants;

use std::path::PathBuf;

use serde_json::json;
use starling_tests::feed::{Folder, advisory, with};
use tempfile::TempDir;

/// Keeps the folders of tests for inspection.
const KEEP_VARIABLE: &str = "STARLING_TEST_KEEP";

/// Creates the temporary folder of one test.
fn bench() -> TempDir {
    let mut bench = tempfile::Builder::new()
        .prefix("starling-e2e-")
        .tempdir()
        .expect("a folder can be made");
    if std::env::var_os(KEEP_VARIABLE).is_some() {
        println!("kept: {}", bench.path().display());
        bench.disable_cleanup(true);
    }
    bench
}

/// Returns a handful of advisories of several kinds.
fn sample_feed() -> Folder {
    let mut folder = Folder::default();
    folder.put(
        "EX-2025-0001.json",
        &with(
            advisory("EX-2025-0001", "left-pad", "1.3.1", "2025-02-01T00:00:00Z"),
            "aliases",
            json!(["CVE-2025-10001"]),
        ),
    );
    folder.put(
        "EX-2025-0002.json",
        &advisory("EX-2025-0002", "express", "4.20.0", "2025-02-02T00:00:00Z"),
    );
    folder.put(
        "EX-2025-0003.json",
        &with(
            advisory("EX-2025-0003", "express", "4.19.0", "2025-02-03T00:00:00Z"),
            "withdrawn",
            json!("2025-02-04T00:00:00Z"),
        ),
    );
    folder.put(
        "nested/EX-2025-0004.json",
        &with(
            advisory("EX-2025-0004", "lodash", "4.17.21", "2025-02-03T00:00:00Z"),
            "details",
            json!("Ein Fließtext mit Umlauten, \u{1F426} und \"Anführung\"."),
        ),
    );
    folder
}

/// Returns an SBOM with components from the sample feed, and one that is not in it.
fn sample_sbom(site: &starling_tests::Site) -> PathBuf {
    let component = |name: &str, version: &str| {
        json!({ "type": "library", "bom-ref": name, "name": name, "version": version,
                "purl": format!("pkg:npm/{name}@{version}") })
    };
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [component("express", "4.18.0"), component("left-pad", "1.3.1"), component("chalk", "5.0.0")],
    });
    let path = site.file("sbom.json");
    std::fs::write(&path, bom.to_string()).expect("a file can be written");
    path
}
