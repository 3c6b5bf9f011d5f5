//! Dry runs: works on a copy of the site, to report what a change would do.

use std::path::Path;
use std::sync::Arc;

use starling_api::ServiceResult;
use starling_api_types::Problem;
use starling_store::engine::{self, Engine, EngineError, EngineKind, EngineOptions};
use starling_store::{SiteStore, StoreError};

use super::SiteParts;
use super::feed_runs::Feeds;
use super::problem::store_problem;
use super::site::{LiveState, SiteData, SiteIdentity};
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
        let folder = self.identity.home.path().join(FOLDER);
        let outcome = self
            .data
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
        let (identity, data) = (&self.identity, &self.data);
        let feeds = Feeds::none(identity.home.path());
        // Scans must not use the index of a trial.
        let indexes = Indexes::nowhere();
        Self {
            identity: SiteIdentity {
                home: identity.home.clone(),
                config: identity.config.clone(),
                file: identity.file.clone(),
                key: self.key().into(),
                restore: identity.restore.of_trial(),
            },
            data: SiteData::of(store, data.policies.clone(), data.kept_vex.clone()),
            live: LiveState::new(self.live.started, indexes, self.live.past_places.clone(), feeds),
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
