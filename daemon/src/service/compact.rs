//! Giving space back: packs of which little is live, and an engine that outgrew its contents.

use starling_store::{CompactedBodies, StoreSize};

use super::SiteParts;
use super::problem::store_problem;
use starling_api::ServiceResult;

/// An engine is rebuilt beside itself when calm if its files are larger than this, in bytes, and by this factor
/// larger than they were after the last time.
const LEAST_ENGINE_BYTES: u64 = 64 << 20;
const ENGINE_GROWTH: u64 = 3;

/// What a compaction did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compacted {
    /// Before.
    pub(crate) before: StoreSize,
    /// After.
    pub(crate) after: StoreSize,
    /// The packs.
    pub(crate) bodies: CompactedBodies,
}

impl SiteParts {
    /// Forgets what is too old, rewrites packs that are mostly garbage, and rebuilds an engine that outgrew its
    /// contents. Reads and scans go on; changes wait for the last moment of it.
    pub(crate) fn compact(&self) -> ServiceResult<Compacted> {
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
        self.store.compact_engine().map_err(failed)?;
        Ok(Compacted {
            before,
            after: self.store.size_on_disk().map_err(failed)?,
            bodies,
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
