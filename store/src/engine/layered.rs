//! The layer shared by all engines: trees, large values, limits, and stopping after a failure.
//!
//! Stored form, frozen as layout 2. A stored key is the tree's number and the key. A stored value ends in a
//! checksum and one byte that gives its form (`row.rs`):
//!
//! ```text
//! tree key                         -> value crc32 0x00                                    inline
//! tree key                         -> length:u64 piece:u32 blake3:[32] crc32 0x01         split
//! 0xFF tree len(key):u16 key i:u32 -> the i-th piece of the value                         piece
//! 0x00 "layout"                    -> layout number:u32                                   once a store
//! 0x00 "generation"                -> generation:[8] crc32 0x00                           once a store
//! ```
//!
//! Numbers inside keys are big-endian, so that they sort; those inside values little-endian. A value is split
//! if its row would exceed the size that the library below handles well ([`Kv::MAX_ROW_BYTES`]). The pieces are
//! written and removed in the same atomic write as the row that names them, and its hash covers them. Layout 1
//! is the same without checksums and generation; it is read and not written.
//!
//! A failed write leaves an unknown state in the library's memory, so it stops the engine: every later call
//! returns that error until the store is opened again. A refusal before the write (limits, no room) does not
//! stop it.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::batch::{Batch, Row};
use super::error::{Attempt, EngineError, Failure, Limited, StopCause};
use super::generation::Generation;
use super::kv::Kv;
use super::markers::MarkerFiles;
use super::options::{ByteCount, EngineKind};
use super::report::{CheckReport, Inspector};
use super::row::{self, Layout, Opened};
use super::settle::{NewGeneration, Opening};
use super::split::{Head, LargeRows, piece_key, piece_range};
use super::tree::Tree;
use super::{Compaction, Direction, Engine, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Visitor};

/// Bytes of batches after which a commit makes a checkpoint: a bound on what a library keeps in memory, or in
/// its file beside the committed pages.
const CHECKPOINT_BYTES: usize = 32 << 20;

/// An engine made of a key-value library and the shared layer.
#[derive(Debug)]
pub(super) struct Layered<K: Kv> {
    pub(super) kv: K,
    /// One writer at a time. Also taken to repeat a read during which a commit changed the rows.
    writer: Mutex<()>,
    /// For each tree number, true if the tree may hold split values. Saves most writes a search for old pieces.
    may_split: [AtomicBool; 256],
    stopped: OnceLock<(StopCause, String)>,
    /// Set once when it is known, then unchanged.
    pub(super) settled: OnceLock<(Layout, Generation)>,
    /// Bytes of batches since the last checkpoint; changed by the writer only.
    unsynced: AtomicUsize,
    /// Marker files that record how the files were left, for a library that cannot tell.
    markers: Option<MarkerFiles>,
    /// The markers are those of another engine now.
    files_forgotten: AtomicBool,
}

/// The reason why a split value could not be joined.
enum Broken {
    Failed(Failure),
    /// Pieces and row do not match: damage, or a commit between the reads.
    Mismatch(String),
}

impl<K: Kv> Layered<K> {
    /// Checks or writes the layout number, and finds the trees that hold split values.
    pub(super) fn new(
        kv: K,
        markers: Option<MarkerFiles>,
        opening: Opening,
        generation: &NewGeneration<'_>,
    ) -> Result<Self, EngineError> {
        let engine = Self::assemble(kv, markers);
        engine.settle(opening, generation)?;
        Ok(engine)
    }

    /// Assembles the parts; [`settle`](Self::settle) must follow before use (`settle.rs`).
    pub(super) fn assemble(kv: K, markers: Option<MarkerFiles>) -> Self {
        Self {
            kv,
            writer: Mutex::new(()),
            may_split: [const { AtomicBool::new(false) }; 256],
            stopped: OnceLock::new(),
            settled: OnceLock::new(),
            unsynced: AtomicUsize::new(0),
            markers,
            files_forgotten: AtomicBool::new(false),
        }
    }

    fn layout(&self) -> Layout {
        self.settled.get().map_or(Layout::Checked, |(layout, _)| *layout)
    }

    /// Makes every later call fail with this failure as its reason. The first reason stays, because later ones follow from it.
    pub(super) fn stop(&self, failure: &Failure) {
        let _ = self.stopped.set((failure.stop_cause(), failure.to_string()));
    }

    pub(super) fn split_flag(&self, tree: Tree) -> &AtomicBool {
        &self.may_split[usize::from(tree.number())]
    }

    /// Fails if the engine stopped earlier.
    fn ensure_running(&self, attempted: Attempt) -> Result<(), EngineError> {
        match self.stopped.get() {
            None => Ok(()),
            Some((cause, reason)) => Err(EngineError::Stopped {
                attempted,
                cause: *cause,
                reason: reason.clone(),
            }),
        }
    }

    /// Adds the operation to a failure, and stops the engine if its state is unknown.
    fn failed(&self, failure: Failure, attempted: Attempt, writing: bool) -> EngineError {
        let stops = match &failure {
            Failure::NoRoom { .. } => false,
            Failure::Panicked(_) | Failure::Stopped(_) => true,
            // Even from a read: then an earlier write has failed unnoticed inside the library.
            Failure::NoSpace(_) => true,
            Failure::Io(_) | Failure::Busy | Failure::Corrupt(_) => writing,
        };
        if stops {
            self.stop(&failure);
        }
        if matches!(failure, Failure::Corrupt(_) | Failure::Panicked(_)) {
            super::markers::note_doubt(self.kv.path(), &failure.to_string());
        }
        failure.into_error(attempted, self.kv.path())
    }

    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        // The mutex guards no data, and a panic while writing has already stopped the engine.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch) -> Result<(), EngineError> {
        let attempted = Attempt::Commit {
            rows: batch.len(),
            bytes: batch.byte_len(),
        };
        self.ensure_running(attempted)?;
        if self.layout() != Layout::Checked {
            return Err(EngineError::ReadOnly {
                path: self.kv.path().to_path_buf(),
                found: self.layout().number(),
            });
        }
        let rows = batch.rows();
        check_limits(batch, &rows)?;
        let writing = self.lock_writer();
        // Checked again, because the previous writer may have stopped the engine.
        self.ensure_running(attempted)?;
        let mut large = LargeRows::default();
        for row in &rows {
            self.plan_large(row, &mut large)
                .map_err(|failure| self.failed(failure, attempted, false))?;
        }
        let ops = large.merge(&rows);
        self.ensure_room(batch.byte_len(), attempted)?;
        // If this fails, no part of the batch is written, so the engine can continue.
        self.begin()
            .map_err(|failure| failure.into_error(attempted, self.kv.path()))?;
        for tree in &large.split_trees {
            self.split_flag(*tree).store(true, Ordering::Release);
        }
        self.kv
            .commit(&ops)
            .map_err(|failure| self.failed(failure, attempted, true))?;
        let unsynced = self.unsynced.fetch_add(batch.byte_len(), Ordering::Relaxed) + batch.byte_len();
        if unsynced >= CHECKPOINT_BYTES {
            self.sync()
                .map_err(|failure| self.failed(failure, attempted, true))?;
        }
        drop(writing);
        Ok(())
    }

    /// Refuses a batch for which the disk has no room, including commits that are not written yet.
    fn ensure_room(&self, bytes: usize, attempted: Attempt) -> Result<(), EngineError> {
        let unsynced = self.unsynced.load(Ordering::Relaxed);
        let mut outcome = self.kv.check_room(unsynced + bytes);
        if unsynced > 0 && matches!(outcome, Err(Failure::NoRoom { .. })) {
            self.sync()
                .map_err(|failure| self.failed(failure, attempted, true))?;
            // Bytes that are already on disk do not count again.
            outcome = self.kv.check_room(bytes);
        }
        outcome.map_err(|failure| self.failed(failure, attempted, false))
    }

    /// Records on disk that a commit follows.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        match &self.markers {
            Some(markers) => markers.begin().map_err(Failure::from_io),
            None => Ok(()),
        }
    }

    /// Makes all commits durable; the caller holds the writer's lock.
    fn sync(&self) -> Result<(), Failure> {
        self.kv.checkpoint()?;
        self.unsynced.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Plans the pieces to remove and to write for one row.
    fn plan_large(&self, row: &Row<'_>, large: &mut LargeRows) -> Result<(), Failure> {
        if self.split_flag(row.tree).load(Ordering::Acquire) {
            let (start, end) = piece_range(row.key);
            let range = (Bound::Included(start.as_slice()), Bound::Included(end.as_slice()));
            self.kv.scan(range, Direction::Forward, &mut |key, _| {
                large.remove_piece(key);
                ControlFlow::Continue(())
            })?;
        }
        large.split(row, K::MAX_ROW_BYTES);
        Ok(())
    }

    /// Assembles a split value, or returns the mismatch.
    fn join(&self, key: &[u8], head: Head) -> Result<Vec<u8>, Broken> {
        let mut value = Vec::with_capacity(head.length);
        for index in 0..head.pieces() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            match self.kv.get(&piece_key(key, index)).map_err(Broken::Failed)? {
                Some(bytes) if bytes.len() == head.piece.min(head.length - value.len()) => {
                    value.extend_from_slice(&bytes);
                }
                Some(bytes) => {
                    return Err(Broken::Mismatch(format!(
                        "piece {index} of a value has {} bytes",
                        bytes.len()
                    )));
                }
                None => return Err(Broken::Mismatch(format!("piece {index} of a value is missing"))),
            }
        }
        if *blake3::hash(&value).as_bytes() != head.hash {
            return Err(Broken::Mismatch(
                "a split value does not have its hash".to_owned(),
            ));
        }
        Ok(value)
    }

    /// Reads the value of a stored row that was just found.
    fn open_row(&self, key: &[u8], mut row: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        match self.layout().open(key, &row).map_err(Failure::Corrupt)? {
            Opened::Inline(value) => {
                let length = value.len();
                row.truncate(length);
                Ok(Some(row))
            }
            Opened::Split(body) => self.open_split(key, body),
        }
    }

    fn open_split(&self, key: &[u8], body: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let corrupt = |found: String| Failure::Corrupt(format!("{}: {found}", row::name(key)));
        match self.join(key, Head::decode(body).map_err(corrupt)?) {
            Ok(value) => return Ok(Some(value)),
            Err(Broken::Failed(failure)) => return Err(failure),
            Err(Broken::Mismatch(_)) => {}
        }
        // A commit may have replaced the value between the reads. No commit runs while we hold the writer's
        // lock, so a mismatch is now damage.
        let _writing = self.lock_writer();
        let Some(row) = self.kv.get(key)? else {
            return Ok(None);
        };
        let body = match self.layout().open(key, &row).map_err(Failure::Corrupt)? {
            Opened::Inline(value) => return Ok(Some(value.to_vec())),
            Opened::Split(body) => body,
        };
        match self.join(key, Head::decode(body).map_err(corrupt)?) {
            Ok(value) => Ok(Some(value)),
            Err(Broken::Failed(failure)) => Err(failure),
            Err(Broken::Mismatch(found)) => Err(corrupt(found)),
        }
    }
}

/// Records on disk that the store is closed in order.
impl<K: Kv> Drop for Layered<K> {
    fn drop(&mut self) {
        let Some(markers) = &self.markers else { return };
        if self.stopped.get().is_some() || self.settled.get().is_none() || *self.files_forgotten.get_mut() {
            return;
        }
        let closed = match self.kv.checkpoint() {
            Ok(()) => markers.end().map_err(Failure::from_io),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = closed {
            tracing::warn!(%failure, folder = %self.kv.path().display(), "the store could not be closed in order");
        }
    }
}

fn check_limits(batch: &Batch, rows: &[Row<'_>]) -> Result<(), EngineError> {
    if batch.byte_len() > MAX_BATCH_BYTES {
        let found = batch.byte_len();
        return Err(EngineError::TooLarge {
            what: Limited::Batch,
            found,
            limit: MAX_BATCH_BYTES,
        });
    }
    for row in rows {
        let found = row.key.len() - 1;
        if found > MAX_KEY_BYTES {
            return Err(EngineError::TooLarge {
                what: Limited::Key(row.tree),
                found,
                limit: MAX_KEY_BYTES,
            });
        }
        let found = row.value.map_or(0, |sealed| row::body_of(sealed).len());
        if found > MAX_VALUE_BYTES {
            return Err(EngineError::TooLarge {
                what: Limited::Value(row.tree),
                found,
                limit: MAX_VALUE_BYTES,
            });
        }
    }
    Ok(())
}

/// Bounds of stored keys.
type StoredRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Returns the stored bounds of a range in a tree, or `None` if the range is empty.
fn stored_range(tree: Tree, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Option<StoredRange> {
    let stored = |key: &[u8]| [&[tree.number()], key].concat();
    let from = match start {
        Bound::Unbounded => Bound::Included(stored(b"")),
        Bound::Included(key) => Bound::Included(stored(key)),
        Bound::Excluded(key) => Bound::Excluded(stored(key)),
    };
    let to = match end {
        Bound::Unbounded => Bound::Excluded(vec![tree.number() + 1]),
        Bound::Included(key) => Bound::Included(stored(key)),
        Bound::Excluded(key) => Bound::Excluded(stored(key)),
    };
    let holds_something = match (&from, &to) {
        (Bound::Included(a), Bound::Included(b)) => a <= b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a < b,
        _ => true,
    };
    holds_something.then_some((from, to))
}

impl<K: Kv> Engine for Layered<K> {
    fn kind(&self) -> EngineKind {
        K::KIND
    }

    fn path(&self) -> &Path {
        self.kv.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let attempted = Attempt::Get(tree);
        self.ensure_running(attempted)?;
        let stored = [&[tree.number()], key].concat();
        let value = match self.kv.get(&stored) {
            Ok(Some(row)) => self.open_row(&stored, row),
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        value.map_err(|failure| self.failed(failure, attempted, false))
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let attempted = Attempt::Scan(tree);
        self.ensure_running(attempted)?;
        let Some((from, to)) = stored_range(tree, start, end) else {
            return Ok(());
        };
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let (layout, mut inside) = (self.layout(), Ok(()));
        let outcome = self.kv.scan(range, direction, &mut |stored, row| {
            let key = stored.get(1..).unwrap_or_default();
            let opened = match layout.open(stored, row) {
                Ok(Opened::Inline(value)) => return visitor(key, value),
                Ok(Opened::Split(body)) => self.open_split(stored, body),
                Err(found) => Err(Failure::Corrupt(found)),
            };
            match opened {
                Ok(Some(value)) => visitor(key, &value),
                // A commit removed it since the row was read.
                Ok(None) => ControlFlow::Continue(()),
                Err(failure) => {
                    inside = Err(failure);
                    ControlFlow::Break(())
                }
            }
        });
        outcome
            .and(inside)
            .map_err(|failure| self.failed(failure, attempted, false))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        self.write(batch)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        let attempted = Attempt::Checkpoint;
        self.ensure_running(attempted)?;
        if self.layout() != Layout::Checked {
            // Nothing was committed.
            return Ok(());
        }
        let _writing = self.lock_writer();
        // Checked again, because the previous writer may have stopped the engine.
        self.ensure_running(attempted)?;
        self.sync()
            .map_err(|failure| self.failed(failure, attempted, true))
    }

    fn generation(&self) -> Generation {
        self.settled
            .get()
            .map_or_else(Generation::default, |(_, generation)| *generation)
    }

    fn forget_files(&self) {
        self.files_forgotten.store(true, Ordering::Release);
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.ensure_running(Attempt::Measure)?;
        self.kv
            .size_on_disk()
            .map_err(|failure| self.failed(failure, Attempt::Measure, false))
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        self.ensure_running(Attempt::Compact)?;
        let _writing = self.lock_writer();
        self.kv
            .compact()
            .map_err(|failure| self.failed(failure, Attempt::Compact, true))
    }

    fn check(&self) -> Result<CheckReport, EngineError> {
        let fail = |failure| self.failed(failure, Attempt::Check, false);
        self.ensure_running(Attempt::Check)?;
        // Nothing may change while rows and pieces are compared.
        let _writing = self.lock_writer();
        let mut inspector = Inspector::new(self.layout());
        self.kv
            .scan(
                (Bound::Unbounded, Bound::Unbounded),
                Direction::Forward,
                &mut |key, row| {
                    inspector.row(key, row, &mut |head| match self.join(key, head) {
                        Ok(value) => Ok(value.len()),
                        Err(Broken::Failed(failure)) => Err(failure.to_string()),
                        Err(Broken::Mismatch(found)) => Err(found),
                    });
                    ControlFlow::Continue(())
                },
            )
            .map_err(fail)?;
        match self.kv.check() {
            Ok(()) => {}
            Err(Failure::Corrupt(found)) => inspector.problem(format!("the engine's own check: {found}")),
            Err(failure) => return Err(fail(failure)),
        }
        let report = inspector.finish();
        if let Some(problem) = report.problems.first() {
            super::markers::note_doubt(self.kv.path(), problem);
        }
        Ok(report)
    }
}
