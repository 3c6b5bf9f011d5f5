//! A site's match index: built from the view, stored in a file, and usable without the store.
//!
//! There are two files. `match.idx` in the site's folder is the index ([`starling_scanner::index`]). Its stamp names
//! the knowledge from which it was built, so that an outdated index is detected; a missing or damaged one is rebuilt.
//! `scan.ready` beside it ([`ready`]) lets a scan use the index without the store: it contains the position in the
//! log up to which the index is complete, and applies only if the log ends there.
//!
//! The view stays the truth: scans read from the view what the index does not have ([`patched`]).

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

/// Prefix and suffix of the name of an unfinished index in the site's folder.
pub(crate) const UNFINISHED_PREFIX: &str = ".match.";
pub(crate) const UNFINISHED_SUFFIX: &str = ".new";

/// How much of an index is held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Only its directory: for a single scan.
    Directory,
    /// Its screens too: for many scans.
    Screens,
}

/// The indexes of one site: the newest one, and the place of the next one.
#[derive(Debug)]
pub(crate) struct Indexes {
    /// `None` if no index is stored.
    path: Option<PathBuf>,
    ready: Ready,
    hold: Hold,
    newest: Mutex<Newest>,
    /// True while one is being built.
    building: AtomicBool,
    /// True if no more are built, because the site is stopping.
    given_up: AtomicBool,
}

/// The newest index that was opened.
#[derive(Debug, Default)]
struct Newest {
    index: Option<Arc<SiteIndex>>,
    /// The last examined file, whatever knowledge it has.
    seen: Option<FileId>,
}

/// The properties that distinguish a file from its successor.
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
    /// Creates the indexes of the site in `home`.
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

    /// Creates indexes for a trial site: nothing is read, built or marked.
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

    /// Returns the marker of the position in the log up to which the index is complete.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Returns the index with this `stamp`, if there is one.
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
        // Read and checked while nobody waits. An unusable index counts as missing: it is derived and will be rebuilt.
        let opened = file::open(path, self.hold).ok().map(Arc::new);
        let mut newest = self.newest();
        newest.seen = there;
        newest.index = opened.or(newest.index.take());
        newest.index.clone().filter(fits)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the existing index, whatever knowledge it has.
    pub(crate) fn open_newest(&self) -> Option<SiteIndex> {
        file::open(self.path.as_deref()?, self.hold).ok()
    }

    /// Stops building soon, and builds no further index.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Forgets and removes a damaged index.
    pub(crate) fn discard(&self) {
        *self.newest() = Newest::default();
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Builds the index of `view`, unless it exists or another thread is building it. Returns the stamp of the index
    /// that exists afterwards.
    ///
    /// # Errors
    /// If the view or the file fails. The existing index then stays.
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
        let stamp = stamp_of(&site.data.store.view()?);
        if self.find(&stamp).is_some() {
            return Ok(Some(stamp));
        }
        build(&site.data.store, path, self.threads(), &self.given_up)
    }

    /// Returns the number of threads for building: all processors for a command, half of them for a daemon, whose scans
    /// continue meanwhile.
    fn threads(&self) -> NonZeroUsize {
        let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        match self.hold {
            Hold::Directory => all,
            Hold::Screens => NonZeroUsize::new(all.get() / 2).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Marks that an index is being built while this value exists, even through a panic.
struct Building<'a>(&'a AtomicBool);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Returns the stamp for an index of this view: the knowledge, and the way of building.
pub(crate) fn stamp_of(reader: &ViewReader<'_>) -> IndexStamp {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v2 match index");
    // Shared documents are not included: a new mute does not change the index.
    hasher.update(reader.records_root().as_bytes());
    hasher.update(&how_of(reader));
    *hasher.finalize().as_bytes()
}

/// Returns a hash of the way of building, without the knowledge: how advisories fold, and the program.
fn how_of(reader: &ViewReader<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-12 v4 making of a match index");
    // An engine may have been rebuilt because it was damaged: nothing that was built from the earlier one is used.
    hasher.update(&reader.generation());
    hasher.update(&reader.settings().mark());
    hasher.update(&reader.settings().rows_fingerprint());
    hasher.update(reader.settings().rules_hash().as_bytes());
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_site_has_no_index_and_no_marker() {
        let indexes = Indexes::nowhere();
        assert!(indexes.find(&[0; 32]).is_none());
        indexes.discard();
        assert!(indexes.ready().read().is_none());
    }

    #[test]
    fn invalid_index_counts_as_missing() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(INDEX_FILE), b"not an index").unwrap();
        let indexes = Indexes::new(home.path(), Hold::Screens);
        assert!(indexes.find(&[0; 32]).is_none());
        indexes.discard();
        assert!(!home.path().join(INDEX_FILE).exists());
    }
}
