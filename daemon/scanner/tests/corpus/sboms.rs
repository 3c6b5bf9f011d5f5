//! The corpus's SBOMs: what is valid is read, nothing panics, and the component counts agree.

use starling_scanner::sbom;

use crate::support::{Tally, archive};

#[test]
fn real_documents_are_read_with_all_their_components() {
    let mut tally = Tally::default();
    for name in ["real", "real-images-4tools"] {
        let Some(files) = archive(&format!("sboms/{name}")) else {
            return;
        };
        let manifest = files.text("MANIFEST.tsv");
        let header: Vec<&str> = manifest.lines().next().unwrap().split('\t').collect();
        let column = |wanted: &str| header.iter().position(|h| *h == wanted).unwrap();
        let (path_at, format_at, purls_at) = (column("path"), column("format"), column("purl_types"));
        for row in manifest.lines().skip(1) {
            let fields: Vec<&str> = row.split('\t').collect();
            let (path, format) = (fields[path_at], fields[format_at]);
            // Compressed documents are the caller's to unpack; a schema and a syntax error are no SBOMs, and
            // the VEX document names its packages in vulnerabilities only.
            let is_other = path.ends_with(".xz")
                || path.ends_with("schemas/spdx_2_3.json")
                || path.ends_with("ubi8-invalid.json")
                || path.ends_with("VEX/vex.json");
            if !matches!(format, "cdx-json" | "spdx-json") || is_other {
                continue;
            }
            let bytes = files
                .files()
                .find(|(name, _)| name.ends_with(path))
                .map(|(_, bytes)| bytes);
            let Some(bytes) = bytes else {
                panic!("{path} is in the manifest only")
            };
            let with_purl = |inventory: &sbom::Inventory| {
                inventory.components.iter().filter(|c| c.purl.is_some()).count()
            };
            let found = sbom::read(bytes).map(|inventory| with_purl(&inventory));
            let expects_purls = fields[purls_at] != "{}";
            tally.check(found.as_ref().is_ok_and(|n| !expects_purls || *n > 0), || {
                format!("{path}: {found:?}")
            });
        }
    }
    tally.finish("sboms", 150);
}
