//! Appends groups with one write and one sync, and stops the log when the state of the disk is unknown.

use std::io;
use std::sync::Arc;

use starling_protocol::UnixMillis;

use super::LogOptions;
use super::error::{LogError, LogLimit};
use super::frame::{Binding, Frame, FramePlace};
use super::group::{GROUP_FRAME_BYTES, encode, measure};
use super::position::LogPosition;
use super::segment::{Files, LOG_VERSION, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::tip::TipWriter;
use crate::disk::{DiskFile, OpenFile};

/// Reports the place of an appended group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position after the group.
    pub end: LogPosition,
    /// The places of the caller's frames, in order.
    pub places: Vec<FramePlace>,
}

/// The state of the one writer.
#[derive(Debug)]
pub(super) struct Writer {
    /// The place of the next group; `None` if it needs a new segment.
    pub(super) place: Option<(u32, u64)>,
    /// The highest segment number in the folder.
    pub(super) last_segment: u32,
    pub(super) end: LogPosition,
    /// The segment of `place`, open to write.
    pub(super) file: Option<Arc<dyn DiskFile>>,
    pub(super) tip: TipWriter,
    /// The reason why the log stopped.
    pub(super) stopped: Option<String>,
}

impl Writer {
    pub(super) fn append(
        &mut self,
        files: &Files,
        options: &LogOptions,
        stamp: (UnixMillis, u8),
        frames: &[Frame<'_>],
    ) -> Result<Appended, LogError> {
        if let Some(reason) = &self.stopped {
            return Err(LogError::Stopped {
                reason: reason.clone(),
            });
        }
        let bytes = measure(frames)?;
        self.check_room(files, options, u64::from(bytes) + GROUP_FRAME_BYTES as u64)?;
        let (file, segment, offset) = self.target(files, options)?;
        let binding = Binding {
            journal: files.journal,
            segment,
            offset,
        };
        let group = encode(frames, bytes, stamp, self.end, binding);
        if let Err(error) = file.write_all_at(&group.bytes, offset) {
            if let Err(cut) = file.set_len(offset) {
                return Err(self.stop(&format!(
                    "{}: a write failed ({error}), and its bytes could not be cut off again ({cut})",
                    files.path(segment)
                )));
            }
            return Err(refused(files, segment, error));
        }
        if let Err(error) = file.sync_data() {
            return Err(self.stop(&format!("{}: a sync failed ({error})", files.path(segment))));
        }
        self.end = group.end;
        self.place = Some((segment, group.end.offset));
        self.tip.write(group.end);
        Ok(Appended {
            end: group.end,
            places: group.places,
        })
    }

    fn check_room(&self, files: &Files, options: &LogOptions, needed: u64) -> Result<(), LogError> {
        // A disk that cannot report its free space is tested by the write itself.
        let Ok(Some(free)) = files.disk.free_bytes() else {
            return Ok(());
        };
        if free < options.reserve_bytes.saturating_add(needed) {
            return Err(LogError::NoRoom {
                path: files.folder.clone(),
                found: format!(
                    "{free} bytes free, {needed} needed beside a reserve of {}",
                    options.reserve_bytes
                ),
            });
        }
        Ok(())
    }

    /// Returns the file and offset for the next group, in a new segment if the current one is full.
    fn target(
        &mut self,
        files: &Files,
        options: &LogOptions,
    ) -> Result<(Arc<dyn DiskFile>, u32, u64), LogError> {
        match (self.place, &self.file) {
            (Some((segment, offset)), Some(file)) if offset < options.segment_bytes => {
                Ok((file.clone(), segment, offset))
            }
            (Some((segment, offset)), None) if offset < options.segment_bytes => {
                let file = files
                    .disk
                    .open(&files.path(segment), OpenFile::Write)
                    .map_err(|error| refused(files, segment, error))?;
                self.file = Some(file.clone());
                Ok((file, segment, offset))
            }
            _ => self.roll(files),
        }
    }

    fn roll(&mut self, files: &Files) -> Result<(Arc<dyn DiskFile>, u32, u64), LogError> {
        let number = self.last_segment.checked_add(1).ok_or(LogError::TooLarge {
            what: LogLimit::Segments,
            found: u64::from(u32::MAX) + 1,
            limit: u32::MAX.into(),
        })?;
        let file = match create_segment(files, number, self.end) {
            Ok(file) => file,
            Err(Creation::Refused(error)) => return Err(refused(files, number, error)),
            Err(Creation::Unsynced(error)) => {
                return Err(self.stop(&format!("{}: a sync failed ({error})", files.path(number))));
            }
        };
        let offset = SEGMENT_HEADER_BYTES as u64;
        self.last_segment = number;
        self.place = Some((number, offset));
        self.file = Some(file.clone());
        files.forget(number);
        Ok((file, number, offset))
    }

    fn stop(&mut self, reason: &str) -> LogError {
        tracing::error!(reason, "the log stopped");
        self.stopped = Some(reason.to_owned());
        LogError::Stopped {
            reason: reason.to_owned(),
        }
    }
}

/// The reason why a segment could not be created.
#[derive(Debug)]
pub(super) enum Creation {
    /// No part of it is left.
    Refused(io::Error),
    /// A sync failed: the content of the disk is unknown.
    Unsynced(io::Error),
}

/// Creates a segment with its header, durable with its name.
pub(super) fn create_segment(
    files: &Files,
    number: u32,
    previous: LogPosition,
) -> Result<Arc<dyn DiskFile>, Creation> {
    let path = files.path(number);
    let header = SegmentHeader {
        version: LOG_VERSION,
        journal: files.journal,
        segment: number,
        previous,
    };
    let file = match files.disk.open(&path, OpenFile::Create) {
        // A failed creation could not remove its file, which contains no group.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.disk.remove(&path).map_err(Creation::Refused)?;
            files.disk.open(&path, OpenFile::Create)
        }
        other => other,
    };
    let file = file.map_err(Creation::Refused)?;
    if let Err(error) = file.write_all_at(&header.encode(), 0) {
        // If it stays, the next attempt or the next opening removes it.
        let _ = files.disk.remove(&path);
        return Err(Creation::Refused(error));
    }
    file.sync_data().map_err(Creation::Unsynced)?;
    files
        .disk
        .sync_folder(&files.folder)
        .map_err(Creation::Unsynced)?;
    Ok(file)
}

fn refused(files: &Files, number: u32, error: io::Error) -> LogError {
    let path = files.path(number);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            LogError::NoRoom {
                path,
                found: error.to_string(),
            }
        }
        _ => LogError::Io {
            attempted: "write",
            path,
            source: error,
        },
    }
}
