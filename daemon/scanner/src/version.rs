//! Version orders: one total order per packaging ecosystem.
//!
//! A version text is parsed once into a [`Version`]. For all schemes except Maven it is a key whose byte order is the
//! scheme's order, so that an index can store and search keys without knowing the scheme (see [`Version::key`]).
//! Maven's published order is not transitive in special cases, so it cannot have a key; it keeps its parsed form.
//!
//! Parsing is as lenient as the ecosystem's own tool (a leading `v`, missing components) and refuses texts that the
//! tool could not order. Texts are limited by [`MAX_VERSION_BYTES`]; nothing here panics, and the work is linear in
//! the text.

mod apk;
mod conan;
mod debian;
mod dotted;
mod freebsd;
mod gem;
mod homebrew;
mod key;
mod maven;
mod nuget;
mod packagist;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

use crate::name::ecosystem_base;

/// Longest version text, in bytes. The longest one in public advisories is under 200.
pub const MAX_VERSION_BYTES: usize = 1024;

/// The version order of an ecosystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// SemVer 2.0.0, read leniently; build metadata is ignored.
    SemVer,
    /// SemVer whose build metadata is compared last (pub.dev, Julia).
    SemVerBuild,
    /// SemVer with a packager's revision after the version: `1.2.3-4` is newer than `1.2.3`.
    Bitnami,
    /// NuGet: up to four numbers, labels without case.
    NuGet,
    /// PEP 440, with setuptools' older order for other texts.
    Pep440,
    /// Maven's `ComparableVersion`.
    Maven,
    /// `Gem::Version`.
    RubyGems,
    /// Composer's normal form under PHP's `version_compare`.
    Packagist,
    /// dpkg: epoch, upstream version, revision.
    Debian,
    /// dpkg's comparison over the whole text, without epoch or revision (opam).
    Opam,
    /// RPM: epoch, version, release.
    Rpm,
    /// apk-tools.
    Apk,
    /// Conan: any number of parts, letters allowed in each, pre-releases and build metadata.
    Conan,
    /// FreeBSD's pkg: epoch, components of number, letter and patch level, revision.
    FreeBsd,
    /// Homebrew: a formula's version by its numbers and words, then its revision.
    Homebrew,
    /// Numbers separated by dots or hyphens; if two start alike, the longer one is newer (R, Haskell).
    Dotted,
}

impl Scheme {
    /// Returns the order of an OSV ecosystem (with or without suffix), or `None` if the ecosystem has no order and
    /// only enumerated versions can match (see [`crate::ecosystem`] for the reasons).
    pub fn for_ecosystem(ecosystem: &str) -> Option<Self> {
        Some(match ecosystem_base(ecosystem) {
            "crates.io" | "Go" | "npm" | "Hex" | "SwiftURL" | "GitHub Actions" | "VSCode" | "Kubernetes"
            | "Linux" => Self::SemVer,
            "ConanCenter" => Self::Conan,
            "Pub" | "Julia" => Self::SemVerBuild,
            "Bitnami" => Self::Bitnami,
            "NuGet" => Self::NuGet,
            "PyPI" => Self::Pep440,
            "Maven" => Self::Maven,
            "RubyGems" => Self::RubyGems,
            "Packagist" => Self::Packagist,
            "Debian" | "Ubuntu" | "Echo" => Self::Debian,
            "opam" => Self::Opam,
            "AlmaLinux" | "Amazon Linux" | "Azure Linux" | "EPEL" | "Fedora" | "Mageia" | "openEuler"
            | "openSUSE" | "Oracle Linux" | "Photon OS" | "Red Hat" | "Rocky Linux" | "SUSE" => Self::Rpm,
            "Alpine"
            | "Wolfi"
            | "Chainguard"
            | "MinimOS"
            | "Alpaquita"
            | "BellSoft Hardened Containers"
            | "CleanStart" => Self::Apk,
            "CRAN" | "Bioconductor" | "Hackage" | "GHC" => Self::Dotted,
            "FreeBSD" => Self::FreeBsd,
            "Homebrew" => Self::Homebrew,
            // `Root:Alpine:3.18` has rebuilt packages of the ecosystem in its suffix.
            base if is_rebuilder(base) => {
                return ecosystem
                    .split_once(':')
                    .and_then(|(_, inner)| Self::for_rebuilt(inner));
            }
            _ => return None,
        })
    }

    /// Returns the text without the platform of the build, which is not part of the version.
    pub(crate) fn bare(self, text: &str) -> &str {
        match self {
            Self::RubyGems => gem::without_platform(text),
            _ => text,
        }
    }

    /// Returns the text without the suffix of a rebuild, if it has one: a local label of PEP 440, the rebuild number of a
    /// Debian binary, or Red Hat's of a Maven artifact.
    pub(crate) fn released(self, text: &str) -> Option<&str> {
        match self {
            Self::Pep440 => text.split_once('+').map(|(release, _)| release),
            Self::Debian => {
                let (release, rebuild) = text.rsplit_once("+b")?;
                key::is_number(rebuild).then_some(release)
            }
            Self::Maven => {
                let (release, rebuild) = text.rsplit_once("redhat-")?;
                let release = release.strip_suffix(['.', '-'])?;
                key::is_number(rebuild).then_some(release)
            }
            _ => None,
        }
    }

    /// Returns the inner ecosystem of `Root:…`; a second rebuilder inside is not an ecosystem, so this cannot loop.
    fn for_rebuilt(inner: &str) -> Option<Self> {
        if is_rebuilder(ecosystem_base(inner)) {
            None
        } else {
            Self::for_ecosystem(inner)
        }
    }

    /// Returns the short name used in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SemVer => "semver",
            Self::SemVerBuild => "semver+build",
            Self::Bitnami => "bitnami",
            Self::NuGet => "nuget",
            Self::Pep440 => "pep440",
            Self::Maven => "maven",
            Self::RubyGems => "rubygems",
            Self::Packagist => "packagist",
            Self::Debian => "dpkg",
            Self::Opam => "opam",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
            Self::Conan => "conan",
            Self::FreeBsd => "freebsd",
            Self::Homebrew => "homebrew",
            Self::Dotted => "dotted",
        }
    }
}

/// Returns true for a rebuilder whose suffix names the origin of its packages.
fn is_rebuilder(base: &str) -> bool {
    matches!(base, "Root" | "TuxCare" | "Docker Hardened Images" | "DHI")
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason why a scheme cannot order a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {version:?} as a {scheme} version: {reason}")]
pub struct VersionError {
    /// The scheme.
    pub scheme: Scheme,
    /// The text, shortened to 80 characters.
    pub version: String,
    /// The problem.
    pub reason: &'static str,
}

/// The problem of a text in a scheme.
type Reason = &'static str;

/// The way in which a scheme orders a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The text is a version of the scheme.
    Proper,
    /// The text is not a version of the scheme, but its tool can order it.
    Tolerated,
    /// Only the beginning of the text is understood. It has no order relative to a text with an equal beginning.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Repr {
    Key(Vec<u8>),
    Maven(maven::MavenVersion),
}

/// A version, parsed under its scheme.
///
/// Two versions are ordered by [`Version::compare`]; those of different schemes have no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    scheme: Scheme,
    form: Form,
    repr: Repr,
}

impl Version {
    /// Parses `text` with `scheme`. Ignores surrounding white space.
    ///
    /// # Errors
    /// If the text is empty, longer than [`MAX_VERSION_BYTES`], contains control characters, or has no place in the
    /// scheme's order.
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, VersionError> {
        let refuse = |reason| VersionError {
            scheme,
            version: text.chars().take(80).collect(),
            reason,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(refuse("it is empty"));
        }
        if trimmed.len() > MAX_VERSION_BYTES {
            return Err(refuse("it is longer than 1024 bytes"));
        }
        // Keys end their texts with a NUL byte.
        if trimmed.chars().any(char::is_control) {
            return Err(refuse("it holds control characters"));
        }
        let mut key = key::KeyWriter::with_capacity(trimmed.len() + 8);
        let proper = |()| Form::Proper;
        let written = match scheme {
            Scheme::SemVer => semver::write(trimmed, semver::Build::Ignored, &mut key).map(proper),
            Scheme::SemVerBuild => semver::write(trimmed, semver::Build::Counts, &mut key).map(proper),
            Scheme::Bitnami => semver::write_bitnami(trimmed, &mut key).map(proper),
            Scheme::NuGet => nuget::write(trimmed, &mut key).map(proper),
            Scheme::Pep440 => pep440::write(trimmed, &mut key),
            Scheme::RubyGems => gem::write(trimmed, &mut key).map(proper),
            Scheme::Packagist => packagist::write(trimmed, &mut key).map(proper),
            Scheme::Debian => debian::write(trimmed, &mut key).map(proper),
            Scheme::Opam => debian::write_opam(trimmed, &mut key).map(proper),
            Scheme::Rpm => {
                rpm::write(trimmed, &mut key);
                Ok(Form::Proper)
            }
            Scheme::Apk => apk::write(trimmed, &mut key),
            Scheme::Dotted => dotted::write(trimmed, &mut key).map(proper),
            Scheme::FreeBsd => freebsd::write(trimmed, &mut key).map(proper),
            Scheme::Homebrew => homebrew::write(trimmed, &mut key).map(proper),
            Scheme::Conan => conan::write(trimmed, &mut key).map(proper),
            Scheme::Maven => {
                let parsed = maven::MavenVersion::parse(trimmed);
                return Ok(Self {
                    scheme,
                    form: Form::Proper,
                    repr: Repr::Maven(parsed),
                });
            }
        };
        let form = written.map_err(refuse)?;
        Ok(Self {
            scheme,
            form,
            repr: Repr::Key(key.finish()),
        })
    }

    /// Returns the scheme with which the version was parsed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns false if the ecosystem's tool orders the text but would not publish it.
    pub fn is_well_formed(&self) -> bool {
        self.form == Form::Proper
    }

    /// Returns bytes whose order is the scheme's order, or `None` for Maven and for texts that a scheme understands
    /// only in part.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Key(key) if self.form != Form::Broken => Some(key),
            Repr::Key(_) | Repr::Maven(_) => None,
        }
    }

    /// Returns bytes that never contradict the scheme's order, although different versions may have equal bytes: the
    /// key, or for Maven, which has none, the numbers at the beginning. `text` is the parsed text.
    pub(crate) fn coarse_key(&self, text: &str) -> std::borrow::Cow<'_, [u8]> {
        match &self.repr {
            Repr::Key(key) => key.into(),
            Repr::Maven(_) => maven::leading_numbers(text.trim()).into(),
        }
    }

    /// Orders two versions, or returns `None` if their schemes differ or no tool orders them.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.scheme != other.scheme {
            return None;
        }
        match (&self.repr, &other.repr) {
            (Repr::Key(a), Repr::Key(b)) => match a.cmp(b) {
                Ordering::Equal if self.form == Form::Broken => None,
                order => Some(order),
            },
            (Repr::Maven(a), Repr::Maven(b)) => Some(a.compare(b)),
            _ => None,
        }
    }
}

/// Compares two version texts with a scheme.
///
/// # Errors
/// If either text is not a version of the scheme; the error says which.
///
/// ```
/// use starling_scanner::version::{Scheme, compare};
/// use std::cmp::Ordering;
/// assert_eq!(compare(Scheme::Debian, "1.0~rc1-1", "1.0-1"), Ok(Ordering::Less));
/// ```
pub fn compare(scheme: Scheme, a: &str, b: &str) -> Result<Ordering, VersionError> {
    let (first, second) = (Version::parse(scheme, a)?, Version::parse(scheme, b)?);
    let order = first.compare(&second);
    let same = || (a.trim() == b.trim()).then_some(Ordering::Equal);
    order.or_else(same).ok_or_else(|| VersionError {
        scheme,
        version: b.chars().take(80).collect(),
        reason: "it is read in part only, and that part is equal to the other version's",
    })
}

#[cfg(test)]
mod tests;
