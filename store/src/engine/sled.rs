//! The sled engine, the default.
//!
//! One sled tree holds everything, and a commit is one `apply_batch`. Measured against transactions over
//! several trees (60,000 records of four rows, 4,000 rows a commit): 4.6 s of CPU against 6.5 s, and 144 MB on
//! disk against 156 MB.
//!
//! The shared layer and this file work around the following, each seen in sled 0.34.7's source:
//!
//! - sled writes a manifest with a batch's last log position before the batch, and recovery stops at a manifest
//!   whose end is not on disk: after a crash a batch is there whole or not at all. Transactions use the same
//!   manifest and promise no more.
//! - Pages replaced by a write are freed a few at a time, whenever sled is entered. A batch enters once for
//!   thousands of rows, so its garbage would pile up (680 MB after the run above, 2 GB after one twice as long).
//!   So it is collected after each batch (146 MB in both).
//! - `flush` starts and awaits write-back (`sync_file_range`) but flushes neither file size nor the disk's
//!   cache. A checkpoint returns after `fdatasync` on our own handle.
//! - A tree page over 128 KiB becomes a separate file, which sled never syncs. Pages split by number of rows
//!   (more than 16), not by size, so rows are kept so small that a page never reaches that size. If such files
//!   exist anyway, a checkpoint syncs them.
//! - sled asserts on data from disk, so damage can cause a panic. Panics are contained and stop the engine.
//!   After a panic the database is leaked, not dropped: dropping would write again.
//! - sled's worker threads can hold its file, and the lock on it, for a while after the database was dropped.
//!   Closing waits for them, so that a store can be opened again at once.
//! - Space is freed only by copying into a new store.
//! - Opening writes a snapshot of the page table as `snap.N.generating` and then renames it. Later sled takes
//!   the file with the highest name for the newest snapshot, even if it is unfinished, and fails if it is cut or
//!   has no valid checksum. `snapshots.rs` removes unfinished files and sets damaged ones aside before sled
//!   opens; sled then replays its log, which contains everything in a snapshot.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{Attempt, EngineError, Failure};
use super::generation::Generation;
use super::kv::{KeyRange, Kv, KvOp, check_disk_room, contain};
use super::layered::Layered;
use super::lock::unlock;
use super::markers::{MarkerFiles, refuse_named};
use super::opening::{finish_creation, prepare_folder};
use super::options::{ByteCount, EngineKind, EngineOptions};
use super::settle::Opening;
use super::{Compaction, Direction, Visitor, sync_folder};

/// sled's folder within the store's.
pub(super) const FOLDER: &str = "sled";
/// sled's file within its folder.
const DB_FILE: &str = "db";
/// The name of its settings in there.
const CONF_FILE: &str = "conf";
/// Turns of garbage collection per row written; see the module's head.
const ROWS_PER_COLLECTION: usize = 32;
/// The time that closing waits for sled's worker threads, and the interval of its checks.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
const CLOSE_POLL: Duration = Duration::from_millis(1);
/// The folder for pages that are too large for sled's log.
const BLOB_FOLDER: &str = "blobs";

/// Opens or creates the sled store in `dir`.
pub(super) fn open(
    dir: &Path,
    options: &EngineOptions,
    opening: Opening,
) -> Result<Layered<SledKv>, EngineError> {
    prepare_folder(EngineKind::Sled, dir, options)?;
    let markers = MarkerFiles::of(dir);
    if !dir.join(FOLDER).exists() {
        // A process that ends between sled's first file and the first commit must not look like a stop of the
        // machine.
        let marked = markers.begin().map_err(Failure::from_io);
        marked.map_err(|failure| failure.into_error(Attempt::Open, dir))?;
    }
    let kv =
        contain(|| SledKv::open(dir, options)).map_err(|failure| failure.into_error(Attempt::Open, dir))?;
    Layered::new(kv, Some(markers), opening, &|| Generation::of(options))
}

/// An open sled database.
pub(super) struct SledKv {
    folder: PathBuf,
    reserve: ByteCount,
    /// `Some` until dropped.
    db: Option<::sled::Db>,
    /// Our own handle on sled's file, to sync sled's writes.
    file: File,
    /// Page files that were synced already.
    synced_blobs: Mutex<BTreeSet<OsString>>,
    panicked: AtomicBool,
}

impl SledKv {
    pub(super) fn open(dir: &Path, options: &EngineOptions) -> Result<Self, Failure> {
        let folder = dir.join(FOLDER);
        for name in [DB_FILE, CONF_FILE] {
            refuse_named(&folder, name).map_err(Failure::from_io)?;
        }
        if File::open(folder.join(DB_FILE)).is_ok_and(|file| !is_free(&file)) {
            return Err(Failure::Busy);
        }
        super::snapshots::set_aside_damaged(&folder).map_err(Failure::from_io)?;
        let db = ::sled::Config::new()
            .path(&folder)
            .cache_capacity(options.cache.get())
            // No flusher thread: a checkpoint flushes, and an idle daemon must be idle.
            .flush_every_ms(None)
            .open()
            .map_err(failure)?;
        let file = File::open(folder.join(DB_FILE)).map_err(Failure::from_io)?;
        for made in [&folder, dir] {
            sync_folder(made).map_err(Failure::from_io)?;
        }
        finish_creation(dir).map_err(Failure::from_io)?;
        Ok(Self {
            folder,
            reserve: options.reserve,
            db: Some(db),
            file,
            synced_blobs: Mutex::default(),
            panicked: AtomicBool::new(false),
        })
    }

    /// Runs sled's code on the open database.
    fn run<T>(&self, work: impl FnOnce(&::sled::Db) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(db) = &self.db else {
            return Err(Failure::Stopped("the store is closed".to_owned()));
        };
        let outcome = contain(|| work(db));
        if matches!(outcome, Err(Failure::Panicked(_))) {
            self.panicked.store(true, Ordering::Release);
        }
        outcome
    }

    fn apply(&self, ops: &[KvOp<'_>]) -> Result<(), Failure> {
        let mut batch = ::sled::Batch::default();
        for op in ops {
            match op.value {
                Some(value) => batch.insert(op.key, value),
                None => batch.remove(op.key),
            }
        }
        self.run(|db| {
            db.apply_batch(batch).map_err(failure)?;
            // Each turn frees up to 512 replaced pages; more turns freed no more.
            for _ in 0..=ops.len() / ROWS_PER_COLLECTION {
                ::sled::pin().flush();
            }
            Ok(())
        })
    }

    fn sync(&self) -> Result<(), Failure> {
        self.run(|db| db.flush().map_err(failure).map(drop))?;
        self.sync_blobs().map_err(Failure::from_io)?;
        self.file.sync_data().map_err(Failure::from_io)
    }

    /// Syncs page files that were not synced before; there should be none.
    fn sync_blobs(&self) -> std::io::Result<()> {
        let folder = self.folder.join(BLOB_FOLDER);
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found_new = false;
        for entry in std::fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if synced.contains(&name) {
                continue;
            }
            match File::open(folder.join(&name)) {
                Ok(file) => file.sync_all()?,
                // sled removes a page's file as soon as the page is rewritten.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            synced.insert(name);
            found_new = true;
        }
        if found_new { sync_folder(&folder) } else { Ok(()) }
    }
}

impl Kv for SledKv {
    const KIND: EngineKind = EngineKind::Sled;

    /// 17 rows and their overhead stay below the 128 KiB at which a page becomes a file.
    const MAX_ROW_BYTES: usize = 7_000;

    fn path(&self) -> &Path {
        // The parent of sled's own folder.
        self.folder.parent().unwrap_or(&self.folder)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.run(|db| db.get(key).map_err(failure))
            .map(|found| found.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<(), Failure> {
        let mut rows = self.run(|db| Ok(db.range::<&[u8], _>(range)))?;
        loop {
            // The visitor runs outside: its panics are its caller's, not sled's.
            let row = self.run(|_| {
                let row = match direction {
                    Direction::Forward => rows.next(),
                    Direction::Reverse => rows.next_back(),
                };
                row.transpose().map_err(failure)
            })?;
            let Some((key, value)) = row else { return Ok(()) };
            if let ControlFlow::Break(()) = visit(&key, &value) {
                return Ok(());
            }
        }
    }

    fn commit(&self, ops: &[KvOp<'_>]) -> Result<(), Failure> {
        self.apply(ops)
    }

    fn checkpoint(&self) -> Result<(), Failure> {
        self.sync()
    }

    fn check_room(&self, bytes: usize) -> Result<(), Failure> {
        check_disk_room(&self.folder, self.reserve, bytes)
    }

    fn size_on_disk(&self) -> Result<ByteCount, Failure> {
        folder_size(&self.folder).map_err(Failure::from_io)
    }

    fn compact(&self) -> Result<Compaction, Failure> {
        Ok(Compaction::NotSupported)
    }

    fn check(&self) -> Result<(), Failure> {
        // Every page carries a checksum that sled verifies on reading, and the layer's walk over all rows has
        // read them.
        Ok(())
    }
}

impl Drop for SledKv {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        if *self.panicked.get_mut() {
            std::mem::forget(db);
            return;
        }
        let closed = contain(|| {
            drop(db);
            Ok(())
        });
        if let Err(failure) = closed {
            tracing::error!(%failure, "sled failed while it closed; committed data is not affected");
        }
        let deadline = Instant::now() + CLOSE_PATIENCE;
        // Opened again, because locks belong to handles; by the handle, because the file may have been renamed.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        while File::open(&path).is_ok_and(|file| !is_free(&file)) {
            if Instant::now() > deadline {
                tracing::warn!(folder = %self.folder.display(), "sled still holds its file after closing");
                return;
            }
            std::thread::sleep(CLOSE_POLL);
        }
    }
}

/// Returns true if nobody holds sled's lock on its file. The handle must be a new one.
fn is_free(file: &File) -> bool {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => true,
        Ok(()) => {
            unlock(file);
            true
        }
    }
}

impl std::fmt::Debug for SledKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // sled's own `Debug` would print its pages.
        f.debug_struct("SledKv")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn failure(error: ::sled::Error) -> Failure {
    match error {
        ::sled::Error::Io(error) => Failure::from_io(error),
        ::sled::Error::Corruption { at, .. } => Failure::Corrupt(match at {
            Some(at) => format!("a page at {at} fails its checksum"),
            None => "a log message fails its checksum".to_owned(),
        }),
        other => Failure::Corrupt(other.to_string()),
    }
}

/// Adds up the blocks of all files in a folder and its subfolders.
fn folder_size(folder: &Path) -> std::io::Result<ByteCount> {
    /// Unit of a file's block count, whatever the file system's own block size.
    const BLOCK_BYTES: u64 = 512;
    let mut total = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                total += metadata.blocks() * BLOCK_BYTES;
            }
        }
    }
    Ok(ByteCount(total))
}

/// Creates sled's files in a store's folder without any row, as a kill during creation leaves them.
#[cfg(test)]
pub(crate) fn begin_files(dir: &Path) {
    let db = sled::open(dir.join(FOLDER)).unwrap();
    db.flush().unwrap();
}
