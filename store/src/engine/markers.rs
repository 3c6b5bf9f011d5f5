//! Marker files that record how an engine's files were left: closed in order, or by a stop of the process or
//! the machine.
//!
//! sled cannot detect everything that a stop of the machine took from its file. So two small files beside it
//! record its last state: `running`, written before the first commit, holds the boot id of the machine; `clean`
//! exists from an orderly close to the next commit. Both are on disk before the event that they record.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::sync_folder;
use crate::disk::{open_file, refuse_what_is_no_file};

pub(super) const CLEAN: &str = "clean";
pub(super) const RUNNING: &str = "running";
/// Holds why the files are in doubt, found while they were in use.
pub(super) const DOUBT: &str = "doubt";
/// A reason is one line; more than this is not one.
const MAX_DOUBT_BYTES: u64 = 4_096;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// True if this process reported that the boot id cannot be read: an engine is opened several times.
static UNREADABLE_REPORTED: AtomicBool = AtomicBool::new(false);
/// A boot id has 36 characters; more than this is not one.
const MAX_BOOT_ID_BYTES: u64 = 64;

/// Records that the files of a folder are in doubt: the next opening sets them aside and rebuilds them.
pub(super) fn note_doubt(folder: &Path, reason: &str) {
    if !folder.is_dir() {
        return;
    }
    let noted = write_small(folder, DOUBT, reason);
    if let Err(error) = noted {
        tracing::warn!(%error, "noting that the store is in doubt");
    }
}

/// Returns why the files of a folder are in doubt, if that was noted.
pub(super) fn noted_doubt(folder: &Path) -> Option<String> {
    let mut text = String::new();
    let read =
        open_file(&folder.join(DOUBT)).and_then(|file| file.take(MAX_DOUBT_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => Some(text),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        // A note that cannot be read is a note.
        Err(error) => Some(format!("it was found damaged ({DOUBT}: {error})")),
    }
}

/// The state in which a folder's engine was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Closed in order: all commits are on disk.
    Clean,
    /// The process stopped, and the machine has been running since: the system holds all writes.
    ProcessStopped,
    /// The machine stopped, or it is unknown.
    MachineStopped,
}

/// The markers of one folder, for as long as its engine is open.
#[derive(Debug)]
pub(super) struct MarkerFiles {
    folder: PathBuf,
    boot_id: Option<String>,
    /// True if a commit may have been made since the folder was clean.
    dirty: AtomicBool,
}

impl MarkerFiles {
    pub(super) fn of(folder: &Path) -> Self {
        let boot_id = read_small(Path::new(BOOT_ID));
        if boot_id.is_none() && !UNREADABLE_REPORTED.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                file = BOOT_ID,
                "the id of the machine's boot cannot be read, so a stop of the process looks like one of the machine: each start \
                 after a kill rebuilds the engine from the log. Give the process access to this file; in a systemd unit, remove \
                 ProcSubset=pid"
            );
        }
        Self::with_boot_id(folder, boot_id)
    }

    fn with_boot_id(folder: &Path, boot_id: Option<String>) -> Self {
        let markers = Self {
            folder: folder.to_path_buf(),
            boot_id,
            dirty: AtomicBool::new(false),
        };
        // The process that committed stopped; an orderly close makes up for it.
        markers
            .dirty
            .store(markers.left() == Left::ProcessStopped, Ordering::Relaxed);
        markers
    }

    /// Returns the state in which the folder's engine was left.
    pub(super) fn left(&self) -> Left {
        if self.folder.join(CLEAN).is_file() {
            return Left::Clean;
        }
        match (read_small(&self.folder.join(RUNNING)), &self.boot_id) {
            (Some(found), Some(boot_id)) if found == *boot_id => Left::ProcessStopped,
            _ => Left::MachineStopped,
        }
    }

    /// Marks the folder as running before a commit. The caller holds the writer's lock.
    pub(super) fn begin(&self) -> io::Result<()> {
        if self.dirty.load(Ordering::Relaxed) {
            return Ok(());
        }
        for name in [RUNNING, CLEAN] {
            refuse_named(&self.folder, name)?;
        }
        write_small(&self.folder, RUNNING, self.boot_id.as_deref().unwrap_or_default())?;
        match fs::remove_file(self.folder.join(CLEAN)) {
            Ok(()) => sync_folder(&self.folder)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Marks the folder as clean, after a checkpoint and before the close.
    pub(super) fn end(&self) -> io::Result<()> {
        if self.dirty.swap(false, Ordering::Relaxed) {
            write_small(&self.folder, CLEAN, "")?;
        }
        Ok(())
    }
}

/// Writes a small file, which is whole and on disk on return.
pub(super) fn write_small(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let write = || {
        // What is left of an earlier write, or stands in its place, is not opened.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, folder.join(name))
    };
    write().inspect_err(|_| {
        // A full disk would keep an empty file.
        let _ = fs::remove_file(&unfinished);
    })?;
    sync_folder(folder)
}

/// Refuses whatever stands in place of one file of a folder, by its name.
pub(super) fn refuse_named(folder: &Path, name: &str) -> io::Result<()> {
    let path = folder.join(name);
    refuse_what_is_no_file(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn read_small(path: &Path) -> Option<String> {
    let mut text = String::new();
    open_file(path)
        .ok()?
        .take(MAX_BOOT_ID_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_boot(folder: &Path, boot_id: &str) -> MarkerFiles {
        MarkerFiles::with_boot_id(folder, Some(boot_id.to_owned()))
    }

    #[test]
    fn folder_is_clean_from_its_close_to_the_next_commit() {
        let folder = tempfile::tempdir().unwrap();
        let markers = at_boot(folder.path(), "one");
        markers.begin().unwrap();
        markers.begin().unwrap();
        assert_eq!(markers.left(), Left::ProcessStopped);
        assert_eq!(at_boot(folder.path(), "two").left(), Left::MachineStopped);
        markers.end().unwrap();
        let next = at_boot(folder.path(), "two");
        assert_eq!(next.left(), Left::Clean);
        next.begin().unwrap();
        assert_eq!(next.left(), Left::ProcessStopped);
        assert_eq!(at_boot(folder.path(), "one").left(), Left::MachineStopped);
    }

    #[test]
    fn close_without_a_commit_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let markers = at_boot(folder.path(), "one");
        markers.end().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn failed_marker_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder with its name is in the way.
        fs::create_dir_all(folder.path().join(RUNNING).join("full")).unwrap();
        at_boot(folder.path(), "one").begin().unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn pipes_and_folders_in_place_of_markers_are_not_waited_for() {
        for is_pipe in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let put = |name: &str| {
                let path = folder.path().join(name);
                if is_pipe {
                    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
                    assert!(made.success());
                } else {
                    fs::create_dir(&path).unwrap();
                }
            };
            put(RUNNING);
            let error = at_boot(folder.path(), "one").begin().unwrap_err();
            assert!(error.to_string().contains("/running: it is a "), "{error}");
            assert_eq!(at_boot(folder.path(), "one").left(), Left::MachineStopped);
            put(CLEAN);
            assert_eq!(
                at_boot(folder.path(), "one").left(),
                Left::MachineStopped,
                "not a clean close"
            );
            assert_eq!(noted_doubt(folder.path()), None);
            put(DOUBT);
            let doubt = noted_doubt(folder.path()).unwrap();
            assert!(doubt.contains("doubt: it is a "), "{doubt}");
        }
    }

    #[test]
    fn doubt_is_noted_over_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["doubt", "doubt.new"] {
            let path = folder.path().join(name);
            let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
        }
        note_doubt(folder.path(), "a page is damaged");
        assert_eq!(noted_doubt(folder.path()).as_deref(), Some("a page is damaged"));
    }

    #[test]
    fn unknown_boot_ids_never_match() {
        let folder = tempfile::tempdir().unwrap();
        let markers = MarkerFiles::with_boot_id(folder.path(), None);
        markers.begin().unwrap();
        assert_eq!(markers.left(), Left::MachineStopped);
        assert_eq!(at_boot(folder.path(), "one").left(), Left::MachineStopped);
        fs::write(folder.path().join(RUNNING), [0xFF; 100]).unwrap();
        assert_eq!(at_boot(folder.path(), "one").left(), Left::MachineStopped);
    }

    #[test]
    fn this_machine_has_a_boot_id() {
        let folder = tempfile::tempdir().unwrap();
        let markers = MarkerFiles::of(folder.path());
        markers.begin().unwrap();
        assert_eq!(MarkerFiles::of(folder.path()).left(), Left::ProcessStopped);
    }
}
