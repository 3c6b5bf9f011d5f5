//! The distributions whose source packages a document names.
//!
//! Generators leave the source out if it equals the package's name. So if one package of a distribution names its
//! source, the packages without one are their own source; if none does, their sources are unknown.

use std::collections::BTreeMap;

use crate::purl::PackageUrl;
use crate::purl::osv::names_source;
use crate::sbom::Components;

/// The types of distributions' package URLs.
const TYPES: [&str; 4] = ["deb", "rpm", "apk", "alpine"];

/// The distributions: by the namespace of their URLs, one bit for each type. A document may have as many as it has
/// components.
#[derive(Debug, Default)]
pub(super) struct SourcesNamed(BTreeMap<String, u8>);

impl SourcesNamed {
    /// Examines a document's components.
    pub(super) fn by(components: &Components) -> Self {
        let mut named = Self::default();
        for component in components.iter() {
            let Some(purl) = &component.purl else { continue };
            let Some(bit) = bit_of(purl) else { continue };
            if !names_source(purl, component.origin.as_deref()) {
                continue;
            }
            let namespace = purl.namespace().unwrap_or_default();
            match named.0.get_mut(namespace) {
                Some(types) => *types |= bit,
                None => {
                    named.0.insert(namespace.to_owned(), bit);
                }
            }
        }
        named
    }

    /// Returns true if a package of the URL's distribution names its source.
    pub(super) fn of(&self, purl: &PackageUrl) -> bool {
        let types = || self.0.get(purl.namespace().unwrap_or_default());
        bit_of(purl).is_some_and(|bit| types().is_some_and(|types| types & bit != 0))
    }
}

/// Returns the bit of a URL's type; `None` if that is not a distribution's.
fn bit_of(purl: &PackageUrl) -> Option<u8> {
    let index = TYPES.iter().position(|ty| *ty == purl.ty())?;
    Some(1 << index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbom;

    /// Looking through all of them for each component took hours for a long document.
    #[test]
    fn distributions_differ_by_type_and_namespace() {
        let many = (0..30_000).map(|n| format!("pkg:rpm/ns{n}/x@1?upstream=y"));
        let more = [
            "pkg:deb/debian/x@1",
            "pkg:apk/alpine/x@1?upstream=y",
            "pkg:npm/x@1?source=y",
        ];
        let purls = many.chain(more.map(str::to_owned));
        let list: Vec<String> = purls
            .map(|purl| format!(r#"{{"type":"library","name":"c","purl":"{purl}"}}"#))
            .collect();
        let bom = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{}]}}"#,
            list.join(",")
        );
        let inventory = sbom::read(bom.as_bytes()).unwrap();
        let named = SourcesNamed::by(&inventory.components);
        let of = |purl: &str| named.of(&PackageUrl::parse(purl).unwrap());
        assert!(of("pkg:rpm/ns0/a@1") && of("pkg:rpm/ns29999/a@1") && of("pkg:apk/alpine/a@1"));
        assert!(!of("pkg:deb/ns0/a@1") && !of("pkg:rpm/alpine/a@1") && !of("pkg:deb/debian/a@1"));
        assert!(!of("pkg:npm/x@1"));
        let components = inventory.components.iter();
        assert_eq!(
            components
                .filter(|one| one.purl.as_ref().is_some_and(|purl| named.of(purl)))
                .count(),
            30_001
        );
    }
}
