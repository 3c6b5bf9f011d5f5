//! Records the writes to an engine and repeats them, to measure the raw rate.
//!
//! A benchmark of a whole path (feed, sync, import) wraps its engine in [`RecordingEngine`], then replays the
//! recorded writes on a fresh engine of the same kind, in the same run. The difference is the cost of the path
//! beyond its rows.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::Batch;
use super::error::EngineError;
use super::generation::Generation;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::tree::Tree;
use super::{Compaction, Direction, Engine, Visitor};

/// One write, as it was requested.
#[derive(Clone, Debug)]
pub enum Write {
    /// An [`Engine::commit`].
    Commit(Batch),
    /// An [`Engine::checkpoint`].
    Checkpoint,
}

impl Write {
    /// Returns the rows that were written, or `None` for a checkpoint.
    pub fn batch(&self) -> Option<&Batch> {
        match self {
            Self::Commit(batch) => Some(batch),
            Self::Checkpoint => None,
        }
    }
}

/// The amount that a replay has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Writes, of both kinds.
    pub writes: u64,
    /// Operations over all batches.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Repeats the writes in order, each as it was requested: only the engine's own work.
///
/// # Errors
/// Fails with the first write that fails.
pub fn replay<'a>(
    engine: &dyn Engine,
    writes: impl IntoIterator<Item = &'a Write>,
) -> Result<Replayed, EngineError> {
    let mut replayed = Replayed::default();
    for write in writes {
        match write {
            Write::Commit(batch) => engine.commit(batch)?,
            Write::Checkpoint => engine.checkpoint()?,
        }
        replayed.writes += 1;
        replayed.rows += write.batch().map_or(0, Batch::len) as u64;
        replayed.bytes += write.batch().map_or(0, Batch::byte_len) as u64;
    }
    Ok(replayed)
}

/// An engine that keeps a copy of every successful write. Memory grows with the writes, so this is for
/// benchmarks and tests only.
#[derive(Debug)]
pub struct RecordingEngine {
    inner: Arc<dyn Engine>,
    writes: Mutex<Vec<Write>>,
}

impl RecordingEngine {
    /// Wraps `inner` and records the writes through the new engine.
    pub fn new(inner: Arc<dyn Engine>) -> Self {
        Self {
            inner,
            writes: Mutex::default(),
        }
    }

    /// Returns the writes recorded since the last call, and forgets them.
    pub fn take(&self) -> Vec<Write> {
        std::mem::take(&mut *self.writes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, write: Write) {
        self.writes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(write);
    }
}

impl Engine for RecordingEngine {
    fn kind(&self) -> EngineKind {
        self.inner.kind()
    }

    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.get(tree, key)
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        self.inner.scan(tree, start, end, direction, visitor)
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        self.inner.commit(batch)?;
        self.record(Write::Commit(batch.clone()));
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.inner.checkpoint()?;
        self.record(Write::Checkpoint);
        Ok(())
    }

    fn generation(&self) -> Generation {
        self.inner.generation()
    }

    fn forget_files(&self) {
        self.inner.forget_files();
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.inner.size_on_disk()
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        self.inner.compact()
    }

    fn check(&self) -> Result<CheckReport, EngineError> {
        self.inner.check()
    }
}
