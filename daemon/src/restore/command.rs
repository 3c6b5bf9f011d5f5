//! `starling restore`: an operator says that a home was put back, or that it is to go on alone.

use std::path::Path;

use starling_api_types::{ErrorCode, Problem, RestoreReport};
use starling_store::RestoreStep;

use super::{Hold, Restore};
use crate::clock::now;
use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::home_problem::{config_problem, home_problem};
use crate::opening::OpenAs;
use crate::service::{Site, SiteParts, stop};

const ATTEMPTED: &str = "going on alone";
const TOLD: &str = "its operator says so";

/// What an operator says of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreWish {
    /// It was put back from a backup, or copied: it is to hear its peers first.
    Hear,
    /// It was, and is to go on from what it holds.
    Alone,
    /// As [`Alone`](Self::Alone), if the site is held back; else nothing.
    AloneIfHeld,
}

/// Takes the site in `home` for restored, and lets it go on if it may.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `site_restored` if it is to go on alone and the root key is
/// not here.
pub fn restore_home(home: &Path, wish: RestoreWish) -> Result<RestoreReport, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let site = match Site::open(home.clone(), config.clone(), None) {
        Err(problem) if problem.code == ErrorCode::StoreMissing && wish == RestoreWish::Hear => {
            make_empty_store(home, config)?
        }
        opened => opened?,
    };
    let parts = &site.0;
    let epoch = {
        let _one_at_a_time = parts.one_import();
        match wish {
            RestoreWish::Hear => {
                parts.take_for_restored(TOLD)?;
                parts.go_on(false)?.epoch()
            }
            RestoreWish::Alone => {
                parts.take_for_restored(TOLD)?;
                parts.go_on_alone(ATTEMPTED)?
            }
            RestoreWish::AloneIfHeld => parts.go_on_alone(ATTEMPTED)?,
        }
    };
    let report = RestoreReport {
        site_id: parts.home.chain().slug().into(),
        new_epoch: epoch.map(u64::from),
        restore: parts.restore_status(),
    };
    stop(&site);
    Ok(report)
}

/// Makes an empty store for a home of which only the keys came back: its peers have the rest.
fn make_empty_store(home: Home, config: Config) -> Result<Site, Problem> {
    // Noted before there is a log: an empty one that is not held back would give numbers out again.
    Restore::hold_before_store(&home, &config, "its store is gone", now())?;
    Site::open_as(home, config, None, OpenAs::New)
}

impl SiteParts {
    /// Holds the site back as if its home had shown that it was put back.
    pub(crate) fn take_for_restored(&self, why: &str) -> Result<(), Problem> {
        let log = self.store.log(self.own_log());
        let log = log.map_err(|error| crate::service::store_problem("reading the site's own log", &error))?;
        let held = log.map_or(0, |log| log.tip.cursor.number.0);
        let epoch = self.home.chain().epoch();
        let is_new = self.restore.change(self.home.path(), |hold| {
            let is_new = hold.is_none();
            hold.get_or_insert_with(|| Hold::new(now(), why, epoch).holding(held));
            is_new
        })?;
        self.store.hold_back(true);
        if is_new {
            self.tell_restored(RestoreStep::HeldBack, why);
        }
        Ok(())
    }
}
