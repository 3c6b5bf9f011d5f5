//! The VEX documents that a site stores.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hash::VexHash;
use crate::time::Timestamp;

/// Answer of `GET /api/v1/vex`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct VexList {
    /// The documents, sorted by hash.
    pub documents: Vec<VexEntry>,
    /// The stored documents that cannot be read, sorted by hash: every scan is refused until each was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedVex>,
    /// The files among them whose name is not a hash, sorted by name: every scan is refused until each was moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ForeignVex>,
}

/// A file in the folder of the stored VEX documents that was not stored by Starling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignVex {
    /// Its path.
    pub file: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

/// A stored VEX document that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DamagedVex {
    /// The hash in its file name.
    pub hash: VexHash,
    /// What is wrong with it.
    pub problem: String,
}

/// Answer of `DELETE /api/v1/vex/{hash}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VexRemoved {
    /// The deleted document.
    pub hash: VexHash,
}

/// Statements of a VEX document that do not apply, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnusableStatements {
    /// The reason, in words.
    #[schema(example = "fixed, without the version that has the fix")]
    pub reason: String,
    /// Number of statements.
    pub statements: u64,
}

/// A VEX document that a site stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VexEntry {
    /// BLAKE3 of its bytes: its name here and in verdicts.
    pub hash: VexHash,
    /// `OpenVEX`, `CSAF` or `CycloneDX`.
    #[schema(example = "OpenVEX")]
    pub format: String,
    /// Its author, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Number of statements that can be matched with findings.
    pub statements: u64,
    /// Number of statements that do not apply: their products cannot be matched with findings, or they lack a reason.
    pub unusable: u64,
    /// The reasons of these, each with its number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable_by: Vec<UnusableStatements>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The time at which it was stored.
    pub added_at: Timestamp,
    /// True if it was already stored before the call.
    pub known: bool,
}
