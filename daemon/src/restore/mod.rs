//! Homes that were put back from a backup, or copied.
//!
//! A home notes where it is ([`place`]). One that is somewhere else may lack what the site signed since, so that it
//! signs nothing ([`hold`]) before it heard its peers or a bundle, and has what they hold of its log; then it goes
//! on under a new epoch ([`epoch`]). See `docs/adr/0016-restored-homes.md`.

mod advice;
mod command;
mod epoch;
mod hold;
mod place;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{SiteId, UnixMillis};

pub use self::command::{RestoreWish, restore_home};
pub(crate) use self::epoch::GoesOn;
pub(crate) use self::hold::{Hold, Waits};
use self::place::PlaceNote;
use crate::config::Config;
use crate::home::Home;

/// Where a home is, and if it signs.
#[derive(Debug)]
pub(crate) struct Restore {
    note: PlaceNote,
    /// The home cannot be written: what is noted stays in memory.
    is_read_only: bool,
    hold: Mutex<Option<Hold>>,
    /// What showed at this opening that the home was put back.
    found: Option<String>,
}

impl Restore {
    /// Looks if the home is where it was, and notes where it is. The caller has the home's lock; the site's own log is
    /// `held` up to there.
    ///
    /// # Errors
    /// `file_access`, `disk_full`.
    pub(crate) fn open(
        home: &Home,
        config: &Config,
        is_read_only: bool,
        held: u64,
        now: UnixMillis,
    ) -> Result<Self, Problem> {
        let note = PlaceNote::new(home.path(), &config.restore.machine_id_file);
        let found = note
            .look()
            .map_err(|error| note_problem("reading where the home was", home.path(), &error))?;
        let epoch = home.chain().epoch();
        let mut hold = found
            .hold
            .clone()
            .filter(|hold| hold.begins.is_none_or(|begins| begins > epoch));
        let moved = found.moved.filter(|_| config.restore.detect);
        if let Some(why) = &moved {
            tracing::warn!(
                why,
                "this home was put back from a backup, or copied: the site signs nothing before it heard its peers"
            );
            // Whoever was heard may have been heard by the other copy.
            hold = Some(Hold::new(found.since.unwrap_or(now), why, epoch).holding(held));
        }
        // An opening without news writes nothing.
        let is_noted = found.is_current && hold == found.hold;
        let restore = Self {
            note,
            is_read_only,
            hold: Mutex::new(hold),
            found: moved,
        };
        if !is_read_only && !is_noted {
            restore
                .write()
                .map_err(|error| note_problem("noting where the home is", home.path(), &error))?;
        }
        Ok(restore)
    }

    /// Notes a hold in a home that has no store yet.
    ///
    /// # Errors
    /// `file_access`, `disk_full`.
    fn hold_before_store(home: &Home, config: &Config, why: &str, now: UnixMillis) -> Result<(), Problem> {
        let failed = |error| note_problem("noting where the home is", home.path(), &error);
        std::fs::create_dir_all(home.path().join("log")).map_err(failed)?;
        let note = PlaceNote::new(home.path(), &config.restore.machine_id_file);
        let hold = Hold::new(now, why, home.chain().epoch()).holding(0);
        note.renew(Some(&hold)).map_err(failed)
    }

    /// One that holds nothing back and notes nothing: for trials on a copy of the store.
    pub(crate) fn of_trial(&self) -> Self {
        Self {
            note: self.note.clone(),
            is_read_only: true,
            hold: Mutex::new(self.hold().clone()),
            found: None,
        }
    }

    /// What showed at this opening that the home was put back.
    pub(crate) fn found_now(&self) -> Option<String> {
        self.found.clone()
    }

    fn hold(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the site signs nothing, if that is so.
    pub(crate) fn held(&self) -> Option<Hold> {
        self.hold().clone()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.hold().is_some()
    }

    /// Makes the note anew before something is signed: a copy from before that is then known by its note.
    pub(crate) fn renew(&self, home: &Path) -> Result<(), Problem> {
        if self.is_read_only {
            return Ok(());
        }
        self.write()
            .map_err(|error| note_problem("noting where the home is", home, &error))
    }

    /// Changes the hold, and notes it if that changed anything.
    pub(crate) fn change(
        &self,
        home: &Path,
        change: impl FnOnce(&mut Option<Hold>) -> bool,
    ) -> Result<bool, Problem> {
        let changed = change(&mut self.hold());
        if changed {
            self.renew(home)?;
        }
        Ok(changed)
    }

    /// Notes what a site said of this site's own log.
    pub(crate) fn hear(
        &self,
        home: &Path,
        site: &SiteId,
        reaches: Option<u64>,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        self.change(home, |hold| {
            hold.as_mut().is_some_and(|hold| hold.hear(site, reaches, now))
        })
    }

    fn write(&self) -> std::io::Result<()> {
        self.note.renew(self.hold().as_ref())
    }
}

fn note_problem(attempted: &str, home: &Path, error: &std::io::Error) -> Problem {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::FileAccess,
    };
    let detail = format!("{attempted} ({}/log/place): {error}", home.display());
    Problem::new(code, detail).hint("check the disk, and that this user may write there")
}
