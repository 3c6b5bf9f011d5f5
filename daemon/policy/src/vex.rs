//! VEX: what a supplier says about whether a vulnerability matters in a product.
//!
//! OpenVEX, CSAF 2.0 and 2.1, and CycloneDX JSON are read, told apart by content. Of a document only its
//! statements about package URLs, and about components of the SBOM by BOM-Link, count: a statement that names its
//! products in another way (an image's name, a CPE, a hash) cannot be held against a finding, and is counted as such.
//! A statement about a package within a product (OpenVEX's subcomponents, CSAF's relationships, components of a
//! CycloneDX document that describes something) is one about the package in SBOMs of that product ([`product`]).
//! One about the very thing that the SBOM describes, such as an
//! image by its `pkg:oci` URL, is about every package in it; where an SBOM describes several things, it is not.
//!
//! *Not affected* and *fixed* take a finding out; *affected* and *under investigation* leave it to the policy.
//! Of several statements about one finding the newest counts. Of equally old ones in one document the last does, those
//! about the package itself coming after those about the whole; of equally old ones in several documents one that
//! leaves the finding to the policy, and of those one that does not say that no fix will come. Documents are a set: which came first, or from where, changes nothing.

mod csaf;
mod cyclonedx;
mod index;
mod openvex;
pub(crate) mod product;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use starling_protocol::UnixMillis;
use starling_scanner::purl::PackageUrl;

pub(crate) use self::index::VexIndex;
use self::product::Within;

/// Largest document, in bytes.
pub const MAX_VEX_BYTES: usize = 16 * 1024 * 1024;
/// Most names of vulnerabilities, once for each product, that the documents of one scan may state something of: few
/// words can name many, and much about each.
const MAX_STATEMENTS: usize = 500_000;
/// Longest justification, and longest name of an author, that is kept, in characters: a justification may stand for every
/// product of a document, and an author in every verdict.
const MAX_TEXT_CHARS: usize = 300;

/// What a supplier says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VexStatus {
    /// The product has the vulnerable code, and it does no harm there.
    NotAffected,
    /// It does harm.
    Affected,
    /// This version has the fix.
    Fixed,
    /// Nobody knows yet.
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

    /// Returns true if a finding with this status needs no further look.
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

/// Bytes that are no VEX document.
#[derive(Debug, thiserror::Error)]
pub enum VexError {
    /// Too large.
    #[error("cannot read the VEX document: it has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// `bytes` or `statements`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Not JSON.
    #[error("cannot read the VEX document as JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of another kind.
    #[error("cannot tell what kind of VEX document it is; expected OpenVEX, CSAF or CycloneDX as JSON")]
    UnknownFormat,
    /// The kind is known, and the document breaks it.
    #[error("cannot read the {format} document: {reason} (at {place})")]
    Invalid {
        /// The kind.
        format: VexFormat,
        /// The JSON pointer of what breaks it.
        place: String,
        /// What is wrong there.
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
    unusable: u64,
    kept: bool,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Product {
    /// A package, by its URL.
    Package(Arc<PackageUrl>),
    /// A component of the SBOM that is scanned, by its reference there.
    Reference(Arc<str>),
}

/// One thing said about one vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its names: an id and aliases.
    pub(crate) ids: Arc<[String]>,
    pub(crate) product: Product,
    /// The products that it is about a part of.
    pub(crate) within: Within,
    pub(crate) status: VexStatus,
    /// The justification's name, or a sentence.
    pub(crate) why: Option<Arc<str>>,
    /// The supplier says that no fix will come.
    pub(crate) will_not_fix: bool,
    pub(crate) time: UnixMillis,
}

/// What a verdict says of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VexReport {
    /// BLAKE3 of the document's bytes, as `blake3:<hex>`.
    pub hash: String,
    /// Its kind.
    pub format: VexFormat,
    /// Who wrote it, if it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Number of statements about package URLs.
    pub statements: u64,
    /// Number of statements that name their products in a way that findings do not.
    pub unusable: u64,
    /// Number of findings that it settled.
    pub settled: u64,
}

/// The one of several documents that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("of the VEX documents given, number {number}")]
pub struct RefusedVex {
    /// Its place among those given; the first is 1.
    pub number: usize,
    /// Why.
    #[source]
    pub source: VexError,
}

/// True if any of the documents speaks of SBOMs by their serial numbers, or of their components by reference.
pub(crate) fn names_boms(documents: &[VexDocument]) -> bool {
    let statements = documents.iter().flat_map(|document| document.statements.iter());
    statements.into_iter().any(|statement| {
        matches!(statement.product, Product::Reference(_))
            || statement.within.iter().any(|whole| whole.bom.is_some())
    })
}

impl VexDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// If no known kind is found, the document breaks its kind, or a limit is exceeded.
    pub fn read(bytes: &[u8]) -> Result<Self, VexError> {
        Self::read_within(bytes, MAX_STATEMENTS)
    }

    /// Makes a set of documents: in the order of their hashes, each once. A verdict is of a set, so that it does not tell
    /// in which order documents were given, or which of them are kept.
    #[must_use]
    pub fn set_of(mut documents: Vec<Self>) -> Vec<Self> {
        // One that is kept and given as well is given.
        documents.sort_by_key(|document| (document.hash, document.kept));
        documents.dedup_by_key(|document| document.hash);
        documents
    }

    /// Reads the documents that one scan is given besides those that are kept; the limit on statements is one for all
    /// of them.
    ///
    /// # Errors
    /// As [`Self::read`], for the first that cannot be read.
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

    /// Returns the document as one that is kept for all scans, so that nobody gives it for one SBOM in particular.
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
        let value: Value = serde_json::from_slice(bytes).map_err(VexError::Json)?;
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

    /// Returns BLAKE3 of the document's bytes, as they were given.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns who wrote it, if it says.
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// Returns the number of statements that cannot be held against findings.
    pub const fn unusable(&self) -> u64 {
        self.unusable
    }

    /// Returns the kind of document.
    pub const fn format(&self) -> VexFormat {
        self.format
    }

    /// Returns the number of statements that can be held against findings.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Returns what it counts against the limit on statements: one for each name that a statement gives its
    /// vulnerability.
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns true if nothing in it can be held against a finding.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

/// Collects what a document says.
#[derive(Debug, Default)]
struct Reader {
    author: Option<String>,
    statements: Vec<Statement>,
    unusable: u64,
    /// How many more statements may be taken in.
    left: usize,
    /// What statements are about, by their texts; nothing for what cannot be told.
    parsed: BTreeMap<String, Option<Product>>,
}

/// What a document says of some products.
#[derive(Debug)]
struct Saying<'a> {
    ids: &'a Arc<[String]>,
    status: VexStatus,
    why: Option<&'a Arc<str>>,
    will_not_fix: bool,
    time: UnixMillis,
}

impl Reader {
    /// Takes in one statement about some products, each as a part of others or by itself; those that are neither package
    /// URLs nor references are counted.
    fn say<'a>(
        &mut self,
        saying: &Saying<'_>,
        products: impl IntoIterator<Item = (&'a str, Within)>,
    ) -> Result<(), VexError> {
        for (product, within) in products {
            // A document names few products many times.
            let parsed = self.parsed.entry(product.to_owned());
            let Some(product) = parsed.or_insert_with(|| product_of(product)).clone() else {
                self.unusable += 1;
                continue;
            };
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

/// What marks a reference into the SBOM in a product's text; no package URL begins so.
const REFERENCE: &str = "\0ref:";

/// What a text names: a package or an image by its URL, or a component of the SBOM.
fn product_of(text: &str) -> Option<Product> {
    if let Some(reference) = text.strip_prefix(REFERENCE) {
        return Some(Product::Reference(reference.into()));
    }
    let purl = PackageUrl::parse_lenient(text)
        .ok()
        .or_else(|| product::image_of(text))?;
    Some(Product::Package(Arc::new(purl)))
}

/// A text, cut to what is kept of it.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

/// A justification, cut to what is kept of it.
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

/// The time in a field; one that cannot be read is as old as can be.
fn time_of(value: Option<&Value>) -> Option<UnixMillis> {
    value?.as_str()?.parse().ok()
}

/// Whether a statement about `said` is one about `found`: the same package, the same version if one is
/// said, and every qualifier and the subpath that are said.
pub(crate) fn is_about(said: &PackageUrl, found: &PackageUrl) -> bool {
    said.ty() == found.ty()
        && said.namespace() == found.namespace()
        && said.name() == found.name()
        && said
            .version()
            .is_none_or(|version| found.version() == Some(version))
        && said
            .qualifiers()
            .all(|(key, value)| found.qualifier(key) == Some(value))
        && said
            .subpath()
            .is_none_or(|subpath| found.subpath() == Some(subpath))
}

#[cfg(test)]
mod tests;
