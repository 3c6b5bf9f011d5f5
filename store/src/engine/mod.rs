//! The engine seam: an ordered, transactional store of bytes behind one trait.
//!
//! All code above uses [`Engine`] and never names a key-value library; only `sled.rs` and `redb.rs` do. A
//! library implements the small trait of `kv.rs`. `layered.rs` adds what must be the same everywhere: trees,
//! values of any size, checksums, limits, one writer at a time, and a stop after a failed write. `opening.rs`
//! sets unusable files aside. The conformance suite in `store/tests` checks that all engines behave alike.
//!
//! The seam does not cover the meaning of rows, compression, schema versions and migrations.

mod batch;
mod beside;
mod copy;
#[cfg(test)]
mod earlier_tests;
mod error;
mod generation;
mod kv;
mod layered;
#[cfg(test)]
mod layered_tests;
mod lock;
mod markers;
mod memory;
mod notice;
mod opening;
mod options;
mod overlay;
mod recording;
mod redb;
mod report;
mod row;
mod settle;
mod sled;
#[cfg(test)]
pub(crate) use self::sled::begin_files as begin_sled_files;
mod snapshots;
mod split;
mod swap;
mod tree;
mod versions;

use std::fmt::Debug;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

pub use self::batch::{Batch, BatchOp};
pub use self::beside::compact_beside;
pub use self::copy::{Copied, copy_all};
pub use self::error::{Attempt, EngineError, Limited, StopCause};
pub use self::generation::Generation;
pub use self::kv::quiet_contained_panics;
pub use self::lock::HomeLock;
pub use self::memory::{Fault, FaultKind, FaultPlan, MemoryEngine, UnsyncedContent};
pub use self::notice::{Notice, NoticeEngine};
pub use self::opening::{
    Opened, asides_in, detect, discard_aside, is_earlier, open, open_aside, open_layout_1, open_or_doubt,
};
pub use self::options::{ByteCount, EngineKind, EngineOptions, IfMissing, Randomness, UnknownEngine};
pub use self::overlay::OverlayEngine;
pub use self::recording::{RecordingEngine, Replayed, Write, replay};
pub use self::report::{CheckReport, TreeCount};
pub use self::swap::{SwapCopy, SwapEngine};
pub use self::tree::Tree;
pub use self::versions::{MAX_NOTED_BYTES, Version, VersionedEngine};

/// The longest key in bytes. Index keys made of foreign text are hashed or cut by their owner.
pub const MAX_KEY_BYTES: usize = 1_024;
/// The longest value in bytes: twice the 16 MiB that a delta's bodies may have.
pub const MAX_VALUE_BYTES: usize = 32 << 20;
/// The largest batch in bytes of keys and values: the rows of a log of some millions of claims, which are
/// rewritten in one commit if the author continues from an earlier claim.
pub const MAX_BATCH_BYTES: usize = 1 << 30;
/// The number of rows of a commit whose size can be chosen. Large commits are faster, but sled blocks readers while it
/// writes one, about 10 µs for each row. The number is the same for all engines, because rows that become visible together
/// are also announced together.
pub(crate) const ROWS_PER_COMMIT: usize = 4_096;

/// A visitor of rows: takes key and value, and returns whether to continue.
pub type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Returns what the caller knows about a row before a batch: `Some(Some(value))`, `Some(None)` if it is absent, or `None`
/// if the caller does not know.
pub type Before<'b> = &'b dyn Fn(Tree, &[u8]) -> Option<Option<Vec<u8>>>;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// The order in which a scan walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the start of the range, by rising keys.
    Forward,
    /// From the end of the range, by falling keys.
    Reverse,
}

/// The result of [`Engine::compact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// The files were rewritten.
    Done {
        /// Size before.
        before: ByteCount,
        /// Size after.
        after: ByteCount,
    },
    /// Readers hold an earlier state of the store: try again when it is idle.
    Busy,
    /// The engine cannot free space in place; copying into a new store does.
    NotSupported,
}

/// The limit on what [`Engine::page`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The most rows.
    pub rows: usize,
    /// The bytes of keys and values after which no further row is added.
    pub bytes: usize,
}

/// Rows of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values in the order of the walk.
    pub rows: Vec<KeyValue>,
    /// True if rows may follow: continue after the last key.
    pub more: bool,
}

/// An embedded store: ordered byte keys to byte values in a fixed set of trees.
///
/// Any number of threads may read and write; writes run one after the other. For each *key*, a read sees
/// another thread's commit whole or not at all. A scan that runs beside a commit may see a part of it, so
/// readers that need several rows of one state read rows that are written together, or only up to a published
/// position. A visitor may call the engine.
///
/// A commit is visible at once and durable with the next [`checkpoint`](Engine::checkpoint). A crash of the
/// process or the machine leaves all commits up to some commit, at least those before the last checkpoint, and
/// none after it. So an engine must hold only data that can be written again from elsewhere.
///
/// After a failed commit the engine is stopped, and every call returns [`EngineError::Stopped`] until the store
/// is opened again: the library's memory is not trusted after a half-done write. Refusals
/// ([`EngineError::TooLarge`], no room) do not stop it.
pub trait Engine: Send + Sync + Debug {
    /// Returns which engine this is.
    fn kind(&self) -> EngineKind;

    /// Returns the engine's name for messages and reports.
    fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns the folder of the store; empty for an engine without files.
    fn path(&self) -> &Path;

    /// Returns the value of a key.
    ///
    /// # Errors
    /// Fails if the value cannot be read, or is not the value written under this key.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Visits the rows of a range until it ends or the visitor breaks. An inverted range is empty.
    ///
    /// # Errors
    /// Fails if a row cannot be read, or is not the row written under its key; earlier rows have been visited.
    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError>;

    /// Writes a batch over any number of trees, all of it or nothing: visible on return, and durable after the
    /// next [`checkpoint`](Engine::checkpoint). Sometimes makes a checkpoint itself, so that the amount of
    /// unsynced data stays bounded.
    ///
    /// # Errors
    /// Fails if the batch exceeds a limit or there is no room, with nothing changed; or if the write fails,
    /// which stops the engine. After reopening, the batch is then absent or, if only the last step failed,
    /// present, but never in part.
    fn commit(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Same as [`commit`](Engine::commit). `before` returns what the caller knows about rows before the batch, so that an
    /// engine that keeps earlier versions need not read them.
    ///
    /// # Errors
    /// As [`commit`](Engine::commit).
    fn commit_knowing(&self, batch: &Batch, before: Before<'_>) -> Result<(), EngineError> {
        let _ = before;
        self.commit(batch)
    }

    /// Returns the number of commits if the engine keeps earlier versions, else 0. While the number stays the same, values
    /// that were read are current.
    fn commits(&self) -> u64 {
        0
    }

    /// Makes every commit so far durable: it is on disk on return.
    ///
    /// # Errors
    /// Fails if there is no room, with nothing lost; or if the write or the sync fails, which stops the engine.
    /// Then any commit since the last checkpoint may be missing after reopening, with all commits after it.
    fn checkpoint(&self) -> Result<(), EngineError>;

    /// Returns the generation of the store, which changes each time that it is made empty.
    fn generation(&self) -> Generation;

    /// Returns the disk space that the store takes now.
    ///
    /// # Errors
    /// Fails if the files cannot be examined.
    fn size_on_disk(&self) -> Result<ByteCount, EngineError>;

    /// Frees unused space if the engine can. Readers and writers wait meanwhile.
    ///
    /// # Errors
    /// Fails if the rewrite fails.
    fn compact(&self) -> Result<Compaction, EngineError>;

    /// Reads every row and every structure, and reports contents and damage. Writers wait meanwhile.
    ///
    /// # Errors
    /// Fails if the damage keeps the rest from being read.
    fn check(&self) -> Result<CheckReport, EngineError>;

    /// Records that the engine's files were moved. Closing it then does not touch the folder, which may contain another
    /// engine's files now.
    #[doc(hidden)]
    fn forget_files(&self) {}

    /// Visits every row of a tree, in the order of the keys.
    ///
    /// # Errors
    /// As [`scan`](Engine::scan).
    fn scan_all(&self, tree: Tree, visitor: &mut Visitor<'_>) -> Result<(), EngineError> {
        self.scan(
            tree,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            visitor,
        )
    }

    /// Visits the rows whose keys start with `prefix`.
    ///
    /// # Errors
    /// As [`scan`](Engine::scan).
    fn scan_prefix(
        &self,
        tree: Tree,
        prefix: &[u8],
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let after = prefix_end(prefix);
        let end = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(tree, Bound::Included(prefix), end, direction, visitor)
    }

    /// Returns the first rows of a range, at least one if there is any, up to a limit.
    ///
    /// # Errors
    /// As [`scan`](Engine::scan).
    fn page(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Page, EngineError> {
        let mut page = Page::default();
        let mut bytes = 0;
        self.scan(tree, start, end, direction, &mut |key, value| {
            if !page.rows.is_empty() && (page.rows.len() >= limit.rows || bytes >= limit.bytes) {
                page.more = true;
                return ControlFlow::Break(());
            }
            bytes += key.len() + value.len();
            page.rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// Returns the first row of a range, or its last with [`Direction::Reverse`].
    ///
    /// # Errors
    /// As [`scan`](Engine::scan).
    fn first(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
    ) -> Result<Option<KeyValue>, EngineError> {
        let mut found = None;
        self.scan(tree, start, end, direction, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}

/// Makes the names of new files durable: a file's own sync does not cover its folder's entry.
fn sync_folder(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Returns the least key after all keys that start with `prefix`, or `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn end_of_a_prefix_skips_trailing_ff() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xFF\xFF"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xFF"), None);
        assert_eq!(prefix_end(b""), None);
    }
}
