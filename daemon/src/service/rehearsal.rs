//! Trying something on a copy of the site, to tell what it would do.

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

/// Largest input whose effects are kept in memory while it is tried; those of a larger one go to a file.
const IN_MEMORY_BYTES: u64 = 16 << 20;
/// Folder, within the site's own, for the effects of a large input; one import runs at a time.
const FOLDER: &str = "rehearsal";

impl SiteParts {
    /// Runs `work` on a site that holds what this one holds; nothing that it does stays. An input of `size` bytes
    /// is tried.
    ///
    /// The caller holds the lock of imports.
    pub(super) fn rehearse<T>(
        &self,
        size: u64,
        work: impl FnOnce(&Self) -> ServiceResult<T>,
    ) -> ServiceResult<T> {
        let folder = self.home.path().join(FOLDER);
        let outcome = self
            .store
            .rehearse(|| open_layer(&folder, size), |store| work(&self.on(store)));
        // What cannot be removed now is removed by the next one.
        let _ = std::fs::remove_dir_all(&folder);
        outcome
            .map_err(|error: StoreError| store_problem("trying an input on a copy of the store", &error))
            .and_then(|outcome: Result<T, Problem>| outcome)
    }

    /// This site on another store, with nobody listening.
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
            board: Arc::default(),
            policies: self.policies.clone(),
            kept_vex: self.kept_vex.clone(),
            // What is only tried must not become what scans go by.
            indexes: Arc::new(Indexes::nowhere()),
            known: Default::default(),
            imports: Default::default(),
            past_places: self.past_places.clone(),
            pasts: Default::default(),
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
    // Left by one that was cut off, or by an attempt before this one.
    let _ = std::fs::remove_dir_all(folder);
    engine::open(EngineKind::Redb, folder, &options)
}
