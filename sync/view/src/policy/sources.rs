//! Well-known sources: the order in which their fields win, the ids that belong to them, and the ecosystems
//! over which they have authority by default.

use std::collections::BTreeMap;

use starling_protocol::Source;

/// Sources closest to a package's own maintainers: preferred first, in this order.
pub(super) const FIRST_SOURCES: [&str; 35] = [
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
    "fedora",
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

/// Id prefixes and the sources that own them. `CVE-` has no owner: many sources file their own statements under
/// a CVE.
const OWNERS: [(&str, &[&str]); 36] = [
    ("GHSA-", &["ghsa"]),
    ("RUSTSEC-", &["rustsec"]),
    ("PYSEC-", &["pypa"]),
    ("GO-", &["go"]),
    ("RUBYSEC-", &["rubysec"]),
    ("JLSEC-", &["julia"]),
    ("HSEC-", &["haskell"]),
    ("PSF-", &["psf"]),
    ("RSEC-", &["rconsortium"]),
    ("DRUPAL-", &["drupal"]),
    ("DSA-", &["debian"]),
    ("DLA-", &["debian"]),
    ("DTSA-", &["debian"]),
    ("DEBIAN-CVE-", &["debian"]),
    ("USN-", &["ubuntu"]),
    ("UBUNTU-CVE-", &["ubuntu"]),
    ("ALPINE-CVE-", &["alpine"]),
    ("ALSA-", &["almalinux"]),
    ("ALBA-", &["almalinux"]),
    ("ALEA-", &["almalinux"]),
    ("BIT-", &["bitnami"]),
    ("RHSA-", &["redhat"]),
    ("RHBA-", &["redhat"]),
    ("RHEA-", &["redhat"]),
    ("RLSA-", &["rocky"]),
    ("RXSA-", &["rocky"]),
    ("SUSE-", &["suse"]),
    ("openSUSE-", &["opensuse"]),
    ("MGASA-", &["mageia"]),
    ("OESA-", &["openeuler"]),
    ("CGA-", &["chainguard"]),
    ("ASB-A-", &["android"]),
    ("CURL-CVE-", &["curl"]),
    ("EEF-CVE-", &["erlef"]),
    ("FEDORA-", &["fedora"]),
    // The repository is that of the OpenSSF; the preset names its source after the repository.
    ("MAL-", &["malicious-packages", "ossf"]),
];

/// The default authority: a distribution's own source decides about its packages.
const AUTHORITIES: [(&str, &[&str]); 22] = [
    ("debian", &["Debian:*"]),
    ("ubuntu", &["Ubuntu:*"]),
    ("alpine", &["Alpine:*"]),
    ("almalinux", &["AlmaLinux:*"]),
    ("redhat", &["Red Hat:*"]),
    ("rocky", &["Rocky Linux:*"]),
    ("fedora", &["Fedora:*", "EPEL:*"]),
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

/// Returns the sources that own ids of this form; none if the form has no owner.
pub(crate) fn owners_of(id: &str) -> &'static [&'static str] {
    let owners = OWNERS.iter().find(|(prefix, _)| id.starts_with(prefix));
    owners.map_or(&[], |(_, sources)| *sources)
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
        let none: &[&str] = &[];
        for (id, owners) in [
            ("GHSA-aaaa-bbbb-cccc", &["ghsa"][..]),
            ("DEBIAN-CVE-2024-1", &["debian"]),
            ("SUSE-SU-2024:1-1", &["suse"]),
            ("FEDORA-EPEL-2024-0123456789", &["fedora"]),
            ("MAL-2024-1", &["malicious-packages", "ossf"]),
            ("CVE-2024-1", none),
            ("ACME-1", none),
        ] {
            assert_eq!(owners_of(id), owners, "{id}");
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
