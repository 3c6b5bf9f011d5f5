//! The lock on a site's home: one process at a time.
//!
//! Taken before anything in the home is opened, and held until all is closed. It is an operating-system lock,
//! so the system drops it when the process ends for any reason. The text in the file is only for the message of
//! a refusal.
//!
//! Three things are locked: the file `LOCK` in the home, which names the holder; the home's folder itself, for
//! a disk so full that the file cannot be made; and `store/LOCK`, the only lock of earlier releases.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::{Attempt, EngineError, Failure};
use super::markers::refuse_named;
use crate::disk::open_file;

const LOCK_FILE: &str = "LOCK";
/// The folder that earlier releases lock, within the home.
const EARLIER_FOLDER: &str = "store";
/// A process id has at most 10 digits; more than this is not ours.
const MAX_HOLDER_TEXT_BYTES: u64 = 32;

/// Holds a site's home until it is dropped.
#[derive(Debug)]
pub struct HomeLock {
    home: PathBuf,
    files: Vec<File>,
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        for file in &self.files {
            unlock(file);
        }
    }
}

impl HomeLock {
    /// Takes the lock of a home, which must exist.
    ///
    /// # Errors
    /// [`EngineError::Locked`] if another process has it, naming that process; any error if the files cannot be
    /// opened. A full disk is not an error.
    pub fn take(home: &Path) -> Result<Self, EngineError> {
        let mut files = Vec::with_capacity(3);
        let held = lock_file(home, &mut files)?;
        lock_folder(home, &mut files)?;
        let earlier = home.join(EARLIER_FOLDER);
        if earlier.is_dir() {
            lock_file(&earlier, &mut files)?;
        }
        if !held {
            tracing::warn!(home = %home.display(), "no room for a lock file: only the folder is locked");
        }
        Ok(Self {
            home: home.to_path_buf(),
            files,
        })
    }

    /// Returns the locked home.
    pub fn home(&self) -> &Path {
        &self.home
    }
}

/// Locks the lock file in a folder and writes the holder into it. Returns false if there is no room to make it.
fn lock_file(folder: &Path, files: &mut Vec<File>) -> Result<bool, EngineError> {
    let path = folder.join(LOCK_FILE);
    refuse_named(folder, LOCK_FILE)
        .map_err(|error| Failure::from_io(error).into_error(Attempt::Open, folder))?;
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = match opened.map_err(Failure::from_io) {
        Ok(file) => file,
        Err(Failure::NoSpace(_)) => return Ok(false),
        Err(failure) => return Err(failure.into_error(Attempt::Open, folder)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(EngineError::Locked {
                path: folder.to_path_buf(),
                holder: holder(&mut file),
            });
        }
        Err(TryLockError::Error(error)) => {
            return Err(Failure::from_io(error).into_error(Attempt::Open, folder));
        }
    }
    // The text is only for a refusal's message: a full disk must not keep the home from opening.
    if let Err(error) = write_holder(&mut file) {
        tracing::debug!(%error, "could not write the holder into the lock file");
    }
    files.push(file);
    Ok(true)
}

/// Locks the folder itself, if the file system can.
fn lock_folder(folder: &Path, files: &mut Vec<File>) -> Result<(), EngineError> {
    let file =
        File::open(folder).map_err(|error| Failure::from_io(error).into_error(Attempt::Open, folder))?;
    match file.try_lock() {
        Ok(()) => {
            files.push(file);
            Ok(())
        }
        Err(TryLockError::WouldBlock) => Err(EngineError::Locked {
            path: folder.to_path_buf(),
            holder: open_file(&folder.join(LOCK_FILE))
                .ok()
                .and_then(|mut file| holder(&mut file)),
        }),
        Err(TryLockError::Error(error)) => {
            // Network file systems lock files that are open for writing, and a folder never is.
            tracing::debug!(%error, folder = %folder.display(), "could not lock the folder");
            Ok(())
        }
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    // Overwrite first and cut later, so that a full disk leaves the previous holder.
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_HOLDER_TEXT_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Releases a lock now. Closing the file is not enough while another thread starts a process: until that process runs
/// its own program, it has all files of this one open, and a lock lasts as long as any of them.
pub(super) fn unlock(file: &File) {
    // An error leaves what closing does.
    let _ = file.unlock();
}

/// Locks an engine's own file against a second opener in any process, in addition to the home's lock.
pub(super) fn lock_own(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            ErrorKind::ResourceBusy,
            "another part of this program, or another process, has the file open",
        )),
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_locker_learns_the_holder() {
        let home = tempfile::tempdir().unwrap();
        let lock = HomeLock::take(home.path()).unwrap();
        assert_eq!(lock.home(), home.path());
        for _ in 0..2 {
            match HomeLock::take(home.path()) {
                Err(EngineError::Locked { path, holder }) => {
                    assert_eq!((path.as_path(), holder), (home.path(), Some(std::process::id())));
                }
                other => panic!("expected a locked home, got {other:?}"),
            }
        }
        drop(lock);
        HomeLock::take(home.path()).unwrap();
    }

    #[test]
    fn lock_of_an_earlier_release_is_respected_and_named() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let mut earlier = File::create(store.join("LOCK")).unwrap();
        writeln!(earlier, "4711").unwrap();
        earlier.lock().unwrap();
        match HomeLock::take(home.path()) {
            Err(EngineError::Locked { path, holder }) => assert_eq!((&path, holder), (&store, Some(4711))),
            other => panic!("expected a locked store, got {other:?}"),
        }
        drop(earlier);
        let _lock = HomeLock::take(home.path()).unwrap();
        // An earlier release is refused now.
        let earlier = File::open(store.join("LOCK")).unwrap();
        assert!(matches!(earlier.try_lock(), Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn folder_lock_alone_refuses_a_second_locker() {
        let home = tempfile::tempdir().unwrap();
        let lock = HomeLock::take(home.path()).unwrap();
        // As on a disk without room for the file.
        std::fs::remove_file(home.path().join("LOCK")).unwrap();
        assert!(matches!(
            HomeLock::take(home.path()),
            Err(EngineError::Locked { .. })
        ));
        drop(lock);
    }

    #[test]
    fn missing_home_is_an_error_and_not_created() {
        let home = tempfile::tempdir().unwrap();
        let missing = home.path().join("missing");
        assert!(matches!(HomeLock::take(&missing), Err(EngineError::Io { .. })));
        assert!(!missing.exists());
    }
}
