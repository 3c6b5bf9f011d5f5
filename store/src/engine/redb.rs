//! The redb engine: smaller on disk, opens at once, frees space; for large sites.
//!
//! One redb table holds everything. A table per tree was measured too (60,000 records of four rows): the same
//! 110 MB for 62 MB of rows, and the same rate.
//!
//! - A commit is one write transaction with `Durability::None`: visible at once. redb keeps its pages in
//!   memory, writes them out when its cache is full, and reuses their places after they are replaced.
//! - A checkpoint is an empty transaction with `Durability::Immediate` and quick repair, so that the first
//!   start after a crash need not walk over the whole file; its cost was not measurable. After a crash redb
//!   returns to its last checkpoint.
//! - redb does not verify its pages when it reads them; the file below it does (`redb/blocks.rs`). redb's own
//!   check of a whole database needs exclusive access for its whole duration, so it is not used: a walk over all
//!   rows reads, and so verifies, every page in use.
//! - Beginning to read and opening the table cost more than a look-up. So the table of the last commit is kept
//!   open for all readers, and closed before the next write, so that no page is kept from reuse.
//! - After an I/O error, damage included, redb refuses all work until it is opened again.
//! - A row takes pages of a power of two, so rows are split if they would fill 16 KiB.

mod blocks;
#[cfg(test)]
mod power_tests;

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ::redb::{
    CommitError, CompactionError, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend,
    StorageError, TableDefinition, TableError, TransactionError,
};

use self::blocks::BlockFile;
use super::error::{Attempt, EngineError, Failure};
use super::generation::Generation;
use super::kv::{KeyRange, Kv, KvOp, check_disk_room, contain};
use super::layered::Layered;
use super::markers::refuse_named;
use super::opening::{finish_creation, prepare_folder};
use super::options::{ByteCount, EngineKind, EngineOptions};
use super::settle::Opening;
use super::{Compaction, Direction, Visitor, sync_folder};
use crate::disk::open_file;

/// The database file within the store's folder.
pub(super) const FILE: &str = "store.redb";
const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

/// Opens or creates the redb store in `dir`.
pub(super) fn open(dir: &Path, options: &EngineOptions) -> Result<Layered<RedbKv>, EngineError> {
    prepare_folder(EngineKind::Redb, dir, options)?;
    let kv =
        contain(|| RedbKv::open(dir, options)).map_err(|failure| failure.into_error(Attempt::Open, dir))?;
    // No marker files: redb finds its last checkpoint after any stop.
    Layered::new(kv, None, Opening::Current, &|| Generation::of(options))
}

/// Opens the redb store of an earlier release in `dir`, to read it.
pub(super) fn open_earlier(dir: &Path, options: &EngineOptions) -> Result<Layered<RedbKv>, EngineError> {
    prepare_folder(EngineKind::Redb, dir, options)?;
    let kv = contain(|| RedbKv::open_earlier(dir, options))
        .map_err(|failure| failure.into_error(Attempt::Open, dir))?;
    // No marker files: redb finds its last checkpoint after any stop.
    Layered::new(kv, None, Opening::Earlier, &|| Generation::of(options))
}

/// An open redb database.
pub(super) struct RedbKv {
    folder: PathBuf,
    reserve: ByteCount,
    /// Held for reading only while a transaction begins: compaction needs exclusive access to the database.
    db: RwLock<Database>,
    /// The file below the database; `None` for one of an earlier release.
    file: Option<Arc<BlockFile>>,
    /// Incremented before and after each commit: odd during one.
    commits: AtomicU64,
    /// The table as of a number of commits.
    table: Mutex<Option<(u64, Arc<Table>)>>,
}

/// The open table.
type Table = ::redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

impl RedbKv {
    fn open(dir: &Path, options: &EngineOptions) -> Result<Self, Failure> {
        let cache = usize::try_from(options.cache.get()).unwrap_or(usize::MAX);
        let random = |bytes: &mut [u8]| options.randomness.fill(bytes);
        refuse_named(dir, FILE).map_err(Failure::from_io)?;
        let file = Arc::new(BlockFile::open(&dir.join(FILE), &random).map_err(Failure::from_io)?);
        let db = Database::builder()
            .set_cache_size(cache)
            .create_with_backend(SharedFile(file.clone()))
            .map_err(|error| behind(&file, open_failure(error)))?;
        sync_folder(dir).map_err(Failure::from_io)?;
        let kv = Self {
            folder: dir.to_path_buf(),
            reserve: options.reserve,
            db: RwLock::new(db),
            file: Some(file),
            commits: AtomicU64::new(0),
            table: Mutex::default(),
        };
        kv.ensure_table()?;
        finish_creation(dir).map_err(Failure::from_io)?;
        Ok(kv)
    }

    fn open_earlier(dir: &Path, options: &EngineOptions) -> Result<Self, Failure> {
        let cache = usize::try_from(options.cache.get()).unwrap_or(usize::MAX);
        let db = Database::builder()
            .set_cache_size(cache)
            .open(dir.join(FILE))
            .map_err(open_failure)?;
        Ok(Self {
            folder: dir.to_path_buf(),
            reserve: options.reserve,
            db: RwLock::new(db),
            file: None,
            commits: AtomicU64::new(0),
            table: Mutex::default(),
        })
    }

    /// Opens or creates a database as the release before did.
    #[cfg(test)]
    pub(super) fn make_earlier(dir: &Path, options: &EngineOptions) -> Result<Self, Failure> {
        std::fs::create_dir_all(dir).map_err(Failure::from_io)?;
        let db = Database::create(dir.join(FILE)).map_err(open_failure)?;
        let kv = Self {
            folder: dir.to_path_buf(),
            reserve: options.reserve,
            db: RwLock::new(db),
            file: None,
            commits: AtomicU64::new(0),
            table: Mutex::default(),
        };
        kv.ensure_table()?;
        Ok(kv)
    }

    /// Runs redb's code. If a block of its file is damaged or the disk is full, redb reports only that something
    /// failed.
    fn run<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        contain(work).map_err(|failure| match &self.file {
            Some(file) => behind(file, failure),
            None => failure,
        })
    }

    /// Creates the table once, so that readers need not handle its absence.
    fn ensure_table(&self) -> Result<(), Failure> {
        match self.read_table() {
            Err(TableError::TableDoesNotExist(_)) => self.write(&[], Durability::Immediate),
            Err(error) => Err(table_failure(error)),
            Ok(_) => Ok(()),
        }
    }

    /// Returns the table as of the last commit.
    fn table(&self) -> Result<Arc<Table>, TableError> {
        let commits = self.commits.load(Ordering::SeqCst);
        if let Some((at, table)) = &*self.kept_table()
            && *at == commits
        {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(self.read_table()?);
        // A table that was opened beside a commit may be from before it.
        let mut kept = self.kept_table();
        if commits.is_multiple_of(2) && self.commits.load(Ordering::SeqCst) == commits {
            *kept = Some((commits, Arc::clone(&table)));
        }
        Ok(table)
    }

    fn kept_table(&self) -> MutexGuard<'_, Option<(u64, Arc<Table>)>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_table(&self) -> Result<Table, TableError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = db.begin_read().map_err(|error| match error {
            TransactionError::Storage(error) => TableError::Storage(error),
            other => TableError::Storage(StorageError::Corrupted(other.to_string())),
        })?;
        transaction.open_table(ROWS)
    }

    fn write(&self, ops: &[KvOp<'_>], durability: Durability) -> Result<(), Failure> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        *self.kept_table() = None;
        let written = self.write_alone(ops, durability);
        self.commits.fetch_add(1, Ordering::SeqCst);
        written
    }

    fn write_alone(&self, ops: &[KvOp<'_>], durability: Durability) -> Result<(), Failure> {
        let mut transaction = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            db.begin_write().map_err(transaction_failure)?
        };
        transaction
            .set_durability(durability)
            .map_err(|error| Failure::Stopped(format!("cannot set a write's durability: {error}")))?;
        transaction.set_quick_repair(matches!(durability, Durability::Immediate));
        {
            let mut table = transaction.open_table(ROWS).map_err(table_failure)?;
            for op in ops {
                match op.value {
                    Some(value) => table.insert(op.key, value).map_err(storage_failure)?,
                    None => table.remove(op.key).map_err(storage_failure)?,
                };
            }
        }
        transaction.commit().map_err(commit_failure)
    }
}

impl Kv for RedbKv {
    const KIND: EngineKind = EngineKind::Redb;

    /// A row and its overhead fit four pages of 4 KiB.
    const MAX_ROW_BYTES: usize = 16_384 - 64;

    fn path(&self) -> &Path {
        &self.folder
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.run(|| {
            let table = self.table().map_err(table_failure)?;
            let found = table.get(key).map_err(storage_failure)?;
            Ok(found.map(|value| value.value().to_vec()))
        })
    }

    fn scan(
        &self,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<(), Failure> {
        let mut rows = self.run(|| {
            let table = self.table().map_err(table_failure)?;
            table.range::<&[u8]>(range).map_err(storage_failure)
        })?;
        loop {
            // The visitor runs outside: its panics are its caller's, not redb's.
            let row = self.run(|| {
                let row = match direction {
                    Direction::Forward => rows.next(),
                    Direction::Reverse => rows.next_back(),
                };
                row.transpose().map_err(storage_failure)
            })?;
            let Some((key, value)) = row else { return Ok(()) };
            if let ControlFlow::Break(()) = visit(key.value(), value.value()) {
                return Ok(());
            }
        }
    }

    fn commit(&self, ops: &[KvOp<'_>]) -> Result<(), Failure> {
        self.run(|| self.write(ops, Durability::None))
    }

    fn checkpoint(&self) -> Result<(), Failure> {
        self.run(|| self.write(&[], Durability::Immediate))
    }

    fn check_room(&self, bytes: usize) -> Result<(), Failure> {
        check_disk_room(&self.folder, self.reserve, bytes)
    }

    fn size_on_disk(&self) -> Result<ByteCount, Failure> {
        /// Unit of a file's block count, whatever the file system's own block size.
        const BLOCK_BYTES: u64 = 512;
        let metadata = std::fs::metadata(self.folder.join(FILE)).map_err(Failure::from_io)?;
        Ok(ByteCount(metadata.blocks() * BLOCK_BYTES))
    }

    fn compact(&self) -> Result<Compaction, Failure> {
        let before = self.size_on_disk()?;
        let outcome = self.run(|| {
            let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
            *self.kept_table() = None;
            match db.compact() {
                Ok(_) => Ok(true),
                Err(CompactionError::Storage(error)) => Err(storage_failure(error)),
                Err(_in_use) => Ok(false),
            }
        })?;
        if !outcome {
            return Ok(Compaction::Busy);
        }
        Ok(Compaction::Done {
            before,
            after: self.size_on_disk()?,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        // Every block carries a checksum that is verified on reading, and the layer's walk over all rows has
        // read all blocks in use.
        Ok(())
    }
}

impl std::fmt::Debug for RedbKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbKv")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Returns the failure, or what the file below knows to be behind it: damage, or a disk without room. redb says
/// of every call after a failed one only that an earlier one failed, and a reader may hear that before the
/// writer has reported its own failure.
fn behind(file: &BlockFile, failure: Failure) -> Failure {
    match (file.damage(), file.no_space(), failure) {
        (Some(found), _, Failure::Stopped(_) | Failure::Corrupt(_)) => Failure::Corrupt(found.to_owned()),
        (None, Some(found), Failure::Stopped(_)) => Failure::NoSpace(std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            found.to_owned(),
        )),
        (_, _, failure) => failure,
    }
}

/// The file below a database, from which the cause of a failure is read afterwards.
#[derive(Debug)]
struct SharedFile(Arc<BlockFile>);

/// No locks: the lock on the site's folder keeps other processes out.
impl StorageBackend for SharedFile {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len).map_err(|error| self.0.note_no_space(error))
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data().map_err(|error| self.0.note_no_space(error))
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0
            .write(offset, data)
            .map_err(|error| self.0.note_no_space(error))
    }
}

fn storage_failure(error: StorageError) -> Failure {
    match error {
        StorageError::Io(error) => Failure::from_io(error),
        StorageError::Corrupted(found) => Failure::Corrupt(found),
        StorageError::PreviousIo | StorageError::DatabaseClosed | StorageError::LockPoisoned(_) => {
            Failure::Stopped(error.to_string())
        }
        other => Failure::Corrupt(other.to_string()),
    }
}

fn open_failure(error: DatabaseError) -> Failure {
    match error {
        DatabaseError::Storage(error) => storage_failure(error),
        other => Failure::Corrupt(other.to_string()),
    }
}

fn table_failure(error: TableError) -> Failure {
    match error {
        TableError::Storage(error) => storage_failure(error),
        other => Failure::Corrupt(other.to_string()),
    }
}

fn transaction_failure(error: TransactionError) -> Failure {
    match error {
        TransactionError::Storage(error) => storage_failure(error),
        other => Failure::Stopped(other.to_string()),
    }
}

fn commit_failure(error: CommitError) -> Failure {
    match error {
        CommitError::Storage(error) => storage_failure(error),
        other => Failure::Stopped(other.to_string()),
    }
}

/// The first bytes of a file that redb itself laid out (its design document, "Database header").
const REDB_MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// Returns true if the file in a store's folder begins like those of the releases before this layout. A file
/// whose creation was interrupted begins with zeros.
pub(super) fn is_earlier(dir: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; REDB_MAGIC.len()];
    let read = open_file(&dir.join(FILE)).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == REDB_MAGIC
}
