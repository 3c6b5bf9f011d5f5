//! The tip file: a witness of the log's durable end, so that a lost tail is detected.
//!
//! Two slots are written in turn, each after the log's own sync. An unreadable slot is not an error: there is
//! one witness less.

use std::sync::Arc;

use super::frame::{HASH_BYTES, JournalId, Reader, Writer, hash_under};
use super::position::{LogPosition, POSITION_BYTES};
use super::segment::path_in;
use crate::disk::{Disk, DiskFile, OpenFile};

/// The name of the tip file in the log's folder.
pub const TIP_NAME: &str = "tip";
/// Bytes of a slot.
pub const TIP_SLOT_BYTES: usize = 4 + 4 + 8 + 16 + POSITION_BYTES + HASH_BYTES;
/// Bytes from one slot to the other: a page, so that one bad page never takes both.
pub const TIP_SLOT_STRIDE: u64 = 4096;

const MAGIC: [u8; 4] = *b"STLT";
const VERSION: u8 = 1;
const CONTEXT: &str = "starling 2026-11 v1 log tip";

/// The content of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) generation: u64,
    pub(super) journal: JournalId,
    pub(super) position: LogPosition,
}

impl Tip {
    fn encode(&self) -> [u8; TIP_SLOT_BYTES] {
        let mut bytes = [0; TIP_SLOT_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&MAGIC);
        writer.put(&[VERSION, 0, 0, 0]);
        writer.put(&self.generation.to_le_bytes());
        writer.put(&self.journal.0);
        writer.put(&self.position.encode());
        let hash = hash_under(CONTEXT, &bytes[..TIP_SLOT_BYTES - HASH_BYTES]);
        bytes[TIP_SLOT_BYTES - HASH_BYTES..].copy_from_slice(&hash);
        bytes
    }

    fn decode(bytes: &[u8; TIP_SLOT_BYTES]) -> Option<Self> {
        let mut reader = Reader(bytes);
        reader.take::<8>();
        let tip = Self {
            generation: reader.u64(),
            journal: JournalId(reader.take()),
            position: LogPosition::decode(&reader.take::<POSITION_BYTES>())?,
        };
        (tip.encode() == *bytes).then_some(tip)
    }

    /// Returns true if the file exists, even an unreadable one.
    pub(super) fn exists(disk: &dyn Disk, folder: &str) -> bool {
        disk.open(&path_in(folder, TIP_NAME), OpenFile::Read).is_ok()
    }

    /// Reads the newest slot that can be read.
    pub(super) fn read(disk: &dyn Disk, folder: &str) -> Option<Self> {
        let file = disk.open(&path_in(folder, TIP_NAME), OpenFile::Read).ok()?;
        let slots = [0, TIP_SLOT_STRIDE].into_iter().filter_map(|offset| {
            let mut bytes = [0; TIP_SLOT_BYTES];
            file.read_exact_at(&mut bytes, offset).ok()?;
            Self::decode(&bytes)
        });
        slots.max_by_key(|tip| tip.generation)
    }
}

/// Writes the tip file. A failure costs only the witness.
#[derive(Debug)]
pub(super) struct TipWriter {
    file: Option<Arc<dyn DiskFile>>,
    journal: JournalId,
    generation: u64,
}

impl TipWriter {
    /// Opens or creates the file.
    pub(super) fn open(disk: &dyn Disk, folder: &str, journal: JournalId, generation: u64) -> Self {
        let path = path_in(folder, TIP_NAME);
        // The name is durable before a group is written: a log without the file has lost it.
        let create = |_| {
            let file = disk.open(&path, OpenFile::Create)?;
            disk.sync_folder(folder).map(|()| file)
        };
        let file = disk.open(&path, OpenFile::Write).or_else(create);
        Self {
            file: file.ok(),
            journal,
            generation,
        }
    }

    /// Returns a writer that writes nothing.
    pub(super) fn without_file(journal: JournalId) -> Self {
        Self {
            file: None,
            journal,
            generation: 0,
        }
    }

    /// Writes a position to the older slot.
    pub(super) fn write(&mut self, position: LogPosition) {
        self.generation = self.generation.saturating_add(1);
        let tip = Tip {
            generation: self.generation,
            journal: self.journal,
            position,
        };
        let offset = (self.generation % 2) * TIP_SLOT_STRIDE;
        if let Some(file) = &self.file
            && let Err(error) = file.write_all_at(&tip.encode(), offset)
        {
            tracing::debug!(%error, "could not write the log's tip");
        }
    }

    pub(super) fn file(&self) -> Option<Arc<dyn DiskFile>> {
        self.file.clone()
    }
}
