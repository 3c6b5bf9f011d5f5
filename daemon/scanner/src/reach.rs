//! Records that no scan can match, whatever an SBOM contains: they must not look like knowledge about packages.

use std::fmt;

use crate::ecosystem::Ecosystem;
use crate::name::ecosystem_base;
use crate::purl::PackageUrl;
use crate::purl::osv::{address_of, hosts_of_suse, is_of_branch, package_of, purl_of};

/// The reason why no scan can match a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutOfReach {
    /// It names no package and no repository.
    NoPackage,
    /// It names only commits of repositories, and no package.
    Commits,
    /// This ecosystem, the first of its ecosystems, has no package URL.
    NoUrl(String),
    /// Some of its entries name no package, beside others that do.
    Entries,
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPackage => f.write_str(
                "names no package: its data about the vulnerability applies, but no scan finds it",
            ),
            Self::Commits => {
                f.write_str("lists commits but no package: the order of commits needs the repository")
            }
            Self::Entries => f.write_str("they name no package, unlike other entries of the record"),
            Self::NoUrl(ecosystem) => {
                let shown: String = ecosystem.chars().take(80).collect();
                write!(f, "the ecosystem {shown:?} has no package URL")?;
                match Ecosystem::of(ecosystem).and_then(|known| known.without_url) {
                    Some(why) => write!(f, ": {why}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Returns why no scan can match a record about packages of these ecosystems and, if `names_commits`, about commits;
/// `None` if a scan can.
pub fn out_of_reach<'a>(
    ecosystems: impl IntoIterator<Item = &'a str>,
    names_commits: bool,
    mut is_met: impl FnMut(&str) -> bool,
) -> Option<OutOfReach> {
    let mut first = None;
    for ecosystem in ecosystems {
        if is_met(ecosystem) {
            return None;
        }
        first.get_or_insert(ecosystem);
    }
    Some(match (first, names_commits) {
        (Some(ecosystem), _) => OutOfReach::NoUrl(ecosystem.to_owned()),
        (None, true) => OutOfReach::Commits,
        (None, false) => OutOfReach::NoPackage,
    })
}

/// Returns the names of a distribution in a qualifier, for any of its products.
const PRODUCTS: [&str; 7] = [
    "",
    "sles-",
    "sled-",
    "sles_sap-",
    "sle_hpc-",
    "sle-micro-",
    "sl-micro-",
];

/// Returns true if some package URL is matched against advisories of an ecosystem, given with its suffix.
pub fn is_met(ecosystem: &str) -> bool {
    let ecosystem = ecosystem.trim();
    if is_of_branch(ecosystem) {
        return true;
    }
    // Every type accepts names of several parts.
    let Some(url) = purl_of(ecosystem, "owner/name") else {
        return false;
    };
    if address_of(ecosystem).is_some() {
        return package_of(&url).is_some_and(|package| package.ecosystem == ecosystem_base(ecosystem));
    }
    releases(ecosystem).iter().any(|release| {
        let qualified = match url.ty() {
            "freebsd" => url
                .clone()
                .with_qualifier("arch", &format!("FreeBSD:{release}:amd64")),
            _ => url.clone().with_qualifier("distro", release),
        };
        meets(&qualified, ecosystem)
    }) || meets(&url, ecosystem)
}

fn meets(url: &PackageUrl, ecosystem: &str) -> bool {
    package_of(url).is_some_and(|package| package.ecosystems().any(|own| own == ecosystem))
}

/// Returns the forms in which generators may write the release of an ecosystem's suffix.
fn releases(ecosystem: &str) -> Vec<String> {
    let Some((_, suffix)) = ecosystem.split_once(':') else {
        return Vec::new();
    };
    let lower = suffix.to_ascii_lowercase();
    let number = |text: &str| -> Option<String> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let digits = text.get(start..)?;
        let end = digits
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(digits.len());
        digits.get(..end).map(str::to_owned)
    };
    let mut numbers = Vec::from_iter(number(&lower));
    // `15 SP3` is written `15.3`.
    let pack = lower.split_once(" sp").and_then(|(_, rest)| number(rest));
    if let (Some(major), Some(pack)) = (numbers.first().cloned(), pack) {
        numbers.push(format!("{major}.{pack}"));
    }
    // `Backports SLE-15-SP5` are of `Leap 15.5`, `rhel_dotnet:6.0::el7` is of release 7.
    let of_leap = lower.split_once("sle-15-sp").and_then(|(_, pack)| number(pack));
    numbers.extend(of_leap.map(|pack| format!("15.{pack}")));
    numbers.extend(lower.split_once("::el").and_then(|(_, rest)| number(rest)));
    if ecosystem.starts_with("SUSE:") {
        numbers.extend(hosts_of_suse());
    }
    let mut releases = vec![lower.replace(' ', "-")];
    releases.extend(lower.rsplit(':').next().map(str::to_owned));
    for number in numbers {
        releases.extend(PRODUCTS.map(|product| format!("{product}{number}")));
    }
    releases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::ECOSYSTEMS;

    #[test]
    fn every_ecosystem_with_a_url_can_match() {
        for known in &ECOSYSTEMS {
            assert_eq!(
                is_met(known.example),
                known.without_url.is_none(),
                "{}",
                known.example
            );
        }
        for ecosystem in [
            "Alpine",
            "Alpine:3.18",
            "Alpine:edge",
            "Debian:bookworm",
            "Docker Hardened Images:Debian:13",
            "FreeBSD:ports:14",
            "DHI:Alpine:3.24",
            "DHI:Debian:13",
            "DHI:Debian:trixie",
            "Maven:https://repo.example.org/m2",
            "openSUSE:Leap Micro 5.5",
            "openSUSE:Tumbleweed",
            "Red Hat:enterprise_linux:7::server",
            "SUSE:Linux Enterprise Micro 5.3",
            "SUSE:Linux Enterprise Module for Legacy 12",
            "SUSE:Linux Enterprise Server 15 SP3-LTSS",
            "SUSE:Linux Enterprise Server LTSS Extended Security 12 SP5",
            "SUSE:Linux Enterprise High Performance Computing 15 SP3-LTSS",
            "SUSE:Linux Enterprise Server for SAP Applications 15 SP4",
            "SUSE:Linux Enterprise Server for SAP applications 16.0",
            "SUSE:Linux Enterprise Server 16.0",
            "SUSE:Linux Micro 6.0",
            "SUSE:Linux Micro Extras 6.0",
            "SUSE:Linux Enterprise Micro for Rancher 5.4",
            "SUSE:Linux Enterprise Module for Package Hub 15 SP5",
            "SUSE:Real Time Module 15 SP6",
            "SUSE:SLES-LTSS-TERADATA 15 SP2",
            "SUSE:Package Hub 12",
            "SUSE:Manager Server 4.2",
            "SUSE:Enterprise Storage 7.1",
            "SUSE:OpenStack Cloud Crowbar 9",
            "openSUSE:Backports SLE-15-SP5",
            "openSUSE:Leap 15.5 NonFree",
            "Red Hat:rhel_extras:7",
            "Red Hat:rhel_dotnet:6.0::el7",
            "Red Hat:rhel_software_collections:3::el7",
            "Debian:6.0",
            "Ubuntu:Pro:22.04:LTS:Realtime:Kernel",
            "Ubuntu:Pro:22.04:LTS",
            "Ubuntu:24.10",
            "Red Hat:rhel_eus:9.4::appstream",
            "Red Hat:openshift:4.14::el9",
            "Red Hat:openshift:4.14",
        ] {
            assert!(is_met(ecosystem), "{ecosystem}");
        }
        for ecosystem in [
            "pypi",
            "NPM",
            "npm:1",
            "GIT",
            "Debian:nowhere",
            "SUSE:Manager Server 9.9",
            "Red Hat:openshift:3.11::el7",
            "Red Hat:openshift:3.11",
            "Red Hat:openshift:4",
            "Elsewhere",
            "",
            "FreeBSD:kernel",
        ] {
            assert!(!is_met(ecosystem), "{ecosystem}");
        }
    }

    #[test]
    fn one_matchable_package_is_enough() {
        let why = |ecosystems: &[&str], names_commits| {
            out_of_reach(ecosystems.iter().copied(), names_commits, is_met)
        };
        assert_eq!(why(&["Android", "npm"], true), None);
        assert_eq!(
            why(&["Android", "pypi"], true),
            Some(OutOfReach::NoUrl("Android".to_owned()))
        );
        assert_eq!(why(&[], true), Some(OutOfReach::Commits));
        assert_eq!(why(&[], false), Some(OutOfReach::NoPackage));
        let android = OutOfReach::NoUrl("Android".to_owned()).to_string();
        assert!(android.contains("repositories of the platform"), "{android}");
    }
}
