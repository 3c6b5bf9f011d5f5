//! One site's store: the entry point for claims, bodies and trust, and the small state behind it.
//!
//! Feeds, peers and bundles end in the same steps: bodies are first written to the packs; then the claims and
//! positions of each delta become one group of the log, durable before the engine's rows follow in one
//! transaction; then the view follows. Only small data is in memory: the allow-list, chains, tips, states. It
//! is loaded again after any failed write.

pub(crate) mod bodies;
pub(crate) mod dry_run;
pub(crate) mod engine_rows;
pub(crate) mod guard;
pub(crate) mod held_back;
pub(crate) mod home;
pub(crate) mod open;
pub(crate) mod past_damage;
pub(crate) mod query;
pub(crate) mod replica;
pub(crate) mod shared_map;
pub(crate) mod state;
#[cfg(test)]
pub(crate) mod test_parts;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use starling_protocol::{KnowledgeRoot, SiteId, UnixMillis};

pub use self::engine_rows::{EngineWitness, Salvaged};
pub use self::home::{HomeStore, OpeningStep, discard_unfinished, log_ends_at};
pub use self::open::StoreParts;
pub use self::query::{HeadExpiry, LostClaims, SourceOverview};
pub use self::replica::SharedReplica;
pub use self::state::{LogId, LossCause};

use self::bodies::BodyStore;
use self::guard::{Published, StateWriter};
use self::state::State;
use crate::documents::{KeptMutes, RecentBook};
use crate::engine::{
    ByteCount, Engine, EngineError, EngineOptions, HomeLock, SwapEngine, Tree, VersionedEngine,
};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::log::LogPosition;
use crate::meter::Meter;
use crate::rows::txn::Txn;
use crate::trust::ListedSite;

/// Everything one site keeps.
pub struct SiteStore {
    /// The same as `versions`, for the writer, which sees committed data.
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) versions: Arc<VersionedEngine>,
    pub(crate) journal: Journal,
    pub(crate) bodies: BodyStore,
    /// The state that the writer works on.
    pub(crate) state: Mutex<State>,
    /// The state that readers see.
    pub(crate) published: RwLock<Arc<Published>>,
    /// True if the log may contain changes that the engine lacks, because an apply failed.
    pub(crate) behind: AtomicBool,
    /// The number of times that bodies were dropped: an earlier reader must not conclude that a missing body
    /// never existed.
    pub(crate) bodies_dropped: AtomicU64,
    /// The number of commits at the last due checkpoint.
    pub(crate) checkpointed: AtomicU64,
    pub(crate) settings: RwLock<Arc<starling_view::Settings>>,
    pub(crate) clock: Clock,
    /// The current long work.
    pub(crate) meter: Meter,
    /// The mutes in force, and the root of the claims from which they were folded.
    pub(crate) mutes: Mutex<Option<(KnowledgeRoot, Arc<KeptMutes>)>>,
    pub(crate) book: Mutex<RecentBook>,
    pub(crate) compression_level: i32,
    pub(crate) max_delta_claims: usize,
    /// True if the log has stretches that were given up, which a replay skips.
    pub(crate) past_damage: bool,
    /// True if this site signs nothing because its home was restored from a backup, or copied.
    pub(crate) held_back: AtomicBool,
    /// The engine's files, if they can be swapped, and the options to open them.
    pub(crate) swap: Option<(Arc<SwapEngine>, EngineOptions)>,
    /// Last, so that it is dropped after everything is closed.
    pub(crate) lock: Option<HomeLock>,
}

/// The source of time for changes, for the history.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Options of a site's store; everything else is in its rows.
pub struct SiteOptions<'a> {
    /// Returns the fold's settings for the allow-list: an order of sites is written in its names.
    pub settings: &'a dyn Fn(&[ListedSite]) -> starling_view::Settings,
    /// zstd level of bodies and of the site's own claims blocks.
    pub compression_level: i32,
    /// Most claims in one of the site's own deltas; the protocol's limit applies as well.
    pub max_delta_claims: usize,
    /// The site's clock.
    pub clock: Clock,
}

impl SiteStore {
    /// Returns the site.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn site(&self) -> Result<SiteId, StoreError> {
        Ok(self.read()?.site)
    }

    /// Returns the hash over all accepted knowledge in scope.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn knowledge_root(&self) -> Result<KnowledgeRoot, StoreError> {
        Ok(self.read()?.knowledge_root())
    }

    /// Returns the hash over everything held.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn held_root(&self) -> Result<KnowledgeRoot, StoreError> {
        Ok(self.read()?.held_root())
    }

    /// Returns the engine below, for its name, size and copies.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Returns the error of every call on the engine if it stopped after a failure: the store must be opened again.
    #[must_use]
    pub fn engine_stop(&self) -> Option<EngineError> {
        let read = self.engine.get(Tree::Meta, crate::rows::meta::SCHEMA);
        read.err()
            .filter(|error| matches!(error, EngineError::Stopped { .. }))
    }

    /// Returns the bytes on disk: log, packs and engine.
    ///
    /// # Errors
    /// If the files cannot be examined.
    pub fn size_on_disk(&self) -> Result<StoreSize, StoreError> {
        Ok(StoreSize {
            log: ByteCount(self.journal.log().size_on_disk().map_err(StoreError::Measure)?),
            packs: ByteCount(self.bodies.packs().size_on_disk()),
            engine: self.engine.size_on_disk()?,
        })
    }

    /// Returns what shows how far long work is.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the end of the log.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.journal.log().end()
    }

    /// Returns how many frames the log has.
    #[must_use]
    pub fn log_frames(&self) -> u64 {
        self.position().sequence
    }

    /// Makes the engine's current rows durable, so that the next start has little to replay.
    ///
    /// # Errors
    /// Of the engine; acknowledged data does not depend on it.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.engine.checkpoint()?;
        self.journal.log().sync_tip().map_err(StoreError::Measure)
    }

    /// As [`checkpoint`](Self::checkpoint), if anything was committed since the last one.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub fn checkpoint_if_due(&self) -> Result<(), StoreError> {
        let commits = self.engine.commits();
        if self.checkpointed.load(Ordering::SeqCst) == commits {
            return Ok(());
        }
        self.checkpoint()?;
        self.checkpointed.store(commits, Ordering::SeqCst);
        Ok(())
    }

    /// Begins a transaction whose entries go to the log.
    pub(crate) fn txn(&self) -> Txn<'_> {
        Txn::over(self.engine.as_ref(), &self.journal)
    }

    /// Returns the folder of the store.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.engine.path()
    }

    /// Returns the schema version of the rows.
    #[must_use]
    pub const fn schema() -> u32 {
        open::SCHEMA
    }

    /// Returns true if nothing can be changed, because the disk was full when the site was opened.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.journal.is_read_only()
    }

    /// Takes the state for a change. A thread must not take it twice at the same time: see `guard.rs`.
    pub(crate) fn write(&self) -> Result<StateWriter<'_>, StoreError> {
        let mut state = self.lock_state()?;
        let now = (self.clock)();
        self.journal.begin(now);
        state.history.begin(now);
        Ok(state)
    }

    /// Runs a change of the state. If it fails anywhere, the state is loaded again from its rows.
    ///
    /// # Errors
    /// Those of the change; [`StoreError::NotShown`] if an earlier change is stored but still not shown.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let mut state = self.write()?;
        self.catch_up(&mut state)?;
        let changed = change(&mut state).inspect_err(|_| self.load_again(&mut state))?;
        if let Err(error) = self.note_losses(&mut state) {
            // The change is stored. The next one tries again.
            tracing::warn!(%error, "noting which claims are missing");
        }
        Ok(changed)
    }

    /// Shows all stored changes after a failed apply.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) fn ensure_shown(&self) -> Result<(), StoreError> {
        if self.behind.load(Ordering::SeqCst) {
            self.change(|_| Ok(()))?;
        }
        Ok(())
    }

    /// Applies the entries that the log contains and the engine lacks after a failed apply.
    fn catch_up(&self, state: &mut State) -> Result<(), StoreError> {
        if !self.behind.load(Ordering::SeqCst) {
            return Ok(());
        }
        let caught_up = self.engine_position().and_then(|from| {
            *state = State::load(self.engine.as_ref(), state.site)?;
            self.replay(state, from, &|_| {})?;
            // The failure may have come between a chain and its consequences.
            for id in state.logs.keys().copied().collect::<Vec<_>>() {
                self.follow_chain(state, id)?;
            }
            self.find_wanted(state)
        });
        if let Err(error) = caught_up {
            self.load_again(state);
            return Err(error);
        }
        self.behind.store(false, Ordering::SeqCst);
        // Replayed entries are history already: the current change is a separate one.
        let now = (self.clock)();
        self.journal.begin(now);
        state.history.begin(now);
        Ok(())
    }

    fn load_again(&self, state: &mut State) {
        if !self.journal.is_trial() {
            self.behind.store(true, Ordering::SeqCst);
        }
        // A stopped engine cannot be read either; it then returns that error for every later call.
        if let Ok(loaded) = State::load(self.engine.as_ref(), state.site) {
            *state = loaded;
            if self.find_wanted(state).is_err() {
                // The missing bodies are unknown: nothing more may be accepted until the store is opened again.
                let reason = "the store failed and could not be read again: restart starling";
                state
                    .logs
                    .values_mut()
                    .for_each(|log| log.hold = Some(reason.to_owned()));
            }
        }
    }
}

impl Drop for SiteStore {
    /// Makes the engine durable, so that the next start has nothing to replay. Anything that fails here is
    /// replayed.
    fn drop(&mut self) {
        if self.lock.is_some() && !self.is_read_only() {
            let _ = self.checkpoint();
        }
    }
}

/// The disk space of a site's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreSize {
    /// The log.
    pub log: ByteCount,
    /// The packs of record bodies.
    pub packs: ByteCount,
    /// The engine.
    pub engine: ByteCount,
}

impl StoreSize {
    /// Returns the sum.
    #[must_use]
    pub fn total(&self) -> ByteCount {
        ByteCount(self.log.0 + self.packs.0 + self.engine.0)
    }
}

impl std::fmt::Debug for SiteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteStore")
            .field("engine", &self.engine.name())
            .finish_non_exhaustive()
    }
}
