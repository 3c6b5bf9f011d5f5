//! The ecosystems of the OSV schema, and the reasons why some have no version order or no package URL.
//!
//! [`Scheme::for_ecosystem`](crate::version::Scheme::for_ecosystem) defines the orders, [`crate::purl::osv`] the
//! package URLs. Ecosystems without one of them are listed here, so that none is missing by mistake.
//! `docs/ecosystems.md` shows all of them in a table.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::cpe::CPE_ECOSYSTEM;
use crate::name::ecosystem_base;

/// One ecosystem of the OSV schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ecosystem {
    /// Its name, without suffix.
    pub name: &'static str,
    /// An example from advisories, with a suffix if the ecosystem has one.
    pub example: &'static str,
    /// Why its versions have no order, so that only enumerated versions can match.
    pub unordered: Option<&'static str>,
    /// Why no package URL names its packages.
    pub without_url: Option<&'static str>,
}

const fn whole(name: &'static str, example: &'static str) -> Ecosystem {
    Ecosystem {
        name,
        example,
        unordered: None,
        without_url: None,
    }
}

const fn without_url(name: &'static str, example: &'static str, why: &'static str) -> Ecosystem {
    Ecosystem {
        without_url: Some(why),
        ..whole(name, example)
    }
}

/// Every ecosystem of the OSV schema 1.7.5, sorted without case.
pub const ECOSYSTEMS: [Ecosystem; 48] = [
    whole("AlmaLinux", "AlmaLinux:9"),
    whole("Alpaquita", "Alpaquita:stream"),
    whole("Alpine", "Alpine:v3.18"),
    Ecosystem {
        unordered: Some(
            "its bounds are a release and its security patch level (`16:2026-06-01`). These are properties of a \
             device, not of a package, and no source defines an order between releases and vendors' levels",
        ),
        without_url: Some("its names are repositories of the platform's sources; no URL type covers them"),
        ..whole("Android", "Android")
    },
    whole("Azure Linux", "Azure Linux:3"),
    whole("BellSoft Hardened Containers", "BellSoft Hardened Containers:23"),
    whole("Bioconductor", "Bioconductor"),
    whole("Bitnami", "Bitnami"),
    whole("Chainguard", "Chainguard"),
    whole("CleanStart", "CleanStart"),
    whole("ConanCenter", "ConanCenter"),
    whole("CRAN", "CRAN"),
    whole("crates.io", "crates.io"),
    whole("Debian", "Debian:12"),
    whole("Docker Hardened Images", "Docker Hardened Images:Alpine:3.24"),
    whole("Echo", "Echo"),
    whole("FreeBSD", "FreeBSD:ports"),
    without_url(
        "GHC",
        "GHC",
        "its names are components of the compiler, which is not a package",
    ),
    whole("GitHub Actions", "GitHub Actions"),
    whole("Go", "Go"),
    whole("Hackage", "Hackage"),
    whole("Hex", "Hex"),
    whole("Julia", "Julia"),
    whole("Kubernetes", "Kubernetes"),
    without_url(
        "Linux",
        "Linux",
        "its only name is the kernel of kernel.org; a distribution's kernel is a separate package",
    ),
    whole("Mageia", "Mageia:9"),
    whole("Maven", "Maven"),
    whole("MinimOS", "MinimOS"),
    whole("npm", "npm"),
    whole("NuGet", "NuGet"),
    whole("opam", "opam"),
    whole("openEuler", "openEuler:22.03-LTS-SP1"),
    whole("openSUSE", "openSUSE:Leap 15.5"),
    Ecosystem {
        unordered: Some("its versions are commits and tags, in a different form for each project"),
        ..whole("OSS-Fuzz", "OSS-Fuzz")
    },
    whole("Packagist", "Packagist:https://packages.drupal.org/8"),
    whole("Photon OS", "Photon OS:5.0"),
    whole("Pub", "Pub"),
    whole("PyPI", "PyPI"),
    whole("Red Hat", "Red Hat:enterprise_linux:9::baseos"),
    whole("Rocky Linux", "Rocky Linux:9"),
    without_url(
        "Root",
        "Root:Debian:12",
        "their packages have the URLs of the ecosystem from which they are rebuilt",
    ),
    whole("RubyGems", "RubyGems"),
    whole("SUSE", "SUSE:Linux Enterprise Server 15 SP3"),
    whole("SwiftURL", "SwiftURL"),
    without_url(
        "TuxCare",
        "TuxCare:Alpine:v3.16",
        "their packages have the URLs of the ecosystem from which they are rebuilt",
    ),
    whole("Ubuntu", "Ubuntu:22.04:LTS"),
    whole("VSCode", "VSCode:https://open-vsx.org"),
    whole("Wolfi", "Wolfi"),
];

impl Ecosystem {
    /// Finds an ecosystem by its name, with or without suffix.
    pub fn of(ecosystem: &str) -> Option<&'static Self> {
        let base = ecosystem_base(ecosystem);
        ECOSYSTEMS.iter().find(|known| known.name == base)
    }

    /// Finds the name of an ecosystem that is written with other capitals, and returns it with the text's suffix.
    pub fn respelled(ecosystem: &str) -> Option<String> {
        let base = ecosystem_base(ecosystem);
        let known = ECOSYSTEMS
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(base))?;
        Some(format!("{}{}", known.name, ecosystem.get(base.len()..)?))
    }
}

/// Returns the names, without suffix, of all ecosystems that a finding can have, sorted.
pub fn names_of_findings() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let of_schema = ECOSYSTEMS.iter().map(|ecosystem| ecosystem.name);
        let of_urls = crate::purl::osv::ecosystems().map(ecosystem_base);
        let names: BTreeSet<&'static str> = of_schema.chain(of_urls).chain([CPE_ECOSYSTEM]).collect();
        names.into_iter().collect()
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purl::osv::{package_of, purl_of};
    use crate::version::Scheme;

    /// A name that is valid in every ecosystem.
    const NAME: &str = "owner/name";

    #[test]
    fn every_ecosystem_has_an_order_or_a_reason() {
        for known in &ECOSYSTEMS {
            let order = Scheme::for_ecosystem(known.example);
            assert_eq!(order.is_none(), known.unordered.is_some(), "{}", known.name);
            assert_eq!(Ecosystem::of(known.example), Some(known));
        }
        assert_eq!(Ecosystem::of("Elsewhere:1"), None);
        assert_eq!(Ecosystem::respelled("debian:12").as_deref(), Some("Debian:12"));
        assert_eq!(Ecosystem::respelled("pypi").as_deref(), Some("PyPI"));
        assert_eq!(Ecosystem::respelled("elsewhere:1"), None);
    }

    #[test]
    fn every_ecosystem_has_a_url_or_a_reason() {
        for known in &ECOSYSTEMS {
            let url = purl_of(known.example, NAME);
            assert_eq!(url.is_none(), known.without_url.is_some(), "{}", known.name);
            if let Some(url) = url {
                let package = package_of(&url).unwrap();
                assert_eq!(ecosystem_base(&package.ecosystem), known.name, "{url}");
            }
        }
    }

    #[test]
    fn list_is_sorted_and_documented() {
        let names = ECOSYSTEMS.map(|known| known.name.to_ascii_lowercase());
        assert!(names.is_sorted());
        let page = include_str!("../../../docs/ecosystems.md");
        for known in &ECOSYSTEMS {
            let url = purl_of(known.example, NAME).map_or_else(
                || "none".to_owned(),
                |url| match url.namespace() {
                    Some(namespace) if namespace != "owner" => format!("`{}/{namespace}`", url.ty()),
                    _ => format!("`{}`", url.ty()),
                },
            );
            let order = Scheme::for_ecosystem(known.example).map_or("none", Scheme::as_str);
            let row = format!("| {} | {url} | {order} |", known.name);
            assert!(page.contains(&row), "docs/ecosystems.md has no row {row}");
            for why in [known.unordered, known.without_url].into_iter().flatten() {
                assert!(page.contains(why), "docs/ecosystems.md does not say: {why}");
            }
        }
        let rows = page.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(rows, ECOSYSTEMS.len() + 1, "one row each, and the header");
    }
}
