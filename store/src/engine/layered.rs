//! The layer shared by all engines: trees, large values, limits, and stopping after a failure.
//!
//! Stored form, frozen as layout 1. A stored key is the tree's number and the key; a stored value
//! ends in one byte that says how to read it:
//!
//! ```text
//! tree key                         -> value 0x00                                    inline
//! tree key                         -> length:u64 piece:u32 blake3:[32] 0x01         split
//! 0xFF tree len(key):u16 key i:u32 -> the i-th piece of the value                   piece
//! 0x00 "layout"                    -> layout number:u32                             once a store
//! ```
//!
//! Numbers inside keys are big-endian, so that they sort; those inside values little-endian. A
//! value is split when its row would exceed what the library below holds well
//! ([`Kv::MAX_ROW_BYTES`]); the pieces are written and removed in the same atomic write as the row
//! that names them. The mark is the last byte, not the first, so that reading takes it off without
//! moving the value.
//!
//! A write that fails leaves an unknown state in the library's memory, so it stops the engine:
//! every later call says so until the store is opened again. A refusal before the write (limits, no
//! room) does not.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::batch::{Batch, INLINE, Row};
use super::error::{Attempt, EngineError, Failure, Limited};
use super::kv::{Kv, KvOp};
use super::lock::FolderLock;
use super::options::{ByteCount, EngineKind};
use super::report::{CheckReport, Inspector};
use super::split::{Head, LargeRows, PIECES, SPLIT, piece_key, piece_range};
use super::tree::Tree;
use super::{Compaction, Direction, Engine, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Visitor};

/// The layout that this build writes.
const LAYOUT: u32 = 1;
const LAYOUT_KEY: &[u8] = b"\0layout";
/// An engine made of a key-value library and the shared layer.
#[derive(Debug)]
pub(super) struct Layered<K> {
    pub(super) kv: K,
    /// One writer at a time; also taken to read again what a commit changed in the middle of a read.
    writer: Mutex<()>,
    /// By tree number: may the tree hold split values? Spares most writes a look for old pieces.
    may_split: [AtomicBool; 256],
    stopped: OnceLock<String>,
    /// Last, so that it is dropped after the library has closed its files.
    _lock: Option<FolderLock>,
}

/// Why a split value could not be put together.
enum Broken {
    Failed(Failure),
    /// Pieces and row do not belong together: damage, or a commit between the reads.
    Mismatch(String),
}

impl<K: Kv> Layered<K> {
    /// Checks or writes the layout number, and finds the trees that hold split values.
    pub(super) fn new(kv: K, lock: Option<FolderLock>) -> Result<Self, EngineError> {
        let engine = Self::assemble(kv, lock);
        engine.settle()?;
        Ok(engine)
    }

    /// Puts the parts together; [`settle`](Self::settle) must follow before use.
    pub(super) fn assemble(kv: K, lock: Option<FolderLock>) -> Self {
        Self {
            kv,
            writer: Mutex::new(()),
            may_split: [const { AtomicBool::new(false) }; 256],
            stopped: OnceLock::new(),
            _lock: lock,
        }
    }

    pub(super) fn settle(&self) -> Result<(), EngineError> {
        self.settle_layout()?;
        self.find_split_trees()
    }

    /// Makes every later call fail with this reason. The first reason stays: later ones follow from it.
    pub(super) fn stop(&self, reason: String) {
        let _ = self.stopped.set(reason);
    }

    fn settle_layout(&self) -> Result<(), EngineError> {
        let fail = |failure: Failure| failure.into_error(Attempt::Open, self.kv.path());
        let corrupt = |found: &str| fail(Failure::Corrupt(found.to_owned()));
        match self.kv.get(LAYOUT_KEY).map_err(fail)? {
            Some(bytes) => {
                let bytes = bytes
                    .try_into()
                    .map_err(|_| corrupt("the layout number is not 4 bytes"))?;
                match u32::from_le_bytes(bytes) {
                    LAYOUT => Ok(()),
                    0 => Err(corrupt("the layout number is 0")),
                    found => Err(EngineError::Newer {
                        path: self.kv.path().to_path_buf(),
                        found,
                        known: LAYOUT,
                    }),
                }
            }
            None => {
                let mut empty = true;
                self.kv
                    .scan(
                        (Bound::Unbounded, Bound::Unbounded),
                        Direction::Forward,
                        &mut |_, _| {
                            empty = false;
                            ControlFlow::Break(())
                        },
                    )
                    .map_err(fail)?;
                if !empty {
                    return Err(corrupt("it holds rows and no layout number"));
                }
                let value = LAYOUT.to_le_bytes();
                self.kv
                    .commit(&[KvOp {
                        key: LAYOUT_KEY,
                        value: Some(&value),
                    }])
                    .map_err(fail)
            }
        }
    }

    fn find_split_trees(&self) -> Result<(), EngineError> {
        for tree in Tree::ALL {
            let start = [PIECES, tree.number()];
            let end = [PIECES, tree.number() + 1];
            let flag = self.split_flag(*tree);
            self.kv
                .scan(
                    (Bound::Included(&start), Bound::Excluded(&end)),
                    Direction::Forward,
                    &mut |_, _| {
                        flag.store(true, Ordering::Release);
                        ControlFlow::Break(())
                    },
                )
                .map_err(|failure| failure.into_error(Attempt::Open, self.kv.path()))?;
        }
        Ok(())
    }

    fn split_flag(&self, tree: Tree) -> &AtomicBool {
        &self.may_split[usize::from(tree.number())]
    }

    /// Fails if the engine stopped earlier.
    fn ensure_running(&self, attempted: Attempt) -> Result<(), EngineError> {
        match self.stopped.get() {
            None => Ok(()),
            Some(reason) => Err(EngineError::Stopped {
                attempted,
                reason: reason.clone(),
            }),
        }
    }

    /// Adds what was attempted to a failure, and stops the engine where its state is unknown.
    fn failed(&self, failure: Failure, attempted: Attempt, writing: bool) -> EngineError {
        let stops = match &failure {
            Failure::NoRoom { .. } => false,
            Failure::Panicked(_) | Failure::Stopped(_) => true,
            // Even from a read: then an earlier write has failed behind the library's back.
            Failure::NoSpace(_) => true,
            Failure::Io(_) | Failure::Corrupt(_) => writing,
        };
        if stops {
            self.stop(failure.to_string());
        }
        failure.into_error(attempted, self.kv.path())
    }

    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        // The mutex guards no data, and a panic while writing has stopped the engine already.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(
        &self,
        batch: &Batch,
        attempted: Attempt,
        write: impl FnOnce(&K, &[KvOp<'_>]) -> Result<(), Failure>,
    ) -> Result<(), EngineError> {
        self.ensure_running(attempted)?;
        let rows = batch.rows();
        check_limits(batch, &rows)?;
        let writing = self.lock_writer();
        // Again, as the writer before may have stopped the engine.
        self.ensure_running(attempted)?;
        let mut large = LargeRows::default();
        for row in &rows {
            self.plan_large(row, &mut large)
                .map_err(|failure| self.failed(failure, attempted, false))?;
        }
        let ops = large.merge(&rows);
        self.kv
            .check_room(batch.byte_len())
            .map_err(|failure| self.failed(failure, attempted, false))?;
        for tree in &large.split_trees {
            self.split_flag(*tree).store(true, Ordering::Release);
        }
        write(&self.kv, &ops).map_err(|failure| self.failed(failure, attempted, true))?;
        drop(writing);
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

    /// Puts a split value together, or says what does not fit.
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

    /// Reads the value of a stored row that was just found, mark included.
    fn open_row(&self, key: &[u8], mut row: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        match row.last() {
            Some(&INLINE) => {
                row.pop();
                Ok(Some(row))
            }
            Some(&SPLIT) => self.open_split(key, &row),
            other => Err(Failure::Corrupt(format!(
                "a row ends in {other:?} instead of a mark"
            ))),
        }
    }

    fn open_split(&self, key: &[u8], row: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match self.join(key, Head::decode(row).map_err(Failure::Corrupt)?) {
            Ok(value) => return Ok(Some(value)),
            Err(Broken::Failed(failure)) => return Err(failure),
            Err(Broken::Mismatch(_)) => {}
        }
        // A commit may have replaced the value between the reads. No commit runs while we hold the
        // writer's lock, so what does not fit now is damage.
        let _writing = self.lock_writer();
        let Some(mut row) = self.kv.get(key)? else {
            return Ok(None);
        };
        if row.last() == Some(&INLINE) {
            row.pop();
            return Ok(Some(row));
        }
        match self.join(key, Head::decode(&row).map_err(Failure::Corrupt)?) {
            Ok(value) => Ok(Some(value)),
            Err(Broken::Failed(failure)) => Err(failure),
            Err(Broken::Mismatch(found)) => Err(Failure::Corrupt(found)),
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
        let found = row.value.map_or(0, |marked| marked.len() - 1);
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

/// Returns the stored bounds of a range in a tree, or `None` if nothing can lie in it.
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
        let mut inside = Ok(());
        let outcome = self.kv.scan(range, direction, &mut |stored, row| {
            let key = stored.get(1..).unwrap_or_default();
            if let [value @ .., INLINE] = row {
                return visitor(key, value);
            }
            match self.open_row(stored, row.to_vec()) {
                Ok(Some(value)) => visitor(key, &value),
                // Removed by a commit since the row was read.
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
        let attempted = Attempt::Commit {
            rows: batch.len(),
            bytes: batch.byte_len(),
        };
        // An empty batch still makes earlier content durable.
        self.write(batch, attempted, K::commit)
    }

    fn write_content(&self, batch: &Batch) -> Result<(), EngineError> {
        let attempted = Attempt::WriteContent {
            rows: batch.len(),
            bytes: batch.byte_len(),
        };
        self.write(batch, attempted, K::write_unsynced)
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
        // Nothing may move while rows and pieces are compared.
        let _writing = self.lock_writer();
        let mut inspector = Inspector::default();
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
        Ok(inspector.finish())
    }
}
