//! Giving space back: packs of which little is live, and an engine that outgrew its contents.

use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_store::StoreSize;
use starling_store::engine::Compaction;

use super::SiteParts;
use super::problem::store_problem;

/// An engine is rebuilt beside itself when calm if its files are larger than this, in bytes, and by this factor
/// larger than they were after the last time.
const LEAST_ENGINE_BYTES: u64 = 64 << 20;
const ENGINE_GROWTH: u64 = 3;

impl SiteParts {
    /// Forgets what is too old, rewrites packs that are mostly garbage, and rebuilds the engine's files. Reads and
    /// scans go on, but for redb's compaction; changes wait for the last moment of it.
    pub(super) fn compact(&self) -> ServiceResult<types::CompactReport> {
        let started = Instant::now();
        let failed = |error| store_problem("giving space back", &error);
        let before = self.store.size_on_disk().map_err(failed)?;
        let bodies = {
            // An import writes bodies before the claims that name them: never collect beside one.
            let _no_import = self.one_import();
            self.store
                .drop_superseded(&self.config.store.retention())
                .map_err(failed)?;
            self.store.compact_bodies().map_err(failed)?
        };
        let engine = self.store.compact_engine().map_err(failed)?;
        let after = self.store.size_on_disk().map_err(failed)?;
        Ok(types::CompactReport {
            before: shown(&before),
            after: shown(&after),
            packs_rewritten: bodies.packs,
            bodies_moved: bodies.bodies,
            engine_rebuilt: matches!(engine, Some(Compaction::Done { .. })),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Rebuilds the engine beside itself if it outgrew what it was after the last time. Gives its size now.
    pub(crate) fn compact_engine_if_grown(&self, last: u64) -> ServiceResult<u64> {
        let failed = |error| store_problem("giving space back", &error);
        let size = self.store.size_on_disk().map_err(failed)?.engine.0;
        if size < LEAST_ENGINE_BYTES || size < last.saturating_mul(ENGINE_GROWTH) {
            return Ok(if last == 0 { size } else { last });
        }
        self.store.compact_engine().map_err(failed)?;
        Ok(self.store.size_on_disk().map_err(failed)?.engine.0)
    }
}

fn shown(size: &StoreSize) -> types::StoreSizes {
    types::StoreSizes {
        log_bytes: size.log.0,
        pack_bytes: size.packs.0,
        engine_bytes: size.engine.0,
    }
}
