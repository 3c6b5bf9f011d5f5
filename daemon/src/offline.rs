//! Opens a site's store for one command, without a daemon.

use std::sync::Arc;

use starling_api::SiteService;
use starling_api_types::{ErrorCode, Problem};
use starling_store::SiteStore;
use starling_store::engine::Engine;

use crate::config::Overrides;
use crate::home::{Home, config_problem, home_problem};
use crate::match_index::{SiteIndex, stamp_of};
use crate::opening::{OpenAs, OpeningNews, OpeningWatcher};
use crate::service::{Site, store_problem};

/// A site opened for one command.
pub struct Offline(Site);

impl Offline {
    /// Returns the site's service.
    #[must_use]
    pub fn service(&self) -> Arc<dyn SiteService> {
        Arc::new(self.0.clone())
    }

    /// Builds the match index of the site's current knowledge and returns it, however long that takes.
    ///
    /// # Errors
    /// `internal` if it could not be built; the log has the reason.
    pub(crate) fn make_index(&self) -> Result<Arc<SiteIndex>, Problem> {
        let site = &self.0.0;
        site.refresh_index();
        let stamp = site.data.store.view().map(|reader| stamp_of(&reader));
        let index = stamp.ok().and_then(|stamp| site.live.indexes.find(&stamp));
        index.ok_or_else(|| Problem::internal("building the match index", "it could not be built"))
    }

    /// Returns its store, for tools that work below the service.
    #[must_use]
    pub fn store(&self) -> &Arc<SiteStore> {
        &self.0.0.data.store
    }
}

/// Opens the site in a folder without a daemon. Does not wait: a running daemon locks the store.
///
/// # Errors
/// `not_initialised`, `store_locked` by a daemon or another command, `store_damaged`, `config_invalid`.
pub fn open_offline(home: &std::path::Path, overrides: &Overrides) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Site::open(home, config, None).map(Offline)
}

/// Same as [`open_offline`], and reports its progress to `watcher`.
///
/// # Errors
/// Same as [`open_offline`].
pub fn open_offline_watched(
    home: &std::path::Path,
    overrides: &Overrides,
    watcher: OpeningWatcher,
) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Site::open_telling(home, config, &OpeningNews::watched(watcher)).map(Offline)
}

/// Same as [`open_offline`], but skips damaged parts of the site's log; the dropped data comes back from peers or
/// bundles.
///
/// # Errors
/// Same as [`open_offline`], except for a damaged log.
pub fn open_to_repair(home: &std::path::Path, overrides: &Overrides) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    match Site::open(home.clone(), config.clone(), None) {
        Err(problem) if problem.code == ErrorCode::StoreDamaged => {}
        Err(problem) => return Err(problem),
        Ok(site) => {
            let is_whole = site.0.data.store.log_is_whole();
            if is_whole.map_err(|error| store_problem("reading the site's log", &error))? {
                return Ok(Offline(site));
            }
        }
    }
    Site::open_as(home, config, None, OpenAs::Repair).map(Offline)
}

/// Same as [`open_offline`], with the caller's own engine, which may record, count or fail.
///
/// # Errors
/// Same as [`open_offline`].
pub fn open_offline_on(
    engine: Arc<dyn Engine>,
    home: &std::path::Path,
    overrides: &Overrides,
) -> Result<Offline, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Site::open_on(engine, home, config, None, &OpeningNews::new(false)).map(Offline)
}
