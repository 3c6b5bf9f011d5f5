//! Walks over packs: reads and checks every frame without decompressing it; reports damage and skips it.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_protocol::ContentHash;

use super::error::{DamageKind, PackDamage, PackError, is_unreadable};
use super::files::PackFile;
use super::frame::{
    Body, FRAME_HEADER_BYTES, FRAME_MAGIC, FRAMES_START, Frame, FrameHead, FrameKey, MAX_PAYLOAD_BYTES, flag,
    kind,
};
use super::read::ReadFailure;
use super::{BodyPlace, PackAccess, PackNumber, PackPosition, Packs};
use crate::disk::DiskFile;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Bytes searched at once for the start of a frame.
const STEP_BYTES: usize = 16 << 10;
/// Bytes that a disk reads or fails to read as one.
const BLOCK_BYTES: usize = 4 << 10;
/// Most damaged places of one pack that are reported separately: a file prepared to have millions of them is
/// damaged enough.
const MAX_PLACES: usize = 1_024;
/// Most bytes that are hashed in one pack to find the next frame after damage. Only a file made to be slow
/// needs more; the rest of it counts as damaged.
const SEARCH_BYTES: u64 = 1 << 30;

/// The result of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackScan {
    /// The end of the scanned part.
    pub end: PackPosition,
    /// Bodies visited.
    pub bodies: u64,
    /// The unusable parts.
    pub damage: Vec<PackDamage>,
    /// The unfinished tail of the last pack. It is cut, unless the packs are read only.
    pub torn: Option<TornTail>,
}

/// An unfinished write at the end of the last pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The pack.
    pub pack: PackNumber,
    /// The end of the complete part.
    pub offset: u64,
    /// The bytes beyond it.
    pub bytes: u64,
}

impl Packs {
    /// Reads and checks every frame after a position, in the order of packs and offsets, without decompressing.
    ///
    /// The torn tail of the last pack is cut. Other damage is reported, and the scan continues with the next
    /// whole frame. A file that is missing or ends before `after` is reported, too, and its places are not used
    /// again. The results may not be durable yet: call [`sync`](Self::sync) before relying on them.
    ///
    /// `visit` may read, but must not write.
    ///
    /// # Errors
    /// [`PackError::UnknownKind`] or [`PackError::Io`].
    pub fn scan(
        &self,
        after: PackPosition,
        visit: &mut dyn FnMut(ContentHash, BodyPlace),
    ) -> Result<PackScan, PackError> {
        if self.options.access == PackAccess::Read {
            self.files.refresh()?;
            if let Some(last) = self.files.last() {
                self.set_written(last.end());
            }
        }
        let mut scan = PackScan {
            end: after,
            ..PackScan::default()
        };
        // Data written while the scan runs is not part of it.
        let until = self.end();
        self.report_lost(after, &mut scan);
        for pack in self.files.all() {
            if pack.number.get() < after.pack {
                continue;
            }
            let from = if pack.number.get() == after.pack {
                after.offset
            } else {
                0
            };
            let end = self.scan_pack(&pack, from, until, &mut scan, visit)?;
            scan.end = scan.end.max(PackPosition {
                pack: pack.number.get(),
                offset: end,
            });
        }
        if self.options.access == PackAccess::Write {
            self.never_reuse(after)?;
        }
        Ok(scan)
    }

    /// Reports data that a position proves to have existed and that is missing.
    fn report_lost(&self, after: PackPosition, scan: &mut PackScan) {
        let Some(number) = PackNumber::new(after.pack) else {
            return;
        };
        let (offset, what) = match self.files.get(number) {
            // A pack that was removed after a compaction has a later one beside it.
            None if after.offset > 0 && self.files.last().is_none_or(|last| last.number < number) => {
                (0, DamageKind::MissingFile)
            }
            Some(pack) if pack.bytes() < after.offset => (pack.bytes(), DamageKind::Short),
            _ => return,
        };
        scan.damage.push(PackDamage {
            pack: number,
            offset,
            length: after.offset - offset,
            hash: None,
            what,
        });
    }

    fn scan_pack(
        &self,
        pack: &Arc<PackFile>,
        from: u64,
        until: PackPosition,
        scan: &mut PackScan,
        visit: &mut dyn FnMut(ContentHash, BodyPlace),
    ) -> Result<u64, PackError> {
        let mut visitor = Visitor {
            packs: self,
            pack,
            dictionaries: BTreeMap::new(),
            scan,
            visit,
        };
        // The tail is checked and cut once, under the writer's lock; later scans go up to the written end.
        let mut writer = self.lock_writer()?;
        let is_last = self.files.last().is_some_and(|last| last.number == pack.number);
        if is_last && !writer.is_tail_checked() {
            let walked = self.walk(pack, from, pack.bytes(), &mut |step| visitor.step(&step))?;
            if self.options.access == PackAccess::Write {
                self.settle_tail(&mut writer, pack, &walked)?;
            }
            scan.torn = walked.tail;
            scan.damage.extend(walked.damage);
            return Ok(walked.end);
        }
        drop(writer);
        let bytes = pack.bytes();
        let end = if pack.number.get() == until.pack {
            if until.offset > bytes {
                // Known to have been written, and missing now.
                scan_short(visitor.scan, pack.number, bytes, until.offset);
            }
            until.offset.min(bytes)
        } else {
            bytes
        };
        let mut walked = self.walk(pack, from, end, &mut |step| visitor.step(&step))?;
        walked.tail_is_damage(pack.number);
        scan.damage.extend(walked.damage);
        Ok(end)
    }

    /// Walks over the frames of a pack from an offset to its end.
    pub(super) fn walk(
        &self,
        pack: &Arc<PackFile>,
        from: u64,
        end: u64,
        step: &mut dyn FnMut(Step<'_>) -> Result<(), PackError>,
    ) -> Result<Walked, PackError> {
        let mut walked = Walked::default();
        let from = from.max(FRAMES_START);
        let key = match pack.key() {
            Ok(key) => key,
            Err(what) => {
                walked.report(pack.number, 0, end, what);
                walked.end = end;
                return Ok(walked);
            }
        };
        if pack.is_header_damaged && from == FRAMES_START {
            walked.report(pack.number, 0, 0, DamageKind::HeaderCopy);
        }
        let file = self
            .files
            .file(pack)
            .map_err(PackError::io("opening", &pack.path))?;
        let mut window = Window::new(file.as_ref(), end);
        let mut offset = from;
        let mut search = SEARCH_BYTES;
        while offset < end {
            let found = window
                .frame(key, offset)
                .map_err(PackError::io("reading", &pack.path))?;
            let Some(frame) = found else {
                let next = window
                    .next_frame(key, offset + 1, &mut search)
                    .map_err(PackError::io("reading", &pack.path))?;
                match next {
                    Search::Found(next) => {
                        walked.report(pack.number, offset, next - offset, DamageKind::FrameHash);
                        offset = next;
                        continue;
                    }
                    Search::GaveUp => {
                        walked.report(pack.number, offset, end - offset, DamageKind::FrameHash);
                        walked.end = end;
                        return Ok(walked);
                    }
                    Search::Nothing => break,
                }
            };
            if frame.flags & flag::CRITICAL != 0 && !frame.is_known() {
                return Err(PackError::UnknownKind {
                    pack: pack.number,
                    offset,
                    kind: frame.kind,
                });
            }
            let length = FRAME_HEADER_BYTES + frame.payload.len();
            step(Step {
                offset,
                length: u32::try_from(length).unwrap_or(u32::MAX),
                frame,
            })?;
            offset += length as u64;
        }
        walked.end = offset.min(end).max(from.min(end));
        walked.tail = (offset < end).then(|| TornTail {
            pack: pack.number,
            offset,
            bytes: end - offset,
        });
        Ok(walked)
    }
}

/// Shows the bodies of one pack to the caller of a scan.
pub(super) struct Visitor<'a> {
    pub(super) packs: &'a Packs,
    pub(super) pack: &'a Arc<PackFile>,
    /// Dictionaries by offset: true if they can be read.
    pub(super) dictionaries: BTreeMap<u32, bool>,
    pub(super) scan: &'a mut PackScan,
    pub(super) visit: &'a mut dyn FnMut(ContentHash, BodyPlace),
}

impl Visitor<'_> {
    pub(super) fn step(&mut self, step: &Step<'_>) -> Result<(), PackError> {
        if step.frame.kind != kind::BODY {
            return Ok(());
        }
        let place = step.place(self.pack.number);
        let body = Body::decode(step.frame.payload);
        let what = match body {
            None => DamageKind::NoFrame,
            Some(body) if self.has_dictionary(body.dictionary)? => {
                self.scan.bodies += 1;
                (self.visit)(body.hash, place);
                return Ok(());
            }
            // After a loss of power the body may be on the disk without its dictionary.
            Some(body) => DamageKind::Dictionary {
                offset: body.dictionary.into(),
            },
        };
        self.scan.damage.push(PackDamage {
            pack: self.pack.number,
            offset: place.offset,
            length: place.length.into(),
            hash: body.map(|body| body.hash),
            what,
        });
        Ok(())
    }

    fn has_dictionary(&mut self, offset: u32) -> Result<bool, PackError> {
        if offset == 0 {
            return Ok(true);
        }
        if let Some(known) = self.dictionaries.get(&offset) {
            return Ok(*known);
        }
        let readable = match self.packs.read_dictionary(self.pack, offset) {
            Ok(_) => true,
            Err(ReadFailure::Io(cause)) => return Err(PackError::io("reading", &self.pack.path)(cause)),
            Err(_) => false,
        };
        self.dictionaries.insert(offset, readable);
        Ok(readable)
    }
}

/// One frame on a walk.
pub(super) struct Step<'a> {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) frame: Frame<'a>,
}

impl Step<'_> {
    pub(super) fn place(&self, pack: PackNumber) -> BodyPlace {
        BodyPlace {
            pack,
            offset: self.offset,
            length: self.length,
        }
    }
}

/// The other findings of a walk.
#[derive(Default)]
pub(super) struct Walked {
    /// The end of the last whole frame, or of damage that was given up.
    pub(super) end: u64,
    pub(super) damage: Vec<PackDamage>,
    /// The bytes after the last whole frame.
    pub(super) tail: Option<TornTail>,
}

impl Walked {
    fn report(&mut self, pack: PackNumber, offset: u64, length: u64, what: DamageKind) {
        if self.damage.len() >= MAX_PLACES
            && let Some(last) = self.damage.last_mut()
        {
            last.length = (offset + length).saturating_sub(last.offset);
            return;
        }
        self.damage.push(PackDamage {
            pack,
            offset,
            length,
            hash: None,
            what,
        });
    }

    /// Counts the tail as damage: the pack was complete once.
    pub(super) fn tail_is_damage(&mut self, pack: PackNumber) {
        if let Some(tail) = self.tail.take() {
            self.report(pack, tail.offset, tail.bytes, DamageKind::FrameHash);
        }
    }
}

enum Search {
    Found(u64),
    Nothing,
    GaveUp,
}

/// Fills a buffer from a file, with zeros where the disk cannot read: no whole frame is there.
fn read_around(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if is_unreadable(&error) => {}
        other => return other,
    }
    let mut offset = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        // Up to the next boundary of a block.
        let into = usize::try_from(offset).unwrap_or(0) % BLOCK_BYTES;
        let length = (BLOCK_BYTES - into).min(rest.len());
        let (block, after) = std::mem::take(&mut rest).split_at_mut(length);
        rest = after;
        match file.read_exact_at(block, offset) {
            Err(error) if is_unreadable(&error) => block.fill(0),
            other => other?,
        }
        offset += block.len() as u64;
    }
    Ok(())
}

/// A part of a file in memory.
struct Window<'a> {
    file: &'a dyn DiskFile,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn DiskFile, end: u64) -> Self {
        Self {
            file,
            end,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// Returns `length` bytes from an offset, fewer at the end of the file. The caller bounds `length`.
    fn bytes(&mut self, offset: u64, length: usize) -> std::io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        let have = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + length as u64 > have {
            let read = length.max(READ_BYTES).min(left);
            self.bytes.resize(read, 0);
            self.start = offset;
            if let Err(error) = read_around(self.file, &mut self.bytes, offset) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from.saturating_add(length)).unwrap_or(&[]))
    }

    /// Returns the frame at an offset, if a whole one is there.
    fn frame(&mut self, key: &FrameKey, offset: u64) -> std::io::Result<Option<Frame<'_>>> {
        let Some(head) = FrameHead::decode(self.bytes(offset, FRAME_HEADER_BYTES)?) else {
            return Ok(None);
        };
        let bytes = self.bytes(offset, head.frame_bytes())?;
        Ok(key.check(bytes, offset).ok())
    }

    /// Finds the next whole frame.
    fn next_frame(&mut self, key: &FrameKey, from: u64, budget: &mut u64) -> std::io::Result<Search> {
        let mut offset = from;
        while offset < self.end {
            let bytes = self.bytes(offset, STEP_BYTES)?;
            let magic = bytes
                .windows(FRAME_MAGIC.len())
                .position(|four| four == FRAME_MAGIC);
            let Some(at) = magic else {
                // The last bytes may be the start of a magic.
                let step = bytes.len().saturating_sub(FRAME_MAGIC.len() - 1).max(1);
                offset += step as u64;
                continue;
            };
            offset += at as u64;
            let length = FrameHead::decode(self.bytes(offset, FRAME_HEADER_BYTES)?)
                .map_or(0, |head| head.frame_bytes())
                .min(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);
            let Some(left) = budget.checked_sub(length as u64) else {
                return Ok(Search::GaveUp);
            };
            *budget = left;
            if self.frame(key, offset)?.is_some() {
                return Ok(Search::Found(offset));
            }
            offset += 1;
        }
        Ok(Search::Nothing)
    }
}

/// Reports that a pack ends before its known end.
fn scan_short(scan: &mut PackScan, pack: PackNumber, bytes: u64, known: u64) {
    scan.damage.push(PackDamage {
        pack,
        offset: bytes,
        length: known - bytes,
        hash: None,
        what: DamageKind::Short,
    });
}
