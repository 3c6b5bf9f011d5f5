//! Frees space: rewrites packs with little live data, and rebuilds an engine that outgrew its contents.

use std::sync::TryLockError;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_store::engine::{ByteCount, Compaction, EngineKind};
use starling_store::{Collected, CompactedBodies, StoreError, StoreSize};

use super::SiteParts;
use super::problem::store_problem;

/// Old bodies are dropped and their packs rewritten early if the packs grew by this many bytes, and by this percentage.
const PACK_GROWTH_BYTES: u64 = 32 << 20;
const PACK_GROWTH_PERCENT: u64 = 25;

impl SiteParts {
    /// Drops old data, rewrites packs that are mostly garbage, and rebuilds the engine's files. Reads and scans
    /// continue, except during redb's compaction; changes wait for its last step.
    pub(super) fn compact(&self) -> ServiceResult<types::CompactReport> {
        let started = Instant::now();
        let failed = |error| store_problem("freeing space", &error);
        let before = self.data.store.size_on_disk().map_err(failed)?;
        let (_, bodies) = self.collect().map_err(failed)?;
        let engine = self.data.store.compact_engine().map_err(failed)?;
        let after = self.data.store.size_on_disk().map_err(failed)?;
        Ok(types::CompactReport {
            before: shown(&before),
            after: shown(&after),
            packs_rewritten: bodies.packs,
            bodies_moved: bodies.bodies,
            engine_rebuilt: matches!(engine, Some(Compaction::Done { .. })),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Drops old data, and rewrites packs that are mostly garbage.
    ///
    /// # Errors
    /// [`StoreError`] of the log, the packs or the engine.
    pub(crate) fn collect(&self) -> Result<(Collected, CompactedBodies), StoreError> {
        // An import writes bodies before their claims, so bodies are never collected during an import.
        let _no_import = self.one_import();
        let collected = self
            .data
            .store
            .drop_superseded(&self.identity.config.store.retention())?;
        Ok((collected, self.data.store.compact_bodies()?))
    }

    /// Frees space early if packs or engine grew much since `last`, and no import runs. Returns the new sizes, or
    /// `last`.
    pub(crate) fn give_back_if_grown(&self, last: StoreSize) -> ServiceResult<StoreSize> {
        let failed = |error| store_problem("freeing space", &error);
        let mut kept = last;
        let is_importing = matches!(self.data.imports.try_lock(), Err(TryLockError::WouldBlock));
        if self.data.store.is_read_only() || is_importing {
            return Ok(kept);
        }
        let size = self.data.store.size_on_disk().map_err(failed)?;
        if packs_grew(size.packs.0, last.packs.0) {
            let (collected, _) = self.collect().map_err(failed)?;
            kept.packs = self.data.store.size_on_disk().map_err(failed)?.packs;
            tracing::info!(
                dropped = collected.dropped,
                before = size.packs.0,
                after = kept.packs.0,
                "the packs grew: dropped superseded bodies"
            );
        }
        kept.engine = ByteCount(self.compact_engine_if_grown(last.engine.0)?);
        Ok(kept)
    }

    /// Rebuilds the engine in a second folder if it outgrew its size after the last rebuild. Returns its size now.
    pub(crate) fn compact_engine_if_grown(&self, last: u64) -> ServiceResult<u64> {
        let failed = |error| store_problem("freeing space", &error);
        let size = self.data.store.size_on_disk().map_err(failed)?.engine.0;
        // A home with another engine would not have opened.
        let engine: EngineKind = self.identity.config.store.engine.parse().unwrap_or_default();
        if !engine.has_outgrown(ByteCount(size), ByteCount(last)) {
            return Ok(if last == 0 { size } else { last });
        }
        self.data.store.compact_engine().map_err(failed)?;
        Ok(self.data.store.size_on_disk().map_err(failed)?.engine.0)
    }
}

/// Returns true if the packs have grown enough to be worth a search for replaced bodies.
const fn packs_grew(size: u64, last: u64) -> bool {
    let grown = size.saturating_sub(last);
    grown >= PACK_GROWTH_BYTES && grown.saturating_mul(100) >= last.saturating_mul(PACK_GROWTH_PERCENT)
}

fn shown(size: &StoreSize) -> types::StoreSizes {
    types::StoreSizes {
        log_bytes: size.log.0,
        pack_bytes: size.packs.0,
        engine_bytes: size.engine.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn packs_are_collected_after_much_was_added() {
        assert!(!packs_grew(31 * MIB, 0));
        assert!(packs_grew(32 * MIB, 0));
        assert!(!packs_grew(1_040 * MIB, 1_000 * MIB));
        assert!(packs_grew(1_250 * MIB, 1_000 * MIB));
        // After a compaction by another process.
        assert!(!packs_grew(10 * MIB, 100 * MIB));
    }
}
