//! Which OSV package a package URL names, and back.
//!
//! Distribution packages get a suffix from their `distro` qualifier (`Debian:12`); advisories of
//! distributions are about source packages, so a `source` or `upstream` qualifier wins over the name.
//! Without a known distribution the package is still returned, without suffix: the caller counts it.

mod release;
mod table;

use std::borrow::Cow;

use self::release::{DOCKER_NAMES, beside, has_releases, is_same_release, release_of, system_of_codename};
use self::table::{DOCKER, ROWS, Row};
use super::{PackageUrl, PurlParts};
use crate::name::{ecosystem_base, spelling};
use crate::origin::{Origin, name_of_source_rpm};

/// A package as OSV names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OsvPackage {
    /// The ecosystem with its suffix if it is known: `npm`, `Debian:12`.
    pub ecosystem: Cow<'static, str>,
    /// The ecosystem without any suffix.
    pub system: &'static str,
    /// The name in the ecosystem's one spelling (see [`crate::name::normalise_name`]).
    pub name: String,
    /// False if the ecosystem is split by release and the URL does not tell which one.
    pub release_known: bool,
    /// False if advisories may know the package by another name: they are about source packages and no source is
    /// named, or the URL's type is used for other things as well. Where the site knows the name, it is the right one.
    pub name_known: bool,
    /// Further ecosystems whose advisories are about the package: products that the release is made of, paid
    /// extensions of it, or the distribution where a source does not tell releases apart.
    pub also: Vec<String>,
    /// The address of the repository that it comes from, if the URL tells and the ecosystem is a registry's.
    pub repository: Option<String>,
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
            || is_same_release(own, ecosystem)
            || (own.starts_with("Red Hat:") && beyond.is_some_and(|rest| rest.starts_with("::")))
            || ecosystem.starts_with("SUSE:Linux Enterprise Module ")
            // Products that are a Server and more.
            || (own.starts_with("SUSE:Linux Enterprise ") && ecosystem.starts_with("SUSE:Linux Enterprise Server "))
            || (own.starts_with("Docker Hardened Images:Debian:")
                && ["Docker Hardened Images:Debian:", "DHI:Debian:"]
                    .iter()
                    .any(|start| ecosystem.starts_with(start)))
            // Their sources need not tell releases apart.
            || ["FreeBSD:ports", "Alpaquita", "BellSoft Hardened Containers"]
                .iter()
                .any(|whole| ecosystem == *whole && beyond_of(own, whole))
    }

    /// Returns true if advisories of `ecosystem`, which names a repository's address (`Packagist:https://…`), are about
    /// the package: those of its own repository, or of every one where nothing tells which it is.
    pub fn is_from(&self, ecosystem: &str) -> bool {
        let Some(address) = address_of(ecosystem) else {
            return false;
        };
        let own = self.repository.as_deref();
        own.is_none_or(|own| bare_address(own).eq_ignore_ascii_case(bare_address(address)))
    }
}

/// True if an ecosystem is another one and a release of it.
fn beyond_of(own: &str, whole: &str) -> bool {
    own.strip_prefix(whole).is_some_and(|rest| rest.starts_with(':'))
}

/// The address of the repository that an ecosystem's suffix names, if it names one.
pub fn address_of(ecosystem: &str) -> Option<&str> {
    let (_, suffix) = ecosystem.trim().split_once(':')?;
    let scheme = suffix.get(..8).unwrap_or(suffix).to_ascii_lowercase();
    (scheme.starts_with("https://") || scheme.starts_with("http://")).then_some(suffix)
}

/// An address without its scheme and without slashes at its end.
fn bare_address(address: &str) -> &str {
    let address = address.trim();
    let bare = address.split_once("://").map_or(address, |(_, bare)| bare);
    bare.trim_end_matches('/')
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
    package_from(purl, None, distro)
}

/// Does what [`package_in`] does for a package of which a document says more than its URL.
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
        (true, Source::Named(name)) => Cow::Borrowed(*name),
        (true, _) => Cow::Borrowed(purl.name()),
        (false, _) => match purl.namespace() {
            // A scope is one with its sign or without.
            Some(scope) if row.ecosystem == "npm" && !scope.starts_with('@') => {
                Cow::Owned(format!("@{scope}/{}", purl.name()))
            }
            Some(namespace) => Cow::Owned([namespace, row.joiner, purl.name()].concat()),
            None => Cow::Borrowed(purl.name()),
        },
    };
    let name = match (row.ecosystem, purl.subpath()) {
        // A major version is a part of a Go module's path, but some tools write it as a subpath.
        ("Go", Some(subpath)) if is_go_major(subpath) => Cow::Owned(format!("{name}/{subpath}")),
        // cyclonedx-gomod names the standard library so.
        ("Go", _) if name == "std" => Cow::Borrowed("stdlib"),
        // What follows is a path within the action's repository.
        ("GitHub Actions", _) if name.matches('/').count() > 1 => Cow::Owned(first_two_segments(&name)),
        _ => name,
    };
    let same_system = |d: &&str| is_of(row.ecosystem, d);
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
    let repository = match purl.qualifier("repository_url") {
        Some(address) if !is_distro => Some(address.to_owned()),
        _ => None,
    };
    let is_of_registry = is_distro || is_of_registry(purl, row, &name);
    Some(OsvPackage {
        name,
        ecosystem,
        system: ecosystem_base(row.ecosystem),
        release_known,
        // Any repository may be named by the one type, and any part of a cluster by the other.
        name_known: source != Source::Unknown && !matches!(purl.ty(), "github" | "k8s") && is_of_registry,
        also,
        repository,
    })
}

/// True if a name has as many parts as the names of its registry: with others it is a user's, an organisation's or
/// nobody's, and advisories do not know it.
fn is_of_registry(purl: &PackageUrl, row: &Row, name: &str) -> bool {
    match purl.ty() {
        "maven" | "gradle" | "composer" | "swift" | "vscode-extension" | "githubactions" => {
            name.contains(row.joiner)
        }
        "bitnami" | "cargo" | "conan" | "cran" | "gem" | "hackage" | "hex" | "julia" | "nuget" | "opam"
        | "pub" | "pypi" => purl.namespace().is_none(),
        _ => true,
    }
}

/// What the URL itself says of the distribution, under the names that generators give it.
fn stated_distro(purl: &PackageUrl) -> Option<&str> {
    match purl.ty() {
        // FreeBSD's architecture names the release: `FreeBSD:14:amd64`.
        "freebsd" => purl.qualifier("arch"),
        // The number before the name: a release's name may be that of one to come.
        "deb" | "rpm" | "apk" | "alpine" => ["distro", "os_version", "os_distro", "distro_name"]
            .into_iter()
            .find_map(|key| purl.qualifier(key)),
        _ => None,
    }
}

/// The row of a URL: by its type and, for distributions, its namespace, or the distribution where it has none.
fn row_of(purl: &PackageUrl, distro: Option<&str>) -> Option<&'static Row> {
    let (ty, namespace) = match (purl.ty(), purl.namespace()) {
        // Syft before 0.85 made the distribution's package manager the type.
        ("alpine", None) => ("apk", None),
        (ty, namespace) => (ty, namespace),
    };
    let rows = || ROWS.iter().filter(move |row| row.ty == ty);
    if let Some(row) = rows().find(|row| row.namespace.is_empty() || namespace == Some(row.namespace)) {
        return Some(row);
    }
    if namespace.is_some() {
        return None;
    }
    let of_distro = distro.and_then(|distro| {
        let by_id = rows().find(|row| is_of(row.ecosystem, distro));
        by_id.or_else(|| {
            let system = system_of_codename(distro)?;
            rows().find(|row| row.ecosystem == system)
        })
    });
    let alpine = || rows().find(|row| row.ecosystem == "Alpine" && purl.ty() == "alpine");
    of_distro.or_else(alpine)
}

/// The owner and the name of a repository, of a path that goes on.
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

/// Returns the version to compare with an advisory's, or `None` if the URL has none.
///
/// RPM's epoch stands in a qualifier; a source package's version, where a generator wrote it, stands
/// for the binary package's own, because advisories of dpkg and apk distributions mean the source.
pub fn version_of(purl: &PackageUrl) -> Option<String> {
    version_from(purl, None, None)
}

/// Does what [`version_of`] does for a package of which a document says more than its URL: `stated` is its own field
/// for the version.
pub fn version_from(purl: &PackageUrl, origin: Option<&Origin>, stated: Option<&str>) -> Option<String> {
    let by_source = matches!(purl.ty(), "deb" | "apk" | "alpine") && purl.namespace() != Some(DOCKER);
    let upstream = purl.qualifier("upstream").filter(|_| by_source);
    let of_source = upstream
        .and_then(|upstream| upstream.split_once('@'))
        .map(|(_, version)| version)
        .filter(|version| !version.is_empty());
    // A source's version beside the URL is that of the source beside it, and has its own epoch.
    if of_source.is_none()
        && let Some(version) = origin.and_then(|origin| origin.source_version.as_deref())
        && upstream.is_none_or(|name| origin.is_some_and(|origin| origin.source.as_deref() == Some(name)))
        && (by_source || is_about_sources(purl))
    {
        return Some(version.to_owned());
    }
    let has_epochs = matches!(purl.ty(), "rpm" | "deb");
    let version = match (of_source.or_else(|| purl.version()), stated) {
        (Some(version), Some(stated)) if has_epochs && says_epoch_of(stated, version) => stated,
        (Some(version), _) => version,
        (None, stated) => stated?,
    };
    let epoch = purl
        .qualifier("epoch")
        .or_else(|| origin.and_then(|origin| origin.epoch.as_deref()));
    Some(match epoch {
        Some(epoch) if has_epochs && !version.contains(':') => format!("{epoch}:{version}"),
        _ if is_go_toolchain(purl) => go_release(version).into_owned(),
        _ => version.to_owned(),
    })
}

/// True if `stated` is `version` with an epoch in front, and perhaps the release behind it.
fn says_epoch_of(stated: &str, version: &str) -> bool {
    let Some((epoch, rest)) = stated.split_once(':') else {
        return false;
    };
    let is_epoch = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let rest = rest.strip_prefix(version);
    is_epoch && !version.contains(':') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// True for Go's standard library and toolchain, whose versions are those of Go's releases.
fn is_go_toolchain(purl: &PackageUrl) -> bool {
    purl.ty() == "golang"
        && purl.namespace().is_none()
        && matches!(purl.name(), "std" | "stdlib" | "toolchain")
}

/// A release of Go as the vulnerability database writes it: without `go` in front and without what a build adds
/// (`go1.26.6-X:boringcrypto`, `1.22.5-vendor`), and `1.21rc2` as `1.21.0-rc.2`.
fn go_release(version: &str) -> Cow<'_, str> {
    let version = version.trim();
    let version = version.strip_prefix("go").unwrap_or(version);
    let version = version.split([' ', '\t']).next().unwrap_or_default();
    let end = version
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let bare = rest.trim_start_matches('-');
    for phase in ["alpha", "beta", "rc"] {
        let number = bare
            .strip_prefix(phase)
            .map(|after| after.trim_start_matches('.'));
        let Some(number) = number else { continue };
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let number = number.get(..end).unwrap_or_default();
        let zeros = ".0".repeat(2_usize.saturating_sub(numbers.matches('.').count()));
        return Cow::Owned(format!("{numbers}{zeros}-{phase}.{number}"));
    }
    // The database writes `-0` for what comes before every pre-release.
    if numbers.is_empty() || rest == "-0" {
        return Cow::Borrowed(version);
    }
    Cow::Borrowed(numbers)
}

/// Which package advisories know a distribution's package as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'a> {
    /// Advisories are about the package itself.
    Own,
    /// The package was built from this source.
    Named(&'a str),
    /// Advisories are about sources, and nothing names the package's.
    Unknown,
}

/// The name that the distribution's advisories use. Generators write the source package into
/// `upstream` (`openssl`, `openssl@3.1`, `openssl-3.0.7-1.el9.src.rpm`) or `source`, or beside the URL.
fn source_of<'a>(row: &Row, purl: &'a PackageUrl, origin: Option<&'a Origin>) -> Source<'a> {
    if !row.is_about_sources() {
        return Source::Own;
    }
    let named = purl.qualifier("upstream").or_else(|| purl.qualifier("source"));
    let named = named.map(|named| {
        if row.ty == "rpm" {
            name_of_source_rpm(named)
        } else {
            named.split_once('@').map_or(named, |(name, _)| name)
        }
    });
    let beside = || origin.and_then(|origin| origin.source.as_deref());
    match named.filter(|name| !name.is_empty()).or_else(beside) {
        Some(name) => Source::Named(name),
        None if matches!(purl.qualifier("arch"), Some("source" | "src" | "nosrc")) => Source::Own,
        None => Source::Unknown,
    }
}

/// True if a document names the source package of a distribution's package, or its URL does.
pub(crate) fn names_source(purl: &PackageUrl, origin: Option<&Origin>) -> bool {
    origin.is_some_and(|origin| origin.source.is_some())
        || purl.qualifier("upstream").is_some()
        || purl.qualifier("source").is_some()
}

/// True if advisories of the URL's distribution are about source packages.
fn is_about_sources(purl: &PackageUrl) -> bool {
    row_of(purl, stated_distro(purl)).is_some_and(Row::is_about_sources)
}

fn is_go_major(subpath: &str) -> bool {
    subpath
        .strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// True if a distribution, by its id in os-release and its release (`rhel-9.3`), is the ecosystem's.
fn is_of(ecosystem: &str, distro: &str) -> bool {
    let lower = distro.to_ascii_lowercase();
    // Ids may hold hyphens themselves: `sle-micro-5.3`, `opensuse-leap-15.5`.
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
