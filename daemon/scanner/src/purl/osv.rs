//! Maps package URLs to OSV packages, and back.
//!
//! Distribution packages get a suffix from their `distro` qualifier (`Debian:12`). Advisories of distributions name
//! source packages, so a `source` or `upstream` qualifier has priority over the name. Without a known distribution
//! the package is returned without suffix, and the caller counts it.

mod branch;
mod build;
mod epel;
mod modules;
mod registry;
mod release;
mod repository;
mod source;
mod table;
mod version;

use std::borrow::Cow;

pub(crate) use self::branch::{Branch, Branches, Host, Tier, is_of_branch};
pub(crate) use self::build::Mark;
use self::modules::Paths;
pub(crate) use self::modules::{can_have, is_major_of, modules_above, with_major};
pub(crate) use self::registry::other_names;
use self::registry::{bare_name, is_of_registry};
pub(crate) use self::release::suse::hosts as hosts_of_suse;
use self::release::{
    DOCKER_NAMES, beside, has_releases, is_derived, is_same_release, release_of, system_of_codename,
};
pub(crate) use self::repository::is_of_another_repository;
pub use self::source::SourcePackage;
use self::source::{Source, other_source, source_of};
pub(crate) use self::source::{is_signed, names_source};
use self::table::{EPEL, Named, ROWS, Row};
use self::version::stated_version;
pub(crate) use self::version::version_on;
pub use self::version::{version_from, version_of};
use super::{PackageUrl, PurlParts};
use crate::name::{ecosystem_base, spelling};
use crate::origin::Origin;

/// Returns the ecosystems of package URLs, some with a suffix, some repeatedly.
pub(crate) fn ecosystems() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.ecosystem)
}

/// The ecosystem of actions.
const ACTIONS: &str = "GitHub Actions";
/// The ecosystem of Go's modules.
const GO: &str = "Go";

/// A package in OSV's terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OsvPackage {
    /// The ecosystem with its suffix, if known: `npm`, `Debian:12`.
    pub ecosystem: Cow<'static, str>,
    /// The ecosystem without any suffix.
    pub system: &'static str,
    /// The normalised name in the ecosystem (see [`crate::name::normalise_name`]).
    pub name: String,
    /// False if the ecosystem is split by release and the URL does not contain the release.
    pub release_known: bool,
    /// False if advisories may use another name: they name source packages and no source is given, or the URL's type
    /// is also used for other things. If the site knows the name, it is the right one.
    pub name_known: bool,
    /// Further ecosystems whose advisories apply to the package: products that are part of the release, paid
    /// extensions, or the distribution without release if a source does not distinguish releases.
    pub also: Vec<String>,
    /// The address of its repository, if the URL has it and the ecosystem is a registry's.
    pub repository: Option<String>,
    /// Its source package, if advisories may name either and the source has another name. For an action in a folder of its
    /// repository: the path of that folder. For a Go module with a subpath: the whole path.
    pub source: Option<SourcePackage>,
    /// True if the name is that of a Go module for certain, not of a package in one.
    pub is_module: bool,
    /// The EPEL package that it may be instead, on a host with Enterprise Linux: a URL does not say which of the two
    /// repositories a package is from.
    pub epel: Option<Box<OsvPackage>>,
    /// The branch of its host, if advisories may be about it.
    pub(crate) host: Option<Host>,
}

impl OsvPackage {
    /// Returns the ecosystems whose advisories apply to the package, its own first.
    pub fn ecosystems(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.ecosystem.as_ref()).chain(self.also.iter().map(String::as_str))
    }

    /// Returns its names in advisories: its own, and the path of an action, or of a Go package.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = &str> {
        let has_path = matches!(self.system, ACTIONS | GO);
        let path = self.source.as_ref().filter(|_| has_path);
        std::iter::once(self.name.as_str()).chain(path.map(|path| path.name.as_str()))
    }

    /// Returns true if an advisory of `ecosystem` shows that the site knows the package's release. That is true for its own
    /// ecosystem, the products of its release, and other spellings of its release; not for an ecosystem without a
    /// release, or for an extension.
    pub fn is_known_by(&self, ecosystem: &str) -> bool {
        let own = self.ecosystem.as_ref();
        ecosystem == own
            || (is_same_release(own, ecosystem) && !release::is_known_in_part(ecosystem))
            || release::red_hat::is_known_by(own, ecosystem)
            || release::suse::is_known_by(own, ecosystem)
            || (own.starts_with("Docker Hardened Images:Debian:")
                && ["Docker Hardened Images:Debian:", "DHI:Debian:"]
                    .iter()
                    .any(|start| ecosystem.starts_with(start)))
            // Sources of these ecosystems may not distinguish releases.
            || ["FreeBSD:ports", "Alpaquita", "BellSoft Hardened Containers"]
                .iter()
                .any(|whole| ecosystem == *whole && is_release_of(own, whole))
    }

    /// Returns true if advisories of `ecosystem`, whose suffix is a repository's address (`Packagist:https://…`),
    /// apply to the package: those of its own repository, or all if its repository is unknown.
    pub fn is_from(&self, ecosystem: &str) -> bool {
        let Some(address) = address_of(ecosystem) else {
            return false;
        };
        let own = self.repository.as_deref();
        own.is_none_or(|own| bare_address(own).eq_ignore_ascii_case(bare_address(address)))
    }
}

/// Returns true if the ecosystem `own` is a release of the ecosystem `whole`.
fn is_release_of(own: &str, whole: &str) -> bool {
    own.strip_prefix(whole).is_some_and(|rest| rest.starts_with(':'))
}

/// Returns the repository's address in an ecosystem's suffix, if it has one.
pub fn address_of(ecosystem: &str) -> Option<&str> {
    let (_, suffix) = ecosystem.trim().split_once(':')?;
    let scheme = suffix.get(..8).unwrap_or(suffix).to_ascii_lowercase();
    (scheme.starts_with("https://") || scheme.starts_with("http://")).then_some(suffix)
}

/// Returns an address without its scheme and trailing slashes.
fn bare_address(address: &str) -> &str {
    let address = address.trim();
    let bare = address.split_once("://").map_or(address, |(_, bare)| bare);
    bare.trim_end_matches('/')
}

/// Returns the OSV package of a URL, or `None` if OSV has no ecosystem for it.
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

/// Same as [`package_of`], for a package found on a known distribution in the form of the `distro` qualifier
/// (`debian-12`); used if the URL has no qualifier of its own.
pub fn package_in(purl: &PackageUrl, distro: Option<&str>) -> Option<OsvPackage> {
    package_from(purl, None, distro)
}

/// Same as [`package_in`], for a package with more data in the document than in its URL.
pub fn package_from(purl: &PackageUrl, origin: Option<&Origin>, distro: Option<&str>) -> Option<OsvPackage> {
    let own = stated_distro(purl);
    let row = row_of(purl, own.or(distro))?;
    let is_distro = !row.namespace.is_empty();
    let source = if is_distro {
        source_of(row, purl, origin)
    } else {
        Source::Own
    };
    let name = match (is_distro, &source) {
        (true, Source::Named(name)) if row.named() == Named::Sources => Cow::Borrowed(name.as_ref()),
        (true, _) => Cow::Borrowed(purl.name()),
        (false, _) => match purl.namespace() {
            // A scope may be written with or without its sign.
            Some(scope) if row.ecosystem == "npm" && !scope.starts_with('@') => {
                Cow::Owned(format!("@{scope}/{}", purl.name()))
            }
            Some(namespace) => Cow::Owned([namespace, row.joiner, purl.name()].concat()),
            None => Cow::Borrowed(purl.name()),
        },
    };
    let paths = Paths::in_registry(row, purl, origin, bare_name(row, name));
    let name = paths.name;
    let same_system = |d: &&str| is_of(row.ecosystem, d) || (row.ecosystem == EPEL && epel::is_for(d));
    let distro = own
        .or(distro.filter(same_system))
        .filter(|distro| !is_derived(distro));
    let release = distro.and_then(|distro| release_of(row.ecosystem, distro));
    let release_known = release.is_some() || !has_releases(row.ecosystem);
    let ecosystem = match release {
        Some(release) => Cow::Owned(format!("{}:{release}", row.ecosystem)),
        None => Cow::Borrowed(row.ecosystem),
    };
    let name = match spelling(&ecosystem, &name) {
        // Already normalised: the text is used without a copy.
        Cow::Borrowed(spelt) if spelt.len() == name.len() => name.into_owned(),
        spelt => spelt.into_owned(),
    };
    let also = match ecosystem
        .strip_prefix(row.ecosystem)
        .and_then(|rest| rest.strip_prefix(':'))
    {
        Some(release) => {
            let version = stated_version(purl, origin).unwrap_or_default();
            beside(row.ecosystem, release, [&name, purl.name(), version])
        }
        None if row.ecosystem == "FreeBSD:ports" => vec!["FreeBSD".to_owned()],
        None if row.ecosystem == "Go" && name.starts_with("k8s.io/") => vec!["Kubernetes".to_owned()],
        None => Vec::new(),
    };
    let repository = match purl.qualifier("repository_url") {
        Some(address) if !is_distro => Some(address.to_owned()),
        _ => None,
    };
    let is_of_registry = is_distro || is_of_registry(purl, row, &name);
    let is_signed = is_signed(purl.ty(), &name);
    let mut package = OsvPackage {
        name,
        ecosystem,
        system: ecosystem_base(row.ecosystem),
        release_known,
        // `github` may name any repository, `k8s` any part of a cluster.
        name_known: source != Source::Unknown
            && !matches!(purl.ty(), "github" | "k8s")
            && !is_signed
            && is_of_registry,
        also,
        repository,
        source: other_source(row, purl, origin)
            .or_else(|| action_in_repository(row, purl))
            .or_else(|| Some(SourcePackage::at(row, paths.other.as_deref()?))),
        is_module: paths.is_module,
        epel: None,
        host: distro.filter(|_| row.ecosystem == "Red Hat").and_then(Host::of),
    };
    package.epel = epel::beside(&package, purl, origin).map(Box::new);
    Some(package)
}

/// Returns true if a URL is of a registry or a distribution with advisories of its own, so that its package need not be
/// matched in another way. `generic` is neither.
pub(crate) fn is_of_registry_or_distribution(purl: &PackageUrl) -> bool {
    match purl.ty() {
        "generic" => false,
        "deb" | "rpm" | "apk" | "alpine" if purl.namespace().is_none() => true,
        _ => row_of(purl, None).is_some(),
    }
}

/// Returns the URL's own distribution, from the qualifiers that generators use.
fn stated_distro(purl: &PackageUrl) -> Option<&str> {
    match purl.ty() {
        // FreeBSD's architecture contains the release: `FreeBSD:14:amd64`.
        "freebsd" => purl.qualifier("arch"),
        // The number has priority over the name: a release's name may belong to a future release.
        "deb" | "rpm" | "apk" | "alpine" => ["distro", "os_version", "os_distro", "distro_name"]
            .into_iter()
            .find_map(|key| purl.qualifier(key)),
        _ => None,
    }
}

/// Returns the row of a URL, found by its type. For a distribution's package, also by its namespace, or by `distro` if it has
/// none.
fn row_of(purl: &PackageUrl, distro: Option<&str>) -> Option<&'static Row> {
    let (ty, namespace) = match (purl.ty(), purl.namespace()) {
        // Syft before 0.85 used the distribution's package manager as the type.
        ("alpine", None) => ("apk", None),
        (ty, namespace) => (ty, namespace),
    };
    let rows = || ROWS.iter().filter(move |row| row.ty == ty);
    if let Some(row) = rows().find(|row| row.namespace.is_empty() || namespace == Some(row.namespace)) {
        let is_of_epel = ty == "rpm" && distro.is_some_and(|distro| epel::names_it(row, distro));
        return if is_of_epel { epel::row() } else { Some(row) };
    }
    if namespace.is_some() {
        return None;
    }
    let of_distro = distro.filter(|distro| !is_derived(distro)).and_then(|distro| {
        let by_id = rows().find(|row| is_of(row.ecosystem, distro));
        by_id.or_else(|| {
            let system = system_of_codename(distro)?;
            rows().find(|row| row.ecosystem == system)
        })
    });
    let alpine = || rows().find(|row| row.ecosystem == "Alpine" && purl.ty() == "alpine");
    of_distro.or_else(alpine)
}

/// Returns the action in a folder of a repository, which advisories may name by its path (`owner/name/folder`). Its
/// versions are the repository's.
fn action_in_repository(row: &Row, purl: &PackageUrl) -> Option<SourcePackage> {
    if row.ecosystem != ACTIONS {
        return None;
    }
    let parts = [purl.namespace(), Some(purl.name()), purl.subpath()];
    let path = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
    (path.matches('/').count() > 1).then(|| SourcePackage::at(row, &path))
}

/// Returns owner and name of a repository from a longer path.
fn first_two_segments(path: &str) -> String {
    let mut segments = path.split('/');
    let (owner, name) = (
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    );
    [owner, "/", name].concat()
}

/// Returns the URL of an OSV package, without version, or `None` if its ecosystem has no URL type.
pub fn purl_of(ecosystem: &str, name: &str) -> Option<PackageUrl> {
    let base = ecosystem_base(ecosystem);
    let [long, short] = DOCKER_NAMES;
    let spelt = match ecosystem.trim().strip_prefix(short) {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => [long, rest].concat(),
        _ => ecosystem.trim().to_owned(),
    };
    let is_of = |row: &&Row| match spelt.strip_prefix(row.ecosystem) {
        // `FreeBSD:kernel` has no URL; `FreeBSD:ports` and `FreeBSD:ports:14` have one.
        Some(rest) => rest.is_empty() || rest.starts_with(':'),
        None => false,
    };
    let row = ROWS.iter().find(is_of)?;
    let (namespace, name) = if row.ecosystem == EPEL {
        (Some("fedora"), name)
    } else if row.namespace.is_empty() {
        match name.rsplit_once(row.joiner) {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        }
    } else {
        (Some(row.namespace), name)
    };
    let distro = spelt.to_ascii_lowercase().replace(':', "-");
    // These distributions' advisories name source packages.
    let qualifiers = match base {
        "Debian" | "Alpine" | "Alpaquita" | "BellSoft Hardened Containers" => vec![("arch", "source")],
        EPEL => vec![("distro", distro.as_str())],
        _ => address_of(ecosystem)
            .map(|address| ("repository_url", address))
            .into_iter()
            .collect(),
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

/// Returns true if a distribution, as id and release from os-release (`rhel-9.3`), belongs to the ecosystem.
fn is_of(ecosystem: &str, distro: &str) -> bool {
    let lower = distro.to_ascii_lowercase();
    // Ids may contain hyphens: `sle-micro-5.3`, `opensuse-leap-15.5`.
    let id = lower
        .find(|c: char| c.is_ascii_digit())
        .and_then(|at| lower.get(..at))
        .unwrap_or(&lower)
        .trim_end_matches(['-', ' ', '_']);
    let first = id.split(['-', ' ']).next().unwrap_or("");
    let of = |row: &&Row| row.namespace == id || row.namespace.split('-').next() == Some(first);
    ROWS.iter()
        .filter(|row| !row.namespace.is_empty() && row.ecosystem == ecosystem)
        .any(|row| of(&row))
}

#[cfg(test)]
mod tests;
