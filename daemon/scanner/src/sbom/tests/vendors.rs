//! The vendors of packages, in every format that has them.

use super::*;
use crate::origin::Vendor;

const URL: &str = "pkg:rpm/rocky/rocket@1-1.el9?distro=rocky-9";

fn vendor(document: &str) -> Option<Vendor> {
    let inventory = read(document.as_bytes()).unwrap();
    let packages = inventory.components.iter();
    let mut packages = packages.filter(|component| component.purl.is_some());
    packages
        .next()
        .unwrap()
        .origin
        .as_ref()
        .and_then(|origin| origin.vendor)
}

#[test]
fn vendor_is_read_from_every_format() {
    let cyclonedx = |more: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"rocket","purl":"{URL}"{more}}}]}}"#
        )
    };
    let xml = |more: &str| {
        format!(
            r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library">{more}<name>rocket</name>
            <purl>{URL}</purl></component></components></bom>"#
        )
    };
    let spdx = |more: &str| {
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","name":"d","packages":[{{"SPDXID":"SPDXRef-1","name":"rocket","versionInfo":"1-1.el9"{more},
            "externalRefs":[{{"referenceType":"purl","referenceLocator":"{URL}"}}]}}]}}"#
        )
    };
    let tags = |more: &str| {
        format!(
            "SPDXVersion: SPDX-2.3\nDocumentName: d\nPackageName: rocket\nSPDXID: SPDXRef-1\nPackageVersion: 1\n{more}\n\
             ExternalRef: PACKAGE-MANAGER purl {URL}\n"
        )
    };
    let syft = format!(
        r#"{{"artifacts":[{{"name":"rocket","version":"1-1.el9","type":"rpm","purl":"{URL}",
        "metadata":{{"name":"rocket","vendor":"Fedora Project"}}}}],"schema":{{"version":"16.0.0","url":"https://example.org/syft.json"}},
        "descriptor":{{"name":"syft","version":"1"}}}}"#
    );
    for document in [
        cyclonedx(r#","publisher":"Fedora Project""#),
        cyclonedx(r#","supplier":{"name":"Fedora Project","contact":[{"name":"Rocky"}]}"#),
        xml("<publisher>Fedora Project</publisher>"),
        xml("<supplier><name>Fedora Project</name><contact><name>Rocky</name></contact></supplier>"),
        spdx(r#","originator":"Organization: Fedora Project""#),
        spdx(r#","supplier":"Organization: Fedora Project""#),
        tags("PackageOriginator: Organization: Fedora Project"),
        tags("PackageSupplier: Organization: Fedora Project"),
        syft,
    ] {
        assert_eq!(vendor(&document), Some(Vendor::Fedora), "{document}");
    }
    for document in [
        cyclonedx(r#","publisher":["Fedora Project"],"supplier":"Fedora Project""#),
        cyclonedx(r#","publisher":null,"supplier":null"#),
        xml("<publisher/><publisher>x</publisher><supplier/>"),
        spdx(r#","originator":{"name":"x"},"supplier":null"#),
        tags("PackageSupplier: NOASSERTION"),
    ] {
        assert_eq!(vendor(&document), None, "{document}");
    }
}
