//! SBOMs in: bytes of a document to an [`Inventory`] of components.
//!
//! The format is told from the content, never from a file name. Reading is lenient (a component
//! without version is still a component) and reporting is exact: everything that was passed over is a
//! [`Note`] with its place, everything that makes a document unusable an [`SbomError`] with its place.
//! Memory is bounded by the document's size, which is bounded by [`MAX_SBOM_BYTES`]; nesting by the
//! JSON reader's 128 levels.

mod cyclonedx;
mod detect;
mod place;
mod spdx2;

use std::fmt;

pub use detect::detect;
pub use place::Place;

use crate::purl::PackageUrl;

/// Largest document that is read, in bytes.
pub const MAX_SBOM_BYTES: usize = 256 * 1024 * 1024;

/// Most components that one document may hold.
pub const MAX_COMPONENTS: usize = 1_000_000;

/// A document format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// CycloneDX in JSON.
    CycloneDxJson,
    /// SPDX 2.x in JSON.
    Spdx2Json,
}

impl Format {
    /// Returns the format's name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CycloneDxJson => "CycloneDX JSON",
            Self::Spdx2Json => "SPDX 2 JSON",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a document says is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The document's format.
    pub format: Format,
    /// The version of the format, as the document writes it.
    pub spec_version: String,
    /// The name of what the document describes, if it says.
    pub subject: Option<String>,
    /// The operating system that the components were found on, as in a `distro` qualifier
    /// (`debian-12`); packages whose own URL does not say are read against it.
    pub distro: Option<String>,
    /// All components, in document order.
    pub components: Vec<Component>,
    /// What was passed over.
    pub notes: Vec<Note>,
}

/// One component of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name; never empty.
    pub name: String,
    /// Its version; never empty. That of the package URL wins over the document's own field.
    pub version: Option<String>,
    /// Its package URL, if it has one that can be read.
    pub purl: Option<PackageUrl>,
    /// What sort of thing it is.
    pub kind: ComponentKind,
    /// Where it stands in the document.
    pub place: Place,
}

/// What sort of thing a component is: only packages are expected to have a package URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// Software that a registry or distribution publishes.
    Package,
    /// What the document describes.
    Subject,
    /// Files, containers, operating systems, data and other things that advisories do not name.
    Other,
}

/// Something that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it stands.
    pub place: Place,
    /// What it is, and what was done.
    pub text: String,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// No known format.
    #[error("cannot tell the SBOM's format: {reason}; expected CycloneDX or SPDX 2 as JSON")]
    UnknownFormat {
        /// What was seen instead.
        reason: String,
    },
    /// The format is known and the document is not one of its.
    #[error("cannot read the {format} document: {reason} (at {place})")]
    Invalid {
        /// The format it was read as.
        format: Format,
        /// Where it breaks.
        place: Place,
        /// What is wrong there.
        reason: String,
    },
    /// The document is too large.
    #[error("cannot read the SBOM: it has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// `bytes` or `components`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
}

/// Reads a document.
///
/// # Errors
/// If no known format is found, the document breaks its format, or a limit is exceeded.
pub fn read(bytes: &[u8]) -> Result<Inventory, SbomError> {
    if bytes.len() > MAX_SBOM_BYTES {
        return Err(SbomError::TooLarge {
            what: "bytes",
            found: bytes.len(),
            limit: MAX_SBOM_BYTES,
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let inventory = match detect(bytes)? {
        Format::CycloneDxJson => cyclonedx::read_json(bytes),
        Format::Spdx2Json => spdx2::read_json(bytes),
    }?;
    if inventory.components.len() > MAX_COMPONENTS {
        let found = inventory.components.len();
        return Err(SbomError::TooLarge {
            what: "components",
            found,
            limit: MAX_COMPONENTS,
        });
    }
    Ok(inventory)
}

/// Reads a component's package URL; one that cannot be read is noted.
fn read_purl(text: Option<&str>, place: &Place, notes: &mut Vec<Note>) -> Option<PackageUrl> {
    let text = text.map(str::trim).filter(|t| !t.is_empty())?;
    match PackageUrl::parse_lenient(text) {
        Ok(purl) => Some(purl),
        Err(error) => {
            notes.push(Note {
                place: place.clone(),
                text: format!("{error}; the component is counted as unknown"),
            });
            None
        }
    }
}

/// The version to use: the package URL's, else the document's.
fn version_of(purl: Option<&PackageUrl>, stated: Option<&str>) -> Option<String> {
    purl.and_then(crate::purl::osv::version_of).or_else(|| {
        stated
            .map(str::trim)
            .filter(|v| !v.is_empty() && *v != "NOASSERTION")
            .map(str::to_owned)
    })
}

/// Writes an operating system as a `distro` qualifier would: `debian-12`. Names are os-release ids
/// (`rhel`), or their long forms (`Red Hat Enterprise Linux`).
fn distro_name(name: &str, version: &str) -> Option<String> {
    let lower = name.trim().to_ascii_lowercase();
    let id = match lower.as_str() {
        "red hat enterprise linux" => "rhel",
        "debian gnu/linux" => "debian",
        "alpine linux" => "alpine",
        "rocky linux" => "rocky",
        other => other,
    };
    if id.is_empty() || id.contains(' ') || version.trim().is_empty() {
        return None;
    }
    Some(format!("{id}-{}", version.trim()))
}

#[cfg(test)]
mod tests;
