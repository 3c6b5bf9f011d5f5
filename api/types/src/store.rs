//! What the embedded store takes on disk, and giving space back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the parts of a store take on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StoreSizes {
    /// The log: signed deltas and heads. It only grows.
    pub log_bytes: u64,
    /// The packs of record bodies.
    pub pack_bytes: u64,
    /// The engine: rows that follow from the log.
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
    /// How many packs were rewritten: those of which less than half was live.
    pub packs_rewritten: u64,
    /// How many record bodies were moved out of them.
    pub bodies_moved: u64,
    /// Whether the engine's files were rebuilt; false if the engine keeps none, or was in use by a long read.
    pub engine_rebuilt: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}
