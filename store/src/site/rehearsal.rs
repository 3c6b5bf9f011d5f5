//! Rehearsals: a copy of the store to try something on, with everything that follows from it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use crate::SiteStore;
use crate::engine::{Engine, EngineError, OverlayEngine};
use crate::error::StoreError;
use crate::site::state::State;

/// Rehearsals that others may spoil by writing meanwhile; the one after them keeps writers waiting.
const FREE_ATTEMPTS: usize = 3;

impl SiteStore {
    /// Runs `work` on a store that holds what this one holds, and whose writes go to an engine that `layer`
    /// gives, empty each time. Nothing here changes, whatever `work` does.
    ///
    /// Runs again, on a fresh copy, if this store changed meanwhile: what `work` gives is of one state.
    ///
    /// # Errors
    /// [`StoreError`] of the engines; what `work` gives is its caller's.
    pub fn rehearse<T>(
        &self,
        layer: impl Fn() -> Result<Arc<dyn Engine>, EngineError>,
        mut work: impl FnMut(Self) -> T,
    ) -> Result<T, StoreError> {
        for _ in 0..FREE_ATTEMPTS {
            let (copy, revision) = {
                let state = self.read()?;
                (
                    self.copy_over(layer()?, &state)?,
                    self.revision.load(Ordering::SeqCst),
                )
            };
            let outcome = work(copy);
            if self.revision.load(Ordering::SeqCst) == revision {
                return Ok(outcome);
            }
        }
        let state = self.read()?;
        Ok(work(self.copy_over(layer()?, &state)?))
    }

    pub(crate) fn copy_over(&self, layer: Arc<dyn Engine>, state: &State) -> Result<Self, StoreError> {
        let engine: Arc<dyn Engine> = Arc::new(OverlayEngine::new(self.engine.clone(), layer));
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?.clone();
        Ok(Self {
            bodies: self.bodies.on_copy(engine.clone()),
            journal: self.journal.trial(),
            engine,
            state: RwLock::new(state.clone()),
            behind: Default::default(),
            revision: Default::default(),
            checkpointed: Default::default(),
            settings: RwLock::new(settings),
            clock: self.clock.clone(),
            mutes: Default::default(),
            compression_level: self.compression_level,
            max_delta_claims: self.max_delta_claims,
            past_damage: self.past_damage,
            swap: None,
            lock: None,
        })
    }
}
