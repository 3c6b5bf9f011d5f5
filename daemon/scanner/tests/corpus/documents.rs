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
