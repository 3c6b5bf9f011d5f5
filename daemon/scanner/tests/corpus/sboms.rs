//! The corpus's SBOMs: valid ones are read with all their package URLs, and nothing panics.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use starling_scanner::sbom::{self, Inventory};

use crate::support::{Archive, Tally, archive};

/// A row of an archive's `MANIFEST.tsv` and the document it describes.
struct Row<'a> {
    path: &'a str,
    format: &'a str,
    /// Number of package URLs in the document by type, from the corpus.
    purls: Value,
    label: &'a str,
    bytes: &'a [u8],
}

fn rows(archive: &Archive) -> Vec<Row<'_>> {
    let manifest = archive.text("MANIFEST.tsv");
    let header: Vec<&str> = manifest.lines().next().unwrap().split('\t').collect();
    let column = |wanted: &str| header.iter().position(|h| *h == wanted).unwrap();
    let [path, format, purls, label] = ["path", "format", "purl_types", "label_from_name"].map(column);
    let mut found = Vec::new();
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        // The caller must unpack compressed documents; the archive has none.
        if fields[path].ends_with(".xz") {
            continue;
        }
        let ending = format!("/{}", fields[path]);
        let bytes = archive
            .files()
            .find(|(name, _)| name.ends_with(&ending))
            .map(|(_, bytes)| bytes);
        found.push(Row {
            path: fields[path],
            format: fields[format],
            purls: serde_json::from_str(fields[purls]).unwrap(),
            label: fields.get(label).copied().unwrap_or(""),
            bytes: bytes.unwrap_or_else(|| panic!("{} is in the manifest only", fields[path])),
        });
    }
    found
}

/// Numbers of readable and of noted package URLs.
fn accounted(inventory: &Inventory) -> u64 {
    let read = inventory.components.iter().filter(|c| c.purl.is_some()).count();
    (read + inventory.notes.len()).try_into().unwrap()
}

/// Counts package URLs at their places in the plain JSON tree, as a second, simpler reading. The manifest's own
/// counts include references and evidence, so they only show if there are any.
fn purls_in(document: &Value) -> u64 {
    fn components(list: &Value) -> u64 {
        let own = |c: &Value| u64::from(c["purl"].as_str().is_some_and(|purl| !purl.trim().is_empty()));
        list.as_array()
            .into_iter()
            .flatten()
            .map(|c| own(c) + components(&c["components"]))
            .sum()
    }
    fn references(package: &Value) -> u64 {
        let purls: BTreeSet<&str> = package["externalRefs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|r| r["referenceType"].as_str() == Some("purl"))
            .filter_map(|r| r["referenceLocator"].as_str())
            .collect();
        purls.len().try_into().unwrap()
    }
    let packages = document["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(references)
        .sum::<u64>();
    let subject = Value::Array(vec![document["metadata"]["component"].clone()]);
    components(&document["components"]) + components(&subject) + components(&document["artifacts"]) + packages
}

#[test]
fn real_documents_are_read_with_all_package_urls() {
    let mut tally = Tally::default();
    for name in ["real", "real-images-4tools", "syft-json"] {
        let Some(files) = archive(&format!("sboms/{name}")) else {
            return;
        };
        for row in rows(&files) {
            // Schemas and a syntax error are not SBOMs, and the VEX document names its packages only in
            // vulnerabilities. These have a hash with letters beyond `f`: invalid, and refused.
            if row.path.contains("exampledata/small-legal-cyclonedx") {
                tally.check(sbom::read(row.bytes).is_err(), || format!("{} is read", row.path));
                continue;
            }
            let is_other = row.path.contains("schema/json/")
                || row.path.ends_with("schemas/spdx_2_3.json")
                || row.path.ends_with("ubi8-invalid.json")
                || row.path.ends_with("VEX/vex.json");
            if is_other {
                continue;
            }
            let found = sbom::read(row.bytes).map(|inventory| accounted(&inventory));
            let expected = match serde_json::from_slice::<Value>(row.bytes) {
                Ok(document) => purls_in(&document)..=u64::MAX,
                Err(_) => u64::from(!row.purls.as_object().unwrap().is_empty())..=u64::MAX,
            };
            tally.check(found.as_ref().is_ok_and(|n| expected.contains(n)), || {
                format!("{}: expected {expected:?}, found {found:?}", row.path)
            });
        }
    }
    tally.finish("real SBOMs", 250);
}

#[test]
fn valid_documents_of_the_specification_are_read() {
    let mut tally = Tally::default();
    let Some(files) = archive("sboms/spec-valid-invalid") else {
        return;
    };
    for row in rows(&files) {
        if row.label == "valid" && matches!(row.format, "cdx-json" | "cdx-xml") {
            let found = sbom::read(row.bytes).map(|i| i.components.len());
            tally.check(found.is_ok(), || format!("{}: {found:?}", row.path));
        }
    }
    tally.finish("CycloneDX valid", 300);
}

#[test]
fn edge_cases_and_invalid_documents_never_panic() {
    let mut outcomes = BTreeMap::<String, [u32; 2]>::new();
    for name in ["edge-cases", "spec-valid-invalid"] {
        let Some(files) = archive(&format!("sboms/{name}")) else {
            return;
        };
        for row in rows(&files) {
            let [read, refused] = outcomes
                .entry(format!("{} {}", row.format, row.label))
                .or_default();
            *if sbom::read(row.bytes).is_ok() {
                read
            } else {
                refused
            } += 1;
        }
    }
    for (kind, [read, refused]) in &outcomes {
        println!("{kind}: {read} read, {refused} refused");
    }
    assert!(
        outcomes.values().flatten().sum::<u32>() > 1_000,
        "the archives shrank"
    );
}
