//! Version orders: one total order per packaging ecosystem.
//!
//! A version text is parsed once into a [`Version`]. For all schemes but Maven that is a key whose
//! byte order is the scheme's order, so an index can store keys and search them without knowing the
//! scheme (see [`Version::key`]). Maven's published order is not transitive in its corners, so no key
//! can exist for it; it keeps its parsed form.
//!
//! Parsing is lenient where the ecosystem's own tool is (a `v` in front, missing components) and
//! refuses what that tool could not order. Texts are bounded by [`MAX_VERSION_BYTES`]; nothing here
//! panics, and work is linear in the text.

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

/// Longest version text that is looked at, in bytes. The longest in public advisories is under 200.
pub const MAX_VERSION_BYTES: usize = 1024;

/// How versions of an ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// SemVer 2.0.0, read leniently; build metadata does not count.
    SemVer,
    /// SemVer whose build metadata counts, after all else (pub.dev, Julia).
    SemVerBuild,
    /// SemVer with a packager's revision after the version: `1.2.3-4` is newer than `1.2.3`.
    Bitnami,
    /// NuGet: up to four numbers, labels without case.
    NuGet,
    /// PEP 440, with setuptools' older order for texts it does not cover.
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
    /// Numbers between dots or hyphens; the longer of two that start alike is newer (R, Haskell).
    Dotted,
}

impl Scheme {
    /// Returns the order that an OSV ecosystem (with or without suffix) uses, or `None` where the
    /// ecosystem has no order and only enumerated versions can match (see [`crate::ecosystem`] for why).
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
            // `Root:Alpine:3.18` is another ecosystem's package, rebuilt.
            base if is_rebuilder(base) => {
                return ecosystem
                    .split_once(':')
                    .and_then(|(_, inner)| Self::for_rebuilt(inner));
            }
            _ => return None,
        })
    }

    /// Returns the text without what says for which platform a package was built, which is no part of its version.
    pub(crate) fn bare(self, text: &str) -> &str {
        match self {
            Self::RubyGems => gem::without_platform(text),
            _ => text,
        }
    }

    /// Returns the text without what a rebuild of a release adds to its version, if one did: a local label of
    /// PEP 440, or the number of a rebuild in a Debian binary's version.
    pub(crate) fn released(self, text: &str) -> Option<&str> {
        match self {
            Self::Pep440 => text.split_once('+').map(|(release, _)| release),
            Self::Debian => {
                let (release, rebuild) = text.rsplit_once("+b")?;
                key::is_number(rebuild).then_some(release)
            }
            _ => None,
        }
    }

    /// The inner ecosystem of `Root:…`; a second rebuilder inside is no ecosystem, so this cannot loop.
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

/// True for who rebuilds others' packages and names in the suffix whose they are.
fn is_rebuilder(base: &str) -> bool {
    matches!(base, "Root" | "TuxCare" | "Docker Hardened Images" | "DHI")
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that a scheme cannot order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {version:?} as a {scheme} version: {reason}")]
pub struct VersionError {
    /// The scheme that was asked.
    pub scheme: Scheme,
    /// The text, shortened to 80 characters.
    pub version: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Why a scheme refuses a text.
type Reason = &'static str;

/// How a scheme takes a text that it orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As one of its versions.
    Proper,
    /// As something that it would not publish, but has an order for.
    Tolerated,
    /// As far as it understands it: another that is equal so far has no order to it.
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
    /// Parses `text` under `scheme`. White space around it is ignored.
    ///
    /// # Errors
    /// If the text is empty, longer than [`MAX_VERSION_BYTES`], holds control characters, or has no
    /// place in the scheme's order.
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

    /// Returns the scheme that the version was parsed under.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns false if the ecosystem's tool orders the text but would not publish it.
    pub fn is_well_formed(&self) -> bool {
        self.form == Form::Proper
    }

    /// Returns bytes whose order is the scheme's order, or `None` for Maven and for what a scheme reads in part only.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Key(key) if self.form != Form::Broken => Some(key),
            Repr::Key(_) | Repr::Maven(_) => None,
        }
    }

    /// Returns bytes that never order two versions otherwise than the scheme does, though they may hold different
    /// ones for equal: the key, or for Maven, which has none, the numbers at the beginning. `text` is what the
    /// version was parsed from.
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

/// Orders two version texts under a scheme.
///
/// # Errors
/// If either text is none of the scheme's versions; the error names which.
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
