//! Dry runs: works on a copy of the site, to report what a change would do.

use std::path::Path;
use std::sync::Arc;

use starling_api::ServiceResult;
use starling_api_types::Problem;
use starling_store::engine::{self, Engine, EngineError, EngineKind, EngineOptions};
use starling_store::{SiteStore, StoreError};
use tokio::sync::watch;

use super::SiteParts;
use super::problem::store_problem;
use crate::match_index::Indexes;

/// Largest input whose dry run is held in memory; the effects of a larger one go to a file.
const IN_MEMORY_BYTES: u64 = 16 << 20;
/// Folder for the effects of a large input, within the site's own; one import runs at a time.
const FOLDER: &str = "rehearsal";

impl SiteParts {
    /// Runs `work` on a copy of this site; its effects are not kept. `size` is the input's size in bytes.
    ///
    /// The caller holds the import lock.
    pub(super) fn dry_run<T>(
        &self,
        size: u64,
        work: impl FnOnce(&Self) -> ServiceResult<T>,
    ) -> ServiceResult<T> {
        let folder = self.home.path().join(FOLDER);
        let outcome = self
            .store
            .dry_run(|| open_layer(&folder, size), |store| work(&self.on(store)));
        // If this fails, the next dry run removes it.
        let _ = std::fs::remove_dir_all(&folder);
        outcome
            .map_err(|error: StoreError| store_problem("importing into a copy of the store", &error))
            .and_then(|outcome: Result<T, Problem>| outcome)
    }

    /// Creates this site on another store, without listeners.
    pub(super) fn on(&self, store: SiteStore) -> Self {
        Self {
            feeds: super::feed_runs::Feeds::none(self.home.path()),
            home: self.home.clone(),
            config: self.config.clone(),
            store: Arc::new(store),
            key: self.key().into(),
            restore: self.restore.of_trial(),
            started: self.started,
            local: watch::Sender::new(0),
            shown: Arc::new(watch::Sender::new(0)),
            peer_status: Arc::default(),
            policies: self.policies.clone(),
            kept_vex: self.kept_vex.clone(),
            // Scans must not use the index of a trial.
            indexes: Arc::new(Indexes::nowhere()),
            known: Default::default(),
            imports: Default::default(),
            past_places: self.past_places.clone(),
            pasts: Default::default(),
            mute_writer: Default::default(),
            last_check: Default::default(),
            duties: Default::default(),
        }
    }
}

fn open_layer(folder: &Path, size: u64) -> Result<Arc<dyn Engine>, EngineError> {
    let options = EngineOptions::default();
    if size <= IN_MEMORY_BYTES {
        return engine::open(EngineKind::Memory, Path::new(""), &options);
    }
    // Left by an interrupted run, or by an earlier attempt.
    let _ = std::fs::remove_dir_all(folder);
    engine::open(EngineKind::Redb, folder, &options)
}
