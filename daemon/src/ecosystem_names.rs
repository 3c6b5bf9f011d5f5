//! Suggests the ecosystem or distribution that a misspelt name probably means.

use starling_api_types::wording::nearest_within;
use starling_scanner::ecosystem::names_of_findings;
use starling_scanner::name::ecosystem_base;
use starling_scanner::purl::{PackageUrl, osv};

/// Most letters by which a misspelt name may differ; a third of the length for short names.
const MISSPELT_WITHIN: usize = 2;
/// Names of distributions that publish advisories, as in `os-release`.
const DISTROS: [&str; 15] = [
    "almalinux",
    "alpaquita",
    "alpine",
    "amzn",
    "azurelinux",
    "chainguard",
    "debian",
    "fedora",
    "mageia",
    "ol",
    "opensuse",
    "rhel",
    "rocky",
    "ubuntu",
    "wolfi",
];

/// Returns the number of letters by which a misspelt name may differ from a known one.
fn bound(name: &str) -> usize {
    MISSPELT_WITHIN.min(name.len().div_ceil(3))
}

/// Returns true if findings can have this ecosystem. It may have a suffix (`Debian:12`).
#[must_use]
pub fn is_ecosystem(name: &str) -> bool {
    names_of_findings().contains(&ecosystem_base(name))
}

/// Returns the ecosystem that is spelt most like an unknown name, with the name's suffix; `None` if none is close.
#[must_use]
pub fn nearest_ecosystem(name: &str) -> Option<String> {
    let name = name.trim();
    let base = ecosystem_base(name);
    let known = nearest_within(base, names_of_findings().iter().copied(), bound)?;
    Some(format!("{known}{}", name.get(base.len()..)?))
}

/// Returns true if a distribution, as in a `distro` qualifier (`debian-12`), publishes advisories.
pub(crate) fn is_distro(distro: &str) -> bool {
    let is_of = |ty: &str| {
        let url = PackageUrl::parse(&format!("pkg:{ty}/any@1"));
        url.is_ok_and(|url| osv::package_in(&url, Some(distro)).is_some())
    };
    ["deb", "rpm", "apk"].into_iter().any(is_of)
}

/// Returns the distribution that is spelt most like an unknown one, with the given release; `None` if none is close.
pub(crate) fn nearest_distro(distro: &str) -> Option<String> {
    let distro = distro.trim();
    let name = distro.split(['-', ':', '_']).next().unwrap_or_default();
    let known = nearest_within(name, DISTROS, bound)?;
    let meant = format!("{known}{}", distro.get(name.len()..)?);
    is_distro(&meant).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_ecosystem_is_suggested_and_other_words_are_not() {
        for (word, meant) in [
            ("npn", Some("npm")),
            ("pypi", Some("PyPI")),
            ("debain:12", Some("Debian:12")),
            ("xy", None),
            ("Zzzzzzzz", None),
        ] {
            assert_eq!(nearest_ecosystem(word).as_deref(), meant, "{word}");
            assert!(!is_ecosystem(word), "{word}");
        }
        assert!(is_ecosystem("Debian:12") && is_ecosystem("npm"));
    }

    #[test]
    fn misspelt_distribution_is_suggested_and_others_are_not() {
        for distro in DISTROS {
            assert!(is_distro(&format!("{distro}-12")), "{distro}");
        }
        assert_eq!(nearest_distro("debain-12").as_deref(), Some("debian-12"));
        assert!(!is_distro("debain-12"));
        assert_eq!(nearest_distro("linuxmint-21"), None);
    }
}
