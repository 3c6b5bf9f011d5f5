//! Well-known sources: the order in which their fields win, the ids that belong to them, and the ecosystems
//! over which they have authority by default.

use std::collections::BTreeMap;

use starling_protocol::Source;

/// Sources closest to a package's own maintainers: preferred first, in this order.
pub(super) const FIRST_SOURCES: [&str; 34] = [
    "rustsec",
    "pypa",
    "go",
    "rubysec",
    "julia",
    "haskell",
    "psf",
    "rconsortium",
    "drupal",
    "debian",
    "ubuntu",
    "alpine",
    "almalinux",
    "bitnami",
    "redhat",
    "rocky",
    "suse",
    "opensuse",
    "mageia",
    "openeuler",
    "chainguard",
    "wolfi",
    "minimos",
    "echo",
    "photon",
    "amazon",
    "oracle",
    "android",
    "freebsd",
    "curl",
    "erlef",
    "ossf",
    "malicious-packages",
    "oss-fuzz",
];

/// Sources that collect the findings of others: preferred next, in this order. Unlisted sources come last.
pub(super) const LATER_SOURCES: [&str; 6] = ["ghsa", "osv", "cve", "nvd", "epss", "kev"];

/// Id prefixes and the source that owns them. `CVE-` has no owner: many sources file their own statements under
/// a CVE.
const OWNERS: [(&str, &str); 35] = [
    ("GHSA-", "ghsa"),
    ("RUSTSEC-", "rustsec"),
    ("PYSEC-", "pypa"),
    ("GO-", "go"),
    ("RUBYSEC-", "rubysec"),
    ("JLSEC-", "julia"),
    ("HSEC-", "haskell"),
    ("PSF-", "psf"),
    ("RSEC-", "rconsortium"),
    ("DRUPAL-", "drupal"),
    ("DSA-", "debian"),
    ("DLA-", "debian"),
    ("DTSA-", "debian"),
    ("DEBIAN-CVE-", "debian"),
    ("USN-", "ubuntu"),
    ("UBUNTU-CVE-", "ubuntu"),
    ("ALPINE-CVE-", "alpine"),
    ("ALSA-", "almalinux"),
    ("ALBA-", "almalinux"),
    ("ALEA-", "almalinux"),
    ("BIT-", "bitnami"),
    ("RHSA-", "redhat"),
    ("RHBA-", "redhat"),
    ("RHEA-", "redhat"),
    ("RLSA-", "rocky"),
    ("RXSA-", "rocky"),
    ("SUSE-", "suse"),
    ("openSUSE-", "opensuse"),
    ("MGASA-", "mageia"),
    ("OESA-", "openeuler"),
    ("CGA-", "chainguard"),
    ("ASB-A-", "android"),
    ("CURL-CVE-", "curl"),
    ("EEF-CVE-", "erlef"),
    ("MAL-", "ossf"),
];

/// The default authority: a distribution's own source decides about its packages.
const AUTHORITIES: [(&str, &[&str]); 21] = [
    ("debian", &["Debian:*"]),
    ("ubuntu", &["Ubuntu:*"]),
    ("alpine", &["Alpine:*"]),
    ("almalinux", &["AlmaLinux:*"]),
    ("redhat", &["Red Hat:*"]),
    ("rocky", &["Rocky Linux:*"]),
    ("suse", &["SUSE:*", "openSUSE:*"]),
    ("opensuse", &["openSUSE:*"]),
    ("mageia", &["Mageia:*"]),
    ("openeuler", &["openEuler:*"]),
    ("chainguard", &["Chainguard:*"]),
    ("wolfi", &["Wolfi:*"]),
    ("minimos", &["MinimOS:*"]),
    ("echo", &["Echo:*"]),
    ("photon", &["Photon OS:*"]),
    ("amazon", &["Amazon Linux:*"]),
    ("oracle", &["Oracle Linux:*"]),
    ("android", &["Android:*"]),
    ("freebsd", &["FreeBSD:*"]),
    ("bitnami", &["Bitnami:*"]),
    ("drupal", &["Packagist:https://packages.drupal.org/*"]),
];

/// Returns the source that owns ids of this form, if there is one.
pub(crate) fn owner_of(id: &str) -> Option<&'static str> {
    let owner = OWNERS.iter().find(|(prefix, _)| id.starts_with(prefix));
    owner.map(|(_, source)| *source)
}

/// Returns true if a pattern matches an ecosystem: `Debian:*` matches `Debian` and each of its releases, `X*`
/// everything that begins with `X`, and any other pattern only the ecosystem of that name.
pub(super) fn is_named_by(pattern: &str, ecosystem: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => {
            ecosystem.starts_with(start) || start.strip_suffix(':').is_some_and(|base| base == ecosystem)
        }
        None => pattern == ecosystem,
    }
}

/// Returns the table of authority: the defaults, overridden by the site's own entries.
pub(super) fn authorities(own: &BTreeMap<Source, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let known = AUTHORITIES.iter().map(|(source, patterns)| {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        ((*source).to_owned(), patterns)
    });
    let mut table: BTreeMap<String, Vec<String>> = known.collect();
    table.extend(
        own.iter()
            .map(|(source, patterns)| (source.to_string(), patterns.clone())),
    );
    table.retain(|_, patterns| !patterns.is_empty());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_belong_to_the_source_of_their_prefix() {
        for (id, owner) in [
            ("GHSA-aaaa-bbbb-cccc", Some("ghsa")),
            ("DEBIAN-CVE-2024-1", Some("debian")),
            ("SUSE-SU-2024:1-1", Some("suse")),
            ("CVE-2024-1", None),
            ("ACME-1", None),
        ] {
            assert_eq!(owner_of(id), owner, "{id}");
        }
    }

    #[test]
    fn patterns_name_an_ecosystem_or_its_releases() {
        for (pattern, ecosystem, expected) in [
            ("Debian:*", "Debian:12", true),
            ("Debian:*", "Debian", true),
            ("Debian:*", "Debianish", false),
            ("npm", "npm", true),
            ("npm", "npm:x", false),
            ("*", "anything", true),
        ] {
            assert_eq!(is_named_by(pattern, ecosystem), expected, "{pattern} {ecosystem}");
        }
    }

    #[test]
    fn site_changes_the_authority_of_a_source() {
        let own = BTreeMap::from([
            ("debian".parse().unwrap(), Vec::new()),
            ("acme".parse().unwrap(), vec!["npm".to_owned()]),
        ]);
        let table = authorities(&own);
        assert!(!table.contains_key("debian") && table.contains_key("ubuntu"));
        assert_eq!(table["acme"], ["npm"]);
    }
}
