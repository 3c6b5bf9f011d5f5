//! Key rotation: a new operating key, from where the site's logs stand.

use std::path::Path;

use starling_api_types::{KeyList, Problem};
use starling_protocol::{ClaimNumber, Lane, LaneResume};
use starling_store::LogId;

use crate::clock::now;
use crate::config::Overrides;
use crate::home::Home;
use crate::home_problem::{config_problem, home_problem};
use crate::service::{Site, store_problem};

/// Begins a new epoch of the site in `home` with a new operating key, signed by its root key.
///
/// Needs the store for itself: the certificate names the last claim of each log, and none may follow meanwhile.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `file_access` when the root key is not here.
pub fn rotate_key(home: &Path) -> Result<KeyList, Problem> {
    let mut home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    {
        // Kept until the files are written: nobody else has the folder meanwhile.
        let site = Site::open(home.clone(), config.clone(), None)?;
        let lanes = resume_at(&site)?;
        home.rotate(lanes, now()).map_err(|error| home_problem(&error))?;
    }
    // Opening teaches the store the new chain; signing shows peers that the new key speaks for the site.
    let site = Site::open(home.clone(), config, None)?;
    site.0
        .sign_heads()
        .map_err(|error| store_problem("signing the site's heads", &error))?;
    Ok(home.keys())
}

/// Where each of the site's own logs stands: what the next epoch resumes from.
pub(crate) fn resume_at(site: &Site) -> Result<Vec<LaneResume>, Problem> {
    let mut lanes = Vec::new();
    for lane in Lane::ALL {
        let id = LogId {
            site: site.0.home.chain().site(),
            lane,
        };
        let log = site
            .0
            .store
            .log(id)
            .map_err(|error| store_problem("reading the site's logs", &error))?;
        if let Some(log) = log.filter(|log| log.tip.cursor.number > ClaimNumber::NONE) {
            lanes.push(LaneResume {
                lane,
                number: log.tip.cursor.number,
                header: log.tip.header,
            });
        }
    }
    Ok(lanes)
}
