//! Dry runs: a copy of the store on which something is tried, with all its consequences.

use std::sync::{Arc, Mutex, RwLock};

use crate::SiteStore;
use crate::engine::{Engine, EngineError, OverlayEngine, VersionedEngine};
use crate::error::StoreError;
use crate::site::guard::{Published, StateReader};
use crate::site::state::State;

impl SiteStore {
    /// Runs `work` on a copy of this store whose writes go to an engine from `layer`, empty each time. Nothing
    /// here changes, whatever `work` does.
    ///
    /// # Errors
    /// [`StoreError`] of the engines; the result of `work` is passed through.
    pub fn dry_run<T>(
        &self,
        layer: impl Fn() -> Result<Arc<dyn Engine>, EngineError>,
        work: impl FnOnce(Self) -> T,
    ) -> Result<T, StoreError> {
        let state = self.read()?;
        Ok(work(self.copy_over(layer()?, &state)?))
    }

    /// Returns a store whose writes go to `layer`, over the rows published with `state`.
    pub(crate) fn copy_over(&self, layer: Arc<dyn Engine>, state: &StateReader) -> Result<Self, StoreError> {
        let below = Arc::new(state.published().rows.clone());
        self.copy_of(below, layer, state, &state.published().settings)
    }

    /// Returns a store whose writes go to `layer`, over rows that do not change meanwhile.
    pub(crate) fn copy_of(
        &self,
        below: Arc<dyn Engine>,
        layer: Arc<dyn Engine>,
        state: &State,
        settings: &Arc<starling_view::Settings>,
    ) -> Result<Self, StoreError> {
        let versions = VersionedEngine::of_one_reader(Arc::new(OverlayEngine::new(below, layer)));
        let versions = Arc::new(versions);
        let engine: Arc<dyn Engine> = versions.clone();
        let journal = self.journal.trial();
        let published = Published::first(state, &versions, settings, journal.log().end());
        Ok(Self {
            bodies: self.bodies.on_copy(engine.clone()),
            journal,
            engine,
            versions,
            state: Mutex::new(state.clone()),
            published: RwLock::new(Arc::new(published)),
            behind: Default::default(),
            bodies_dropped: Default::default(),
            meter: Default::default(),
            checkpointed: Default::default(),
            settings: RwLock::new(settings.clone()),
            clock: self.clock.clone(),
            mutes: Default::default(),
            book: Default::default(),
            compression_level: self.compression_level,
            max_delta_claims: self.max_delta_claims,
            past_damage: self.past_damage,
            held_back: self.is_held_back().into(),
            swap: None,
            lock: None,
        })
    }
}
