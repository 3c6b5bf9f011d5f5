//! The products of Red Hat whose advisories apply to a host of Enterprise Linux.

pub(in super::super) mod branch;

/// The repositories of a release, as advisories write them after it. Up to release 7 they are kinds of hosts.
const KINDS_OF_HOSTS: [&str; 9] = [
    "as",
    "client",
    "client_workstation",
    "computenode",
    "desktop",
    "es",
    "server",
    "workstation",
    "ws",
];
/// The repositories since release 8.
const REPOSITORIES: [&str; 12] = [
    "appstream",
    "baseos",
    "crb",
    "fastdatapath",
    "highavailability",
    "hypervisor",
    "nfv",
    "realtime",
    "resilientstorage",
    "sap",
    "sap_hana",
    "supplementary",
];
/// Channels of a release up to 7 besides its own repositories. No other product has packages of these names.
const CHANNELS: [&str; 8] = [
    "rhel_common",
    "rhel_extras",
    "rhel_extras_oracle_java",
    "rhel_extras_other",
    "rhel_extras_rt",
    "rhel_extras_sap",
    "rhel_extras_sap_hana",
    "rhel_virtualization",
];
/// Products for hosts up to release 7 whose packages have names of their own, with their versions: collections of newer software,
/// and what is supported for a shorter time than the release.
const PRODUCTS: [(&str, &[&str]); 2] = [
    ("rhel_software_collections", &["1", "2", "3"]),
    (
        "rhel_dotnet",
        &["1.0", "1.1", "2.0", "2.1", "2.2", "3.0", "3.1", "5.0", "6.0"],
    ),
];
/// The last minor release of a release.
const LAST_MINOR: u32 = 10;

/// Adds the ecosystems besides the release's own. A package does not name its repository, so all repositories of the
/// release are used, except those of extended support of minor releases, whose fixes have other versions.
pub(super) fn beside(release: &str, also: &mut Vec<String>) {
    let Some(number) = release.strip_prefix("enterprise_linux:") else {
        return;
    };
    let (major, minor) = match number.split_once('.') {
        Some((major, minor)) => (major, minor.parse::<u32>().ok()),
        None => (number, None),
    };
    let number_of_major = major.parse::<u32>().unwrap_or_default();
    let mut others: Vec<String> = Vec::new();
    if number_of_major < 8 {
        // A release without general support has vulnerabilities for which only subscribers get fixes.
        others.push(format!("rhel_els:{major}"));
        also.extend(CHANNELS.map(|channel| format!("Red Hat:{channel}:{major}")));
        for (product, versions) in PRODUCTS {
            for version in versions {
                also.push(format!("Red Hat:{product}:{version}"));
                also.push(format!("Red Hat:{product}:{version}::el{major}"));
            }
        }
    }
    if number_of_major >= 10 {
        // Documents name the release, or the minor release that was the newest: what is not fixed since is not repeated
        // about later ones, and a fix in a later one is one that the host lacks.
        if minor.is_some() {
            others.push(format!("enterprise_linux:{major}"));
        }
        let all = (0..=LAST_MINOR).filter(|other| minor != Some(*other));
        others.extend(all.map(|minor| format!("enterprise_linux:{major}.{minor}")));
    }
    let repositories = repositories_of(number_of_major);
    also.extend(
        repositories
            .iter()
            .map(|name| format!("Red Hat:{release}::{name}")),
    );
    for other in &others {
        also.push(format!("Red Hat:{other}"));
        also.extend(repositories.iter().map(|name| format!("Red Hat:{other}::{name}")));
    }
}

/// Returns the names of a release's repositories.
fn repositories_of(major: u32) -> &'static [&'static str] {
    if major < 8 { &KINDS_OF_HOSTS } else { &REPOSITORIES }
}

/// Returns true if advisories about a product show knowledge of a release: of the release itself or its repositories; of
/// the whole release, for a minor one; of a minor one, if the host's is not known.
pub(in super::super) fn is_known_by(own: &str, other: &str) -> bool {
    let Some(number) = own.strip_prefix("Red Hat:enterprise_linux:") else {
        return false;
    };
    let Some(other) = other.strip_prefix("Red Hat:enterprise_linux:") else {
        return false;
    };
    let other = other.split_once("::").map_or(other, |(release, _)| release);
    let whole = |number: &str| {
        number
            .split_once('.')
            .map_or(number, |(major, _)| major)
            .to_owned()
    };
    other == number || other == whole(number) || (whole(number) == number && whole(other) == number)
}
