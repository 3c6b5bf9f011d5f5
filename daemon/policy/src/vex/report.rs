//! What a verdict says about a VEX document.

use serde::Serialize;

use super::{Unusable, VexFormat};

/// A verdict's entry about a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VexReport {
    /// BLAKE3 of the document's bytes, as `blake3:<hex>`.
    pub hash: String,
    /// Its kind.
    pub format: VexFormat,
    /// Its author, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Number of usable statements: about package URLs, or about components of the SBOM.
    pub statements: u64,
    /// Number of unusable statements: their products cannot be matched with findings, or they lack a required reason or
    /// version.
    pub unusable: u64,
    /// The reasons of these, each with its number.
    #[serde(skip_serializing_if = "Unusable::is_empty")]
    pub unusable_by: Unusable,
    /// Number of findings that it settled.
    pub settled: u64,
}
