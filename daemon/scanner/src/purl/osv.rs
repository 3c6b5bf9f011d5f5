//! Which OSV package a package URL names, and back.
//!
//! Distribution packages get a suffix from their `distro` qualifier (`Debian:12`); advisories of
//! distributions are about source packages, so a `source` or `upstream` qualifier wins over the name.
//! Without a known distribution the package is still returned, without suffix: the caller counts it.

mod release;
mod table;

use std::borrow::Cow;

use self::release::{beside, has_releases, release_of};
use self::table::{DOCKER, ROWS, Row};
use super::{PackageUrl, PurlParts};
use crate::name::{ecosystem_base, spelling};

/// A package as OSV names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OsvPackage {
    /// The ecosystem with its suffix if it is known: `npm`, `Debian:12`.
    pub ecosystem: Cow<'static, str>,
    /// The name in the ecosystem's one spelling (see [`crate::name::normalise_name`]).
    pub name: String,
    /// False if the ecosystem is split by release and the URL does not tell which one.
    pub release_known: bool,
    /// Further ecosystems whose advisories are about the package: products that the release is made of, paid
    /// extensions of it, or the distribution where a source does not tell releases apart.
    pub also: Vec<String>,
}

impl OsvPackage {
    /// The ecosystems whose advisories are about the package, its own first.
    pub fn ecosystems(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.ecosystem.as_ref()).chain(self.also.iter().map(String::as_str))
    }

    /// Whether to hold advisories of one of its ecosystems is to know something of its release: those of its own, of the
    /// products that its release is made of, and of its release in another spelling. One record that names no
    /// release, or an extension's, does not make every release known.
    pub fn is_known_by(&self, ecosystem: &str) -> bool {
        let own = self.ecosystem.as_ref();
        let beyond = ecosystem.strip_prefix(own);
        ecosystem == own
            || (own.starts_with("Red Hat:") && beyond.is_some_and(|rest| rest.starts_with("::")))
            || ecosystem.starts_with("SUSE:Linux Enterprise Module ")
            || (own.starts_with("Docker Hardened Images:Debian:")
                && ecosystem.starts_with("Docker Hardened Images:Debian:"))
            // Its sources need not tell releases apart.
            || (own.starts_with("FreeBSD:ports:") && ecosystem == "FreeBSD:ports")
    }
}

/// Returns the OSV package that a URL names, or `None` if OSV has no ecosystem for it.
///
/// ```
/// use starling_scanner::purl::{PackageUrl, osv::package_of};
/// let purl = PackageUrl::parse("pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12").unwrap();
/// let package = package_of(&purl).unwrap();
/// assert_eq!((package.ecosystem.as_ref(), package.name.as_str()), ("Debian:12", "libssl3"));
/// ```
pub fn package_of(purl: &PackageUrl) -> Option<OsvPackage> {
    package_in(purl, None)
}

/// Does what [`package_of`] does for a package found on a known distribution, written as in the
/// `distro` qualifier (`debian-12`); the URL's own qualifier wins.
pub fn package_in(purl: &PackageUrl, distro: Option<&str>) -> Option<OsvPackage> {
    let row = ROWS.iter().find(|row| {
        row.ty == purl.ty() && (row.namespace.is_empty() || purl.namespace() == Some(row.namespace))
    })?;
    let is_distro = !row.namespace.is_empty();
    let name = if is_distro {
        Cow::Borrowed(advisory_name(row.ecosystem, purl))
    } else {
        match purl.namespace() {
            Some(namespace) => Cow::Owned([namespace, row.joiner, purl.name()].concat()),
            None => Cow::Borrowed(purl.name()),
        }
    };
    let name = match (row.ecosystem, purl.subpath()) {
        // A major version is a part of a Go module's path, but some tools write it as a subpath.
        ("Go", Some(subpath)) if is_go_major(subpath) => Cow::Owned(format!("{name}/{subpath}")),
        _ => name,
    };
    let same_system = |d: &&str| is_of(row.ecosystem, d);
    let own = match row.ty {
        // FreeBSD's architecture names the release: `FreeBSD:14:amd64`.
        "freebsd" => purl.qualifier("arch"),
        _ if row.namespace == DOCKER => purl.qualifier("distro").or_else(|| purl.qualifier("os_version")),
        _ => purl.qualifier("distro"),
    };
    let distro = own.or(distro.filter(same_system));
    let release = distro.and_then(|distro| release_of(row.ecosystem, distro));
    let release_known = release.is_some() || !has_releases(row.ecosystem);
    let ecosystem = match release {
        Some(release) => Cow::Owned(format!("{}:{release}", row.ecosystem)),
        None => Cow::Borrowed(row.ecosystem),
    };
    let name = match spelling(&ecosystem, &name) {
        // Spelt so already: what was joined is kept.
        Cow::Borrowed(spelt) if spelt.len() == name.len() => name.into_owned(),
        spelt => spelt.into_owned(),
    };
    let also = match ecosystem
        .strip_prefix(row.ecosystem)
        .and_then(|rest| rest.strip_prefix(':'))
    {
        Some(release) => beside(row.ecosystem, release),
        None if row.ecosystem == "FreeBSD:ports" => vec!["FreeBSD".to_owned()],
        None if row.ecosystem == "Go" && name.starts_with("k8s.io/") => vec!["Kubernetes".to_owned()],
        None => Vec::new(),
    };
    Some(OsvPackage {
        name,
        ecosystem,
        release_known,
        also,
    })
}

/// Returns the URL of an OSV package, without version, or `None` if its ecosystem has no URL type.
pub fn purl_of(ecosystem: &str, name: &str) -> Option<PackageUrl> {
    let base = ecosystem_base(ecosystem);
    let is_of = |row: &&Row| match ecosystem.trim().strip_prefix(row.ecosystem) {
        // `FreeBSD:kernel` has no URL, `FreeBSD:ports` and `FreeBSD:ports:14` have.
        Some(rest) => rest.is_empty() || rest.starts_with(':'),
        None => false,
    };
    let row = ROWS.iter().find(is_of)?;
    let (namespace, name) = if row.namespace.is_empty() {
        match name.rsplit_once(row.joiner) {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        }
    } else {
        (Some(row.namespace), name)
    };
    // These distributions' advisories name source packages.
    let qualifiers = match base {
        "Debian" | "Alpine" | "Alpaquita" | "BellSoft Hardened Containers" => vec![("arch", "source")],
        _ => Vec::new(),
    };
    let parts = PurlParts {
        ty: row.ty,
        namespace,
        name,
        qualifiers,
        ..PurlParts::default()
    };
    super::build(&parts, super::Mode::Lenient).ok()
}

/// Returns the version to compare with an advisory's, or `None` if the URL has none.
///
/// RPM's epoch stands in a qualifier; a source package's version, where a generator wrote it, stands
/// for the binary package's own, because advisories of dpkg and apk distributions mean the source.
pub fn version_of(purl: &PackageUrl) -> Option<String> {
    let of_source = match purl.ty() {
        "deb" | "apk" if purl.namespace() != Some(DOCKER) => purl
            .qualifier("upstream")
            .and_then(|u| u.split_once('@'))
            .map(|(_, version)| version),
        _ => None,
    };
    let version = of_source.filter(|v| !v.is_empty()).or_else(|| purl.version())?;
    match purl.qualifier("epoch") {
        Some(epoch) if matches!(purl.ty(), "rpm" | "deb") && !version.contains(':') => {
            Some(format!("{epoch}:{version}"))
        }
        _ => Some(version.to_owned()),
    }
}

/// The name that the distribution's advisories use. Generators write the source package into
/// `upstream` (`openssl`, `openssl@3.1`, `openssl-3.0.7-1.el9.src.rpm`) or `source`.
fn advisory_name<'a>(ecosystem: &str, purl: &'a PackageUrl) -> &'a str {
    let Some(named) = purl.qualifier("upstream").or_else(|| purl.qualifier("source")) else {
        return purl.name();
    };
    // Its advisories are about the packages that are installed.
    if purl.namespace() == Some(DOCKER) {
        return purl.name();
    }
    let source = if purl.ty() == "rpm" {
        // Of the RPM distributions these write advisories about source packages, the others binary.
        if !matches!(
            ecosystem,
            "SUSE" | "openSUSE" | "Mageia" | "Azure Linux" | "openEuler" | "Photon OS"
        ) {
            return purl.name();
        }
        // name-version-release.src.rpm
        named
            .strip_suffix(".src.rpm")
            .and_then(|nvr| nvr.rsplitn(3, '-').nth(2))
            .unwrap_or(named)
    } else {
        named.split_once('@').map_or(named, |(name, _)| name)
    };
    if source.is_empty() { purl.name() } else { source }
}

fn is_go_major(subpath: &str) -> bool {
    subpath
        .strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// True if a distribution, by its id in os-release and its release (`rhel-9.3`), is the ecosystem's.
fn is_of(ecosystem: &str, distro: &str) -> bool {
    let lower = distro.to_ascii_lowercase();
    let id = lower.split(['-', ' ']).next().unwrap_or("");
    ROWS.iter()
        .any(|row| row.ecosystem == ecosystem && row.namespace.split('-').next() == Some(id))
        || matches!((ecosystem, id), ("SUSE", "sled") | ("Azure Linux", "mariner"))
}

#[cfg(test)]
mod tests;
