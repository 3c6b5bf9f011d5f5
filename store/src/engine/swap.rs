//! An engine over another one, which can be replaced by a copy of itself while it is in use.
//!
//! A copy is made one page of rows at a time. Batches that are committed meanwhile are recorded, and written to
//! the copy between two pages, in order. A page is read after all batches that were written before it, so the
//! rows in the copy are never older than its batches; and writing a batch twice changes nothing. Commits wait
//! only for the last batches, and for the swap itself.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::batch::Batch;
use super::copy::Copied;
use super::error::EngineError;
use super::generation::Generation;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::tree::Tree;
use super::{Compaction, Direction, Engine, PageLimit, Visitor};

/// Rows that are read and written at once.
const PAGE: PageLimit = PageLimit {
    rows: 4_096,
    bytes: 4 << 20,
};
/// Recorded bytes that are left for the time in which commits wait.
const FEW_BYTES: usize = 256 << 10;
/// The number of rounds in which recorded batches are written before commits wait, however many come meanwhile.
const MAX_ROUNDS: usize = 32;

/// An engine that can be replaced by a copy of itself.
#[derive(Debug)]
pub struct SwapEngine {
    kind: EngineKind,
    path: PathBuf,
    current: RwLock<Arc<dyn Engine>>,
    /// Held through each commit. While a copy is made, the batches since the last round.
    commits: Mutex<Option<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    batches: Vec<Batch>,
    bytes: usize,
}

impl SwapEngine {
    /// Begins with an engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            kind: engine.kind(),
            path: engine.path().to_path_buf(),
            current: RwLock::new(engine),
            commits: Mutex::new(None),
        }
    }

    /// Begins a copy: from now on committed batches are recorded. Returns `None` while another copy is made.
    pub fn begin_copy(&self) -> Option<SwapCopy<'_>> {
        let mut commits = self.lock_commits();
        if commits.is_some() {
            return None;
        }
        *commits = Some(Recorded::default());
        drop(commits);
        Some(SwapCopy { swap: self })
    }

    fn current(&self) -> Arc<dyn Engine> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn lock_commits(&self) -> MutexGuard<'_, Option<Recorded>> {
        // Recorded batches are pushed whole, and an engine that panicked is stopped.
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy in progress. Recording ends when it is dropped.
#[derive(Debug)]
pub struct SwapCopy<'s> {
    swap: &'s SwapEngine,
}

impl SwapCopy<'_> {
    /// Copies all rows into an empty engine while readers and writers continue, and calls `progress` after each
    /// page. On return, few batches are left to be written.
    ///
    /// # Errors
    /// Fails if reading or writing fails; the copy must then be thrown away.
    pub fn copy_beside(
        &self,
        target: &dyn Engine,
        progress: &mut dyn FnMut(Copied),
    ) -> Result<Copied, EngineError> {
        let source = self.swap.current();
        let mut copied = Copied::default();
        for tree in Tree::ALL {
            let mut last: Option<Vec<u8>> = None;
            loop {
                let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let page = source.page(*tree, start, Bound::Unbounded, Direction::Forward, PAGE)?;
                let mut batch = Batch::with_capacity(page.rows.len(), PAGE.bytes);
                for (key, value) in &page.rows {
                    batch.put(*tree, key, value);
                    copied.rows += 1;
                    copied.bytes += (key.len() + value.len()) as u64;
                }
                target.commit(&batch)?;
                self.write_recorded(target)?;
                progress(copied);
                last = page.rows.into_iter().next_back().map(|(key, _)| key);
                if !page.more {
                    break;
                }
            }
        }
        self.catch_up(target)?;
        Ok(copied)
    }

    /// Writes the batches recorded since, until few are left, and makes them durable.
    ///
    /// # Errors
    /// As [`copy_beside`](Self::copy_beside).
    pub fn catch_up(&self, target: &dyn Engine) -> Result<(), EngineError> {
        for _ in 0..MAX_ROUNDS {
            // Data on disk need not be written while commits wait.
            target.checkpoint()?;
            if self.write_recorded(target)? <= FEW_BYTES {
                break;
            }
        }
        Ok(())
    }

    /// Makes commits wait, completes the copy, makes it durable, and replaces the current engine by the one
    /// that `swap` returns. `swap` gets the copy, closes it, puts its files in place and opens them; if it
    /// fails, the current engine stays. Returns the replaced engine.
    ///
    /// # Errors
    /// Fails if the copy cannot be completed, or with the error of `swap`.
    pub fn finish(
        self,
        target: Arc<dyn Engine>,
        swap: impl FnOnce(Arc<dyn Engine>) -> Result<Arc<dyn Engine>, EngineError>,
    ) -> Result<Arc<dyn Engine>, EngineError> {
        let mut commits = self.swap.lock_commits();
        let recorded = commits.take().unwrap_or_default();
        for batch in &recorded.batches {
            target.commit(batch)?;
        }
        target.checkpoint()?;
        let engine = swap(target)?;
        let mut current = self.swap.current.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *current, engine);
        drop(current);
        drop(commits);
        Ok(replaced)
    }

    /// Writes the batches recorded since the last call, and returns their size in bytes.
    fn write_recorded(&self, target: &dyn Engine) -> Result<usize, EngineError> {
        let recorded = match &mut *self.swap.lock_commits() {
            Some(recorded) => std::mem::take(recorded),
            None => Recorded::default(),
        };
        for batch in &recorded.batches {
            target.commit(batch)?;
        }
        Ok(recorded.bytes)
    }
}

impl Drop for SwapCopy<'_> {
    fn drop(&mut self) {
        *self.swap.lock_commits() = None;
    }
}

impl Engine for SwapEngine {
    fn kind(&self) -> EngineKind {
        self.kind
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.current().get(tree, key)
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        // The scan stays on the engine on which it began, which holds only the commits before the swap.
        self.current().scan(tree, start, end, direction, visitor)
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut commits = self.lock_commits();
        self.current().commit(batch)?;
        if let Some(recorded) = &mut *commits {
            recorded.bytes += batch.byte_len();
            recorded.batches.push(batch.clone());
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        // Must not check an engine that is being replaced.
        let _commits = self.lock_commits();
        self.current().checkpoint()
    }

    fn generation(&self) -> Generation {
        self.current().generation()
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.current().size_on_disk()
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        self.current().compact()
    }

    fn check(&self) -> Result<CheckReport, EngineError> {
        self.current().check()
    }
}
