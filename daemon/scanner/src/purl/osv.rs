//! Which OSV package a package URL names, and back.
//!
//! Distribution packages get a suffix from their `distro` qualifier (`Debian:12`); advisories of
//! distributions are about source packages, so a `source` or `upstream` qualifier wins over the name.
//! Without a known distribution the package is still returned, without suffix: the caller counts it.

use std::borrow::Cow;

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

/// One URL type (and namespace, for distributions) and its ecosystem, with the part of the suffix that the two tell.
struct Row {
    ty: &'static str,
    namespace: &'static str,
    ecosystem: &'static str,
    /// What stands between namespace and name in OSV's name.
    joiner: &'static str,
}

const fn plain(ty: &'static str, ecosystem: &'static str) -> Row {
    Row {
        ty,
        namespace: "",
        ecosystem,
        joiner: "/",
    }
}

const fn distro(ty: &'static str, namespace: &'static str, ecosystem: &'static str) -> Row {
    Row {
        ty,
        namespace,
        ecosystem,
        joiner: "/",
    }
}

/// Namespace of Docker's Hardened Images, whose packages keep the format of Alpine's or Debian's.
const DOCKER: &str = "dhi";

/// Where several rows name one ecosystem, the first is written when going back.
const ROWS: &[Row] = &[
    plain("bitnami", "Bitnami"),
    plain("cargo", "crates.io"),
    plain("composer", "Packagist"),
    plain("conan", "ConanCenter"),
    plain("cran", "CRAN"),
    plain("freebsd", "FreeBSD:ports"),
    plain("gem", "RubyGems"),
    plain("generic", "OSS-Fuzz"),
    plain("golang", "Go"),
    plain("hackage", "Hackage"),
    plain("hex", "Hex"),
    plain("julia", "Julia"),
    Row {
        ty: "maven",
        namespace: "",
        ecosystem: "Maven",
        joiner: ":",
    },
    Row {
        ty: "gradle",
        namespace: "",
        ecosystem: "Maven",
        joiner: ":",
    },
    plain("npm", "npm"),
    plain("nuget", "NuGet"),
    plain("opam", "opam"),
    plain("pub", "Pub"),
    plain("pypi", "PyPI"),
    plain("swift", "SwiftURL"),
    plain("githubactions", "GitHub Actions"),
    plain("vscode-extension", "VSCode"),
    plain("bioconductor", "Bioconductor"),
    plain("brew", "Homebrew"),
    distro("apk", "alpine", "Alpine"),
    distro("apk", "alpaquita", "Alpaquita"),
    distro(
        "apk",
        "bellsoft-hardened-containers",
        "BellSoft Hardened Containers",
    ),
    distro("apk", "chainguard", "Chainguard"),
    distro("apk", "cleanstart", "CleanStart"),
    distro("apk", "dhi", "Docker Hardened Images:Alpine"),
    distro("apk", "minimos", "MinimOS"),
    distro("apk", "wolfi", "Wolfi"),
    distro("deb", "debian", "Debian"),
    distro("deb", "dhi", "Docker Hardened Images:Debian"),
    distro("deb", "echo", "Echo"),
    distro("deb", "ubuntu", "Ubuntu"),
    // Beside the names of the type's specification: those of os-release, which Syft writes, and Trivy's own.
    distro("rpm", "almalinux", "AlmaLinux"),
    distro("rpm", "alma", "AlmaLinux"),
    distro("rpm", "azure-linux", "Azure Linux"),
    distro("rpm", "azurelinux", "Azure Linux"),
    distro("rpm", "mariner", "Azure Linux"),
    distro("rpm", "cbl-mariner", "Azure Linux"),
    distro("rpm", "mageia", "Mageia"),
    distro("rpm", "openeuler", "openEuler"),
    distro("rpm", "opensuse", "openSUSE"),
    distro("rpm", "opensuse-leap", "openSUSE"),
    distro("rpm", "opensuse.leap", "openSUSE"),
    distro("rpm", "opensuse-tumbleweed", "openSUSE"),
    distro("rpm", "opensuse.tumbleweed", "openSUSE"),
    distro("rpm", "photon", "Photon OS"),
    distro("rpm", "redhat", "Red Hat"),
    distro("rpm", "rhel", "Red Hat"),
    // Rebuilds of Red Hat's packages under their versions, without advisories of its own.
    distro("rpm", "centos", "Red Hat"),
    distro("rpm", "rocky-linux", "Rocky Linux"),
    distro("rpm", "rocky", "Rocky Linux"),
    distro("rpm", "suse", "SUSE"),
    distro("rpm", "sles", "SUSE"),
];

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

/// Repositories of Red Hat Enterprise Linux, as advisories name them behind the release, by major release.
const RED_HAT_OLD: [&str; 4] = ["client", "computenode", "server", "workstation"];
const RED_HAT: [&str; 10] = [
    "appstream",
    "baseos",
    "crb",
    "highavailability",
    "nfv",
    "realtime",
    "resilientstorage",
    "sap",
    "sap_hana",
    "supplementary",
];
/// Modules that a SUSE Linux Enterprise Server or Desktop of release 15 takes its packages from.
const SUSE_MODULES: [&str; 9] = [
    "Basesystem",
    "Containers",
    "Desktop Applications",
    "Development Tools",
    "Legacy",
    "Public Cloud",
    "Python 3",
    "Server Applications",
    "Web and Scripting",
];

/// The ecosystems beside a release's own whose advisories are about its packages.
fn beside(ecosystem: &str, release: &str) -> Vec<String> {
    // A source that does not tell releases apart means them all.
    let mut also = vec![ecosystem.to_owned()];
    match ecosystem {
        // A system without the subscription has the vulnerabilities that only subscribers get fixes for.
        "Ubuntu" => also.push(format!("Ubuntu:Pro:{release}")),
        // A package does not tell its repository, so all of the release's are asked, without those of extended
        // support, whose fixes carry versions of their own.
        "Red Hat" => {
            let major = release
                .strip_prefix("enterprise_linux:")
                .and_then(|release| release.split('.').next()?.parse::<u32>().ok());
            let repositories = if major.is_some_and(|major| major < 8) {
                &RED_HAT_OLD[..]
            } else {
                &RED_HAT[..]
            };
            also.extend(
                repositories
                    .iter()
                    .map(|name| format!("{ecosystem}:{release}::{name}")),
            );
        }
        "FreeBSD:ports" => also.push("FreeBSD".to_owned()),
        "Docker Hardened Images:Alpine" => also.push("Docker Hardened Images".to_owned()),
        "Docker Hardened Images:Debian" => {
            also.push("Docker Hardened Images".to_owned());
            also.extend(number_of(release).map(|number| format!("{ecosystem}:{number}")));
        }
        "SUSE" => {
            let product = release
                .strip_prefix("Linux Enterprise Server ")
                .or_else(|| release.strip_prefix("Linux Enterprise Desktop "));
            if let Some(release) = product.filter(|release| release.starts_with("15")) {
                let module =
                    |name: &&str| format!("{ecosystem}:Linux Enterprise Module for {name} {release}");
                also.extend(SUSE_MODULES.iter().map(module));
            }
        }
        _ => {}
    }
    also
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

/// True for ecosystems whose advisories always name a release.
fn has_releases(ecosystem: &str) -> bool {
    matches!(
        ecosystem,
        "Alpine"
            | "Debian"
            | "Docker Hardened Images:Alpine"
            | "Docker Hardened Images:Debian"
            | "Ubuntu"
            | "AlmaLinux"
            | "Rocky Linux"
            | "Azure Linux"
            | "Mageia"
            | "openEuler"
            | "openSUSE"
            | "Photon OS"
            | "Red Hat"
            | "SUSE"
    )
}

/// The suffix, from `distro=debian-12`, `distro=alpine-3.18.4`, `distro=3.18.4`, `distro=bookworm`.
fn release_of(ecosystem: &str, distro: &str) -> Option<String> {
    let distro = distro.to_ascii_lowercase();
    let digits = distro
        .find(|c: char| c.is_ascii_digit())
        .and_then(|start| distro.get(start..));
    let number = digits.map(|text| {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        text.get(..end).unwrap_or(text).trim_end_matches('.').to_owned()
    });
    let parts = |n: usize| number.as_deref().and_then(|text| leading_numbers(text, n));
    match ecosystem {
        "Debian" => parts(1).or_else(|| codename(&distro)),
        "Ubuntu" => ubuntu_release(parts(2)?.as_str()),
        "Alpine" => parts(2).map(|release| format!("v{release}")),
        "FreeBSD:ports" => parts(1),
        "Docker Hardened Images:Alpine" => parts(2),
        // Named by the release's codename.
        "Docker Hardened Images:Debian" => match parts(1) {
            Some(number) => Some(codename_of(&number).map_or(number, str::to_owned)),
            None => codename(&distro).map(|_| distro.rsplit('-').next().unwrap_or_default().to_owned()),
        },
        // `VERSION_ID=3.0`, and `Azure Linux:3`.
        "AlmaLinux" | "Azure Linux" | "Rocky Linux" | "Mageia" => parts(1),
        // The name of the product in its CPE; since release 10 with the minor release.
        "Red Hat" => {
            let major = parts(1)?;
            let release = if major.parse::<u32>().is_ok_and(|major| major >= 10) {
                parts(2).unwrap_or(major)
            } else {
                major
            };
            Some(format!("enterprise_linux:{release}"))
        }
        "Photon OS" => number.filter(|n| !n.is_empty()),
        "openEuler" => {
            // `openEuler:22.03-LTS-SP1`, as the distribution calls itself; its `VERSION_ID` is the number alone, and
            // the releases of March in even years are the long-term ones.
            let digits = digits?.to_ascii_uppercase();
            let release = digits.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let long_term = matches!(release, "20.03" | "22.03" | "24.03" | "26.03");
            Some(format!("{release}{}", if long_term { "-LTS" } else { "" }))
        }
        "openSUSE" if distro.contains("tumbleweed") => Some("Tumbleweed".to_owned()),
        "openSUSE" => parts(2).map(|release| format!("Leap {release}")),
        "SUSE" => suse_release(parts(1)?.as_str(), parts(2).as_deref(), &distro),
        _ => None,
    }
}

/// The first `n` of a dotted number's components; `None` if there are fewer.
fn leading_numbers(text: &str, n: usize) -> Option<String> {
    let parts: Vec<&str> = text.split('.').take(n).collect();
    (parts.len() == n && parts.iter().all(|p| !p.is_empty())).then(|| parts.join("."))
}

/// `sles-15.3` is `Linux Enterprise Server 15 SP3`; without a service pack the first release is meant.
fn suse_release(major: &str, release: Option<&str>, distro: &str) -> Option<String> {
    let product = if distro.contains("sled") {
        "Desktop"
    } else {
        "Server"
    };
    let pack = release
        .and_then(|release| release.split_once('.'))
        .map(|(_, pack)| pack);
    Some(match pack {
        None | Some("0") => format!("Linux Enterprise {product} {major}"),
        Some(pack) => format!("Linux Enterprise {product} {major} SP{pack}"),
    })
}

/// Debian's releases by number and name.
const CODENAMES: [(&str, &str); 8] = [
    ("7", "wheezy"),
    ("8", "jessie"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
];

/// The number of a Debian release in its name, which may follow the distribution's: `debian-bookworm`.
fn codename(distro: &str) -> Option<String> {
    number_of(distro.rsplit('-').next()?).map(str::to_owned)
}

fn number_of(codename: &str) -> Option<&'static str> {
    CODENAMES
        .iter()
        .find(|(_, name)| *name == codename)
        .map(|(number, _)| *number)
}

fn codename_of(number: &str) -> Option<&'static str> {
    CODENAMES
        .iter()
        .find(|(own, _)| *own == number)
        .map(|(_, name)| *name)
}

/// Long-term releases are named `22.04:LTS` in OSV: those of April in even years.
fn ubuntu_release(release: &str) -> Option<String> {
    let (year, month) = release.split_once('.')?;
    let even = year.bytes().last()?.is_multiple_of(2);
    Some(if even && month == "04" {
        format!("{release}:LTS")
    } else {
        release.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(purl: &str) -> Option<(String, String, bool)> {
        let found = package_of(&PackageUrl::parse_lenient(purl).unwrap())?;
        Some((found.ecosystem.into_owned(), found.name, found.release_known))
    }

    fn some(ecosystem: &str, name: &str, known: bool) -> Option<(String, String, bool)> {
        Some((ecosystem.to_owned(), name.to_owned(), known))
    }

    #[test]
    fn language_packages_map_to_their_registry() {
        assert_eq!(package("pkg:npm/%40hapi/hoek@1"), some("npm", "@hapi/hoek", true));
        assert_eq!(
            package("pkg:maven/org.apache/x@1"),
            some("Maven", "org.apache:x", true)
        );
        assert_eq!(
            package("pkg:golang/github.com/Azure/x@v1#v5"),
            some("Go", "github.com/azure/x/v5", true)
        );
        assert_eq!(package("pkg:pypi/Foo_Bar@1"), some("PyPI", "foo-bar", true));
        assert_eq!(package("pkg:docker/alpine@3"), None);
        assert_eq!(package("pkg:deb/unknown/x@1"), None);
    }

    #[test]
    fn rpm_distributions_go_by_every_name_that_tools_give_them() {
        for (purl, ecosystem, name) in [
            ("pkg:rpm/alma/acl@2-4.el9?distro=alma-9.6", "AlmaLinux:9", "acl"),
            (
                "pkg:rpm/almalinux/acl@2-4.el9?distro=almalinux-9.6",
                "AlmaLinux:9",
                "acl",
            ),
            (
                "pkg:rpm/centos/acl@2-15.el7?distro=centos-7.9.2009",
                "Red Hat:enterprise_linux:7",
                "acl",
            ),
            (
                "pkg:rpm/azurelinux/bash@5-1.azl3?distro=azurelinux-3.0",
                "Azure Linux:3",
                "bash",
            ),
            (
                "pkg:rpm/mariner/busybox@1.35.0?distro=mariner-2.0",
                "Azure Linux:2",
                "busybox",
            ),
            (
                "pkg:rpm/cbl-mariner/curl@8-1.cm2?distro=cbl-mariner-2.0.20230407",
                "Azure Linux:2",
                "curl",
            ),
            (
                "pkg:rpm/azurelinux/openssl-libs@3-1.azl3?distro=azurelinux-3.0&upstream=openssl-3-1.azl3.src.rpm",
                "Azure Linux:3",
                "openssl",
            ),
            (
                "pkg:rpm/opensuse-leap/pam@1.3.0-150000.6.86.1?distro=opensuse-leap-15.6",
                "openSUSE:Leap 15.6",
                "pam",
            ),
            (
                "pkg:rpm/opensuse.leap/pam@1?distro=opensuse.leap-15.6",
                "openSUSE:Leap 15.6",
                "pam",
            ),
            (
                "pkg:rpm/opensuse-tumbleweed/pam@1?distro=opensuse-tumbleweed-20240826",
                "openSUSE:Tumbleweed",
                "pam",
            ),
            (
                "pkg:rpm/openeuler/bash@5-9.oe2403?distro=openEuler-24.03",
                "openEuler:24.03-LTS",
                "bash",
            ),
            (
                "pkg:rpm/openeuler/bash@5-9?distro=openeuler-22.03-lts-sp1",
                "openEuler:22.03-LTS-SP1",
                "bash",
            ),
            (
                "pkg:rpm/photon/openssl-libs@3-1.ph5?distro=photon-5.0&upstream=openssl-3-1.ph5.src.rpm",
                "Photon OS:5.0",
                "openssl",
            ),
        ] {
            assert_eq!(package(purl), some(ecosystem, name, true), "{purl}");
        }
    }

    #[test]
    fn the_distro_qualifier_becomes_the_suffix() {
        assert_eq!(
            package("pkg:deb/debian/curl@1?distro=debian-12"),
            some("Debian:12", "curl", true)
        );
        assert_eq!(
            package("pkg:deb/debian/curl@1?distro=debian-12.5"),
            some("Debian:12", "curl", true)
        );
        assert_eq!(
            package("pkg:deb/debian/curl@1?distro=bookworm"),
            some("Debian:12", "curl", true)
        );
        assert_eq!(
            package("pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04"),
            some("Ubuntu:22.04:LTS", "curl", true)
        );
        assert_eq!(
            package("pkg:deb/ubuntu/curl@1?distro=ubuntu-23.10"),
            some("Ubuntu:23.10", "curl", true)
        );
        assert_eq!(
            package("pkg:apk/alpine/curl@1?distro=3.18.4"),
            some("Alpine:v3.18", "curl", true)
        );
        assert_eq!(
            package("pkg:rpm/almalinux/curl@1?distro=almalinux-9.3"),
            some("AlmaLinux:9", "curl", true)
        );
    }

    #[test]
    fn products_and_extensions_of_a_release_are_asked_too() {
        let also = |purl: &str| package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
        let red_hat = also("pkg:rpm/redhat/curl@1?distro=rhel-9.3");
        assert_eq!(red_hat.ecosystem, "Red Hat:enterprise_linux:9");
        assert!(
            red_hat
                .also
                .contains(&"Red Hat:enterprise_linux:9::baseos".to_owned())
        );
        let old = also("pkg:rpm/redhat/curl@1?distro=rhel-7.9");
        assert!(
            old.also
                .contains(&"Red Hat:enterprise_linux:7::server".to_owned())
        );
        let ten = also("pkg:rpm/redhat/curl@1?distro=rhel-10.1");
        assert!(
            ten.also
                .contains(&"Red Hat:enterprise_linux:10.1::appstream".to_owned())
        );
        assert!(!also("pkg:rpm/redhat/curl@1").release_known);
        let ubuntu = also("pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04");
        assert_eq!(ubuntu.also, ["Ubuntu", "Ubuntu:Pro:22.04:LTS"]);
        let suse = also("pkg:rpm/suse/curl@1?distro=sles-15.5");
        assert!(
            suse.also
                .contains(&"SUSE:Linux Enterprise Module for Basesystem 15 SP5".to_owned())
        );
        assert_eq!(also("pkg:deb/debian/curl@1?distro=debian-12").also, ["Debian"]);
        assert!(also("pkg:npm/curl@1").also.is_empty());
        assert_eq!(also("pkg:npm/curl@1").ecosystems().collect::<Vec<_>>(), ["npm"]);
    }

    #[test]
    fn a_release_is_known_by_its_own_ecosystems_and_not_by_one_without_release() {
        for (purl, known_by) in [
            ("pkg:npm/curl@1", "npm"),
            ("pkg:deb/debian/curl@1?distro=debian-12", "Debian:12"),
            ("pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04", "Ubuntu:22.04:LTS"),
            ("pkg:golang/k8s.io/apiserver@v0.30.0", "Go"),
            (
                "pkg:deb/dhi/curl@8?distro=dhi-13",
                "Docker Hardened Images:Debian:trixie, Docker Hardened Images:Debian:13",
            ),
            (
                "pkg:freebsd/curl@8?arch=FreeBSD:14:amd64",
                "FreeBSD:ports:14, FreeBSD:ports",
            ),
            (
                "pkg:rpm/suse/curl@1?distro=sles-12.5",
                "SUSE:Linux Enterprise Server 12 SP5",
            ),
        ] {
            let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
            let found = package
                .ecosystems()
                .filter(|ecosystem| package.is_known_by(ecosystem));
            assert_eq!(found.collect::<Vec<_>>().join(", "), known_by, "{purl}");
        }
        for (purl, own, parts) in [
            (
                "pkg:rpm/redhat/curl@1?distro=rhel-9.3",
                "Red Hat:enterprise_linux:9",
                10,
            ),
            (
                "pkg:rpm/suse/curl@1?distro=sles-15.5",
                "SUSE:Linux Enterprise Server 15 SP5",
                9,
            ),
        ] {
            let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
            let known = package
                .ecosystems()
                .filter(|ecosystem| package.is_known_by(ecosystem));
            assert_eq!(known.count(), 1 + parts, "{purl}");
            assert!(package.is_known_by(own) && !package.is_known_by(own.split(':').next().unwrap()));
        }
    }

    #[test]
    fn releases_of_rpm_distributions_are_named_as_osv_names_them() {
        for (purl, ecosystem) in [
            (
                "pkg:rpm/openeuler/curl@1?distro=openEuler-22.03-LTS-SP1",
                "openEuler:22.03-LTS-SP1",
            ),
            (
                "pkg:rpm/opensuse/curl@1?distro=opensuse-leap-15.5",
                "openSUSE:Leap 15.5",
            ),
            (
                "pkg:rpm/opensuse/curl@1?distro=opensuse-tumbleweed-20240101",
                "openSUSE:Tumbleweed",
            ),
            (
                "pkg:rpm/suse/curl@1?distro=sles-15.3",
                "SUSE:Linux Enterprise Server 15 SP3",
            ),
            (
                "pkg:rpm/suse/curl@1?distro=sles-12",
                "SUSE:Linux Enterprise Server 12",
            ),
            ("pkg:rpm/mageia/curl@1?distro=mageia-9", "Mageia:9"),
            ("pkg:rpm/photon/curl@1?distro=photon-5.0", "Photon OS:5.0"),
        ] {
            assert_eq!(package(purl), some(ecosystem, "curl", true));
        }
    }

    #[test]
    fn the_documents_distribution_counts_where_the_url_names_none_and_it_is_the_same_one() {
        let on = |purl: &str, distro: &str| {
            let purl = PackageUrl::parse_lenient(purl).unwrap();
            let found = package_in(&purl, Some(distro)).unwrap();
            (found.ecosystem, found.release_known)
        };
        for (purl, distro, ecosystem) in [
            ("pkg:deb/debian/curl@1", "debian-12", "Debian:12"),
            (
                "pkg:rpm/suse/curl@1",
                "sles-15.3",
                "SUSE:Linux Enterprise Server 15 SP3",
            ),
            ("pkg:rpm/rocky/curl@1", "rocky-9.3", "Rocky Linux:9"),
            (
                "pkg:rpm/opensuse/curl@1",
                "opensuse-leap-15.5",
                "openSUSE:Leap 15.5",
            ),
            ("pkg:deb/debian/curl@1?distro=debian-11", "debian-12", "Debian:11"),
        ] {
            assert_eq!(on(purl, distro), (ecosystem.into(), true));
        }
        assert_eq!(
            on("pkg:deb/debian/curl@1", "ubuntu-22.04"),
            ("Debian".into(), false)
        );
    }

    #[test]
    fn packages_of_hardened_images_and_ports_are_asked_in_each_spelling_of_their_release() {
        let found = |purl: &str| {
            let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
            let ecosystems = package.ecosystems().map(str::to_owned).collect::<Vec<_>>();
            (ecosystems.join(", "), package.name, package.release_known)
        };
        let docker = "Docker Hardened Images";
        let alpine = format!("{docker}:Alpine:3.24, {docker}:Alpine, {docker}");
        let debian = format!("{docker}:Debian:trixie, {docker}:Debian, {docker}, {docker}:Debian:13");
        for (purl, ecosystems, name) in [
            (
                "pkg:apk/dhi/libcrypto3@3?distro=dhi-3.24&upstream=openssl",
                alpine.as_str(),
                "libcrypto3",
            ),
            (
                "pkg:apk/dhi/curl@8?os_distro=alpine&os_name=dhi&os_version=3.24",
                alpine.as_str(),
                "curl",
            ),
            ("pkg:deb/dhi/curl@8?distro=dhi-13", debian.as_str(), "curl"),
            ("pkg:deb/dhi/curl@8?distro=dhi-trixie", debian.as_str(), "curl"),
            (
                "pkg:freebsd/curl@8.9.1?arch=FreeBSD:14:amd64&origin=www/curl",
                "FreeBSD:ports:14, FreeBSD:ports, FreeBSD",
                "curl",
            ),
            ("pkg:freebsd/curl@8.9.1", "FreeBSD:ports, FreeBSD", "curl"),
            (
                "pkg:golang/k8s.io/apiserver@v0.30.0",
                "Go, Kubernetes",
                "k8s.io/apiserver",
            ),
            ("pkg:apk/cleanstart/nginx@1?arch=x86_64", "CleanStart", "nginx"),
        ] {
            assert_eq!(
                found(purl),
                (ecosystems.to_owned(), name.to_owned(), true),
                "{purl}"
            );
        }
        assert!(!found("pkg:apk/dhi/curl@8").2);
        assert_eq!(purl_of("FreeBSD:kernel", "x"), None);
        assert_eq!(
            purl_of("FreeBSD:ports:14", "x").unwrap().to_string(),
            "pkg:freebsd/x"
        );
    }

    #[test]
    fn a_missing_distro_is_said() {
        assert_eq!(package("pkg:deb/debian/curl@1"), some("Debian", "curl", false));
        assert_eq!(package("pkg:apk/wolfi/curl@1"), some("Wolfi", "curl", true));
    }

    #[test]
    fn distributions_are_matched_by_source_package() {
        assert_eq!(
            package("pkg:deb/debian/libssl3@3?upstream=openssl&distro=debian-12"),
            some("Debian:12", "openssl", true)
        );
        assert_eq!(
            package("pkg:apk/alpine/libcrypto3@3?upstream=openssl%403.1&distro=alpine-3.18"),
            some("Alpine:v3.18", "openssl", true)
        );
        assert_eq!(
            package("pkg:rpm/almalinux/openssl-libs@3?upstream=openssl-3.src.rpm&distro=almalinux-9"),
            some("AlmaLinux:9", "openssl-libs", true)
        );
    }

    #[test]
    fn epochs_and_source_versions_are_found() {
        let version = |text| version_of(&PackageUrl::parse_lenient(text).unwrap());
        assert_eq!(
            version("pkg:rpm/almalinux/x@1-2.el9?epoch=3").as_deref(),
            Some("3:1-2.el9")
        );
        assert_eq!(
            version("pkg:deb/debian/gcc@4:12-1?upstream=gcc-defaults%401.203").as_deref(),
            Some("1.203")
        );
        assert_eq!(
            version("pkg:deb/debian/curl@7-1?upstream=curl").as_deref(),
            Some("7-1")
        );
        assert_eq!(version("pkg:npm/x"), None);
    }

    #[test]
    fn a_package_goes_back_to_its_url() {
        let text = |ecosystem, name| purl_of(ecosystem, name).map(|purl| purl.to_string());
        assert_eq!(text("npm", "@hapi/hoek").as_deref(), Some("pkg:npm/%40hapi/hoek"));
        assert_eq!(text("Maven", "a.b:c").as_deref(), Some("pkg:maven/a.b/c"));
        assert_eq!(
            text("Debian:12", "curl").as_deref(),
            Some("pkg:deb/debian/curl?arch=source")
        );
        assert_eq!(text("Nowhere", "x"), None);
    }
}
