//! The SBOM suites: what they call valid is read, what they call invalid is refused, each exception by name.

use starling_scanner::sbom;

use crate::support::{Tally, archive};

/// Invalid documents that are read, by the beginning of their names, and why. None of it says anything about
/// which components there are.
const READ_ALL_THE_SAME: &[(&str, &str)] = &[
    ("invalid-license-id-1.", "SPDX adds licence ids all the time"),
    ("invalid-metadata-license-", "as invalid-license-id"),
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
        "invalid-license-declared-concluded-mix-1.6.json",
        "licences beside expressions are valid from 1.7",
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

#[test]
fn cyclonedx_documents_are_read_or_refused_as_the_specification_says() {
    let Some(files) = archive("suites/cyclonedx-spec") else {
        return;
    };
    let mut tally = Tally::default();
    for (path, bytes) in files.files() {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_document = name.ends_with(".json") || name.ends_with(".xml");
        let valid = name.starts_with("valid-");
        if !is_document || !(valid || name.starts_with("invalid-")) {
            continue;
        }
        let found = sbom::read(bytes).map(|inventory| inventory.components.len());
        let excepted = READ_ALL_THE_SAME.iter().any(|(start, _)| name.starts_with(start));
        tally.check(found.is_ok() == (valid || excepted), || {
            format!("{path}: {found:?}")
        });
    }
    tally.finish("cyclonedx-spec", 700);
}

/// Documents of the other suites that are refused (not `SPDXJSONExample-wrongversion`, which has fields of 2.3 under
/// the name of 2.2: both are read alike), by the end of their paths, and why.
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

#[test]
fn documents_of_other_tools_tests_are_read_unless_they_are_none() {
    let mut tally = Tally::default();
    for suite in [
        "spdx-examples",
        "spdx-tools-java",
        "claircore-spdx",
        "dependency-track-boms",
    ] {
        let Some(files) = archive(&format!("suites/{suite}")) else {
            return;
        };
        for (path, bytes) in files.files() {
            let is_document = [".json", ".xml", ".yaml", ".spdx", ".rdf"]
                .iter()
                .any(|end| path.ends_with(end));
            // Advisories of other sources, policies and reports lie beside Dependency-Track's BOMs.
            let is_other =
                path.contains("vuln-data-source") || path.contains("/policy/") || path.contains("/sarif/");
            if !is_document || is_other {
                continue;
            }
            let found = sbom::read(bytes).map(|inventory| inventory.components.len());
            let refused = REFUSED.iter().any(|(end, _)| path.ends_with(end));
            tally.check(found.is_ok() != refused, || format!("{path}: {found:?}"));
        }
    }
    tally.finish("other suites' documents", 100);
}
