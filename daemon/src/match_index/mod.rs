//! The match index of a site: made from the view, kept in a file, found again cold.
//!
//! Two files. `match.idx` in the site's folder is the index ([`starling_scanner::index`]); its stamp says which
//! knowledge it was made from, so one that is behind is seen to be, and one that is missing or damaged is made
//! anew. `scan.ready` beside it ([`ready`]) lets a scan use the index without opening the store: it names the
//! position in the log up to which the index is complete, and applies only if the log ends there.
//!
//! The view stays the truth: what an index lacks of it, scans read from the view ([`patched`]).

mod build;
mod file;
mod patched;
mod ready;

use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_scanner::index::{IndexStamp, MatchIndex};
use starling_store::ViewReader;

pub(crate) use build::build;
pub(crate) use file::FileBytes;
pub(crate) use patched::{Patched, base};
pub(crate) use ready::{Ready, ReadyState};

/// An index that is open.
pub(crate) type SiteIndex = MatchIndex<FileBytes>;

/// The index's file in the site's folder.
const INDEX_FILE: &str = "match.idx";

/// How the name of an index begins and ends that is being written, in the site's folder.
pub(crate) const UNFINISHED_PREFIX: &str = ".match.";
pub(crate) const UNFINISHED_SUFFIX: &str = ".new";

/// How much of an index is held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Its directory only: for one scan.
    Directory,
    /// The screens too: for many.
    Screens,
}

/// The indexes of one site over time: the newest, and where the next one goes.
#[derive(Debug)]
pub(crate) struct Indexes {
    /// None where nothing is kept.
    path: Option<PathBuf>,
    ready: Ready,
    hold: Hold,
    newest: Mutex<Newest>,
    /// One is being made.
    building: AtomicBool,
    /// No more are to be made: the site is stopping.
    given_up: AtomicBool,
}

/// The newest index that was opened.
#[derive(Debug, Default)]
struct Newest {
    index: Option<Arc<SiteIndex>>,
    /// The file that was looked at last, of whatever knowledge it is.
    seen: Option<FileId>,
}

/// What tells a file from the one that comes in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: found.ino(),
            length: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Indexes {
    /// Those of the site in `home`.
    pub(crate) fn new(home: &Path, hold: Hold) -> Self {
        Self {
            path: Some(home.join(INDEX_FILE)),
            ready: Ready::in_home(home),
            hold,
            newest: Mutex::default(),
            building: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// None, of a site that is only tried out: nothing is found, made or marked.
    pub(crate) fn nowhere() -> Self {
        Self {
            path: None,
            ready: Ready::nowhere(),
            hold: Hold::Directory,
            newest: Mutex::default(),
            building: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// The mark of where in the log the index is complete.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The index made from what `stamp` says, if there is one.
    pub(crate) fn find(&self, stamp: &IndexStamp) -> Option<Arc<SiteIndex>> {
        let path = self.path.as_deref()?;
        let there = FileId::of(path);
        let fits = |index: &Arc<SiteIndex>| index.stamp() == stamp;
        {
            let newest = self.newest();
            let found = newest.index.clone().filter(fits);
            if found.is_some() || there.is_none() || newest.seen == there {
                return found;
            }
        }
        // Read and checked while nobody waits. One that cannot be used is as good as none: it is derived, and
        // will be made again.
        let opened = file::open(path, self.hold).ok().map(Arc::new);
        let mut newest = self.newest();
        newest.seen = there;
        newest.index = opened.or(newest.index.take());
        newest.index.clone().filter(fits)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index that is there, of whatever knowledge.
    pub(crate) fn open_newest(&self) -> Option<SiteIndex> {
        file::open(self.path.as_deref()?, self.hold).ok()
    }

    /// Ends the making of an index soon, and makes no other.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Forgets and removes an index that proved damaged.
    pub(crate) fn discard(&self) {
        *self.newest() = Newest::default();
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Makes the index of what `view` gives to read, unless it is there or another thread is at it. Gives the
    /// stamp of the index that is there now.
    ///
    /// # Errors
    /// When the view or the file fails. What was there stays.
    pub(crate) fn refresh(
        &self,
        site: &crate::service::SiteParts,
    ) -> Result<Option<IndexStamp>, build::BuildError> {
        if self.building.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        let _building = Building(&self.building);
        self.refresh_alone(site)
    }

    fn refresh_alone(
        &self,
        site: &crate::service::SiteParts,
    ) -> Result<Option<IndexStamp>, build::BuildError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let stamp = stamp_of(&site.store.view()?);
        if self.find(&stamp).is_some() {
            return Ok(Some(stamp));
        }
        build(&site.store, path, self.threads(), &self.given_up)
    }

    /// How many threads make an index: all processors where nothing else is done, half of them in a daemon, whose
    /// scans go on meanwhile.
    fn threads(&self) -> NonZeroUsize {
        let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        match self.hold {
            Hold::Directory => all,
            Hold::Screens => NonZeroUsize::new(all.get() / 2).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Says that an index is being made for as long as it lives, through a panic too.
struct Building<'a>(&'a AtomicBool);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// What an index of this view is stamped with: the knowledge, and how it is made of it.
pub(crate) fn stamp_of(reader: &ViewReader<'_>) -> IndexStamp {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v2 match index");
    // Shared documents are no part of it: a new mute leaves the index as it is.
    hasher.update(reader.records_root().as_bytes());
    hasher.update(&how_of(reader));
    *hasher.finalize().as_bytes()
}

/// How an index is made, whatever the knowledge: how advisories fold, and the program that folds them.
fn how_of(reader: &ViewReader<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v2 making of a match index");
    // A rebuilt engine may have been rebuilt because it was damaged: what was made from the one before is not
    // carried on.
    hasher.update(&reader.generation());
    hasher.update(&reader.settings().mark());
    hasher.update(reader.settings().rules_hash().as_bytes());
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nowhere_there_is_nothing_to_find_and_nothing_to_mark() {
        let indexes = Indexes::nowhere();
        assert!(indexes.find(&[0; 32]).is_none());
        indexes.discard();
        assert!(indexes.ready().read().is_none());
    }

    #[test]
    fn what_is_no_index_is_as_good_as_none_and_can_be_discarded() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(INDEX_FILE), b"not an index").unwrap();
        let indexes = Indexes::new(home.path(), Hold::Screens);
        assert!(indexes.find(&[0; 32]).is_none());
        indexes.discard();
        assert!(!home.path().join(INDEX_FILE).exists());
    }
}
