//! Rebuilds an engine's files beside the old ones, and puts them in their place.
//!
//! ```text
//! 1. beside/FILES        the copy, while the engine is in use
//! 2. FILES -> beside/old/FILES
//! 3. beside/FILES -> FILES
//! 4. beside is removed
//! ```
//!
//! After a crash before step 3 the old files are used, after it the new ones. Both hold every commit that was
//! followed by a checkpoint.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::error::{Attempt, EngineError, Failure};
use super::opening::open;
use super::options::{EngineKind, EngineOptions};
use super::swap::SwapEngine;
use super::{Compaction, Engine, sync_folder};

/// The folder of a copy, within the engine's.
const BESIDE: &str = "beside";
/// The folder of the old files, within that.
const OLD: &str = "old";

/// Rebuilds the files of the engine in `dir` without unneeded data, while it is in use. Commits wait only for
/// the end of it.
///
/// # Errors
/// Fails if there is no room, or if reading or writing fails. The engine then continues with its files.
pub fn compact_beside(
    dir: &Path,
    swap: &SwapEngine,
    options: &EngineOptions,
) -> Result<Compaction, EngineError> {
    let io = |error| Failure::from_io(error).into_error(Attempt::Compact, dir);
    let Some(files) = files_of(swap.kind()) else {
        return Ok(Compaction::NotSupported);
    };
    let Some(copy) = swap.begin_copy() else {
        return Ok(Compaction::Busy);
    };
    let before = swap.size_on_disk()?;
    clear(dir).map_err(io)?;
    let beside = dir.join(BESIDE);
    let made = (|| {
        // The rows stay the same, so the generation does too.
        let options = options.clone().with_generation(swap.generation());
        let target = open(swap.kind(), &beside, &options)?;
        copy.copy_beside(&*target, &mut |_| {})?;
        close(target);
        // sled replays the whole log of a new file once: do it here and not while commits wait.
        let target = open(swap.kind(), &beside, &options)?;
        copy.catch_up(&*target)?;
        copy.finish(target, |target| {
            close(target);
            put_in_place(dir, files).map_err(io)?;
            open(swap.kind(), dir, &options).inspect_err(|_| {
                if let Err(error) = take_back(dir, files) {
                    tracing::error!(%error, "the old files of the store are left in {}", beside.display());
                }
            })
        })
    })();
    let outcome = made.and_then(|replaced| {
        replaced.forget_files();
        drop(replaced);
        let after = swap.size_on_disk()?;
        Ok(Compaction::Done { before, after })
    });
    // In every case; a failed removal is repeated at the next opening.
    if let Err(error) = clear(dir) {
        tracing::warn!(%error, "could not remove {}", beside.display());
    }
    outcome
}

/// Closes a copy that nobody else uses.
fn close(target: Arc<dyn Engine>) {
    debug_assert_eq!(Arc::strong_count(&target), 1, "a copy is its maker's alone");
    drop(target);
}

/// Returns the name of an engine's files.
fn files_of(kind: EngineKind) -> Option<&'static str> {
    match kind {
        EngineKind::Sled => Some(super::sled::FOLDER),
        EngineKind::Redb => Some(super::redb::FILE),
        EngineKind::Memory => None,
    }
}

/// Puts the copy's files in place of the old ones, which stay in the copy's folder.
fn put_in_place(dir: &Path, files: &str) -> io::Result<()> {
    let beside = dir.join(BESIDE);
    let old = beside.join(OLD);
    fs::create_dir_all(&old)?;
    fs::rename(dir.join(files), old.join(files))?;
    if let Err(error) = fs::rename(beside.join(files), dir.join(files)) {
        fs::rename(old.join(files), dir.join(files))?;
        return Err(error);
    }
    for folder in [&old, &beside, dir] {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Restores the old files.
fn take_back(dir: &Path, files: &str) -> io::Result<()> {
    let beside = dir.join(BESIDE);
    fs::rename(dir.join(files), beside.join(files))?;
    fs::rename(beside.join(OLD).join(files), dir.join(files))
}

/// Removes the remains of an interrupted copy, and restores old files whose place is empty.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    let beside = dir.join(BESIDE);
    for kind in EngineKind::ALL {
        let Some(files) = files_of(*kind) else { continue };
        let old = beside.join(OLD).join(files);
        if old.exists() && !dir.join(files).exists() {
            fs::rename(old, dir.join(files))?;
            sync_folder(dir)?;
        }
    }
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "beside_tests.rs"]
mod tests;
