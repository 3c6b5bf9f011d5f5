//! Opens a site: takes its lock, opens its store, and creates the parts that surround the store.

use std::sync::{Arc, RwLock};
use std::time::Instant;

use starling_api_types::Problem;
use starling_protocol::{Lane, SigningKey};
use starling_store::engine::{Engine, HomeLock};
use starling_store::{OpeningStep, ReplayProgress, SiteStore, StoreError};

use super::feed_runs::Feeds;
use super::folding::settings_of;
use super::site::{LiveState, SiteData, SiteIdentity};
use super::{Site, SiteParts, as_of, configuration, store_problem};
use crate::clock::now;
use crate::config::Config;
use crate::home::{Home, home_problem};
use crate::match_index::{Hold, Indexes};
use crate::opening::{OpenAs, OpeningNews};
use crate::policies::Policies;
use crate::restore::{OwnLogAtOpening, Restore};
use crate::sync_task::{Exchanges, SeenPeers};
use crate::vex_store::VexStore;

impl Site {
    /// Opens a site's store with its configuration. The store must exist: `init` created it.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open(home: Home, config: Config, started: Option<Instant>) -> Result<Self, Problem> {
        Self::open_as(home, config, started, OpenAs::Existing)
    }

    /// Opens an existing site's store without a daemon; `news` gets the progress.
    ///
    /// # Errors
    /// A [`Problem`] for the operator.
    pub(crate) fn open_telling(home: Home, config: Config, news: &OpeningNews) -> Result<Self, Problem> {
        let lock = take_lock(&home)?;
        Self::open_holding(lock, home, config, None, OpenAs::Existing, news)
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
        let indexes = Indexes::new(home.path(), hold);
        let file = configuration::in_file(&home);
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
        let policies = Arc::new(Policies::of(&home, &config));
        let kept_vex = Arc::new(VexStore::in_home(home.path()));
        let feeds = Feeds::of(home.path(), &config);
        let past_places = Arc::new(as_of::past_places());
        let parts = SiteParts {
            data: SiteData::of(store, policies, kept_vex),
            live: LiveState::new(started, indexes, past_places, feeds),
            identity: SiteIdentity {
                home,
                config,
                file,
                key: RwLock::new(Arc::new(key)),
                restore,
            },
        };
        for site in SeenPeers::read(parts.identity.home.path()).sites() {
            parts
                .live
                .peer_status
                .update(site, |peer| peer.was_connected = true);
        }
        for (site, at) in Exchanges::read(parts.identity.home.path()).times() {
            parts
                .live
                .peer_status
                .update(site, |peer| peer.exchanged_at = Some(at));
        }
        parts.drop_mark_of_other_rows();
        if let Some(why) = parts.identity.restore.found_now() {
            parts.tell_restored(starling_store::RestoreStep::HeldBack, &why);
        }
        Ok(Self(Arc::new(parts)))
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
