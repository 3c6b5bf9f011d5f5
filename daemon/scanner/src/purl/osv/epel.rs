//! EPEL: packages that the Fedora Project builds for Enterprise Linux, beside those of the distribution.
//!
//! A generator gives them the URL of the host's own packages. EPEL does not replace packages of the distribution, so a
//! name that no advisory of the host knows may be one of EPEL.

use std::borrow::Cow;

use super::OsvPackage;
use super::is_of;
use super::source::{Source, other_source, source_of};
use super::table::{EPEL, ROWS, Row};
use crate::origin::{Origin, Vendor};
use crate::purl::PackageUrl;

/// The ecosystem whose first releases were made from Enterprise Linux.
const AMAZON: &str = "Amazon Linux";

/// The ecosystems of Enterprise Linux and its rebuilds.
const HOSTS: [&str; 4] = ["AlmaLinux", "Oracle Linux", "Red Hat", "Rocky Linux"];

/// Returns true if an ecosystem, without its release, is that of Enterprise Linux or a rebuild.
pub(super) fn is_host(system: &str) -> bool {
    HOSTS.contains(&system)
}

/// Returns true if a distribution, as id and release from os-release, is Enterprise Linux, or EPEL for it.
pub(super) fn is_for(distro: &str) -> bool {
    let lower = distro.trim().to_ascii_lowercase();
    let rest = lower.strip_prefix("ep").unwrap_or(&lower).strip_prefix("el");
    let is_itself = rest.is_some_and(|rest| {
        rest.trim_start_matches('-')
            .starts_with(|c: char| c.is_ascii_digit())
    });
    is_itself || lower == "epel" || HOSTS.iter().any(|host| is_of(host, &lower))
}

/// Returns true if a package of a namespace's row on this distribution is of EPEL: the namespace is the vendor, who also
/// builds packages for Enterprise Linux.
pub(super) fn names_it(row: &Row, distro: &str) -> bool {
    let begins = distro
        .trim()
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(EPEL));
    begins || (row.ecosystem == "Fedora" && is_for(distro))
}

/// Returns true if the release in a version is one that builds of EPEL do not have. Up to EPEL 9 these end their release with
/// `.el9`; makers of hosts add the minor release (`.el9_4`) or their name. Builds of EPEL 10 have a minor release, too.
fn is_built_by_host(version: &str) -> bool {
    let has_minor = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, minor) = rest.split_at(end);
        let minor = minor.strip_prefix('_').unwrap_or_default();
        major.len() == 1 && minor.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut marks = version.match_indices(".el");
    marks.any(|(at, mark)| {
        let rest = version.get(at + mark.len()..).unwrap_or_default();
        has_minor(rest) || (rest.contains(".rocky") || rest.contains(".centos")) && !rest.starts_with("10")
    })
}

/// Returns true for a build of EPEL Next, which is made for CentOS Stream: `1.0-2.el9.next`. No source of advisories names them.
pub(super) fn is_of_next(version: &str) -> bool {
    let after = version.split_once(".el").map(|(_, rest)| rest.split('.'));
    after.is_some_and(|mut parts| parts.any(|part| part == "next"))
}

/// Returns the row of EPEL.
pub(super) fn row() -> Option<&'static Row> {
    ROWS.iter().find(|row| row.ecosystem == EPEL)
}

/// Returns the package of EPEL that a package on a host may be; `host` is what it is by its URL. `None` if its vendor, or
/// its release, shows that the host's maker built it.
pub(super) fn beside(host: &OsvPackage, purl: &PackageUrl, origin: Option<&Origin>) -> Option<OsvPackage> {
    let major = release_for(host, purl)?;
    match origin.and_then(|origin| origin.vendor) {
        Some(Vendor::EnterpriseLinux) => return None,
        Some(Vendor::Fedora) => {}
        None if host.system != AMAZON && purl.version().is_some_and(is_built_by_host) => return None,
        None => {}
    }
    let row = row()?;
    Some(OsvPackage {
        ecosystem: Cow::Owned(format!("{EPEL}:{major}")),
        system: EPEL,
        name: host.name.clone(),
        release_known: true,
        name_known: source_of(row, purl, origin) != Source::Unknown,
        also: vec![EPEL.to_owned()],
        repository: None,
        source: other_source(row, purl, origin),
        is_module: false,
        epel: None,
        host: None,
    })
}

/// Returns the release of EPEL for a host.
fn release_for<'a>(host: &'a OsvPackage, purl: &PackageUrl) -> Option<&'a str> {
    let (system, release) = host.ecosystem.split_once(':')?;
    if system == AMAZON {
        // Its own packages are named for it: others are of the release that it was made from.
        let (major, mark) = match release {
            "1" => ("6", ".el6"),
            "2" => ("7", ".el7"),
            _ => return None,
        };
        return purl.version()?.contains(mark).then_some(major);
    }
    let release = match system {
        "Red Hat" => release.strip_prefix("enterprise_linux:")?,
        _ if HOSTS.contains(&system) => release,
        _ => return None,
    };
    release.split('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_of_next_has_the_word_behind_its_release() {
        assert!(is_of_next("1.0-2.el9.next") && is_of_next("1.0-2.el9.next.1"));
        for version in ["1.0-2.el9", "1.0-1.next.el9", "1.0-2.el9.nextcloud", "1.next-1"] {
            assert!(!is_of_next(version), "{version}");
        }
    }

    #[test]
    fn release_of_the_hosts_makers_is_known() {
        for version in [
            "3.0.7-18.el9_2",
            "1:1.20.1-14.el8_10.1",
            "2.28-1.el7_9",
            "3.0-1.el9.rocky.0.1",
            "3.10.0-1160.el7.centos.plus",
            "1-1.el6_10",
        ] {
            assert!(is_built_by_host(version), "{version}");
        }
        for version in [
            "1.0-1.el9",
            "1.0-1.el9.1",
            "1.0-1.el9.next",
            "1.0-1.el10_0",
            "1.0-1.el10_1.rocky",
            "1.0_4-1.el9",
            "1.elf_4-2.el9",
            "1-1.el",
            "",
        ] {
            assert!(!is_built_by_host(version), "{version}");
        }
    }
}
