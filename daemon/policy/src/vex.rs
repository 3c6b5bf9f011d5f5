//! VEX: suppliers' statements about the effect of a vulnerability on a product.
//!
//! Reads OpenVEX, CSAF 2.0 and 2.1, and CycloneDX JSON, detected from the content. Only statements about package
//! URLs, and about components of the SBOM by BOM-Link, are used. A statement that names its products in another way
//! (an image's name, a CPE, a hash) cannot be matched with a finding, and is counted as unusable. A statement about a
//! package within a product (OpenVEX's subcomponents, CSAF's relationships, components of a CycloneDX document that
//! describes something) is about the package in SBOMs of that product ([`product`]). A statement about the subject of
//! the SBOM, such as an image by its `pkg:oci` URL, is about every package in it, unless the SBOM describes several
//! things.
//!
//! *Not affected* and *fixed* remove a finding; *affected* and *under investigation* leave it to the policy. If several
//! statements match one finding, the newest applies. If they are equally new in one OpenVEX document, the last one
//! applies; the lists of the other kinds have no order, so a statement that leaves the finding to the policy applies.
//! Among equally new statements in one document, one about the package itself is preferred to one about the whole. If
//! statements in several documents are equally new, one that leaves the finding to the policy applies, preferably one
//! that does not exclude a fix. Documents form a set: their order and origin do not matter. A statement that would remove
//! a finding and is dated after the scan counts as the oldest.
//!
//! *Not affected* needs a reason if the document's kind requires one: OpenVEX, and CSAF's profile for VEX. *Fixed* needs a
//! version, unless it is about an image. A statement without these counts as unusable.

mod csaf;
mod cyclonedx;
mod index;
mod openvex;
pub(crate) mod product;
mod report;
mod unusable;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use starling_protocol::UnixMillis;
use starling_scanner::purl::PackageUrl;

pub(crate) use self::index::VexIndex;
use self::product::Within;
pub use self::report::VexReport;
pub use self::unusable::{Unusable, UnusableReason};
use crate::strict;

/// Largest document, in bytes.
pub const MAX_VEX_BYTES: usize = 16 * 1024 * 1024;
/// Most vulnerability names, counted once per product, in the documents of one scan: a short document can list many
/// names with long texts for each.
const MAX_STATEMENTS: usize = 500_000;
/// Longest stored justification and author name, in characters: a justification may be repeated for every product of
/// a document, and an author in every verdict.
const MAX_TEXT_CHARS: usize = 300;

/// The status in a supplier's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VexStatus {
    /// The product has the vulnerable code, but is not affected.
    NotAffected,
    /// The product is affected.
    Affected,
    /// This version contains the fix.
    Fixed,
    /// Not known yet.
    UnderInvestigation,
}

impl VexStatus {
    /// Returns the status's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Affected => "affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
        }
    }

    /// Returns true if a finding with this status needs no further action.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::NotAffected | Self::Fixed)
    }
}

/// The kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum VexFormat {
    /// OpenVEX, 0.0.1 to 0.2.0.
    #[serde(rename = "OpenVEX")]
    OpenVex,
    /// CSAF 2.0 and 2.1.
    #[serde(rename = "CSAF")]
    Csaf,
    /// CycloneDX JSON.
    #[serde(rename = "CycloneDX")]
    CycloneDx,
}

impl fmt::Display for VexFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenVex => "OpenVEX",
            Self::Csaf => "CSAF",
            Self::CycloneDx => "CycloneDX",
        })
    }
}

/// The reason why bytes are not a VEX document.
#[derive(Debug, thiserror::Error)]
pub enum VexError {
    /// Too large.
    #[error("cannot read the VEX document: it has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// The unit: `bytes` or `statements`.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The allowed number.
        limit: usize,
    },
    /// Not JSON.
    #[error("cannot read the VEX document as JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of another kind.
    #[error("unknown kind of VEX document: expected OpenVEX, CSAF or CycloneDX as JSON")]
    UnknownFormat,
    /// A document that violates its own kind.
    #[error("cannot read the {format} document: {reason} (at {place})")]
    Invalid {
        /// The kind.
        format: VexFormat,
        /// The JSON pointer of the violation.
        place: String,
        /// A description.
        reason: &'static str,
    },
}

/// A document's statements.
#[derive(Debug, Clone)]
pub struct VexDocument {
    hash: [u8; 32],
    format: VexFormat,
    author: Option<String>,
    statements: Arc<[Statement]>,
    weight: usize,
    unusable: Unusable,
    kept: bool,
}

/// The subject of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Product {
    /// A package, by its URL.
    Package(Arc<PackageUrl>),
    /// A component of the scanned SBOM, by its reference there; only in this version, if there is one.
    Reference(Arc<str>, Option<Arc<str>>),
}

/// One statement about one vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its vulnerability's names: an id and aliases.
    pub(crate) ids: Arc<[String]>,
    pub(crate) product: Product,
    /// The products of which the package is a part.
    pub(crate) within: Within,
    pub(crate) status: VexStatus,
    /// The name of the justification, or a sentence.
    pub(crate) why: Option<Arc<str>>,
    /// True if the supplier says that there will be no fix.
    pub(crate) will_not_fix: bool,
    pub(crate) time: UnixMillis,
}

/// The first of several documents that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read number {number} of the given VEX documents")]
pub struct RefusedVex {
    /// Its position among the given documents, from 1.
    pub number: usize,
    /// The reason.
    #[source]
    pub source: VexError,
}

/// Returns true if any document refers to SBOMs by serial number, or to their components by reference.
pub(crate) fn names_boms(documents: &[VexDocument]) -> bool {
    let statements = documents.iter().flat_map(|document| document.statements.iter());
    statements.into_iter().any(|statement| {
        matches!(statement.product, Product::Reference(..))
            || statement.within.iter().any(|whole| whole.bom.is_some())
    })
}

impl VexDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// If the kind is unknown, the document violates its kind, or a limit is exceeded.
    pub fn read(bytes: &[u8]) -> Result<Self, VexError> {
        Self::read_within(bytes, MAX_STATEMENTS)
    }

    /// Converts documents to a set: sorted by hash, each once. A verdict is about a set, so that it does not depend
    /// on the order of documents, or on which of them are stored.
    #[must_use]
    pub fn set_of(mut documents: Vec<Self>) -> Vec<Self> {
        // A document that is both stored and given counts as given.
        documents.sort_by_key(|document| (document.hash, document.kept));
        documents.dedup_by_key(|document| document.hash);
        documents
    }

    /// Reads the documents given for one scan, in addition to the stored ones; they share one limit on statements.
    ///
    /// # Errors
    /// Same as [`Self::read`], for the first document that cannot be read.
    pub fn read_beside<'a>(
        kept: &[Self],
        documents: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<Self>, RefusedVex> {
        let kept: usize = kept.iter().map(Self::weight).sum();
        let mut left = MAX_STATEMENTS.saturating_sub(kept);
        let mut read = Vec::new();
        for (index, bytes) in documents.into_iter().enumerate() {
            let refused = |source| RefusedVex {
                number: index + 1,
                source,
            };
            let document = Self::read_within(bytes, left).map_err(refused)?;
            left = left.saturating_sub(document.weight);
            read.push(document);
        }
        Ok(read)
    }

    /// Marks the document as stored for all scans, so that it was not given for one SBOM in particular.
    #[must_use]
    pub fn for_all_scans(self) -> Self {
        Self { kept: true, ..self }
    }

    fn read_within(bytes: &[u8], max_statements: usize) -> Result<Self, VexError> {
        if bytes.len() > MAX_VEX_BYTES {
            return Err(VexError::TooLarge {
                what: "bytes",
                found: bytes.len(),
                limit: MAX_VEX_BYTES,
            });
        }
        let hash = *blake3::hash(bytes).as_bytes();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value: Value = strict::read(bytes).map_err(VexError::Json)?;
        let mut reader = Reader {
            left: max_statements,
            ..Reader::default()
        };
        let format = if openvex::is(&value) {
            openvex::read(&value, &mut reader)?;
            VexFormat::OpenVex
        } else if value.pointer("/document/csaf_version").is_some() {
            csaf::read(&value, &mut reader)?;
            VexFormat::Csaf
        } else if value.get("bomFormat").and_then(Value::as_str) == Some("CycloneDX") {
            cyclonedx::read(&value, &mut reader)?;
            VexFormat::CycloneDx
        } else {
            return Err(VexError::UnknownFormat);
        };
        Ok(Self {
            hash,
            format,
            author: reader.author.as_deref().map(cut),
            statements: reader.statements.into(),
            weight: max_statements - reader.left,
            unusable: reader.unusable,
            kept: false,
        })
    }

    /// Returns the BLAKE3 of the document's original bytes.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns its author, if given.
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// Returns the number of unusable statements: they cannot be matched with findings, or lack a required reason or version.
    pub fn unusable(&self) -> u64 {
        self.unusable.total()
    }

    /// Returns the reasons of these statements.
    pub const fn unusable_by(&self) -> &Unusable {
        &self.unusable
    }

    /// Returns the kind of document.
    pub const fn format(&self) -> VexFormat {
        self.format
    }

    /// Returns the number of statements that can be matched with findings.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Returns its count against the limit on statements: one for each vulnerability name of each statement.
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns true if none of its statements can be matched with a finding.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

/// Collects the statements of a document.
#[derive(Debug, Default)]
struct Reader {
    author: Option<String>,
    statements: Vec<Statement>,
    unusable: Unusable,
    /// Number of further statements allowed.
    left: usize,
    /// Subjects of statements, by their text; `None` for an unknown one.
    parsed: BTreeMap<String, Option<Product>>,
}

/// A document's statement about some products.
#[derive(Debug)]
struct Saying<'a> {
    ids: &'a Arc<[String]>,
    status: VexStatus,
    why: Option<&'a Arc<str>>,
    will_not_fix: bool,
    time: UnixMillis,
    /// True if it is about one version, even if its package URLs have none.
    is_of_a_version: bool,
}

impl Saying<'_> {
    /// Returns true if the status is *fixed*, but neither the package nor the product that contains it has a version. An image
    /// needs none: without a digest, the scanned image is meant.
    fn lacks_version(&self, product: &Product, within: &Within) -> bool {
        let Product::Package(purl) = product else {
            return false;
        };
        let has_version = |purl: &PackageUrl| purl.version().is_some() || is_image(purl);
        let is_build =
            |whole: &Arc<product::Whole>| whole.bom.is_some() || whole.purls.iter().any(has_version);
        self.status == VexStatus::Fixed
            && !self.is_of_a_version
            && !has_version(purl)
            && !within.iter().any(is_build)
    }
}

fn is_image(purl: &PackageUrl) -> bool {
    matches!(purl.ty(), "oci" | "docker")
}

impl Reader {
    /// Adds one statement for each of some products, alone or as a part of others. Counts as unusable the products that are
    /// neither package URLs nor references, and those without a required version.
    fn say<'a>(
        &mut self,
        saying: &Saying<'_>,
        products: impl IntoIterator<Item = (&'a str, Within)>,
    ) -> Result<(), VexError> {
        for (product, within) in products {
            // A document uses a few products many times.
            let parsed = self.parsed.entry(product.to_owned());
            let Some(product) = parsed.or_insert_with(|| product_of(product)).clone() else {
                self.unusable.add(UnusableReason::NoPackage, 1);
                continue;
            };
            if saying.lacks_version(&product, &within) {
                self.unusable.add(UnusableReason::NoVersion, 1);
                continue;
            }
            self.left = self
                .left
                .checked_sub(saying.ids.len())
                .ok_or(VexError::TooLarge {
                    what: "statements, with those before it,",
                    found: MAX_STATEMENTS + 1,
                    limit: MAX_STATEMENTS,
                })?;
            self.statements.push(Statement {
                ids: Arc::clone(saying.ids),
                product,
                within,
                status: saying.status,
                why: saying.why.map(Arc::clone),
                will_not_fix: saying.will_not_fix,
                time: saying.time,
            });
        }
        Ok(())
    }
}

/// The prefix of a reference into the SBOM in a product's text; no package URL begins with it.
const REFERENCE: &str = "\0ref:";
/// The separator of such a reference and the version to which the statement is limited.
const VERSION: char = '\0';

/// Returns the subject of a text: a package or an image by its URL, or a component of the SBOM.
fn product_of(text: &str) -> Option<Product> {
    if let Some(reference) = text.strip_prefix(REFERENCE) {
        let (reference, version) = match reference.split_once(VERSION) {
            Some((reference, version)) => (reference, Some(version.into())),
            None => (reference, None),
        };
        return Some(Product::Reference(reference.into(), version));
    }
    let purl = PackageUrl::parse_lenient(text)
        .ok()
        .or_else(|| product::image_of(text))?;
    Some(Product::Package(Arc::new(purl)))
}

/// Returns a text, cut to its limit.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

/// The justifications of OpenVEX, and the labels of CSAF's flags.
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "inline_mitigations_already_exist",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_not_present",
];

/// Returns true if a text is a justification of OpenVEX, or the label of one of CSAF's flags.
fn is_justification(text: &str) -> bool {
    JUSTIFICATIONS.contains(&text.trim())
}

/// Returns a justification, cut to its limit.
fn why_of(text: &str) -> Arc<str> {
    cut(text).into()
}

fn invalid(format: VexFormat, place: impl Into<String>, reason: &'static str) -> VexError {
    VexError::Invalid {
        format,
        place: place.into(),
        reason,
    }
}

/// Returns the time of a statement, from the first field that is present; the oldest possible time if there is none.
///
/// If that field cannot be read, a statement that settles findings gets the oldest possible time, so that it overrides no
/// other statement. For a statement that settles nothing, the next readable field is used.
fn time_of<'a>(status: VexStatus, fields: impl IntoIterator<Item = Option<&'a Value>>) -> UnixMillis {
    let stated = fields.into_iter().flatten().filter(|field| !field.is_null());
    let mut times = stated.map(|field| field.as_str().and_then(read_time));
    let first = if status.is_settled() {
        times.next().flatten()
    } else {
        times.flatten().next()
    };
    first.unwrap_or(UnixMillis::EPOCH)
}

/// Reads a time. Without an offset it is in UTC; a date means the beginning of the day.
fn read_time(text: &str) -> Option<UnixMillis> {
    let text = text.trim();
    ["", "Z", "T00:00:00Z"]
        .iter()
        .find_map(|end| format!("{text}{end}").parse().ok())
}

/// Returns true if a statement about `stated` applies to `found`: the same package; the same version, qualifiers and
/// subpath, if the statement has them.
pub(crate) fn is_about(stated: &PackageUrl, found: &PackageUrl) -> bool {
    stated.ty() == found.ty()
        && stated.namespace() == found.namespace()
        && stated.name() == found.name()
        && stated
            .version()
            .is_none_or(|version| found.version() == Some(version))
        && stated
            .qualifiers()
            .all(|(key, value)| found.qualifier(key) == Some(value))
        && stated
            .subpath()
            .is_none_or(|subpath| found.subpath() == Some(subpath))
}

#[cfg(test)]
mod tests;
