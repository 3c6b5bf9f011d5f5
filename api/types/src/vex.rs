//! The VEX documents that a site keeps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hash::VexHash;
use crate::time::Timestamp;

/// Answer of `GET /api/v1/vex`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct VexList {
    /// The documents, in the order of their hashes.
    pub documents: Vec<VexEntry>,
}

/// Answer of `DELETE /api/v1/vex/{hash}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VexRemoved {
    /// The document that is kept no longer.
    pub hash: VexHash,
}

/// A VEX document that a site keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VexEntry {
    /// BLAKE3 of its bytes: its name here and in verdicts.
    pub hash: VexHash,
    /// `OpenVEX`, `CSAF` or `CycloneDX`.
    #[schema(example = "OpenVEX")]
    pub format: String,
    /// Who wrote it, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Statements that can be held against findings.
    pub statements: u64,
    /// Statements that name their products in a way that findings do not.
    pub unusable: u64,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it came here.
    pub added_at: Timestamp,
    /// Whether it was kept before the call.
    pub known: bool,
}
