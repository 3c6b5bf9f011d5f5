//! The executor of plans.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::error::FetchError;
use crate::fetched::{Fetched, Progress};
use crate::plan::Plan;
use crate::position::Position;
use crate::settings::Settings;

/// Runs plans with the settings of one feed.
#[derive(Debug)]
pub struct Fetcher {
    settings: Settings,
}

/// What a run gets from its caller.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// An empty folder on the site's disk. The caller removes it after the import.
    pub into: &'a Path,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Gives random numbers, for the jitter of waits.
    pub random: &'a (dyn Fn() -> u64 + Sync),
    /// Is told how far the run is. It must return quickly.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends the run early.
    pub stop: &'a CancellationToken,
}

impl Fetcher {
    /// Sets up connections, proxy, trust and key.
    ///
    /// # Errors
    /// [`FetchError::Settings`] if a file cannot be read or a proxy's address is wrong.
    pub fn new(settings: Settings) -> Result<Self, FetchError> {
        Ok(Self { settings })
    }

    /// Fetches what is new since `position`.
    ///
    /// # Errors
    /// If the source cannot be read to its end, with the first reason. Nothing in the folder is to be imported then.
    pub async fn run(&self, plan: &Plan, position: &Position, run: Run<'_>) -> Result<Fetched, FetchError> {
        let _ = (position, run.into, &self.settings);
        Err(FetchError::Settings {
            what: format!("this version cannot run the plan of {}", plan.title()),
        })
    }
}
