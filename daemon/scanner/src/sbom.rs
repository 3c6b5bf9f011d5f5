//! Reads SBOMs: the bytes of a document become an [`Inventory`] of components.
//!
//! The format is detected from the content, never from a file name. Reading is lenient (a component without a version
//! is still a component) and reporting is exact: everything that was skipped is a [`Note`] with its place, everything
//! that makes a document unusable an [`SbomError`] with its place. Memory is limited by the document's size, which is
//! limited by [`MAX_SBOM_BYTES`]; nesting by the JSON reader's 128 levels. Texts are UTF-8, or UTF-16 with a byte
//! order mark.

mod collect;
mod components;
mod cyclonedx;
mod detect;
mod envelope;
mod generate;
mod limited;
mod lockfile;
mod markup;
mod place;
mod pom;
mod references;
mod same_version;
mod spdx2;
mod spdx3;
mod spdx_rdf;
mod spdx_tag;
mod syft;
mod utf16;
mod yaml;

use std::fmt;

pub use components::Components;
pub use detect::detect;
pub use generate::{GenerateError, GenerateOptions, MAX_MADE_COMPONENTS, generate};
pub use place::Place;
pub use references::{BomReferences, references};

use crate::origin::Origin;
use crate::purl::PackageUrl;

/// Largest document, in bytes.
pub const MAX_SBOM_BYTES: usize = 256 * 1024 * 1024;

/// Most components of one document.
pub const MAX_COMPONENTS: usize = 1_000_000;

/// A document format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// CycloneDX in JSON.
    CycloneDxJson,
    /// CycloneDX in XML.
    CycloneDxXml,
    /// CycloneDX in its protocol buffers encoding.
    CycloneDxProtobuf,
    /// SPDX 2.x in JSON.
    Spdx2Json,
    /// SPDX 2.x in YAML.
    Spdx2Yaml,
    /// SPDX 2.x as tag-value text.
    SpdxTagValue,
    /// SPDX 2.x in RDF/XML.
    SpdxRdf,
    /// SPDX 3.0 in JSON-LD.
    Spdx3Json,
    /// Syft's own JSON.
    SyftJson,
    /// Maven's `pom.xml`.
    Pom,
    /// A lockfile.
    Lockfile(Lockfile),
}

/// The kind of a lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lockfile {
    /// `Cargo.lock`.
    Cargo,
    /// `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.
    Npm,
    /// `yarn.lock`, classic and berry.
    Yarn,
    /// `pnpm-lock.yaml`, versions 5 to 9.
    Pnpm,
    /// `poetry.lock`, `uv.lock` and `pdm.lock`.
    PythonToml,
    /// `Pipfile.lock`.
    Pipfile,
    /// `requirements.txt` with pinned versions.
    Requirements,
    /// `go.mod`.
    GoMod,
    /// `go.sum`.
    GoSum,
    /// `Gemfile.lock`.
    Bundler,
    /// `composer.lock`.
    Composer,
    /// `packages.lock.json`.
    NuGet,
    /// `gradle.lockfile`.
    Gradle,
    /// `mix.lock`.
    Mix,
    /// `pubspec.lock`.
    Pub,
    /// `pylock.toml`.
    PyLock,
    /// `bun.lock`.
    Bun,
    /// `conan.lock`, of Conan 1 and 2.
    Conan,
    /// `Package.resolved`, versions 1 to 3.
    Swift,
    /// `Podfile.lock`.
    Pods,
}

impl Format {
    /// Returns the format's name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CycloneDxJson => "CycloneDX JSON",
            Self::CycloneDxXml => "CycloneDX XML",
            Self::CycloneDxProtobuf => "CycloneDX protobuf",
            Self::Spdx2Json => "SPDX 2 JSON",
            Self::Spdx2Yaml => "SPDX 2 YAML",
            Self::SpdxTagValue => "SPDX 2 tag-value",
            Self::SpdxRdf => "SPDX 2 RDF/XML",
            Self::Spdx3Json => "SPDX 3 JSON-LD",
            Self::SyftJson => "Syft JSON",
            Self::Pom => "pom.xml",
            Self::Lockfile(kind) => match kind {
                Lockfile::Cargo => "Cargo.lock",
                Lockfile::Npm => "package-lock.json",
                Lockfile::Yarn => "yarn.lock",
                Lockfile::Pnpm => "pnpm-lock.yaml",
                Lockfile::PythonToml => "Python lockfile",
                Lockfile::Pipfile => "Pipfile.lock",
                Lockfile::Requirements => "requirements.txt",
                Lockfile::GoMod => "go.mod",
                Lockfile::GoSum => "go.sum",
                Lockfile::Bundler => "Gemfile.lock",
                Lockfile::Composer => "composer.lock",
                Lockfile::NuGet => "packages.lock.json",
                Lockfile::Gradle => "gradle.lockfile",
                Lockfile::Mix => "mix.lock",
                Lockfile::Pub => "pubspec.lock",
                Lockfile::PyLock => "pylock.toml",
                Lockfile::Bun => "bun.lock",
                Lockfile::Conan => "conan.lock",
                Lockfile::Swift => "Package.resolved",
                Lockfile::Pods => "Podfile.lock",
            },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The contents of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The document's format.
    pub format: Format,
    /// The version of the format, as written in the document.
    pub spec_version: String,
    /// The name of the document's subject, if it has one.
    pub subject: Option<String>,
    /// The operating system on which the components were found, as in a `distro` qualifier (`debian-12`); used for
    /// packages whose own URL does not name one.
    pub distro: Option<String>,
    /// True if it describes several things; its components need not be part of any of them.
    pub describes_several: bool,
    /// All components, in document order.
    pub components: Components,
    /// The skipped parts.
    pub notes: Vec<Note>,
}

/// One component of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name; never empty.
    pub name: String,
    /// Its version; never empty. The package URL's version has priority over the document's own field.
    pub version: Option<String>,
    /// Its package URL, if it has a readable one.
    pub purl: Option<PackageUrl>,
    /// Its CPE names, as written; only if its package URL cannot be looked up as a registry's or a distribution's
    /// package, or it has none.
    pub cpes: Option<Box<[Box<str>]>>,
    /// The document's data about its build, besides its package URL.
    pub origin: Option<Box<Origin>>,
    /// Its kind.
    pub kind: ComponentKind,
    /// Its place in the document.
    pub place: Place,
}

/// The kind of a component: only packages should have a package URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// Software that a registry or distribution publishes.
    Package,
    /// The document's subject.
    Subject,
    /// Files, containers, operating systems, data and other things without advisories.
    Other,
}

/// A part that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its place.
    pub place: Place,
    /// A description, and what was done.
    pub text: String,
}

/// The reason why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// No known format.
    #[error("unknown SBOM format: {reason}; expected CycloneDX, SPDX, Syft's JSON, or a lockfile")]
    UnknownFormat {
        /// What was found instead.
        reason: String,
    },
    /// The format is known, but the document violates it.
    #[error("cannot read the {format} document: {reason} (at {place})")]
    Invalid {
        /// The assumed format.
        format: Format,
        /// The place of the violation.
        place: Place,
        /// The problem there.
        reason: String,
    },
    /// The document is too large.
    #[error("cannot read the SBOM: it has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// The exceeded limit: `bytes`, `components`, or skipped parts.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The allowed number.
        limit: usize,
    },
}

/// Reads a document.
///
/// # Errors
/// If no known format is found, the document violates its format, or a limit is exceeded.
pub fn read(bytes: &[u8]) -> Result<Inventory, SbomError> {
    read_by(bytes, 1)
}

/// Same as [`read`], with up to `threads` threads for a large document if its format allows that. The result is the
/// same for any number.
///
/// # Errors
/// Same as [`read`].
pub fn read_by(bytes: &[u8], workers: usize) -> Result<Inventory, SbomError> {
    if bytes.len() > MAX_SBOM_BYTES {
        return Err(SbomError::TooLarge {
            what: "bytes",
            found: bytes.len(),
            limit: MAX_SBOM_BYTES,
        });
    }
    let decoded = utf16::decode(bytes)?;
    let bytes = decoded.as_deref().map_or(bytes, str::as_bytes);
    read_unwrapped(bytes, workers, MAX_LAYERS)
}

/// Most envelopes around an SBOM.
const MAX_LAYERS: usize = 6;

/// Reads a document, or the SBOM inside it, through at most this many envelopes.
fn read_unwrapped(bytes: &[u8], workers: usize, layers: usize) -> Result<Inventory, SbomError> {
    let bytes = without_mark(bytes);
    let error = match detect(bytes) {
        Ok(format) => return read_as(format, bytes, workers),
        Err(error) => error,
    };
    let inner = match envelope::open(bytes)? {
        Some(inner) if layers > 0 => inner,
        _ => return Err(error),
    };
    let mut inventory = read_unwrapped(&inner.bytes, workers, layers - 1)?;
    let note = Note {
        place: inner.place,
        text: "the SBOM stands in another document, whose signatures were not verified; places are those within it"
            .to_owned(),
    };
    inventory.notes.insert(0, note);
    Ok(inventory)
}

/// Removes the byte order mark that some editors write before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn read_as(format: Format, bytes: &[u8], workers: usize) -> Result<Inventory, SbomError> {
    match format {
        Format::CycloneDxJson => cyclonedx::read_json(bytes, workers),
        Format::CycloneDxXml => cyclonedx::read_xml(bytes),
        Format::CycloneDxProtobuf => cyclonedx::read_protobuf(bytes),
        Format::SpdxRdf => spdx_rdf::read(text_of(bytes, format)?),
        Format::Spdx2Json => spdx2::read_json(bytes),
        Format::Spdx3Json => spdx3::read_json(bytes),
        Format::SyftJson => syft::read_json(bytes),
        Format::Spdx2Yaml => spdx2::read_yaml(text_of(bytes, format)?),
        Format::Pom => pom::read(text_of(bytes, format)?),
        Format::SpdxTagValue => spdx_tag::read(text_of(bytes, format)?),
        Format::Lockfile(kind) => lockfile::read(kind, text_of(bytes, format)?),
    }
}

/// Reads the document as UTF-8; an error names the line.
fn text_of(bytes: &[u8], format: Format) -> Result<&str, SbomError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or(bytes);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        SbomError::Invalid {
            format,
            place: Place::Line { line, column },
            reason: "it is not UTF-8".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
