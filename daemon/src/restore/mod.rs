//! Homes that were restored from a backup, or copied.
//!
//! A home stores a note of its place ([`place`]). A home in another place may lack data that the site signed later.
//! So it does not sign ([`hold`]) until it has heard from its peers or a bundle and has all data that they hold of
//! its log; then it continues with a new epoch ([`epoch`]). See `docs/adr/0016-restored-homes.md`.

mod advice;
mod command;
mod epoch;
mod hold;
mod lost;
mod place;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{SiteId, UnixMillis};

pub use self::command::{RestoreMode, go_on_alone_if_held, restore_home};
pub(crate) use self::epoch::GoesOn;
pub(crate) use self::hold::{Hold, OwnLogWord, Waits};
pub(crate) use self::lost::Lost;
use self::place::PlaceNote;
use crate::config::Config;
use crate::home::Home;

/// The state of the search for bodies of the own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Every holder of the claims was asked, and this many bodies were not found.
    InVain(usize),
    /// Some sites are being asked, or bodies are arriving.
    GoesOn,
    /// A holder of the claims is away.
    CutOff,
}

/// The state of a site's own log when its home is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnLogAtOpening {
    /// The position up to which it is held.
    pub(crate) held: u64,
    /// Number of missing bodies of its claims.
    pub(crate) lacks_bodies: bool,
}

/// A search for bodies of the own claims that found nothing.
#[derive(Debug, Clone, Copy)]
struct Vain {
    /// Number of missing bodies.
    lacks: usize,
    since: UnixMillis,
    /// True if sites are being asked again.
    is_searching: bool,
}

/// The place of a home, and the hold on its signing.
#[derive(Debug)]
pub(crate) struct Restore {
    note: PlaceNote,
    /// True if the home is read-only: the note stays in memory.
    is_read_only: bool,
    hold: Mutex<Option<Hold>>,
    /// Claims that were restated, because no site had their bodies.
    lost: Mutex<Option<Lost>>,
    /// The bodies for which every holder of the own claims was asked in vain.
    vain: Mutex<Option<Vain>>,
    /// The reason, found at this opening, why the home counts as restored.
    found: Option<String>,
}

impl Restore {
    /// Checks if the home is in its old place, and records its place. The caller has the home's lock; `own` returns
    /// the state of its own log.
    ///
    /// # Errors
    /// `file_access`, `disk_full`.
    pub(crate) fn open(
        home: &Home,
        config: &Config,
        is_read_only: bool,
        own: OwnLogAtOpening,
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
            // Its epoch has started, and nothing is left to restate.
            .filter(|hold| own.lacks_bodies || hold.begins.is_none_or(|begins| begins > epoch));
        let moved = found.moved.filter(|_| config.restore.detect);
        if let Some(why) = &moved {
            tracing::warn!(
                why,
                "this home was restored from a backup, or copied: the site does not sign until it has heard from its peers"
            );
            // The sites that were heard may have been heard by the other copy.
            hold = Some(Hold::new(found.since.unwrap_or(now), why, epoch).holding(own.held));
        }
        // An opening without changes writes nothing.
        let is_noted = found.is_current && hold == found.hold;
        let restore = Self {
            note,
            is_read_only,
            hold: Mutex::new(hold),
            lost: Mutex::new(found.lost),
            vain: Mutex::default(),
            found: moved,
        };
        if !is_read_only && !is_noted {
            restore
                .write()
                .map_err(|error| note_problem("noting where the home is", home.path(), &error))?;
        }
        Ok(restore)
    }

    /// Records a hold in a home that has no store yet.
    ///
    /// # Errors
    /// `file_access`, `disk_full`.
    fn hold_before_store(home: &Home, config: &Config, why: &str, now: UnixMillis) -> Result<(), Problem> {
        let failed = |error| note_problem("noting where the home is", home.path(), &error);
        std::fs::create_dir_all(home.path().join("log")).map_err(failed)?;
        let note = PlaceNote::new(home.path(), &config.restore.machine_id_file);
        let hold = Hold::new(now, why, home.chain().epoch()).holding(0);
        note.renew(Some(&hold), None).map_err(failed)
    }

    /// Creates a state without hold and note, for trials on a copy of the store.
    pub(crate) fn of_trial(&self) -> Self {
        Self {
            note: self.note.clone(),
            is_read_only: true,
            hold: Mutex::new(self.hold().clone()),
            lost: Mutex::new(self.lost()),
            vain: Mutex::default(),
            found: None,
        }
    }

    /// Returns the reason, found at this opening, why the home counts as restored.
    pub(crate) fn found_now(&self) -> Option<String> {
        self.found.clone()
    }

    fn hold(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the hold, if the site does not sign.
    pub(crate) fn held(&self) -> Option<Hold> {
        self.hold().clone()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.hold().is_some()
    }

    /// Writes a new note before something is signed, so that an earlier copy has an outdated note.
    pub(crate) fn renew(&self, home: &Path) -> Result<(), Problem> {
        if self.is_read_only {
            return Ok(());
        }
        self.write()
            .map_err(|error| note_problem("noting where the home is", home, &error))
    }

    /// Changes the hold, and stores it if anything changed.
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

    /// Records a site's statement about this site's own log.
    pub(crate) fn hear(
        &self,
        home: &Path,
        site: &SiteId,
        word: OwnLogWord,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        self.change(home, |hold| {
            hold.as_mut().is_some_and(|hold| hold.hear(site, word, now))
        })
    }

    /// Records the state of the search for bodies of the own log: ended in vain for this many bodies, still running,
    /// or interrupted because a holder of the claims is away.
    pub(crate) fn note_search(&self, search: Search, now: UnixMillis) {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        match search {
            Search::CutOff => *vain = None,
            // Another site may still have them.
            Search::GoesOn => {
                if let Some(vain) = vain.as_mut() {
                    vain.is_searching = true;
                }
            }
            Search::InVain(lacks) => {
                let since = vain.filter(|before| before.lacks == lacks);
                *vain = Some(Vain {
                    lacks,
                    since: since.map_or(now, |before| before.since),
                    is_searching: false,
                });
            }
        }
    }

    /// Returns since when every holder of the own claims was asked in vain for the bodies that are missing now;
    /// `None` while a site is being asked.
    pub(crate) fn vain_since(&self, lacks: usize) -> Option<UnixMillis> {
        let vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.filter(|vain| vain.lacks == lacks && !vain.is_searching)
            .map(|vain| vain.since)
    }

    /// Returns the claims that were restated because no site had their bodies.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the losses of the home, while the hold exists.
    pub(crate) fn note_lost(&self, home: &Path, lost: Option<Lost>) -> Result<(), Problem> {
        let Some(lost) = lost else { return Ok(()) };
        {
            let mut noted = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            *noted = Some(match noted.take() {
                Some(before) => before.and(lost),
                None => lost,
            });
        }
        self.renew(home)
    }

    /// Ends the hold; restores it if the change cannot be stored.
    pub(crate) fn end(&self, home: &Path) -> Result<bool, Problem> {
        let Some(ended) = self.hold().take() else {
            return Ok(false);
        };
        self.renew(home).inspect_err(|_| *self.hold() = Some(ended))?;
        Ok(true)
    }

    fn write(&self) -> std::io::Result<()> {
        self.note.renew(self.hold().as_ref(), self.lost().as_ref())
    }
}

fn note_problem(attempted: &str, home: &Path, error: &std::io::Error) -> Problem {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::FileAccess,
    };
    let detail = format!("{attempted} ({}/log/place): {error}", home.display());
    Problem::new(code, detail).hint("check the disk, and that this user has write access")
}
