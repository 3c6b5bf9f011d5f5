//! An engine that gives notice before each change.
//!
//! Data outside the store that depends on its content is withdrawn in time: after the notice has returned, no
//! outdated copy may be left, even after a crash.

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use super::error::{Attempt, EngineError};
use super::generation::Generation;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::tree::Tree;
use super::{Compaction, Direction, Engine, Visitor};

/// Called before each commit; an error keeps the commit from happening.
pub type Notice = Box<dyn Fn() -> std::io::Result<()> + Send + Sync>;

/// An engine that calls a [`Notice`] before each commit. A checkpoint changes nothing and needs no notice.
pub struct NoticeEngine {
    inner: Arc<dyn Engine>,
    notice: Notice,
    after: Box<dyn Fn() + Send + Sync>,
}

impl NoticeEngine {
    /// Wraps `inner` and gives notice of each commit through the new engine.
    pub fn new(inner: Arc<dyn Engine>, notice: Notice) -> Self {
        Self {
            inner,
            notice,
            after: Box::new(|| {}),
        }
    }

    /// Returns the same engine, which also calls `after` after each attempted commit, whatever its result.
    #[must_use]
    pub fn and_after(mut self, after: impl Fn() + Send + Sync + 'static) -> Self {
        self.after = Box::new(after);
        self
    }
}

impl fmt::Debug for NoticeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NoticeEngine").field(&self.inner).finish()
    }
}

impl Engine for NoticeEngine {
    fn kind(&self) -> EngineKind {
        self.inner.kind()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
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
        (self.notice)().map_err(|source| EngineError::Io {
            attempted: Attempt::Commit {
                rows: batch.len(),
                bytes: batch.byte_len(),
            },
            path: self.inner.path().to_path_buf(),
            source,
        })?;
        let committed = self.inner.commit(batch);
        (self.after)();
        committed
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.inner.checkpoint()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;
    use crate::engine::{FaultPlan, MemoryEngine};

    #[test]
    fn refused_notice_prevents_the_commit() {
        let (calls, refuse) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, refusing) = (calls.clone(), refuse.clone());
        let engine = NoticeEngine::new(
            Arc::new(MemoryEngine::new(FaultPlan::default())),
            Box::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                if refusing.load(Ordering::SeqCst) {
                    return Err(std::io::ErrorKind::PermissionDenied.into());
                }
                Ok(())
            }),
        );
        let mut batch = Batch::new();
        batch.put(Tree::Meta, b"a", b"1");
        engine.checkpoint().unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        engine.commit(&batch).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        refuse.store(true, Ordering::SeqCst);
        let mut more = Batch::new();
        more.put(Tree::Meta, b"b", b"2");
        assert!(matches!(engine.commit(&more), Err(EngineError::Io { .. })));
        assert_eq!(engine.get(Tree::Meta, b"b").unwrap(), None);
    }
}
