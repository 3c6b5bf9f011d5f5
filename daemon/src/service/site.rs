//! An open site: its parts, its locks, and the small things that every operation needs of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use starling_api_types as types;
use starling_documents::mutes::MuteWriter;
use starling_protocol::SigningKey;
use starling_store::packs::PackNumber;
use starling_store::{SiteStore, ViewReader};
use tokio::sync::watch;

use super::feed_runs::Feeds;
use super::health::Duties;
use super::known::KnownState;
use crate::clock::now;
use crate::config::Config;
use crate::gate::Gate;
use crate::home::Home;
use crate::match_index::Indexes;
use crate::policies::Policies;
use crate::restore::Restore;
use crate::sync_task::PeerStatusTable;
use crate::vex_store::VexStore;

/// Time by which the history may exceed the configured retention if no daemon runs, in milliseconds.
const A_DAY_MILLIS: u64 = 86_400_000;

/// An open site: in a daemon, or for one command.
#[derive(Clone)]
pub(crate) struct Site(pub(crate) Arc<SiteParts>);

/// The parts of a site.
pub(crate) struct SiteParts {
    pub(crate) identity: SiteIdentity,
    pub(crate) data: SiteData,
    pub(crate) live: LiveState,
}

/// The identity of the site: its folder, its configuration, and its keys.
pub(crate) struct SiteIdentity {
    pub(crate) home: Home,
    pub(crate) config: Config,
    /// The content of `starling.toml` at the start, as [`configuration::in_file`](super::configuration) reads it.
    pub(super) file: Result<Config, String>,
    /// The operating key; replaced when a restored site continues.
    pub(super) key: RwLock<Arc<SigningKey>>,
    /// The home's place, and the hold of a restored home.
    pub(crate) restore: Restore,
}

/// The site's data on the disk, and the locks for changes to it.
pub(crate) struct SiteData {
    pub(crate) store: Arc<SiteStore>,
    /// The site's policy files.
    pub(crate) policies: Arc<Policies>,
    /// The VEX documents that every scan uses.
    pub(crate) kept_vex: Arc<VexStore>,
    /// The import lock: each import compares with the result of the previous one.
    pub(crate) imports: Mutex<()>,
    /// The writer of this site's next mute, if it wrote one before.
    pub(super) mute_writer: Mutex<Option<MuteWriter>>,
}

/// The state that exists only while the site is open: listeners, derived data, and running tasks.
pub(crate) struct LiveState {
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
    /// The places for answers about the past.
    pub(crate) past_places: Arc<Gate>,
    /// Lock for answers about the past that need a file.
    pub(crate) pasts: Mutex<()>,
    /// Result of the last check of all frames.
    pub(crate) last_check: Mutex<Option<types::StoreCheck>>,
    /// The files of packs in the folder when the last look found all that the store needs.
    pub(crate) seen_packs: Mutex<Option<BTreeSet<PackNumber>>>,
    /// Last results of the daemon's recurring work.
    pub(crate) duties: Duties,
    /// The feeds that the site fetches by itself.
    pub(crate) feeds: Feeds,
}

impl SiteData {
    /// Builds the data around a store, with free locks.
    pub(super) fn of(store: SiteStore, policies: Arc<Policies>, kept_vex: Arc<VexStore>) -> Self {
        Self {
            store: Arc::new(store),
            policies,
            kept_vex,
            imports: Mutex::new(()),
            mute_writer: Mutex::default(),
        }
    }
}

impl LiveState {
    /// Returns the state of a site that was just opened, without listeners.
    pub(super) fn new(
        started: Option<Instant>,
        indexes: Indexes,
        past_places: Arc<Gate>,
        feeds: Feeds,
    ) -> Self {
        Self {
            started,
            local: watch::Sender::new(0),
            shown: Arc::new(watch::Sender::new(0)),
            peer_status: Arc::default(),
            indexes: Arc::new(indexes),
            known: KnownState::default(),
            past_places,
            pasts: Mutex::new(()),
            last_check: Mutex::default(),
            seen_packs: Mutex::default(),
            duties: Duties::default(),
            feeds,
        }
    }
}

impl SiteParts {
    /// Waits for the import lock. A panic in an earlier import left nothing incomplete: it committed everything or
    /// nothing, so later imports need not fail as well.
    pub(crate) fn one_import(&self) -> MutexGuard<'_, ()> {
        self.data.imports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the import lock, if it is free.
    pub(crate) fn import_if_free(&self) -> Option<MutexGuard<'_, ()>> {
        match self.data.imports.try_lock() {
            Ok(turn) => Some(turn),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Drops old history. Without a daemon nothing else does it in time: a command that imports does it, at most once
    /// a day. The caller holds the import lock.
    pub(super) fn forget_if_due(&self) {
        if self.live.started.is_some() {
            return;
        }
        let retention = self.identity.config.store.retention();
        let outcome = self.data.store.history().and_then(|history| {
            let due = history
                .since
                .plus_millis(retention.millis)
                .plus_millis(A_DAY_MILLIS);
            if due < now() {
                self.data.store.drop_superseded(&retention)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::warn!(error = %crate::home::error_chain(&error), "dropping old history");
        }
    }

    /// Notifies the sync task and the subscribers of a change of the store.
    pub(crate) fn changed(&self) {
        self.live.local.send_modify(|count| *count += 1);
        self.live.shown.send_modify(|count| *count += 1);
    }

    /// Leaves a store that the next start can open without a replay.
    pub(crate) fn stop_cleanly(&self) {
        if let Err(error) = self.data.store.stop_cleanly() {
            tracing::warn!(error = %crate::home::error_chain(&error), "stopping: the next start replays the end of the log");
        }
    }

    /// Returns the name of a site on the allow-list, or this site's own name. A thread that holds the view must call
    /// [`slug_in`](Self::slug_in) instead, because it must not take the store's lock twice.
    pub(crate) fn slug_of(&self, site: &starling_protocol::SiteId) -> Option<types::SiteSlug> {
        self.own_slug(site).or_else(|| {
            let listed = self.data.store.listed_sites().ok()?;
            listed
                .iter()
                .find(|listed| listed.site == *site)
                .map(|listed| (&listed.slug).into())
        })
    }

    /// Returns the name of a site on the allow-list of the view, or this site's own name.
    pub(super) fn slug_in(
        &self,
        view: &ViewReader<'_>,
        site: &starling_protocol::SiteId,
    ) -> Option<types::SiteSlug> {
        self.own_slug(site).or_else(|| view.slug_of(site).map(Into::into))
    }

    fn own_slug(&self, site: &starling_protocol::SiteId) -> Option<types::SiteSlug> {
        let chain = self.identity.home.chain();
        (*site == chain.site()).then(|| chain.slug().into())
    }
}
