//! Opening a site's store: the log first, then the engine that follows from it.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use starling_protocol::{CertificateChain, ClaimNumber, SiteId};

use super::bodies::BodyStore;
use super::guard::Published;
use super::state::State;
use super::{SiteOptions, SiteStore};
use crate::activity::Origin;
use crate::disk::Disk;
use crate::engine::{Batch, Engine, Tree, VersionedEngine};
use crate::error::StoreError;
use crate::journal::replay::{OnProgress, Skipped, given_up};
use crate::journal::{Entry, Journal};
use crate::log::{JournalId, Known, Log, LogAccess, LogOptions, LogPosition, Recovery};
use crate::packs::{PackAccess, PackOptions, Packs};
use crate::rows::{damaged, meta};
use crate::trust::ListedSite;

/// Version of the rows that this build reads and writes.
pub(crate) const SCHEMA: u32 = 3;
/// The log's folder in the site's.
pub(crate) const LOG_FOLDER: &str = "log";
/// Space that the log and the packs leave free: more than the engine does, so that what they took it can show.
const RESERVE_BYTES: u64 = 32 << 20;
const LOG_OPTIONS: LogOptions = LogOptions {
    segment_bytes: crate::log::SEGMENT_BYTES,
    reserve_bytes: RESERVE_BYTES,
};
/// The packs' folder in the site's.
pub(crate) const PACKS_FOLDER: &str = "packs";

/// What a site's store is made of.
pub struct StoreParts<'a> {
    /// Where the log and the packs are.
    pub disk: Arc<dyn Disk>,
    /// What follows from them; one that is empty is filled.
    pub engine: Arc<dyn Engine>,
    /// Whether the site may be written.
    pub access: LogAccess,
    /// Whether a log that is missing is made: the site is new.
    pub is_new: bool,
    /// Goes on past damage of the log: what is damaged is left out, and fetched from peers.
    pub past_damage: bool,
    /// What an engine that is given up knew.
    pub salvaged: Option<Salvaged>,
    /// How far an engine that is given up followed the log.
    pub witness: Option<EngineWitness>,
    /// Randomness for the ids of files.
    pub random_id: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    /// Called while the log is replayed.
    pub progress: OnProgress<'a>,
}

/// How far an engine followed a log: all of that was durable once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineWitness {
    journal: JournalId,
    position: LogPosition,
}

impl EngineWitness {
    /// Reads it; `None` where the engine does not tell.
    pub(crate) fn read(engine: &dyn Engine, site: SiteId) -> Option<Self> {
        let rows = EngineRows::read(engine, site).ok()??;
        Some(Self {
            journal: JournalId(rows.journal),
            position: rows.position,
        })
    }

    /// Of two, the one that followed its log further.
    pub(crate) fn further(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by_key(|known| known.position)
    }
}

/// What an engine that followed the log knew: how far this site's own logs went, and whom the site trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    position: LogPosition,
    own: Vec<(super::LogId, ClaimNumber)>,
    listed: Vec<ListedSite>,
    chains: Vec<CertificateChain>,
    heads: Vec<starling_protocol::VerifiedHead>,
}

impl Salvaged {
    /// The last claim of one of the site's own logs.
    fn last(&self, id: &super::LogId) -> ClaimNumber {
        let own = self.own.iter().find(|(log, _)| log == id);
        own.map_or(ClaimNumber::NONE, |(_, number)| *number)
    }

    /// Of two, the one that followed the log further.
    pub(crate) fn further(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.position > one.position => Some(other),
            (None, other) => other,
            (one, _) => one,
        }
    }

    /// Reads it; `None` where the engine does not tell.
    pub(crate) fn read(engine: &dyn Engine, site: SiteId) -> Option<Self> {
        let position = EngineRows::read(engine, site).ok()??.position;
        let state = State::load(engine, site).ok()?;
        let own = state.logs.iter().filter(|(id, _)| id.site == site);
        Some(Self {
            position,
            own: own.map(|(id, log)| (*id, log.high_water())).collect(),
            listed: state.listed.values().cloned().collect(),
            chains: state.chains.values().cloned().collect(),
            heads: state.logs.values().filter_map(|log| log.head.clone()).collect(),
        })
    }
}

impl SiteStore {
    /// Opens the store of `chain`'s site.
    ///
    /// Replays what the engine lacks, finds the places of bodies that it does not know, and brings the view up
    /// to date.
    ///
    /// # Errors
    /// [`StoreError::EngineDoubt`] where the engine's rows cannot follow from this log: the caller opens again with
    /// an empty engine. [`StoreError::LogLoss`] where acknowledged groups are damaged or missing. Another site's
    /// store, or one of a newer build.
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
        // An engine that is behind the log's end does not know what was lost after it.
        let salvaged = parts.salvaged.as_ref();
        let salvaged =
            salvaged.filter(|known| known.position >= damage.lost.unwrap_or(log.end()).max(log.end()));
        store.bring_up_to_date(chain, options, from, parts.progress, (&damage, salvaged))?;
        if let Some(known) = salvaged.filter(|_| damage.is_new()) {
            store.trust_again(known)?;
        }
        Ok(store)
    }

    /// Returns true if a disk holds a site's log, of whatever site.
    ///
    /// # Errors
    /// Of the disk.
    pub fn is_made(disk: &dyn Disk) -> Result<bool, StoreError> {
        Log::exists(disk, LOG_FOLDER).map_err(StoreError::Measure)
    }

    /// Replays a log into an engine that is empty, without its view: to see what the log comes to.
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
        let published = Published {
            number: 0,
            state: state.clone(),
            rows: versions.unpublished(),
            settings: settings.clone(),
            position: journal.log().end(),
        };
        Self {
            bodies: BodyStore::new(engine.clone(), packs, options.compression_level),
            engine,
            versions,
            journal,
            state: Mutex::new(state),
            published: RwLock::new(Arc::new(published)),
            behind: AtomicBool::new(false),
            revision: AtomicU64::new(0),
            checkpointed: AtomicU64::new(0),
            settings: RwLock::new(settings),
            clock: options.clock.clone(),
            mutes: Mutex::default(),
            compression_level: options.compression_level,
            max_delta_claims: options.max_delta_claims,
            past_damage: false,
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
        (damage, salvaged): (&LogDamage, Option<&Salvaged>),
    ) -> Result<(), StoreError> {
        let places = self.bodies.find_places()?;
        for what in &places.damage {
            tracing::error!(%what, "a pack of record bodies is damaged: run `starling doctor --repair`");
        }
        let mut state = self.write()?;
        let skipped = self.replay(&mut state, from, progress)?;
        // Before anything else is written: what a crash would leave must not pass for a log that lost nothing.
        self.give_up(&mut state, damage, salvaged, &skipped)?;
        state.history.begin((self.clock)());
        self.journal.begin((self.clock)());
        if from == LogPosition::START || places.lost > 0 {
            self.take_back_what_lacks_bodies(&mut state)?;
        }
        let listed: Vec<ListedSite> = state.listed.values().cloned().collect();
        *self.settings.write().map_err(|_| StoreError::Poisoned)? = Arc::new((options.settings)(&listed));
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
        Ok(())
    }

    /// Notes which stretches of the log were given up, so that every later replay goes past them. What was known
    /// before cannot be told any more. This site's own logs may have gone on in what is lost: unless the engine knows
    /// how far, the site signs nothing before that is settled.
    fn give_up(
        &self,
        state: &mut State,
        damage: &LogDamage,
        salvaged: Option<&Salvaged>,
        skipped: &Skipped,
    ) -> Result<(), StoreError> {
        if !damage.is_new() {
            return Ok(());
        }
        self.journal.begin((self.clock)());
        state.history.begin((self.clock)());
        let mut txn = self.txn();
        txn.log(Entry::Repaired(damage.stretches.clone()));
        txn.log(Entry::HistoryBegins);
        state.history.begin_anew(&mut txn);
        for lane in starling_protocol::Lane::ALL {
            let id = super::LogId {
                site: state.site,
                lane,
            };
            let held = state
                .logs
                .get(&id)
                .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
            let number = match salvaged {
                Some(known) => known.last(&id),
                None => {
                    let known = state
                        .logs
                        .get(&id)
                        .map_or(ClaimNumber::NONE, super::state::Log::high_water);
                    ClaimNumber(known.max(skipped.last(&id)).0.saturating_add(1))
                }
            };
            if number > held {
                self.apply_witness(&mut txn, state, id, number)?;
                txn.log(Entry::Witnessed { log: id, number });
            }
        }
        txn.commit()
    }

    /// Brings back what the engine knew of others, and the log lost: chains, the allow-list as it was, heads.
    fn trust_again(&self, known: &Salvaged) -> Result<(), StoreError> {
        for chain in &known.chains {
            let mut state = self.write()?;
            self.keep_chain(&mut state, chain)?;
        }
        for here in self.listed_sites()? {
            if !known
                .listed
                .iter()
                .any(|listed| listed.slug == here.slug && listed.site == here.site)
            {
                self.unlist_site(&here.slug)?;
            }
        }
        let here = self.listed_sites()?;
        for listed in &known.listed {
            match here.iter().find(|here| here.slug == listed.slug) {
                None => self.list_site(listed.clone(), None)?,
                Some(here) if here != listed => {
                    self.update_listed_site(&listed.slug, |entry| *entry = listed.clone())?;
                }
                Some(_) => {}
            }
        }
        for head in &known.heads {
            match self.learn_head(head) {
                // Kept from a site that was taken off the list since.
                Err(StoreError::SiteNotListed { .. }) => {}
                learned => {
                    learned?;
                }
            }
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

/// What an engine's rows say of the log that they follow from.
struct EngineRows {
    journal: [u8; 16],
    position: LogPosition,
}

impl EngineRows {
    /// Reads them; `None` of an engine that is empty.
    fn read(engine: &dyn Engine, site: SiteId) -> Result<Option<Self>, StoreError> {
        let Some(found) = engine.get(Tree::Meta, meta::SCHEMA)? else {
            return Ok(None);
        };
        let found = <[u8; 4]>::try_from(found.as_slice())
            .map(u32::from_le_bytes)
            .map_err(|_| damaged(Tree::Meta, meta::SCHEMA, "the schema version"))?;
        let doubt = |reason: String| StoreError::EngineDoubt { reason };
        if found != SCHEMA {
            return Err(doubt(format!(
                "its rows have schema {found}, this build's have {SCHEMA}"
            )));
        }
        let owner = engine.get(Tree::Meta, meta::SITE)?.unwrap_or_default();
        if owner != site.as_bytes() {
            return Err(doubt("its rows are another site's".to_owned()));
        }
        let journal = engine.get(Tree::Meta, meta::JOURNAL)?;
        let journal = journal.and_then(|row| row.try_into().ok());
        let position = engine.get(Tree::Meta, meta::POSITION)?;
        let position = position.and_then(|row| LogPosition::decode(&row));
        let rows = journal
            .zip(position)
            .map(|(journal, position)| Self { journal, position });
        rows.map(Some)
            .ok_or_else(|| doubt("it does not say up to where in the log its rows follow".to_owned()))
    }

    fn position_in(&self, log: &Log) -> Result<LogPosition, StoreError> {
        if self.journal != log.journal().0 {
            let reason = "its rows follow from another log".to_owned();
            return Err(StoreError::EngineDoubt { reason });
        }
        if self.position > log.end() {
            let reason = format!(
                "its rows follow the log up to group {}, the log ends at {}",
                self.position.group,
                log.end().group
            );
            return Err(StoreError::EngineDoubt { reason });
        }
        Ok(self.position)
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

/// What of a log is damaged.
#[derive(Default)]
struct LogDamage {
    /// Stretches that were given up before.
    given_up: bool,
    /// Stretches that are given up now: segment, first byte, end.
    stretches: Vec<(u32, u64, u64)>,
    /// Groups up to here are missing at the end.
    lost: Option<LogPosition>,
}

impl LogDamage {
    fn is_new(&self) -> bool {
        self.lost.is_some() || !self.stretches.is_empty()
    }

    fn is_any(&self) -> bool {
        self.given_up || self.lost.is_some() || !self.stretches.is_empty()
    }
}

/// Refuses a log of which acknowledged groups are gone, unless that was given up, or the caller does so now.
fn check_recovery(log: &Log, recovery: &Recovery, past_damage: bool) -> Result<LogDamage, StoreError> {
    if let Some(cut) = &recovery.cut {
        tracing::info!(
            segment = cut.segment,
            bytes = cut.bytes,
            "cut an unfinished group off the log"
        );
    }
    let mut found = LogDamage {
        lost: recovery.lost.map(|lost| lost.position),
        ..LogDamage::default()
    };
    let mut what: Vec<String> = recovery.lost.iter().map(ToString::to_string).collect();
    if !recovery.damage.is_empty() {
        let given_up = given_up(log)?;
        for damage in &recovery.damage {
            let stretch = (damage.segment, damage.from, damage.to);
            if given_up.contains(&stretch) {
                found.given_up = true;
            } else {
                found.stretches.push(stretch);
                what.push(damage.to_string());
            }
        }
    }
    if what.is_empty() || past_damage {
        return Ok(found);
    }
    Err(StoreError::LogLoss {
        what: what.join("; "),
    })
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
