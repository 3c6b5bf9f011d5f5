//! Key rotation: a new operating key, starting at the current end of the site's logs.

use std::path::Path;

use starling_api_types::{KeyList, Problem};
use starling_protocol::{LaneResume, Reason};

use crate::clock::now;
use crate::config::Overrides;
use crate::home::{Home, config_problem, home_problem};
use crate::service::{Site, store_problem};

const ATTEMPTED: &str = "beginning a new epoch";

/// Starts a new epoch of the site in `home` with a new operating key, signed by its root key.
///
/// Needs exclusive access to the store: the certificate names the last claim of each log, and no claim may follow
/// meanwhile.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `file_access` if the root key is not here, `site_restored`
/// if this home was restored and lacks data that others hold of the site, `site_superseded`.
pub fn rotate_key(home: &Path) -> Result<KeyList, Problem> {
    let mut home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    {
        // Held until the files are written, so that no other process uses the folder.
        let site = Site::open(home.clone(), config.clone(), None)?;
        let parts = &site.0;
        let own = parts.data.store.log(parts.own_log());
        let own = own.map_err(|error| store_problem(ATTEMPTED, &error))?;
        let is_frozen = own.is_some_and(|log| log.frozen);
        if !parts.identity.restore.is_held() {
            if !is_frozen {
                parts.prepare_to_sign(ATTEMPTED)?;
            }
            let lanes = resume_at(&site)?;
            let reason = if is_frozen {
                Reason::ForkResolution
            } else {
                Reason::Rotation
            };
            home.next_epoch(&parts.own_chain(), lanes, reason, now())
                .map_err(|error| home_problem(&error))?;
        } else if is_frozen {
            // The history in this home is the right one, whatever others hold.
            parts.go_on_alone(ATTEMPTED)?;
        } else {
            // Starts the new epoch, unless something is missing.
            parts.prepare_to_sign(ATTEMPTED)?;
        }
    }
    home = Home::open(home.path()).map_err(|error| home_problem(&error))?;
    // Opening records the new chain in the store; new heads show peers that the new key signs for the site.
    let site = Site::open(home.clone(), config, None)?;
    site.0
        .sign_heads()
        .map_err(|error| store_problem("signing the site's heads", &error))?;
    Ok(home.keys())
}

/// Returns the end of each of the site's own logs, from which the next epoch resumes.
pub(crate) fn resume_at(site: &Site) -> Result<Vec<LaneResume>, Problem> {
    let lanes = site.0.data.store.resume_points(false);
    lanes.map_err(|error| store_problem(ATTEMPTED, &error))
}
