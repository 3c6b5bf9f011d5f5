//! SBOMs of other projects' own tests: their valid documents are read, their invalid ones refused, with listed
//! exceptions.

use super::{SuiteFiles, Tally};
use crate::sbom;

/// Invalid documents that are accepted, by the beginning of their names, with the reason. None of the problems
/// concerns the list of components.
const READ_ALL_THE_SAME: &[(&str, &str)] = &[
    (
        "invalid-license-",
        "licences are nothing that a scan needs; what is wrong is noted",
    ),
    ("invalid-metadata-license-", "as invalid-license"),
    (
        "invalid-serialnumber-",
        "what is wrong is noted, and the components are what they are",
    ),
    (
        "invalid-properties-",
        "a property without a name; properties are not looked at",
    ),
    ("invalid-citations-", "citations are not looked at"),
    (
        "invalid-metadata-distribution-",
        "how far it may travel is not looked at",
    ),
    (
        "invalid-depgraph-",
        "breaks an extension, whose elements are not looked at",
    ),
    (
        "invalid-component-ref-1.1",
        "a repeated bom-ref; places name components here",
    ),
    ("invalid-component-ref-1.2", "as 1.1"),
    ("invalid-component-ref-1.3", "as 1.1"),
    ("invalid-component-ref-1.4", "as 1.1"),
];

/// Runs the specification's documents, whose names say if they are valid.
pub(super) fn cyclonedx(suite: &SuiteFiles, tally: &mut Tally) {
    for (path, bytes) in suite.files() {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_document = name.ends_with(".json") || name.ends_with(".xml");
        let valid = name.starts_with("valid-");
        if is_document && !valid && !name.starts_with("invalid-") {
            tally.skip("documents whose names do not say whether they are valid", 1);
        }
        if is_document && (valid || name.starts_with("invalid-")) {
            let excepted = READ_ALL_THE_SAME.iter().any(|(start, _)| name.starts_with(start));
            document(path, bytes, valid || excepted, tally);
        }
    }
}

/// Documents that are refused, by the end of their paths, with the reason (not `SPDXJSONExample-wrongversion`, which
/// has fields of
/// 2.3 under the name of 2.2: both are read in the same way).
const REFUSED: &[(&str, &str)] = &[
    ("BadJSON.spdx.json", "its creators are a text, not a list"),
    ("SPDXWrongVersion.spdx.json", "no version of SPDX"),
    ("ontology.owl.xml", "an ontology, no document"),
    (
        ".spdx.xml",
        "SPDX as XML: no published schema, and no tool that writes it by default",
    ),
    (".ir.json", "what Clair makes of a document"),
    ("bom-invalid.json", "labelled invalid"),
];

const DOCUMENT_ENDINGS: [&str; 5] = [".json", ".xml", ".yaml", ".spdx", ".rdf"];

/// Every document must be readable, except those in [`REFUSED`].
pub(super) fn readable(suite: &SuiteFiles, tally: &mut Tally) {
    for (path, bytes) in suite.files() {
        let is_document = DOCUMENT_ENDINGS.iter().any(|end| path.ends_with(end));
        // Advisories, policies and reports are next to Dependency-Track's BOMs.
        let is_other =
            path.contains("vuln-data-source") || path.contains("/policy/") || path.contains("/sarif/");
        if is_document && is_other {
            tally.skip("no SBOMs: advisories, policies and reports", 1);
        }
        if is_document && !is_other {
            let refused = REFUSED.iter().any(|(end, _)| path.ends_with(end));
            document(path, bytes, !refused, tally);
        }
    }
}

/// Trivy's own SBOMs, among many other files.
pub(super) fn trivy(suite: &SuiteFiles, tally: &mut Tally) {
    let sboms = suite.files().filter(|(path, _)| path.contains("/sbom/"));
    readable(
        &sboms
            .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
            .collect(),
        tally,
    );
}

fn document(path: &str, bytes: &[u8], readable: bool, tally: &mut Tally) {
    let found = sbom::read(bytes).map(|inventory| inventory.components.len());
    tally.check(found.is_ok() == readable, || {
        let expected = if readable { "to be read" } else { "to be refused" };
        format!("{path}: expected {expected}, found {found:?}")
    });
}
