//! The fetcher of one feed.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::error::FetchError;
use crate::fetched::{Fetched, Progress};
use crate::http::{Guard, Secret, Session, Trust, blocking};
use crate::plan::Plan;
use crate::position::Position;
use crate::redact::Redaction;
use crate::run;
use crate::settings::Settings;

/// Runs plans with the settings of one feed.
#[derive(Debug)]
pub struct Fetcher {
    settings: Settings,
    trust: Trust,
    key: Option<Secret>,
}

/// The input of a run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// An empty folder on the site's disk. The caller removes it after the import.
    pub into: &'a Path,
    /// Returns the free bytes of the disk on which that folder is, if they are known.
    pub free: &'a (dyn Fn() -> Option<u64> + Sync),
    /// The time.
    pub clock: &'a dyn Clock,
    /// Returns random numbers, for the jitter of waits.
    pub random: &'a (dyn Fn() -> u64 + Sync),
    /// Receives the progress of the run. It must return quickly.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends the run early.
    pub stop: &'a CancellationToken,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("into", &self.into)
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Sets up trust, proxy and key. The files of the settings are read here; a key that is replaced later needs a new
    /// fetcher.
    ///
    /// # Errors
    /// [`FetchError::Settings`] if a file cannot be read or holds nothing usable, or a proxy's address is wrong.
    pub fn new(settings: Settings) -> Result<Self, FetchError> {
        let trust = Trust::load(settings.ca_file.as_deref())?;
        let key = settings.api_key_file.as_deref().map(Secret::read).transpose()?;
        // Builds a client once, so that a wrong proxy or user agent is reported now.
        trust.client(&settings, &Guard::new(Vec::new(), &[]))?;
        Ok(Self { settings, trust, key })
    }

    /// Fetches the documents that are new since `position` into the empty folder of `run`.
    ///
    /// A first run, or one whose position is of another plan, fetches everything. Requests go out one after the other.
    ///
    /// # Errors
    /// If the source cannot be read to its end and nothing of it can be used. What is in the folder is not to be
    /// imported then, and the position stays as it was. The error says if the same run may succeed later
    /// ([`FetchError::is_temporary`]).
    pub async fn run(&self, plan: &Plan, position: &Position, run: Run<'_>) -> Result<Fetched, FetchError> {
        let into = run.into.to_owned();
        let checked = blocking(move || is_empty(&into)).await;
        match checked {
            Ok(true) => {}
            Ok(false) => {
                return Err(FetchError::Settings {
                    what: format!("the folder {} is not empty", run.into.display()),
                });
            }
            Err(source) => {
                return Err(FetchError::Disk {
                    path: run.into.to_owned(),
                    action: "read",
                    source,
                });
            }
        }
        let guard = Guard::new(plan.own_addresses(), &plan.hosts);
        let client = self.trust.client(&self.settings, &guard)?;
        let mut session = Session::new(plan, &self.settings.limits, run, guard, client, self.key.as_ref());
        if self.key.is_some() && plan.key.is_none() {
            session.note("api_key_file is set, and this source takes no key: it is not sent".to_owned());
        }
        if let Some(path) = self
            .settings
            .api_key_file
            .as_deref()
            .filter(|path| is_read_by_others(path))
        {
            session.note(format!(
                "api_key_file {} can be read by other users: chmod 600",
                path.display()
            ));
        }
        if self.trust.built_in && plan.uses_https() {
            session.note(
                "this machine has no certificate authorities: those that this program was built with are trusted"
                    .to_owned(),
            );
        }
        let redaction = Redaction::of(plan);
        match run::run(session, position).await {
            Ok(fetched) => Ok(redaction.fetched(fetched)),
            Err(error) => Err(redaction.error(error)),
        }
    }
}

fn is_empty(folder: &Path) -> std::io::Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().is_none())
}

/// Returns true if the mode of a file lets users other than its owner read it.
#[cfg(unix)]
fn is_read_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_read_by_others(_path: &Path) -> bool {
    false
}
