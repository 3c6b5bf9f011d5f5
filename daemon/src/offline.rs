//! A site without its daemon: the store opened for one command.

use std::sync::Arc;

use starling_api::SiteService;
use starling_api_types::{ErrorCode, Problem};
use starling_store::SiteStore;
use starling_store::engine::{self, ByteCount, Engine, EngineKind, EngineOptions};

use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::service::{Site, home_problem};

/// A site that is open for one command.
pub struct Offline(Site);

impl Offline {
    /// The site, as every face of it is used.
    #[must_use]
    pub fn service(&self) -> Arc<dyn SiteService> {
        Arc::new(self.0.clone())
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
    let config = home
        .config(overrides)
        .map_err(|error| Problem::new(ErrorCode::ConfigInvalid, crate::home::error_chain(&error)))?;
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
    let config = home
        .config(overrides)
        .map_err(|error| Problem::new(ErrorCode::ConfigInvalid, crate::home::error_chain(&error)))?;
    Site::open_on(engine, home, config, None).map(Offline)
}

/// Opens the engine that the configuration names; one that lies there already must be of that kind.
pub(crate) fn open_engine(home: &Home, config: &Config) -> Result<Arc<dyn Engine>, Problem> {
    let kind: EngineKind = config
        .store
        .engine
        .parse()
        .map_err(|error: engine::UnknownEngine| Problem::new(ErrorCode::ConfigInvalid, error.to_string()))?;
    let mut options = EngineOptions::default();
    options.cache = ByteCount(config.store.cache.0);
    engine::open(kind, &home.store_path(), &options)
        .map_err(|error| crate::service::engine_problem("opening the store", &error))
}
