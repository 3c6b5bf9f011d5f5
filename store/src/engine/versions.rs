//! An engine whose state at a moment stays readable while it changes: readers never wait for a writer.
//!
//! A [`Version`] is the state at one moment. Until the next version is published, each commit first notes the
//! old values of its keys in the newest version. A reader of a version takes a row from the notes of its own
//! version and of later ones, in order of age, and from the engine only if none of them has it:
//!
//! ```text
//! version 1 --next--> version 2 --next--> version 3 (newest)   engine
//!   notes               notes               notes              rows now
//! ```
//!
//! A commit notes before it writes, and a reader checks the notes again after it has read from the engine, so
//! it never returns a value newer than its version. Nobody waits longer than it takes to write a note. A
//! version without readers is dropped with its notes.
//!
//! Notes take memory as long as a version is the newest one or is read. A version whose notes exceed
//! [`MAX_NOTED_BYTES`] is given up, and so are the oldest ones if several exceed it together: its readers get
//! [`EngineError::VersionGone`] and read the next version.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::batch::Batch;
use super::error::EngineError;
use super::generation::Generation;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::tree::Tree;
use super::{Before, Compaction, Direction, Engine, KeyValue, PageLimit, Visitor};

/// Bytes of notes after which a version is given up.
pub const MAX_NOTED_BYTES: usize = 96 << 20;
/// Room that the list of versions has beside those that are read.
const KEPT_ROOM: usize = 64;
/// The approximate size of a note beside its key and value.
const NOTE_OVERHEAD: usize = 96;
/// The amount that a scan of a version reads at once.
const PAGE: PageLimit = PageLimit {
    rows: 256,
    bytes: 1 << 20,
};
/// Rows of its first page: most scans are short.
const FIRST_ROWS: usize = 16;

/// The values of keys before they were changed; `None` if there was no row.
type Notes = BTreeMap<Tree, BTreeMap<Vec<u8>, Option<Vec<u8>>>>;

/// The notes of one version.
#[derive(Debug, Default)]
struct Noted {
    notes: RwLock<Notes>,
    bytes: AtomicUsize,
    given_up: AtomicBool,
    /// Set when the next version is published; taken when this one is given up.
    next: Mutex<Option<Arc<Noted>>>,
    /// Bytes of the notes of all versions.
    all_bytes: Arc<AtomicUsize>,
}

impl Drop for Noted {
    /// Frees a chain of versions one after the other: nested drops could overflow the stack.
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
        let mut next = self.take_next();
        while let Some(noted) = next.and_then(Arc::into_inner) {
            next = noted.take_next();
        }
    }
}

/// The notes' content about a key.
enum Found {
    /// The key was changed since, and had this value.
    Held(Option<Vec<u8>>),
    /// The key was not changed.
    Unchanged,
}

impl Noted {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Notes> {
        // A panic between two inserts leaves the notes whole.
        self.notes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the notes of another version of the same engine.
    fn beside(other: &Self) -> Self {
        Self {
            notes: RwLock::default(),
            bytes: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            next: Mutex::default(),
            all_bytes: Arc::clone(&other.all_bytes),
        }
    }

    fn next(&self) -> Option<Arc<Noted>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_next(&self) -> Option<Arc<Noted>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Drops all notes: readers of this version and earlier ones get an error.
    fn give_up(&self) {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        self.given_up.store(true, Ordering::SeqCst);
        let dropped = std::mem::take(&mut *notes);
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
        // Freeing a million notes takes a while, and readers wait for the lock.
        drop(notes);
        drop(dropped);
        drop(self.take_next());
    }

    fn has(&self, tree: Tree, key: &[u8]) -> bool {
        self.read()
            .get(&tree)
            .is_some_and(|notes| notes.contains_key(key))
    }

    fn note(&self, tree: Tree, key: &[u8], before: Option<Vec<u8>>) {
        let bytes = key.len() + before.as_ref().map_or(0, Vec::len) + NOTE_OVERHEAD;
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_NOTED_BYTES {
            drop(notes);
            self.give_up();
            return;
        }
        notes.entry(tree).or_default().insert(key.to_vec(), before);
    }
}

/// An engine with versions over another one without.
#[derive(Debug)]
pub struct VersionedEngine {
    below: Arc<dyn Engine>,
    /// The version in which commits write notes; locked by a commit and while a version is published.
    newest: Mutex<Arc<Noted>>,
    /// All versions that may be read, oldest first.
    published: Mutex<VecDeque<Weak<Noted>>>,
    commits: AtomicU64,
    /// True if only the writing thread reads its versions: they show the committed state, and nothing is noted.
    one_reader: bool,
}

impl VersionedEngine {
    /// Wraps an engine. Every change must go through the wrapper from then on.
    pub fn new(below: Arc<dyn Engine>) -> Self {
        Self {
            below,
            newest: Mutex::default(),
            published: Mutex::default(),
            commits: AtomicU64::new(0),
            one_reader: false,
        }
    }

    /// Wraps an engine that one thread reads and writes: its versions show the committed state.
    pub fn of_one_reader(below: Arc<dyn Engine>) -> Self {
        Self {
            one_reader: true,
            ..Self::new(below)
        }
    }

    /// Publishes the committed state as a version.
    pub fn publish(&self) -> Version {
        let mut newest = self.newest();
        let noted = Arc::new(Noted::beside(&newest));
        // Earlier versions find later changes behind their own notes.
        if !newest.given_up.load(Ordering::SeqCst) {
            *newest.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(noted.clone());
        }
        *newest = noted.clone();
        drop(newest);
        self.bound(&noted);
        Version {
            below: self.below.clone(),
            noted,
        }
    }

    /// Gives up the oldest versions while the notes before the newest version are too large together.
    fn bound(&self, newest: &Arc<Noted>) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        while newest.all_bytes.load(Ordering::Relaxed) > MAX_NOTED_BYTES
            && let Some(oldest) = published.pop_front()
        {
            if let Some(oldest) = oldest.upgrade() {
                oldest.give_up();
            }
        }
        published.push_back(Arc::downgrade(newest));
        // Versions without readers are removed at times: not always, because many may have readers.
        if published.len() >= published.capacity() {
            published.retain(|noted| noted.strong_count() > 0);
            let length = published.len();
            published.reserve(length + KEPT_ROOM);
        }
    }

    /// Returns a version without notes: it shows the committed state until the first version is published.
    pub fn unpublished(&self) -> Version {
        Version {
            below: self.below.clone(),
            noted: Arc::default(),
        }
    }

    fn newest(&self) -> MutexGuard<'_, Arc<Noted>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the old values of a batch's keys, as far as readers of versions need them.
    fn note(&self, noted: &Arc<Noted>, batch: &Batch, known: Before<'_>) -> Result<(), EngineError> {
        // One reference is the lock's own: nobody reads this version or an earlier one.
        if self.one_reader || Arc::strong_count(noted) == 1 {
            return Ok(());
        }
        for op in batch.iter() {
            if noted.given_up.load(Ordering::Relaxed) {
                return Ok(());
            }
            if is_versioned(op.tree) && !noted.has(op.tree, op.key) {
                let before = match known(op.tree, op.key) {
                    Some(before) => before,
                    None => self.below.get(op.tree, op.key)?,
                };
                noted.note(op.tree, op.key, before);
            }
        }
        Ok(())
    }
}

/// Returns true if readers of versions may ask for rows of a tree. The other trees are append-only, or describe
/// data elsewhere that does not change.
const fn is_versioned(tree: Tree) -> bool {
    !matches!(tree, Tree::Bodies | Tree::Ledger)
}

impl Engine for VersionedEngine {
    fn kind(&self) -> EngineKind {
        self.below.kind()
    }

    fn name(&self) -> &'static str {
        self.below.name()
    }

    fn path(&self) -> &Path {
        self.below.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.below.get(tree, key)
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        self.below.scan(tree, start, end, direction, visitor)
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        self.commit_knowing(batch, &|_, _| None)
    }

    fn commit_knowing(&self, batch: &Batch, before: Before<'_>) -> Result<(), EngineError> {
        // Held through the write: a version is from before the batch or after it.
        let noted = self.newest();
        self.note(&noted, batch, before)?;
        self.commits.fetch_add(1, Ordering::SeqCst);
        let committed = self.below.commit(batch);
        self.commits.fetch_add(1, Ordering::SeqCst);
        committed
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.below.checkpoint()
    }

    fn generation(&self) -> Generation {
        self.below.generation()
    }

    fn forget_files(&self) {
        self.below.forget_files();
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.below.size_on_disk()
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        self.below.compact()
    }

    fn check(&self) -> Result<CheckReport, EngineError> {
        self.below.check()
    }
}

/// The state of an engine at one moment. It cannot be written to.
#[derive(Clone, Debug)]
pub struct Version {
    below: Arc<dyn Engine>,
    noted: Arc<Noted>,
}

impl Version {
    /// Looks up a key in the notes of this version and later ones.
    fn before(&self, tree: Tree, key: &[u8]) -> Result<Found, EngineError> {
        let mut noted = self.noted.clone();
        loop {
            if let Some(before) = noted.read().get(&tree).and_then(|notes| notes.get(key)) {
                return Ok(Found::Held(before.clone()));
            }
            // After the notes, because they are emptied when the version is given up.
            if noted.given_up.load(Ordering::SeqCst) {
                return Err(EngineError::VersionGone);
            }
            match noted.next() {
                Some(next) => noted = next,
                // If it was given up in between, it has no notes.
                None if noted.given_up.load(Ordering::SeqCst) => return Err(EngineError::VersionGone),
                None => return Ok(Found::Unchanged),
            }
        }
    }

    /// Applies the notes to rows that were read, for a range that is read completely.
    fn put_back(
        &self,
        tree: Tree,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
        rows: Vec<KeyValue>,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, EngineError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        let mut settled: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        let mut noted = self.noted.clone();
        loop {
            if let Some(notes) = noted.read().get(&tree) {
                for (key, before) in notes.range::<[u8], _>((start, end)) {
                    // The oldest note belongs to this version.
                    settled.entry(key.clone()).or_insert_with(|| before.clone());
                }
            }
            if noted.given_up.load(Ordering::SeqCst) {
                return Err(EngineError::VersionGone);
            }
            match noted.next() {
                Some(next) => noted = next,
                None if noted.given_up.load(Ordering::SeqCst) => return Err(EngineError::VersionGone),
                None => break,
            }
        }
        for (key, before) in settled {
            match before {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(rows)
    }
}

/// Returns true if a range must be empty; a map's `range` panics on such a range.
fn is_empty(start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    match (start, end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
        _ => false,
    }
}

impl Engine for Version {
    fn kind(&self) -> EngineKind {
        self.below.kind()
    }

    fn name(&self) -> &'static str {
        self.below.name()
    }

    fn path(&self) -> &Path {
        self.below.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if !is_versioned(tree) {
            return self.below.get(tree, key);
        }
        if let Found::Held(before) = self.before(tree, key)? {
            return Ok(before);
        }
        let now = self.below.get(tree, key)?;
        // It may have been changed in between; then the note was there before the change.
        match self.before(tree, key)? {
            Found::Held(before) => Ok(before),
            Found::Unchanged => Ok(now),
        }
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        if !is_versioned(tree) {
            return self.below.scan(tree, start, end, direction, visitor);
        }
        let (mut start, mut end) = (start.map(<[u8]>::to_vec), end.map(<[u8]>::to_vec));
        let mut limit = PageLimit {
            rows: FIRST_ROWS,
            ..PAGE
        };
        loop {
            let (from, to) = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
            if is_empty(from, to) {
                return Ok(());
            }
            let page = self.below.page(tree, from, to, direction, limit)?;
            limit.rows = PAGE.rows.min(limit.rows * 4);
            let last = page.rows.last().map(|(key, _)| key.clone()).filter(|_| page.more);
            // The read range ends at the last row, or is the whole range.
            let (read_from, read_to) = match (&last, direction) {
                (Some(last), Direction::Forward) => (from, Bound::Included(last.as_slice())),
                (Some(last), Direction::Reverse) => (Bound::Included(last.as_slice()), to),
                (None, _) => (from, to),
            };
            let rows = self.put_back(tree, (read_from, read_to), page.rows)?;
            let mut visit = |(key, value): (&Vec<u8>, &Vec<u8>)| visitor(key, value);
            let flow = match direction {
                Direction::Forward => rows.iter().try_for_each(&mut visit),
                Direction::Reverse => rows.iter().rev().try_for_each(&mut visit),
            };
            let Some(last) = last.filter(|_| flow.is_continue()) else {
                return Ok(());
            };
            match direction {
                Direction::Forward => start = Bound::Excluded(last),
                Direction::Reverse => end = Bound::Excluded(last),
            }
        }
    }

    /// Refuses: a version is past.
    fn commit(&self, _: &Batch) -> Result<(), EngineError> {
        Err(EngineError::VersionIsPast)
    }

    /// Does nothing: a version has nothing to make durable.
    fn checkpoint(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn generation(&self) -> Generation {
        self.below.generation()
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.below.size_on_disk()
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        Ok(Compaction::NotSupported)
    }

    /// Checks the current state of the engine below.
    fn check(&self) -> Result<CheckReport, EngineError> {
        self.below.check()
    }
}

#[cfg(test)]
#[path = "versions_tests.rs"]
mod tests;
