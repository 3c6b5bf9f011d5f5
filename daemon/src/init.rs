//! Creates a site: its folder, its keys, its empty store.

use std::path::Path;

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::SiteSlug;
use starling_store::engine::{EngineKind, UnknownEngine};

use crate::clock::now;
use crate::config::Overrides;
use crate::home::{Home, Reach, config_problem, home_problem};
use crate::opening::{OpenAs, opening_problem};
use crate::service::{Site, stop};

/// Creates a site in a folder: keys, configuration, an empty store with `engine` (`sled` or `redb`), and last the
/// certificates.
///
/// From then on the folder must have its store: a site that lost it would start its log again.
///
/// # Errors
/// `already_initialised`, `file_access`, `disk_full`, or an error because another site's store is in the folder.
pub fn init_site(path: &Path, slug: &SiteSlug, engine: &str) -> Result<Home, Problem> {
    init_site_as(path, slug, engine, Reach::Network)
}

/// Creates a site with or without a network, like [`init_site`].
///
/// # Errors
/// Same as [`init_site`].
pub fn init_site_as(path: &Path, slug: &SiteSlug, engine: &str, reach: Reach) -> Result<Home, Problem> {
    let engine: EngineKind = engine
        .parse()
        .map_err(|error: UnknownEngine| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
    let home = Home::prepare_as(path, slug, Some(engine.name()), reach, now())
        .map_err(|error| home_problem(&error))?;
    // Left by an interrupted `init`: it is still empty.
    starling_store::discard_unfinished(path).map_err(|error| opening_problem(&home, &error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let site = Site::open_as(home.clone(), config, None, OpenAs::New)?;
    stop(&site);
    drop(site);
    home.finish().map_err(|error| home_problem(&error))?;
    Ok(home)
}
