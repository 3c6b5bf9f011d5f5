//! The store's size on disk, and compaction.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The size of each part of the store on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StoreSizes {
    /// The log: signed deltas and heads. It only grows.
    pub log_bytes: u64,
    /// The packs of record bodies.
    pub pack_bytes: u64,
    /// The engine: rows derived from the log.
    pub engine_bytes: u64,
}

impl StoreSizes {
    /// Returns the sum.
    pub const fn total(&self) -> u64 {
        self.log_bytes
            .saturating_add(self.pack_bytes)
            .saturating_add(self.engine_bytes)
    }
}

/// Answer of `POST /api/v1/store/compact`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompactReport {
    /// Sizes before.
    pub before: StoreSizes,
    /// Sizes after.
    pub after: StoreSizes,
    /// Number of rewritten packs: those that were less than half live.
    pub packs_rewritten: u64,
    /// Number of record bodies moved out of them.
    pub bodies_moved: u64,
    /// True if the engine's files were rebuilt; false if the engine has none, or was in use by a long read.
    pub engine_rebuilt: bool,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}
