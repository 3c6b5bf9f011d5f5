//! The lock on a store's folder: one process at a time.
//!
//! An operating-system lock on a file of our own, so that the refusal can name the holder and is
//! the same for every engine. The system drops it with the process, however that ends; the text in
//! the file is for the message only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::{Attempt, EngineError};

const LOCK_FILE: &str = "LOCK";
/// A process id has at most 10 digits; more than this is not ours.
const MAX_HOLDER_TEXT_BYTES: u64 = 32;

/// Holds a store's folder until it is dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of `folder`, which must exist.
    pub(super) fn take(folder: &Path) -> Result<Self, EngineError> {
        let io = |source| EngineError::Io {
            attempted: Attempt::Open,
            path: folder.to_path_buf(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EngineError::Locked {
                    path: folder.to_path_buf(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // Only text for a refusal's message: a full disk must not keep the store from opening.
        if let Err(error) = write_holder(&mut file) {
            tracing::debug!(%error, "could not write the holder into the lock file");
        }
        Ok(Self { _file: file })
    }
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_HOLDER_TEXT_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
