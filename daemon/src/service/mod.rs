//! The site as a service: every operation once, for the API, for offline commands, for tests.
//!
//! Work on the store may wait for the disk, so every method runs on a thread that may block. Dropping the caller's
//! future never stops it midway.

mod advisories;
mod advisory_shown;
mod as_of;
mod bundle_conflicts;
mod bundle_export;
mod bundle_ground;
mod bundle_import;
mod bundle_info;
mod bundle_plan;
mod bundle_restore;
mod bundle_trust;
mod check;
mod compact;
mod conflicts;
mod differences;
mod doctor;
mod dry_run;
mod events;
mod excuses;
mod explain;
mod feed_runs;
mod feeds;
mod health;
mod known;
mod mute_check;
mod mutes;
mod opening;
mod problem;
mod reach;
mod scan;
mod sites;
mod status;
mod view_knowledge;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use async_trait::async_trait;
use starling_api::{
    ByteStream, EventStream, ExportedBundle, RawAnswer, ScanDocuments, ServiceResult, SiteService, Upload,
};
use starling_api_types as types;
use starling_api_types::Problem;
use starling_protocol::{CertificateChain, Lane, SigningKey, SourceCheck};
use starling_store::engine::{Engine, HomeLock};
use starling_store::{OpeningStep, ReplayProgress, SiteStore, StoreError, ViewReader};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::config::Config;
use crate::gate::Gate;
use crate::home::Home;
use crate::home_problem::home_problem;
use crate::match_index::{Hold, Indexes, ReadyState};
use crate::opening::{OpenAs, OpeningNews};
use crate::policies::Policies;
use crate::restore::{OwnLogAtOpening, Restore};
use crate::sync_task::PeerStatusTable;
use crate::vex_store::VexStore;
use feed_runs::Feeds;
pub(crate) use feed_runs::Trigger;
use health::Duties;
use known::KnownState;

pub use self::bundle_info::{inspect_bundle_alone, validate_bundle_alone};
pub use self::explain::shown_explanation;
pub(crate) use self::health::MAKING_THE_INDEX;
pub(crate) use self::opening::OpeningSite;
pub(crate) use self::problem::store_problem;
pub(crate) use self::scan::Judge;
pub(crate) use self::view_knowledge::{KEV_SOURCE, ViewKnowledge};

/// How much older than configured the history may be if no daemon runs, in milliseconds.
const A_DAY_MILLIS: u64 = 86_400_000;

/// An open site: in a daemon, or for one command.
#[derive(Clone)]
pub(crate) struct Site(pub(crate) Arc<SiteParts>);

/// The parts of a site.
pub(crate) struct SiteParts {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) store: Arc<SiteStore>,
    /// The operating key; replaced when a restored site continues.
    key: RwLock<Arc<SigningKey>>,
    /// The home's place, and the hold of a restored home.
    pub(crate) restore: Restore,
    /// Start time of the daemon; `None` without one.
    pub(crate) started: Option<Instant>,
    /// Signalled when something other than the sync task changed the store.
    pub(crate) local: watch::Sender<u64>,
    /// Signalled when anything changed the view.
    pub(crate) shown: Arc<watch::Sender<u64>>,
    pub(crate) peer_status: Arc<PeerStatusTable>,
    /// The match index, and its successor.
    pub(crate) indexes: Arc<Indexes>,
    /// A verdict's data about the knowledge, until it changes.
    pub(crate) known: KnownState,
    /// The site's policy files.
    pub(crate) policies: Arc<Policies>,
    /// The VEX documents that every scan uses.
    pub(crate) kept_vex: Arc<VexStore>,
    /// The import lock: each import compares with the result of the previous one.
    pub(crate) imports: Mutex<()>,
    /// The places for answers about the past.
    pub(crate) past_places: Arc<Gate>,
    /// Lock for answers about the past that need a file.
    pub(crate) pasts: Mutex<()>,
    /// Result of the last check of all frames.
    pub(crate) last_check: Mutex<Option<types::StoreCheck>>,
    /// Last results of the daemon's recurring work.
    pub(crate) duties: Duties,
    /// What the site fetches by itself.
    pub(crate) feeds: Feeds,
}

impl Site {
    /// Opens a site's store with its configuration. The store must exist: `init` created it.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open(home: Home, config: Config, started: Option<Instant>) -> Result<Self, Problem> {
        Self::open_as(home, config, started, OpenAs::Existing)
    }

    /// Opens a site's store, creates it, or skips its damage.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open_as(
        home: Home,
        config: Config,
        started: Option<Instant>,
        how: OpenAs,
    ) -> Result<Self, Problem> {
        let news = OpeningNews::new(started.is_some());
        let lock = take_lock(&home)?;
        Self::open_holding(lock, home, config, started, how, &news)
    }

    /// Same as [`open_as`](Self::open_as), under the home's lock; `news` gets the progress.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open_holding(
        lock: HomeLock,
        home: Home,
        config: Config,
        started: Option<Instant>,
        how: OpenAs,
        news: &OpeningNews,
    ) -> Result<Self, Problem> {
        if how != OpenAs::New {
            crate::unfinished::clear(home.path());
        }
        Self::assemble(home, config, started, |home, config, options| {
            let on_step = |step: &OpeningStep| news.step(step);
            let progress = |progress: ReplayProgress| news.progress(progress);
            crate::opening::home_store(home, config, how, &on_step, &progress)?
                .open_holding(lock, home.chain(), options)
                .map_err(|error| crate::opening::opening_problem(home, &error))
        })
    }

    /// Opens a site with an open engine; if there is no space, read-only with an engine in memory.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open_on(
        engine: Arc<dyn Engine>,
        home: Home,
        config: Config,
        started: Option<Instant>,
        news: &OpeningNews,
    ) -> Result<Self, Problem> {
        Self::assemble(home, config, started, |home, _, options| {
            let progress = |progress: ReplayProgress| news.progress(progress);
            let parts = crate::opening::parts_over(home, engine, &progress)?;
            let opened = match SiteStore::open(&parts, home.chain(), options) {
                Err(error) if error.is_no_room() && !parts.is_new => {
                    let parts = crate::opening::parts_read_only(home, &progress)?;
                    SiteStore::open(&parts, home.chain(), options)
                }
                opened => opened,
            };
            opened.map_err(|error| crate::opening::opening_problem(home, &error))
        })
    }

    /// Creates a site around the store that `open` returns.
    fn assemble(
        home: Home,
        config: Config,
        started: Option<Instant>,
        open: impl FnOnce(&Home, &Config, &starling_store::SiteOptions<'_>) -> Result<SiteStore, Problem>,
    ) -> Result<Self, Problem> {
        let hold = if started.is_some() {
            Hold::Screens
        } else {
            Hold::Directory
        };
        let indexes = Arc::new(Indexes::new(home.path(), hold));
        let mut home = home;
        let key = home.operating_key().map_err(|error| home_problem(&error))?;
        let options = starling_store::SiteOptions {
            settings: &|listed| settings_of(home.chain(), &config, listed),
            compression_level: config.federation.compression_level,
            max_delta_claims: config.federation.max_items,
            clock: Arc::new(now),
        };
        let store = open(&home, &config, &options)?;
        let (key, restore) = settle_home(&mut home, &config, &store, key)?;
        store.hold_back(restore.is_held());
        let parts = SiteParts {
            feeds: Feeds::of(home.path(), &config),
            policies: Arc::new(Policies::of(&home, &config)),
            kept_vex: Arc::new(VexStore::in_home(home.path())),
            home,
            config,
            store: Arc::new(store),
            key: RwLock::new(Arc::new(key)),
            restore,
            started,
            local: watch::Sender::new(0),
            shown: Arc::new(watch::Sender::new(0)),
            peer_status: Arc::default(),
            indexes,
            known: KnownState::default(),
            imports: Mutex::new(()),
            past_places: Arc::new(as_of::past_places()),
            pasts: Mutex::new(()),
            last_check: Mutex::default(),
            duties: Duties::default(),
        };
        parts.drop_mark_of_other_rows();
        if let Some(why) = parts.restore.found_now() {
            parts.tell_restored(starling_store::RestoreStep::HeldBack, &why);
        }
        Ok(Self(Arc::new(parts)))
    }

    /// Runs work on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SiteParts) -> ServiceResult<T> + Send + 'static,
    ) -> ServiceResult<T> {
        let parts = self.0.clone();
        tokio::task::spawn_blocking(move || work(&parts))
            .await
            .unwrap_or_else(|panic| Err(Problem::internal("carrying out a call", panic)))
    }

    /// As [`blocking`](Self::blocking), for work that looks from time to time if its caller is still there: the token is
    /// cancelled when the call is dropped.
    async fn blocking_while_asked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SiteParts, &CancellationToken) -> ServiceResult<T> + Send + 'static,
    ) -> ServiceResult<T> {
        let gone = CancellationToken::new();
        let _cancels = gone.clone().drop_guard();
        self.blocking(move |site| work(site, &gone)).await
    }
}

/// Updates a home from its store: its certificates, if peers knew a longer chain whose key is here, and the note of
/// its place. Returns the valid operating key.
fn settle_home(
    home: &mut Home,
    config: &Config,
    store: &SiteStore,
    key: SigningKey,
) -> Result<(SigningKey, Restore), Problem> {
    let longer = store.chain(&home.chain().site());
    let longer = longer.map_err(|error| store_problem("reading the site's certificates", &error))?;
    let mut key = key;
    if let Some(longer) = longer.filter(|_| !store.is_read_only())
        && home.adopt(&longer).map_err(|error| home_problem(&error))?
    {
        key = home.operating_key().map_err(|error| home_problem(&error))?;
    }
    let own = starling_store::LogId {
        site: home.chain().site(),
        lane: Lane::Federation,
    };
    let held = store.log(own);
    let held = held.map_err(|error| store_problem("reading the site's own log", &error))?;
    let lacked = store.lacked_own_bodies();
    let lacked = lacked.map_err(|error| store_problem("reading the site's own log", &error))?;
    let own = OwnLogAtOpening {
        held: held.map_or(0, |log| log.tip.cursor.number.0),
        lacks_bodies: lacked.count > 0,
    };
    let restore = Restore::open(home, config, store.is_read_only(), own, now())?;
    Ok((key, restore))
}

/// Takes a home's lock.
///
/// # Errors
/// `store_locked` if another process holds it.
pub(crate) fn take_lock(home: &Home) -> Result<HomeLock, Problem> {
    HomeLock::take(home.path())
        .map_err(|error| crate::opening::opening_problem(home, &StoreError::from(error)))
}

/// Ends the use of a site by a command.
pub(crate) fn stop(site: &Site) {
    site.0.stop_cleanly();
}

/// Returns the way in which this site's view folds.
fn settings_of(
    chain: &CertificateChain,
    config: &Config,
    listed: &[starling_store::ListedSite],
) -> starling_view::Settings {
    let own = (chain.slug(), chain.site());
    let known = listed.iter().map(|site| (&site.slug, site.site)).chain([own]);
    let known: std::collections::BTreeMap<_, _> = known.collect();
    let policy = starling_view::ViewPolicy {
        conflict_strategy: config.view.conflict_strategy,
        site_order: config
            .view
            .site_order
            .iter()
            .filter_map(|slug| known.get(slug).copied())
            .collect(),
        source_order: config.view.source_order.clone(),
        ranges: config.view.ranges,
        authority: config.view.authority.clone(),
        per_source: Default::default(),
    };
    starling_view::Settings {
        policy: policy.compile(chain.site()),
        decisions: Default::default(),
        normalise_name: starling_scanner::name::normalise_name,
    }
}

/// Returns a hash that changes if the view may fold differently, as far as this is known without the store: from the
/// configuration and the program. The store's own part changes with the store.
pub(crate) fn folding_of(chain: &CertificateChain, config: &Config) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 folding by configuration");
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    let settings = settings_of(chain, config, &[]);
    hasher.update(&settings.mark());
    hasher.update(settings.rules_hash().as_bytes());
    // Without the store their identities are unknown.
    for slug in &config.view.site_order {
        hasher.update(slug.as_str().as_bytes());
        hasher.update(&[0]);
    }
    *hasher.finalize().as_bytes()
}

impl SiteParts {
    /// Waits for the import lock. A panic in an earlier import left nothing incomplete: it committed everything or
    /// nothing, so later imports need not fail as well.
    pub(crate) fn one_import(&self) -> MutexGuard<'_, ()> {
        self.imports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the import lock, if it is free.
    pub(crate) fn import_if_free(&self) -> Option<MutexGuard<'_, ()>> {
        match self.imports.try_lock() {
            Ok(turn) => Some(turn),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the operating key in use.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another operating key for signing from now on.
    pub(crate) fn use_key(&self, key: SigningKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// Returns the certificates of the operating key in use.
    pub(crate) fn own_chain(&self) -> CertificateChain {
        let known = self.store.chain(&self.home.chain().site()).ok().flatten();
        let key = self.key().public();
        known
            .filter(|chain| chain.is_current_key(&key))
            .unwrap_or_else(|| self.home.chain().clone())
    }

    /// Signs new heads of the site's own logs: after every change, and before the last ones expire.
    pub(crate) fn sign_heads(&self) -> Result<(), starling_store::StoreError> {
        let valid = self.config.federation.head_validity_seconds.saturating_mul(1_000);
        for lane in Lane::ALL {
            let id = starling_store::LogId {
                lane,
                ..self.own_log()
            };
            let held = self.store.log(id)?;
            if lane == Lane::Direct && held.is_none_or(|log| log.tip.cursor.number.0 == 0) {
                continue;
            }
            let checks = self.store.feeds()?.into_iter();
            let checks = checks
                .filter_map(|(source, row)| {
                    Some(SourceCheck {
                        source,
                        checked_at: row.checked_at?,
                    })
                })
                .take(starling_protocol::limits::MAX_HEAD_SOURCES)
                .collect();
            self.store.sign_head(lane, &self.key(), now(), valid, checks)?;
        }
        Ok(())
    }

    /// Folds the view again with the configured policy, whose order of sites uses names of the allow-list.
    fn apply_policy(&self) -> Result<(), starling_store::StoreError> {
        if self.config.view.site_order.is_empty() {
            return Ok(());
        }
        let listed = self.store.listed_sites()?;
        self.store
            .set_settings(settings_of(self.home.chain(), &self.config, &listed))
    }

    /// Drops old history. Without a daemon nothing else does it in time: a command that imports does it, at most once
    /// a day. The caller holds the import lock.
    fn forget_if_due(&self) {
        if self.started.is_some() {
            return;
        }
        let retention = self.config.store.retention();
        let outcome = self.store.history().and_then(|history| {
            let due = history
                .since
                .plus_millis(retention.millis)
                .plus_millis(A_DAY_MILLIS);
            if due < now() {
                self.store.drop_superseded(&retention)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::warn!(error = %crate::home::error_chain(&error), "dropping old history");
        }
    }

    /// Notifies the sync task and the subscribers of a change of the store.
    pub(crate) fn changed(&self) {
        self.local.send_modify(|count| *count += 1);
        self.shown.send_modify(|count| *count += 1);
    }

    /// Builds the match index of the current knowledge, if it is missing, and writes its marker. Logs a failure:
    /// scans then read the view.
    ///
    /// Folds every advisory of every package, which takes many times longer than a scan for a complete corpus.
    pub(crate) fn refresh_index(&self) {
        let refreshed = self
            .indexes
            .refresh(self)
            .map_err(|error| crate::home::error_chain(&error));
        let marked = refreshed.and_then(|stamp| match stamp {
            Some(stamp) => self.mark_ready(stamp).map_err(|problem| problem.to_string()),
            None => Ok(()),
        });
        if let Err(error) = marked {
            tracing::warn!(%error, "building the match index");
        }
    }

    /// Writes the marker if there is an index of the current knowledge and the marker is outdated. Called whenever
    /// the log may have grown, so that after a kill at any moment the marker is current, and as the last action of a
    /// daemon.
    pub(crate) fn keep_ready(&self) {
        let Ok(reader) = self.store.view() else {
            return;
        };
        let (position, stamp) = (reader.position(), crate::match_index::stamp_of(&reader));
        drop(reader);
        if self.store.is_read_only() || self.indexes.ready().is_of(&position, &stamp) {
            return;
        }
        if self.indexes.find(&stamp).is_some()
            && let Err(problem) = self.mark_ready(stamp)
        {
            tracing::warn!(%problem, "marking the match index as ready");
        }
    }

    /// Removes a marker whose index was built from other rows than those that are open: the engine was rebuilt since,
    /// perhaps because of damage.
    fn drop_mark_of_other_rows(&self) {
        if self.store.is_read_only() {
            return;
        }
        let Some(marked) = self.indexes.ready().read() else {
            return;
        };
        let stamp = self
            .store
            .view()
            .ok()
            .map(|reader| crate::match_index::stamp_of(&reader));
        if stamp.is_some_and(|stamp| stamp != marked.stamp) {
            self.indexes.ready().remove();
        }
    }

    /// Leaves a store that the next start can open without a replay.
    pub(crate) fn stop_cleanly(&self) {
        if let Err(error) = self.store.stop_cleanly() {
            tracing::warn!(error = %crate::home::error_chain(&error), "stopping: the next start replays the end of the log");
        }
    }

    /// Writes the marker for the index of `stamp`, unless it is already outdated.
    fn mark_ready(&self, stamp: starling_scanner::index::IndexStamp) -> ServiceResult<()> {
        let failed = |error| store_problem("reading the view", &error);
        let reader = self.store.view().map_err(failed)?;
        if crate::match_index::stamp_of(&reader) != stamp {
            return Ok(());
        }
        // Changes continue meanwhile: a marker written after a change has an earlier position, and does not apply.
        let state = ReadyState {
            position: reader.position(),
            stamp,
            folding: folding_of(self.home.chain(), &self.config),
            knowledge: self.knowledge_state(&reader)?,
        };
        self.indexes
            .ready()
            .write(&state)
            .map_err(|error| Problem::internal("marking the match index as ready", error))
    }

    /// Returns the name of a site on the allow-list, or this site's own name. A thread that holds the view must call
    /// [`slug_in`](Self::slug_in) instead, because it must not take the store's lock twice.
    pub(crate) fn slug_of(&self, site: &starling_protocol::SiteId) -> Option<types::SiteSlug> {
        self.own_slug(site).or_else(|| {
            let listed = self.store.listed_sites().ok()?;
            listed
                .iter()
                .find(|listed| listed.site == *site)
                .map(|listed| (&listed.slug).into())
        })
    }

    /// Returns the name of a site on the allow-list of the view, or this site's own name.
    fn slug_in(&self, view: &ViewReader<'_>, site: &starling_protocol::SiteId) -> Option<types::SiteSlug> {
        self.own_slug(site).or_else(|| view.slug_of(site).map(Into::into))
    }

    fn own_slug(&self, site: &starling_protocol::SiteId) -> Option<types::SiteSlug> {
        let chain = self.home.chain();
        (*site == chain.site()).then(|| chain.slug().into())
    }
}

#[async_trait]
impl SiteService for Site {
    async fn health(&self) -> ServiceResult<types::Health> {
        self.blocking(|site| Ok(site.health())).await
    }

    async fn status(&self) -> ServiceResult<types::Status> {
        self.blocking(SiteParts::status).await
    }

    fn is_costly(&self, documents: &ScanDocuments) -> bool {
        scan::is_costly(documents)
    }

    async fn scan(
        &self,
        documents: ScanDocuments,
        params: types::ScanParams,
    ) -> ServiceResult<types::VerdictEnvelope> {
        self.blocking(move |site| site.scan_as_asked(&documents, &params))
            .await
    }

    async fn explain(&self, query: types::ExplainQuery) -> ServiceResult<types::Explanation> {
        self.blocking(move |site| match &query.as_of {
            None => site.explain(&query),
            Some(as_of) => site.as_of(site.past(as_of)?, |then| then.explain(&query)),
        })
        .await
    }

    async fn vex(&self) -> ServiceResult<types::VexList> {
        self.blocking(|site| site.kept_vex.list())
            .await
            .map(|documents| types::VexList { documents })
    }

    async fn add_vex(&self, document: bytes::Bytes) -> ServiceResult<types::VexEntry> {
        self.blocking(move |site| site.kept_vex.add(&document, now()))
            .await
    }

    async fn vex_document(&self, hash: &types::VexHash) -> ServiceResult<ByteStream> {
        let hash = *hash;
        let document = self.blocking(move |site| site.kept_vex.show(&hash)).await?;
        Ok(Box::pin(futures::stream::iter([Ok(document.into())])))
    }

    async fn remove_vex(&self, hash: &types::VexHash) -> ServiceResult<types::VexRemoved> {
        let hash = *hash;
        self.blocking(move |site| site.kept_vex.remove(&hash)).await
    }

    async fn advisory(
        &self,
        name: &str,
        query: types::AdvisoryQuery,
    ) -> ServiceResult<types::AdvisoryLookup> {
        let name = name.to_owned();
        self.blocking_while_asked(move |site, gone| match &query.as_of {
            None => site.advisory(&name, gone),
            Some(as_of) => site.as_of(site.past(as_of)?, |then| then.advisory(&name, gone)),
        })
        .await
    }

    async fn advisory_raw(&self, name: &str, query: types::RawQuery) -> ServiceResult<RawAnswer> {
        let name = name.to_owned();
        let (document, bytes) = self
            .blocking_while_asked(move |site, gone| site.advisory_raw(&name, query.source.as_ref(), gone))
            .await?;
        let bytes = Box::pin(futures::stream::iter([Ok(bytes.into())]));
        Ok(RawAnswer { document, bytes })
    }

    async fn advisories(&self, query: types::AdvisoryListQuery) -> ServiceResult<types::AdvisoryPage> {
        self.blocking_while_asked(move |site, gone| site.advisories(&query, gone))
            .await
    }

    async fn dump(&self, query: types::DumpQuery) -> ServiceResult<ByteStream> {
        advisories::dump(self.clone(), query).await
    }

    async fn sites(&self) -> ServiceResult<types::SiteList> {
        self.blocking(SiteParts::sites).await
    }

    async fn site(&self, site: &types::SiteSlug) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.site(&slug)).await
    }

    async fn add_site(&self, site: types::SiteAdd) -> ServiceResult<types::Site> {
        self.blocking(move |parts| parts.add_site(site)).await
    }

    async fn change_site(
        &self,
        site: &types::SiteSlug,
        change: types::SiteChange,
    ) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.change_site(&slug, change)).await
    }

    async fn remove_site(&self, site: &types::SiteSlug) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.remove_site(&slug)).await
    }

    async fn site_history(&self, site: &types::SiteSlug) -> ServiceResult<types::SiteHistory> {
        let slug = site.clone();
        self.blocking(move |site| site.site_history(&slug)).await
    }

    async fn site_status(&self, site: &types::SiteSlug) -> ServiceResult<types::SiteStatus> {
        let slug = site.clone();
        self.blocking(move |site| site.site_status(&slug)).await
    }

    async fn conflicts(&self) -> ServiceResult<types::ConflictList> {
        self.blocking(SiteParts::conflicts).await
    }

    async fn conflict(&self, query: types::ConflictQuery) -> ServiceResult<types::RecordConflict> {
        self.blocking(move |site| site.conflict(&query)).await
    }

    async fn resolve_conflict(
        &self,
        resolve: types::ConflictResolve,
    ) -> ServiceResult<types::RecordConflict> {
        self.blocking(move |site| site.resolve_conflict(&resolve)).await
    }

    async fn mutes(&self, query: types::MuteListQuery) -> ServiceResult<types::MuteList> {
        self.blocking(move |site| site.mutes(&query)).await
    }

    async fn mute(&self, id: &str) -> ServiceResult<types::Mute> {
        let id = id.to_owned();
        self.blocking(move |site| site.mute(&id)).await
    }

    async fn add_mute(&self, mute: types::MuteAdd) -> ServiceResult<types::MuteAdded> {
        self.blocking(move |site| site.add_mute(mute)).await
    }

    async fn remove_mute(&self, id: &str, removal: types::MuteRemove) -> ServiceResult<types::Mute> {
        let id = id.to_owned();
        self.blocking(move |site| site.remove_mute(&id, removal)).await
    }

    async fn sync_status(&self) -> ServiceResult<types::SyncStatus> {
        self.blocking(SiteParts::sync_status).await
    }

    async fn import_bundle(
        &self,
        bundle: Upload,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let limit = self.0.config.federation.import.max_bundle_size.0;
        let (file, size) = bundle
            .into_file(self.0.home.path(), limit, types::ErrorCode::BundleTooLarge)
            .await?;
        self.blocking(move |site| site.import_bundle(file, size, params))
            .await
    }

    async fn export_bundle(&self, request: types::ExportRequest) -> ServiceResult<ExportedBundle> {
        let (summary, file) = self.blocking(move |site| site.export_bundle(&request)).await?;
        Ok(ExportedBundle {
            summary,
            bytes: bundle_export::stream_file(file),
        })
    }

    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<types::BundleInfo> {
        let (file, _) = bundle
            .into_file(self.0.home.path(), u64::MAX, types::ErrorCode::BundleTooLarge)
            .await?;
        self.blocking(move |site| site.inspect_bundle(file)).await
    }

    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<types::BundleValidation> {
        let (file, size) = bundle
            .into_file(self.0.home.path(), u64::MAX, types::ErrorCode::BundleTooLarge)
            .await?;
        self.blocking(move |site| site.validate_bundle(file, size)).await
    }

    async fn import_feed(
        &self,
        source: types::SourceName,
        input: Upload,
        options: types::FeedImportOptions,
    ) -> ServiceResult<types::FeedImportReport> {
        let input = feeds::input_of(input)?;
        self.blocking(move |site| site.import_feed(&source, input, &options))
            .await
    }

    async fn feeds(&self) -> ServiceResult<types::FeedList> {
        self.blocking(|site| Ok(site.feed_list())).await
    }

    async fn feed(&self, name: &types::FeedName) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.feed_shown(&name, true)).await
    }

    async fn add_feed(&self, feed: types::FeedAdd) -> ServiceResult<types::Feed> {
        self.blocking(move |site| site.add_feed(feed)).await
    }

    async fn change_feed(
        &self,
        name: &types::FeedName,
        change: types::FeedChange,
    ) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.change_feed(&name, &change)).await
    }

    async fn remove_feed(&self, name: &types::FeedName) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.remove_feed(&name)).await
    }

    async fn run_feed(&self, name: &types::FeedName) -> ServiceResult<types::FeedRun> {
        self.run_feed_now(name, Trigger::Request).await
    }

    async fn approve_feed(
        &self,
        name: &types::FeedName,
        approve: types::FeedApprove,
    ) -> ServiceResult<types::FeedRun> {
        self.approve_input(name, approve).await
    }

    async fn make_ready_to_scan(&self) {
        if self.0.started.is_none() {
            let made = self.blocking(|site| {
                site.refresh_index();
                Ok(())
            });
            // The failure is logged, and nobody else needs to know.
            let _ = made.await;
        }
    }

    async fn events(&self, after: Option<types::EventId>) -> ServiceResult<EventStream> {
        events::stream(self.clone(), after).await
    }

    async fn doctor(&self, request: types::DoctorRequest) -> ServiceResult<types::DoctorReport> {
        self.blocking(move |site| site.doctor(request)).await
    }

    async fn compact_store(&self) -> ServiceResult<types::CompactReport> {
        self.blocking(SiteParts::compact).await
    }
}
