//! One site's store: the one door through which claims, bodies and trust enter, and the rows behind it.
//!
//! Feeds, peers and bundles end in the same steps: bodies are written first (content-addressed, so writing
//! them early or twice means nothing), then claims and positions of each delta commit in one transaction,
//! then the view follows by a redo that can be repeated. In memory lies only what is small: the
//! allow-list, chains, tips, states; it is loaded again after any write that failed.

mod accept;
mod append;
mod author;
mod bodies;
mod doctor;
mod documents;
mod error;
mod event_row;
mod events;
mod extend;
mod feed;
mod gc;
mod guard;
mod history;
mod ledger;
mod listing;
mod logs;
mod migrate;
mod query;
mod rehearsal;
mod replica;
mod rows;
mod state;
#[cfg(test)]
mod tests;
mod trust;
mod txn;
mod unindexed;
mod view_rows;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use starling_protocol::{CertificateChain, KnowledgeRoot, SiteId, UnixMillis};

pub use self::accept::{Accepted, ViewCounts};
pub use self::author::Authored;
pub use self::doctor::{Check, Diagnosis};
pub use self::documents::{DocumentChange, KeptMutes, MuteBook};
pub use self::error::StoreError;
pub use self::events::{EVENTS_KEPT, Event, EventNumber, Happening, Origin};
pub use self::feed::{FeedPlan, FeedRow, FoundRecord};
pub use self::gc::Collected;
pub use self::history::{CursorAt, HistorySpan, KnownMoment, MomentNumber, Retention};
pub use self::ledger::{LedgerEntry, LedgerNumber};
pub use self::listing::{AllowedSources, ListedSite};
pub use self::logs::{DeltaRun, LogOverview};
pub use self::query::SourceOverview;
pub use self::replica::SharedReplica;
pub use self::state::LogId;
pub use self::unindexed::{IndexMark, Unindexed};
pub use self::view_rows::ViewReader;

use self::bodies::BodyStore;
use self::guard::{StateReader, StateWriter};
use self::state::State;
use crate::engine::{ByteCount, Engine};

/// Everything one site keeps.
pub struct SiteStore {
    engine: Arc<dyn Engine>,
    bodies: BodyStore,
    state: RwLock<State>,
    /// Raised before each change: equal values before and after mean that nothing changed between.
    revision: AtomicU64,
    settings: RwLock<starling_view::Settings>,
    clock: Clock,
    /// The mutes that count, and the root of the claims that they were folded from.
    mutes: Mutex<Option<(KnowledgeRoot, Arc<KeptMutes>)>>,
    compression_level: i32,
    max_delta_claims: usize,
}

/// Tells the time: when changes are made, for the history.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// How a site's store works; everything else is in its rows.
pub struct SiteOptions<'a> {
    /// How the view folds, given the allow-list: an order of sites is written in its names.
    pub settings: &'a dyn Fn(&[ListedSite]) -> starling_view::Settings,
    /// zstd level of bodies and of the site's own claims blocks.
    pub compression_level: i32,
    /// Most claims in one of the site's own deltas; the protocol's limit holds as well.
    pub max_delta_claims: usize,
    /// The site's clock.
    pub clock: Clock,
}

impl SiteStore {
    /// Opens the store of `chain`'s site in an engine; makes it one if the engine is empty.
    ///
    /// Migrates older schemas, loads the small state, and finishes a redo that a crash cut off.
    ///
    /// # Errors
    /// [`StoreError`]: another site's store, a newer schema, damage.
    pub fn open(
        engine: Arc<dyn Engine>,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<Self, StoreError> {
        let site = chain.site();
        migrate::migrate(engine.as_ref(), site)?;
        let bodies = BodyStore::open(engine.clone(), options.compression_level)?;
        let state = State::load(engine.as_ref(), site)?;
        let listed: Vec<ListedSite> = state.listed.values().cloned().collect();
        let store = Self {
            engine,
            bodies,
            state: RwLock::new(state),
            revision: AtomicU64::new(0),
            settings: RwLock::new((options.settings)(&listed)),
            clock: options.clock.clone(),
            mutes: Mutex::default(),
            compression_level: options.compression_level,
            max_delta_claims: options.max_delta_claims,
        };
        {
            let mut state = store.write()?;
            store.begin_history(&mut state)?;
            store.keep_chain(&mut state, chain)?;
            for id in state.logs.keys().copied().collect::<Vec<_>>() {
                store.follow_chain(&mut state, id)?;
            }
            store.find_wanted(&mut state)?;
            store.note_settings(&mut state)?;
            store.accept_whole(&mut state)?;
            store.redo(
                &mut state,
                &Origin {
                    bundle: None,
                    at: (store.clock)(),
                },
            )?;
        }
        Ok(store)
    }

    /// Whether an engine holds a site's store, of whatever schema. An empty one is made a store by
    /// [`open`](Self::open).
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn is_made(engine: &dyn Engine) -> Result<bool, StoreError> {
        migrate::is_made(engine)
    }

    /// The site.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn site(&self) -> Result<SiteId, StoreError> {
        Ok(self.read()?.site)
    }

    /// Hash over all accepted knowledge in scope.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn knowledge_root(&self) -> Result<KnowledgeRoot, StoreError> {
        Ok(self.read()?.knowledge_root())
    }

    /// Hash over everything held.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn held_root(&self) -> Result<KnowledgeRoot, StoreError> {
        Ok(self.read()?.held_root())
    }

    /// The engine below, for its name, size and copies.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// When the files cannot be examined.
    pub fn size_on_disk(&self) -> Result<ByteCount, StoreError> {
        Ok(self.engine.size_on_disk()?)
    }

    /// Where the store lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.engine.path()
    }

    /// The schema version of the rows.
    #[must_use]
    pub const fn schema() -> u32 {
        migrate::SCHEMA
    }

    /// Takes the state for reading. A thread holds one guard of a store at a time: see `guard.rs`.
    fn read(&self) -> Result<StateReader<'_>, StoreError> {
        StateReader::of(&self.state)
    }

    /// Takes the state for changing it. A thread holds one guard of a store at a time: see `guard.rs`.
    fn write(&self) -> Result<StateWriter<'_>, StoreError> {
        let mut state = StateWriter::of(&self.state)?;
        self.revision.fetch_add(1, Ordering::SeqCst);
        state.history.begin((self.clock)());
        Ok(state)
    }

    /// Runs a change of the state; if it fails anywhere, the state is loaded again from its rows.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.write()?;
        let site = state.site;
        change(&mut state).inspect_err(|_| {
            // A stopped engine cannot be read either; it then answers every later call with that.
            if let Ok(loaded) = State::load(self.engine.as_ref(), site) {
                *state = loaded;
                if self.find_wanted(&mut state).is_err() {
                    // What is wanted is not known: nothing more may be accepted until the store is opened again.
                    let reason = "the store failed and could not be read again: restart starling";
                    state
                        .logs
                        .values_mut()
                        .for_each(|log| log.hold = Some(reason.to_owned()));
                }
            }
        })
    }
}

impl std::fmt::Debug for SiteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteStore")
            .field("engine", &self.engine.name())
            .finish_non_exhaustive()
    }
}
