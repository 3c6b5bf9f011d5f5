//! The log: ordered groups of frames in segment files, each frame checked by a hash over its place.
//!
//! A group is appended with one write and one sync; it is there as a whole or not at all. The module does not
//! know the meaning of frames. `docs/formats/log.md` describes every byte.
//!
//! A hash covers the journal, segment, offset and sequence number of its frame, so that a page or a file in the
//! wrong place is detected. Each group names its predecessor by hash, so that a file that was replaced by an
//! older version is detected.

mod append;
mod check;
mod error;
mod frame;
mod group;
mod position;
mod read;
mod recover;
mod segment;
mod tip;
mod walk;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use starling_protocol::UnixMillis;

pub use self::append::Appended;
pub use self::check::LogCheck;
pub use self::error::{Damage, Flaw, LogError, LogLimit};
pub use self::frame::{
    FRAME_HEADER_BYTES, Frame, FrameKind, FramePlace, HASH_BYTES, JournalId, MAX_PAYLOAD_BYTES, OwnedFrame,
};
pub use self::group::{GROUP_VERSION, Group, MAX_GROUP_BYTES, MAX_GROUP_FRAMES};
pub use self::position::{LogPosition, POSITION_BYTES};
pub use self::read::Groups;
pub use self::recover::{CutTail, Lost, Recovery, Witness};
pub use self::segment::{LOG_VERSION, SEGMENT_HEADER_BYTES};
pub use self::tip::{TIP_NAME, TIP_SLOT_BYTES, TIP_SLOT_STRIDE};

use self::append::{Creation, Writer, create_segment};
use self::segment::{Files, path_in};
use self::tip::TipWriter;
use crate::disk::Disk;

/// The size in bytes at which the next group begins a new segment.
pub const SEGMENT_BYTES: u64 = 16 << 20;
/// The bytes of free space below which nothing is appended.
pub const RESERVE_BYTES: u64 = 8 << 20;
/// The largest value of [`LogOptions::segment_bytes`]: with the largest group, offsets fit 32 bits.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// The access for which a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAccess {
    /// Cuts a torn tail and appends.
    Write,
    /// Writes nothing at all.
    Read,
}

/// Holds the sizes that a caller may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Bytes after which a new segment begins; at most [`MAX_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Bytes of free space that appends leave.
    pub reserve_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            reserve_bytes: RESERVE_BYTES,
        }
    }
}

/// The caller's knowledge about a log that it opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// A position that the caller holds durably: groups up to here are not read.
    pub from: Option<LogPosition>,
    /// A position that was once durable in the log with this id; it counts like the tip file.
    pub witness: Option<(JournalId, LogPosition)>,
}

/// An open log. One append runs at a time; readers never wait for it.
#[derive(Debug)]
pub struct Log {
    files: Files,
    options: LogOptions,
    /// `None` if the log is open to read only.
    writer: Option<Mutex<Writer>>,
    /// The end of the last durable group.
    end: Mutex<LogPosition>,
    /// Damage that opening left behind the end.
    beyond: Vec<Damage>,
}

impl Log {
    /// Creates a log in a folder without one. The folder is created if needed; all is durable on return.
    ///
    /// # Errors
    /// [`LogError::Exists`] if there is one; otherwise errors of the disk.
    pub fn create(disk: Arc<dyn Disk>, folder: &str, id: JournalId) -> Result<Self, LogError> {
        Self::create_with(disk, folder, id, LogOptions::default())
    }

    /// Creates a log like [`create`](Self::create), with options.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(
        disk: Arc<dyn Disk>,
        folder: &str,
        id: JournalId,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        let failed = |attempted, path: &str| {
            let path = path.to_owned();
            move |source| LogError::Io {
                attempted,
                path,
                source,
            }
        };
        if Self::exists(&*disk, folder).map_err(failed("look for a log in", folder))? {
            return Err(LogError::Exists {
                folder: folder.to_owned(),
            });
        }
        disk.create_folder(folder)
            .map_err(failed("create the folder", folder))?;
        // An unreadable tip, left from something else.
        let tip = path_in(folder, TIP_NAME);
        match disk.remove(&tip) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &tip)(error));
            }
            _ => {}
        }
        let files = Files::new(disk, folder, id);
        let file = match create_segment(&files, 1, LogPosition::START) {
            Ok(file) => file,
            Err(Creation::Refused(error) | Creation::Unsynced(error)) => {
                return Err(failed("create", &files.path(1))(error));
            }
        };
        let writer = Writer {
            place: Some((1, SEGMENT_HEADER_BYTES as u64)),
            last_segment: 1,
            end: LogPosition::START,
            file: Some(file),
            tip: TipWriter::open(&*files.disk, folder, id, 0),
            stopped: None,
        };
        Ok(Self::assemble(
            files,
            options,
            Some(writer),
            LogPosition::START,
            Vec::new(),
        ))
    }

    /// Returns true if the folder holds a log, even a damaged one. The remains of a crash during
    /// [`create`](Self::create) do not count.
    ///
    /// # Errors
    /// As the disk fails.
    pub fn exists(disk: &dyn Disk, folder: &str) -> io::Result<bool> {
        recover::exists(disk, folder)
    }

    /// Opens a log and finds its end.
    ///
    /// Groups up to `from`, a position that the caller holds durably, are not read; later groups are verified.
    /// A torn tail is cut, unless `from` or the tip file is beyond it: then it is kept and named in
    /// [`Recovery::lost`], and later groups go to a new segment.
    ///
    /// # Errors
    /// If there is no log, none of its headers can be read, or the disk fails. Other damage is reported in
    /// [`Recovery`].
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &str,
        from: Option<LogPosition>,
        access: LogAccess,
    ) -> Result<(Self, Recovery), LogError> {
        Self::open_with(disk, folder, from, access, LogOptions::default())
    }

    /// Opens a log like [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        disk: Arc<dyn Disk>,
        folder: &str,
        from: Option<LogPosition>,
        access: LogAccess,
        options: LogOptions,
    ) -> Result<(Self, Recovery), LogError> {
        Self::open_knowing(disk, folder, Known { from, witness: None }, access, options)
    }

    /// Opens a log like [`open_with`](Self::open_with), with a witness of its former end.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_knowing(
        disk: Arc<dyn Disk>,
        folder: &str,
        known: Known,
        access: LogAccess,
        options: LogOptions,
    ) -> Result<(Self, Recovery), LogError> {
        recover::open(disk, folder, known, access, options)
    }

    fn assemble(
        files: Files,
        mut options: LogOptions,
        writer: Option<Writer>,
        end: LogPosition,
        beyond: Vec<Damage>,
    ) -> Self {
        options.segment_bytes = options.segment_bytes.min(MAX_SEGMENT_BYTES);
        Self {
            files,
            options,
            writer: writer.map(Mutex::new),
            end: Mutex::new(end),
            beyond,
        }
    }

    /// Returns the position after the last durable group.
    pub fn end(&self) -> LogPosition {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the journal's id.
    pub fn journal(&self) -> JournalId {
        self.files.journal
    }

    /// Appends a group. On return it is durable.
    ///
    /// # Errors
    /// [`LogError::NoRoom`] and [`LogError::Io`]: no part of the group is stored, and the log continues.
    /// [`LogError::Stopped`]: the group may or may not be there after the next opening, and every later append
    /// fails.
    pub fn append(&self, time: UnixMillis, flags: u8, frames: &[Frame<'_>]) -> Result<Appended, LogError> {
        let writer = self.writer.as_ref().ok_or(LogError::ReadOnly)?;
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = writer.append(&self.files, &self.options, (time, flags), frames)?;
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = appended.end;
        Ok(appended)
    }

    /// Makes the tip file durable, so that a later loss of the log's tail is detected.
    ///
    /// # Errors
    /// Errors of the disk. The log does not stop: the tip is only a witness.
    pub fn sync_tip(&self) -> io::Result<()> {
        let file = self.writer.as_ref().and_then(|writer| {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.tip.file()
        });
        // Not under the lock: an append must not wait.
        file.map_or(Ok(()), |file| file.sync_data())
    }

    /// Returns the bytes of all segment files. One that cannot be opened counts nothing: a check of the log names it.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        let numbers = segment::list_segments(&*self.files.disk, &self.files.folder)?;
        let lengths = numbers
            .into_iter()
            .filter_map(|number| self.files.segment(number).ok());
        Ok(lengths.map(|segment| segment.length).sum())
    }
}

#[cfg(test)]
mod tests;
