//! A site without its daemon: the store opened for one command.

use std::sync::Arc;

use starling_api::SiteService;
use starling_api_types::{ErrorCode, Problem};
use starling_store::SiteStore;
pub(crate) use starling_store::engine::IfMissing;
use starling_store::engine::{self, ByteCount, Engine, EngineError, EngineKind, EngineOptions, HomeLock};

use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::home_problem::{config_problem, home_problem};
use crate::match_index::{SiteIndex, stamp_of};
use crate::service::Site;

/// A site that is open for one command.
pub struct Offline(Site);

impl Offline {
    /// The site, as every face of it is used.
    #[must_use]
    pub fn service(&self) -> Arc<dyn SiteService> {
        Arc::new(self.0.clone())
    }

    /// Makes the match index of what the site knows, however long that takes.
    ///
    /// # Errors
    /// `internal` if it could not be made; the log says why.
    pub(crate) fn make_index(&self) -> Result<Arc<SiteIndex>, Problem> {
        let site = &self.0.0;
        site.refresh_index();
        let stamp = site.store.view().and_then(|reader| stamp_of(&reader));
        let index = stamp.ok().and_then(|stamp| site.indexes.find(&stamp));
        index.ok_or_else(|| Problem::internal("making the match index", "it could not be made"))
    }

    /// Its store, for tools that look below the service.
    #[must_use]
    pub fn store(&self) -> &Arc<SiteStore> {
        &self.0.0.store
    }
}

/// Opens the site in a folder without a daemon. Waits for nothing: a running daemon holds the store.
///
/// # Errors
/// `not_initialised`, `store_locked` by a daemon or another command, `store_damaged`, `config_invalid`.
pub fn open_offline(home: &std::path::Path, overrides: &Overrides) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Site::open(home, config, None).map(Offline)
}

/// As [`open_offline`], over an engine of the caller's own: one that records, counts or fails.
///
/// # Errors
/// As [`open_offline`].
pub fn open_offline_on(
    engine: Arc<dyn Engine>,
    home: &std::path::Path,
    overrides: &Overrides,
) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Site::open_on(engine, None, home, config, None).map(Offline)
}

/// Opens the engine that the configuration names; one that lies there already must be of that kind. The lock
/// on the home must be held until the engine is closed.
pub(crate) fn open_engine(
    home: &Home,
    config: &Config,
    if_missing: IfMissing,
) -> Result<(Arc<dyn Engine>, HomeLock), Problem> {
    let kind: EngineKind = config
        .store
        .engine
        .parse()
        .map_err(|error: engine::UnknownEngine| Problem::new(ErrorCode::ConfigInvalid, error.to_string()))?;
    let options = EngineOptions::default()
        .with_cache(ByteCount(config.store.cache.0))
        .with_if_missing(if_missing);
    let problem = |error| match error {
        EngineError::Missing { .. } => store_gone(home, "is gone"),
        error => crate::service::engine_problem("opening the store", &error),
    };
    let lock = HomeLock::take(home.path()).map_err(problem)?;
    let engine = engine::open(kind, &home.store_path(), &options).map_err(problem)?;
    Ok((engine, lock))
}

/// The problem of a site whose store is not what it was: it must not begin anew under the old keys, for its peers
/// hold what it said before and would take the new beginning for a second history.
pub(crate) fn store_gone(home: &Home, what: &str) -> Problem {
    let detail = format!(
        "opening the store: {} {what}, and {} had one",
        home.store_path().display(),
        home.chain().slug()
    );
    Problem::new(ErrorCode::StoreMissing, detail).hint(
        "was the folder moved, or its disk not mounted? put it back as it was. If it is lost, make a new site in \
         another folder and list it at its peers, which fill it; an older copy, or an empty store under the old \
         keys, would sign a second history",
    )
}
