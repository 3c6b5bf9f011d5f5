//! Opens a site's store: the log first, then the engine that follows from it.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use starling_protocol::{CertificateChain, SiteId};

use super::bodies::BodyStore;
use super::engine_rows::{EngineRows, EngineWitness, Salvaged};
use super::guard::Published;
use super::past_damage::{LogDamage, check_recovery};
use super::state::State;
use super::{SiteOptions, SiteStore};
use crate::activity::Origin;
use crate::disk::Disk;
use crate::engine::{Batch, Engine, Tree, VersionedEngine};
use crate::error::StoreError;
use crate::journal::replay::OnProgress;
use crate::journal::{Entry, Journal};
use crate::log::{JournalId, Known, Log, LogAccess, LogOptions, LogPosition, Recovery};
use crate::packs::{PackAccess, PackOptions, Packs};
use crate::rows::meta;
use crate::trust::ListedSite;

/// Version of the rows that this build reads and writes.
pub(crate) const SCHEMA: u32 = 3;
/// The log's folder in the site's.
pub(crate) const LOG_FOLDER: &str = "log";
/// Space that the log and the packs leave free: more than the engine does, so that it can show whatever they
/// took.
const RESERVE_BYTES: u64 = 32 << 20;
const LOG_OPTIONS: LogOptions = LogOptions {
    segment_bytes: crate::log::SEGMENT_BYTES,
    reserve_bytes: RESERVE_BYTES,
};
/// The packs' folder in the site's.
pub(crate) const PACKS_FOLDER: &str = "packs";

/// The parts of a site's store.
pub struct StoreParts<'a> {
    /// The disk of the log and the packs.
    pub disk: Arc<dyn Disk>,
    /// The engine that follows from them; an empty one is filled.
    pub engine: Arc<dyn Engine>,
    /// The access to the site.
    pub access: LogAccess,
    /// True if a missing log is created: the site is new.
    pub is_new: bool,
    /// True to continue past damage of the log: damaged parts are left out, and fetched from peers.
    pub past_damage: bool,
    /// The knowledge of an engine that is given up.
    pub salvaged: Option<Salvaged>,
    /// The log position of an engine that is given up.
    pub witness: Option<EngineWitness>,
    /// Randomness for the ids of files.
    pub random_id: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    /// Called while the log is replayed.
    pub progress: OnProgress<'a>,
}

impl SiteStore {
    /// Opens the store of `chain`'s site.
    ///
    /// Replays the entries that the engine lacks, finds the places of bodies that it does not know, and brings
    /// the view up to date.
    ///
    /// # Errors
    /// [`StoreError::EngineDoubt`] if the engine's rows cannot follow from this log: the caller opens again
    /// with an empty engine. [`StoreError::LogLoss`] if acknowledged groups are damaged or missing. Another
    /// site's store, or one of a newer build.
    pub fn open(
        parts: &StoreParts<'_>,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<Self, StoreError> {
        let site = chain.site();
        let found = EngineRows::read(parts.engine.as_ref(), site)?;
        let (log, recovery) = open_log(parts, found.as_ref())?;
        let damage = match &recovery {
            Some(recovery) => check_recovery(&log, recovery, parts.past_damage)?,
            None => LogDamage::default(),
        };
        let log = Arc::new(log);
        let from = match found {
            Some(found) => found.position_in(&log)?,
            None => {
                begin_rows(parts.engine.as_ref(), site, log.journal())?;
                LogPosition::START
            }
        };
        let packs = open_packs(parts, options.compression_level)?;
        let journal = match parts.access {
            LogAccess::Write => Journal::live(log.clone()),
            LogAccess::Read => Journal::read_only(log.clone()),
        };
        let state = State::load(parts.engine.as_ref(), site)?;
        let mut store = Self::assemble(parts.engine.clone(), journal, packs, state, options);
        store.past_damage = damage.is_any();
        // An engine behind the log's end does not know what was lost after it.
        let heard = parts.salvaged.as_ref();
        let salvaged =
            heard.filter(|known| known.position >= damage.lost.unwrap_or(log.end()).max(log.end()));
        store.bring_up_to_date(chain, options, from, parts.progress, (&damage, salvaged, heard))?;
        if let Some(known) = salvaged.filter(|_| damage.is_new()) {
            store.trust_again(known)?;
        }
        Ok(store)
    }

    /// Returns true if a disk holds the log of any site.
    ///
    /// # Errors
    /// Of the disk.
    pub fn is_made(disk: &dyn Disk) -> Result<bool, StoreError> {
        Log::exists(disk, LOG_FOLDER).map_err(StoreError::Measure)
    }

    /// Replays a log into an empty engine, without the view, to examine the result.
    pub(crate) fn replayed_in(
        engine: Arc<dyn Engine>,
        journal: &Journal,
        packs: Arc<Packs>,
        site: SiteId,
        options: &SiteOptions<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Self, StoreError> {
        begin_rows(engine.as_ref(), site, journal.log().journal())?;
        let state = State::load(engine.as_ref(), site)?;
        let store = Self::assemble(
            engine,
            Journal::read_only(journal.log().clone()),
            packs,
            state,
            options,
        );
        store.replay(&mut *store.write()?, LogPosition::START, progress)?;
        Ok(store)
    }

    fn assemble(
        engine: Arc<dyn Engine>,
        journal: Journal,
        packs: Arc<Packs>,
        state: State,
        options: &SiteOptions<'_>,
    ) -> Self {
        let listed: Vec<ListedSite> = state.listed.values().cloned().collect();
        let versions = Arc::new(VersionedEngine::new(engine));
        let engine: Arc<dyn Engine> = versions.clone();
        let settings = Arc::new((options.settings)(&listed));
        let published = Published::first(&state, &versions, &settings, journal.log().end());
        Self {
            bodies: BodyStore::new(engine.clone(), packs, options.compression_level),
            engine,
            versions,
            journal,
            state: Mutex::new(state),
            published: RwLock::new(Arc::new(published)),
            behind: AtomicBool::new(false),
            bodies_dropped: AtomicU64::new(0),
            meter: Default::default(),
            checkpointed: AtomicU64::new(0),
            settings: RwLock::new(settings),
            clock: options.clock.clone(),
            mutes: Mutex::default(),
            book: Mutex::default(),
            compression_level: options.compression_level,
            max_delta_claims: options.max_delta_claims,
            past_damage: false,
            held_back: AtomicBool::new(false),
            swap: None,
            lock: None,
        }
    }

    fn bring_up_to_date(
        &self,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
        from: LogPosition,
        progress: OnProgress<'_>,
        (damage, salvaged, heard): (&LogDamage, Option<&Salvaged>, Option<&Salvaged>),
    ) -> Result<(), StoreError> {
        let places = self.bodies.find_places()?;
        for what in &places.damage {
            tracing::error!(%what, "a pack of record bodies is damaged; run `starling doctor --repair`");
        }
        let mut state = self.write()?;
        self.begin_losses(&mut state)?;
        self.recount_ledger()?;
        let skipped = self.replay(&mut state, from, progress)?;
        // Before any other write: the state after a crash must not look like a log without losses.
        self.give_up(&mut state, damage, (salvaged, heard), &skipped, chain)?;
        let now = (self.clock)();
        state.history.begin(now);
        self.journal.begin(now);
        if from == LogPosition::START || places.lost > 0 {
            self.take_back_what_lacks_bodies(&mut state)?;
        }
        let listed: Vec<ListedSite> = state.listed.values().cloned().collect();
        let mut settings = (options.settings)(&listed);
        settings
            .decisions
            .extend(crate::activity::decisions_in(self.engine.as_ref())?);
        *self.settings.write().map_err(|_| StoreError::Poisoned)? = Arc::new(settings);
        if self.journal.log().end() == LogPosition::START && !self.journal.is_read_only() {
            let mut txn = self.txn();
            txn.log(Entry::Site(state.site));
            txn.commit()?;
        }
        self.begin_history(&mut state)?;
        self.keep_chain(&mut state, chain)?;
        for id in state.logs.keys().copied().collect::<Vec<_>>() {
            self.follow_chain(&mut state, id)?;
        }
        self.find_wanted(&mut state)?;
        self.note_settings(&mut state)?;
        self.accept_whole(&mut state)?;
        self.show(&mut state, &self.origin_now())?;
        if !self.journal.is_read_only() {
            self.note_losses(&mut state)?;
        }
        Ok(())
    }

    fn origin_now(&self) -> Origin {
        Origin {
            bundle: None,
            at: (self.clock)(),
        }
    }
}

pub(crate) fn begin_rows(engine: &dyn Engine, site: SiteId, journal: JournalId) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Tree::Meta, meta::SCHEMA, &SCHEMA.to_le_bytes());
    batch.put(Tree::Meta, meta::SITE, site.as_bytes());
    batch.put(Tree::Meta, meta::JOURNAL, &journal.0);
    batch.put(Tree::Meta, meta::POSITION, &LogPosition::START.encode());
    // Nothing is shown before the view was folded.
    batch.put(Tree::Meta, meta::REBUILD, b"begun");
    batch.put(Tree::Meta, meta::LOSSES_NOTED, b"");
    Ok(engine.commit(&batch)?)
}

fn open_log(
    parts: &StoreParts<'_>,
    found: Option<&EngineRows>,
) -> Result<(Log, Option<Recovery>), StoreError> {
    if !Log::exists(parts.disk.as_ref(), LOG_FOLDER).map_err(StoreError::Measure)? {
        if !parts.is_new || found.is_some() {
            let folder = parts.disk.path().map(|path| path.join(LOG_FOLDER));
            return Err(StoreError::LogMissing {
                folder: folder.map_or(LOG_FOLDER.to_owned(), |path| path.display().to_string()),
            });
        }
        let id = JournalId((parts.random_id)());
        return Ok((
            Log::create_with(parts.disk.clone(), LOG_FOLDER, id, LOG_OPTIONS)?,
            None,
        ));
    }
    let known = Known {
        from: found.map(|found| found.position),
        witness: parts.witness.map(|known| (known.journal, known.position)),
    };
    let (log, recovery) =
        Log::open_knowing(parts.disk.clone(), LOG_FOLDER, known, parts.access, LOG_OPTIONS)?;
    Ok((log, Some(recovery)))
}

fn open_packs(parts: &StoreParts<'_>, level: i32) -> Result<Arc<Packs>, StoreError> {
    let access = match parts.access {
        LogAccess::Write => PackAccess::Write,
        LogAccess::Read => PackAccess::Read,
    };
    let random_id = parts.random_id.clone();
    let mut options = PackOptions::new(level, access, move || random_id());
    options.reserve = RESERVE_BYTES;
    Ok(Arc::new(Packs::open(parts.disk.clone(), PACKS_FOLDER, &options)?))
}
