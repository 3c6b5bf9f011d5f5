//! The distributions whose source packages a document names.
//!
//! Generators leave the source out if it equals the package's name. So if one package of a distribution names its
//! source, the packages without one are their own source; if none does, their sources are unknown.

use std::collections::BTreeSet;

use crate::purl::PackageUrl;
use crate::purl::osv::names_source;
use crate::sbom::Components;

/// The distributions, by the type and the namespace of their URLs.
#[derive(Debug, Default)]
pub(super) struct SourcesNamed(BTreeSet<(String, String)>);

impl SourcesNamed {
    /// Examines a document's components.
    pub(super) fn by(components: &Components) -> Self {
        let mut named = Self::default();
        for component in components.iter() {
            let Some(purl) = component.purl.as_ref().filter(|purl| is_of_distribution(purl)) else {
                continue;
            };
            if names_source(purl, component.origin.as_deref()) && !named.of(purl) {
                let namespace = purl.namespace().unwrap_or_default();
                named.0.insert((purl.ty().to_owned(), namespace.to_owned()));
            }
        }
        named
    }

    /// Returns true if a package of the URL's distribution names its source.
    pub(super) fn of(&self, purl: &PackageUrl) -> bool {
        let (ty, namespace) = (purl.ty(), purl.namespace().unwrap_or_default());
        // There are few, and the search needs no key.
        is_of_distribution(purl) && self.0.iter().any(|(t, n)| t == ty && n == namespace)
    }
}

fn is_of_distribution(purl: &PackageUrl) -> bool {
    matches!(purl.ty(), "deb" | "rpm" | "apk" | "alpine")
}
