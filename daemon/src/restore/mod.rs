//! Homes that were put back from a backup, or copied.
//!
//! A home notes where it is ([`place`]). One that is somewhere else may lack what the site signed since, so that it
//! signs nothing ([`hold`]) before it heard its peers or a bundle, and has what they hold of its log; then it goes
//! on under a new epoch ([`epoch`]). See `docs/adr/0016-restored-homes.md`.

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

pub use self::command::{RestoreWish, restore_home};
pub(crate) use self::epoch::GoesOn;
pub(crate) use self::hold::{Hold, OwnLogWord, Waits};
pub(crate) use self::lost::Lost;
use self::place::PlaceNote;
use crate::config::Config;
use crate::home::Home;

/// How the search for bodies of the own log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Every holder of the claims was asked, and none has so many of them.
    InVain(usize),
    /// Some are asked, or come.
    GoesOn,
    /// A holder of the claims is away.
    CutOff,
}

/// How a site's own log is when its home is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnLogAtOpening {
    /// Up to where it is held.
    pub(crate) held: u64,
    /// Bodies that its claims name are not here.
    pub(crate) lacks_bodies: bool,
}

/// A search for bodies of the own claims that found nobody who has them.
#[derive(Debug, Clone, Copy)]
struct Vain {
    /// How many bodies were lacking.
    lacks: usize,
    since: UnixMillis,
    /// Somebody is asked again.
    is_searching: bool,
}

/// Where a home is, and if it signs.
#[derive(Debug)]
pub(crate) struct Restore {
    note: PlaceNote,
    /// The home cannot be written: what is noted stays in memory.
    is_read_only: bool,
    hold: Mutex<Option<Hold>>,
    /// Claims that were said anew, because nobody had their bodies.
    lost: Mutex<Option<Lost>>,
    /// What every holder of the own claims was asked for in vain.
    vain: Mutex<Option<Vain>>,
    /// What showed at this opening that the home was put back.
    found: Option<String>,
}

impl Restore {
    /// Looks if the home is where it was, and notes where it is. The caller has the home's lock; `own` tells how
    /// its own log is.
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
            // Its epoch began, and nothing is left to say under it.
            .filter(|hold| own.lacks_bodies || hold.begins.is_none_or(|begins| begins > epoch));
        let moved = found.moved.filter(|_| config.restore.detect);
        if let Some(why) = &moved {
            tracing::warn!(
                why,
                "this home was put back from a backup, or copied: the site signs nothing before it heard its peers"
            );
            // Whoever was heard may have been heard by the other copy.
            hold = Some(Hold::new(found.since.unwrap_or(now), why, epoch).holding(own.held));
        }
        // An opening without news writes nothing.
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

    /// Notes a hold in a home that has no store yet.
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

    /// One that holds nothing back and notes nothing: for trials on a copy of the store.
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
        word: OwnLogWord,
        now: UnixMillis,
    ) -> Result<bool, Problem> {
        self.change(home, |hold| {
            hold.as_mut().is_some_and(|hold| hold.hear(site, word, now))
        })
    }

    /// Notes how a search for bodies of the own log goes: over, in vain, for so many of them; going on; or cut off, as a
    /// holder of the claims is away.
    pub(crate) fn note_search(&self, search: Search, now: UnixMillis) {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        match search {
            Search::CutOff => *vain = None,
            // Somebody may have them after all.
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

    /// Since when every holder of the own claims was asked in vain for as many bodies as are lacking now; `None` while
    /// somebody is asked.
    pub(crate) fn vain_since(&self, lacks: usize) -> Option<UnixMillis> {
        let vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.filter(|vain| vain.lacks == lacks && !vain.is_searching)
            .map(|vain| vain.since)
    }

    /// Returns what was said anew, because nobody had the bodies of this site's claims.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what was lost with the home, while the hold stands.
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

    /// Ends the hold; it stands again if that cannot be noted.
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
    Problem::new(code, detail).hint("check the disk, and that this user may write there")
}
