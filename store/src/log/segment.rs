//! Segments: the files of the log, their names and headers.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Flaw, LogError};
use super::frame::{Binding, HASH_BYTES, JournalId, Reader, Writer, hash_under};
use super::group::{VerifiedHead, group_prefix, read_head};
use super::position::{LogPosition, POSITION_BYTES};
use crate::disk::{Disk, DiskFile, OpenFile};

/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 4 + 4 + 16 + 4 + POSITION_BYTES + HASH_BYTES;
/// The format version of a segment.
pub const LOG_VERSION: u8 = 1;

const MAGIC: [u8; 4] = *b"STLG";
const CONTEXT: &str = "starling 2026-11 v1 log segment";
const SUFFIX: &str = ".log";
/// Most segment files that are kept open to read.
const MAX_OPEN_SEGMENTS: usize = 64;
/// Bytes that a search for a later group looks at in one read.
const SEARCH_BYTES: usize = 64 << 10;
/// The least amount that a disk loses at once.
const SECTOR_BYTES: u64 = 512;

/// Returns the file name of a segment.
pub(super) fn segment_name(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// Parses a segment's number from a file name; `None` for other names.
fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (number > 0 && segment_name(number) == name).then_some(number)
}

/// The fixed bytes at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) version: u8,
    pub(super) journal: JournalId,
    pub(super) segment: u32,
    /// The end of the group before the segment's first.
    pub(super) previous: LogPosition,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&MAGIC);
        writer.put(&[self.version, 0, 0, 0]);
        writer.put(&self.journal.0);
        writer.put(&self.segment.to_le_bytes());
        writer.put(&self.previous.encode());
        let hash = hash_under(CONTEXT, &bytes[..SEGMENT_HEADER_BYTES - HASH_BYTES]);
        bytes[SEGMENT_HEADER_BYTES - HASH_BYTES..].copy_from_slice(&hash);
        bytes
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, Flaw> {
        let mut reader = Reader(bytes);
        if reader.take() != MAGIC {
            return Err(Flaw::Header);
        }
        let [version, _, _, _] = reader.take();
        let header = Self {
            version,
            journal: JournalId(reader.take()),
            segment: reader.u32(),
            previous: LogPosition::decode(&reader.take::<POSITION_BYTES>()).ok_or(Flaw::Header)?,
        };
        // Equal bytes: the hash matches, and reserved bytes are zero.
        if header.encode() == *bytes {
            Ok(header)
        } else {
            Err(Flaw::Header)
        }
    }
}

/// An open segment, with the length up to which it is read.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) journal: JournalId,
    pub(super) length: u64,
    pub(super) file: Arc<dyn DiskFile>,
}

impl Segment {
    pub(super) fn binding(&self, offset: u64) -> Binding {
        Binding {
            journal: self.journal,
            segment: self.number,
            offset,
        }
    }

    /// Fills `buffer` from `offset`.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Flaw> {
        let (needed, left) = (buffer.len() as u64, self.length.saturating_sub(offset));
        if left < needed {
            return Err(Flaw::Cut { needed, left });
        }
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|error| Flaw::from_io(&error))
    }

    /// Reads the header and checks that it belongs to this file; any journal is accepted.
    pub(super) fn any_header(&self) -> Result<SegmentHeader, Flaw> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        self.read(&mut bytes, 0)?;
        let header = SegmentHeader::decode(&bytes)?;
        if header.segment != self.number {
            return Err(Flaw::OtherSegment(header.segment));
        }
        Ok(header)
    }

    /// Reads the header and checks that it belongs to this file of this journal.
    pub(super) fn header(&self) -> Result<SegmentHeader, Flaw> {
        let header = self.any_header()?;
        if header.journal != self.journal {
            return Err(Flaw::OtherJournal);
        }
        if header.version != LOG_VERSION {
            return Err(Flaw::Version(header.version));
        }
        Ok(header)
    }

    /// Finds the first verified group frame at or after an offset.
    ///
    /// Examines each byte once: group frames have one length, so each candidate costs one small read.
    pub(super) fn find_group(&self, from: u64) -> Option<(u64, VerifiedHead)> {
        let prefix = group_prefix();
        let mut buffer = vec![0; SEARCH_BYTES];
        let mut start = from;
        while start + (prefix.len() as u64) <= self.length {
            let left = usize::try_from(self.length - start).unwrap_or(usize::MAX);
            let chunk = buffer.get_mut(..left.min(SEARCH_BYTES))?;
            self.read_around_bad_sectors(chunk, start);
            for (index, window) in chunk.windows(prefix.len()).enumerate() {
                if window == prefix {
                    let offset = start + index as u64;
                    if let Ok(head) = read_head(self, offset) {
                        return Some((offset, head));
                    }
                }
            }
            start += (chunk.len() - prefix.len() + 1) as u64;
        }
        None
    }

    /// Fills a buffer; unreadable sectors are zero.
    fn read_around_bad_sectors(&self, buffer: &mut [u8], offset: u64) {
        if self.read(buffer, offset).is_ok() {
            return;
        }
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let in_sector = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(usize::MAX);
            let (sector, later) = rest.split_at_mut(in_sector.min(rest.len()));
            if self.read(sector, at).is_err() {
                sector.fill(0);
            }
            at += sector.len() as u64;
            rest = later;
        }
    }
}

/// The files of one log.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: String,
    pub(super) journal: JournalId,
    open: Mutex<BTreeMap<u32, Arc<dyn DiskFile>>>,
}

impl Files {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &str, journal: JournalId) -> Self {
        Self {
            disk,
            folder: folder.to_owned(),
            journal,
            open: Mutex::default(),
        }
    }

    pub(super) fn path(&self, number: u32) -> String {
        path_in(&self.folder, &segment_name(number))
    }

    /// Returns the numbers of the segment files, ascending.
    pub(super) fn numbers(&self) -> Result<Vec<u32>, LogError> {
        list_segments(&*self.disk, &self.folder).map_err(|source| LogError::Io {
            attempted: "list the files of",
            path: self.folder.clone(),
            source,
        })
    }

    /// Opens a segment to read, up to its present length.
    pub(super) fn segment(&self, number: u32) -> io::Result<Segment> {
        let cached = self.cache().get(&number).cloned();
        let file = match cached {
            Some(file) => file,
            None => {
                let file = self.disk.open(&self.path(number), OpenFile::Read)?;
                self.keep(number, file.clone());
                file
            }
        };
        Ok(Segment {
            number,
            journal: self.journal,
            length: file.len()?,
            file,
        })
    }

    /// Keeps an open file for later reads.
    pub(super) fn keep(&self, number: u32, file: Arc<dyn DiskFile>) {
        let mut open = self.cache();
        if open.len() >= MAX_OPEN_SEGMENTS {
            // Old segments are read least.
            open.pop_first();
        }
        open.insert(number, file);
    }

    /// Forgets an open file.
    pub(super) fn forget(&self, number: u32) {
        self.cache().remove(&number);
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<dyn DiskFile>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn path_in(folder: &str, name: &str) -> String {
    format!("{folder}/{name}")
}

pub(super) fn list_segments(disk: &dyn Disk, folder: &str) -> io::Result<Vec<u32>> {
    let mut numbers: Vec<u32> = disk
        .list(folder)?
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}
