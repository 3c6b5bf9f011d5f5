//! The file under redb: blocks with a checksum each, which is verified whenever redb reads one.
//!
//! redb keeps checksums of its pages but verifies them only when it repairs a file. Here a block that was
//! flipped, zeroed, cut off, misplaced or taken from another file fails its read instead. One case is not
//! detected: a block in an earlier state, because the disk confirmed a write and dropped it.
//!
//! ```text
//! file   = head, first block, first block, block 1, block 2, …
//! head   = magic:[16] version:u32 block size:u32 file id:[16] 0… blake3 of all before:[32]   4,096 bytes
//! block  = contents:[4096] checksum:[16]
//! first block = contents:[4096] sequence:u64 checksum:[16], padded to 8,192 bytes
//! checksum = XXH3-128 of the contents (and the sequence), with the first half of the file id plus the block's
//!            number as its seed, xor the second half
//! ```
//!
//! Numbers are little-endian; sums and halves have 64 bits. The checksum is against accidents of a disk, and
//! fast: blake3 took as much processor time as redb itself. A block and its checksum are adjacent, so that one
//! write covers both, and a run of blocks is one write.
//!
//! redb changes its first page in place at each commit, so a torn write would cost the file. That page is kept
//! twice: writes go to the copy that is not the last synced one, and reading takes the valid copy with the
//! higher sequence. All other pages are written where no committed data is; redb does not read them after a
//! crash that tore them.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::super::lock::{lock_own, unlock};

/// Bytes of contents in a block; redb's page size.
const BLOCK_BYTES: usize = 4_096;
const CHECKSUM_BYTES: usize = 16;
/// The size of a block in the file.
const STRIDE: usize = BLOCK_BYTES + CHECKSUM_BYTES;
/// Bytes of contents that are read or written at once.
const RUN_BYTES: usize = 64 * BLOCK_BYTES;
const HEAD_BYTES: usize = 4_096;
/// The size of each copy of the first block in the file.
const FIRST_BYTES: usize = 8_192;
/// The used part of it.
const FIRST_USED_BYTES: usize = BLOCK_BYTES + 8 + CHECKSUM_BYTES;
/// The offset of block 1.
const REST: u64 = (HEAD_BYTES + 2 * FIRST_BYTES) as u64;
pub(super) const MAGIC: [u8; 16] = *b"starling blocks\n";
const VERSION: u32 = 1;
const FILE_ID_BYTES: usize = 16;

thread_local! {
    /// Blocks in their file form, at most [`RUN_BYTES`] and their checksums.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file of checked blocks.
pub(super) struct BlockFile {
    file: File,
    id: (u64, u64),
    first: Mutex<First>,
    /// The first damage that was found: redb reports later calls only as failed before.
    damage: OnceLock<String>,
    /// The first write for which the disk had no room, for the same reason.
    no_space: OnceLock<String>,
    #[cfg(test)]
    before_sync: Mutex<Option<BeforeSync>>,
}

#[cfg(test)]
type BeforeSync = Box<dyn FnMut() + Send>;

impl std::fmt::Debug for BlockFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockFile").finish_non_exhaustive()
    }
}

impl Drop for BlockFile {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

/// The state of the two copies of the first block.
#[derive(Clone, Copy, Debug)]
struct First {
    /// The copy that was last read or written; `None` while there is none.
    newest: Option<usize>,
    sequence: u64,
    /// True if the newest copy was synced after it was written, so that the next write goes to the other.
    synced: bool,
}

impl BlockFile {
    /// Opens the file, or creates it if it is missing or empty. `random` fills the new file's id.
    pub(super) fn open(path: &Path, random: &dyn Fn(&mut [u8]) -> io::Result<()>) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        lock_own(&file)?;
        if file.metadata()?.len() == 0 {
            let mut id = [0; FILE_ID_BYTES];
            random(&mut id)?;
            file.write_all_at(&encode_head(id), 0)?;
            file.sync_all()?;
        }
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, 0)?;
        let id = decode_head(&head)?;
        let blocks = Self {
            file,
            id,
            first: Mutex::new(First {
                newest: None,
                sequence: 0,
                synced: true,
            }),
            damage: OnceLock::new(),
            no_space: OnceLock::new(),
            #[cfg(test)]
            before_sync: Mutex::new(None),
        };
        blocks.find_first()?;
        Ok(blocks)
    }

    /// Sets the callback before each sync.
    #[cfg(test)]
    pub(super) fn before_sync(&self, call: impl FnMut() + Send + 'static) {
        *self.before_sync.lock().unwrap() = Some(Box::new(call));
    }

    /// Returns the first damage that was seen.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Returns the system's text of the first write for which the disk had no room.
    pub(super) fn no_space(&self) -> Option<&str> {
        self.no_space.get().map(String::as_str)
    }

    /// Keeps a failed write's error if the disk had no room, and returns it.
    pub(super) fn note_no_space(&self, error: io::Error) -> io::Error {
        use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            let _ = self.no_space.set(error.to_string());
        }
        error
    }

    /// Finds the newer sound copy of the first block.
    fn find_first(&self) -> io::Result<()> {
        let mut found = self.lock_first();
        if self.file.metadata()?.len() < REST {
            // A crash interrupted the creation of the file: redb has not written yet.
            return Ok(());
        }
        let mut blank = true;
        for copy in 0..2 {
            let mut slot = [0; FIRST_USED_BYTES];
            self.file.read_exact_at(&mut slot, first_offset(copy))?;
            blank &= slot.iter().all(|byte| *byte == 0);
            let Some(sequence) = self.first_sequence(&slot) else {
                continue;
            };
            if found.newest.is_none() || sequence > found.sequence {
                (found.newest, found.sequence) = (Some(copy), sequence);
            }
        }
        if found.newest.is_none() && !blank {
            return Err(self.damaged("both copies of the first block fail their checksum".to_owned()));
        }
        // The copy that was found may not be on disk yet, and the next write goes to the other.
        self.file.sync_data()
    }

    /// Returns the sequence of a copy of the first block if it is valid.
    fn first_sequence(&self, slot: &[u8; FIRST_USED_BYTES]) -> Option<u64> {
        let (checked, checksum) = slot.split_last_chunk::<CHECKSUM_BYTES>()?;
        let (_, sequence) = checked.split_last_chunk::<8>()?;
        (self.checksum(0, checked) == *checksum).then(|| u64::from_le_bytes(*sequence))
    }

    fn checksum(&self, number: u64, contents: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let seed = self.id.0.wrapping_add(number);
        (xxh3_128_with_seed(contents, seed) ^ u128::from(self.id.1)).to_le_bytes()
    }

    fn lock_first(&self) -> MutexGuard<'_, First> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, found: String) -> io::Error {
        let error = io::Error::new(ErrorKind::InvalidData, found.clone());
        // The first damage stays: later damage may follow from it.
        let _ = self.damage.set(found);
        error
    }

    /// Reads the first block. If it was never written, it is zeros, as redb expects of a new file.
    fn read_first(&self) -> io::Result<Vec<u8>> {
        let first = self.lock_first();
        let Some(copy) = first.newest else {
            return Ok(vec![0; BLOCK_BYTES]);
        };
        let mut slot = [0; FIRST_USED_BYTES];
        self.file.read_exact_at(&mut slot, first_offset(copy))?;
        if self.first_sequence(&slot) != Some(first.sequence) {
            return Err(self.damaged("the first block fails its checksum".to_owned()));
        }
        Ok(slot[..BLOCK_BYTES].to_vec())
    }

    fn write_first(&self, contents: &[u8]) -> io::Result<()> {
        let mut first = self.lock_first();
        let copy = match first.newest {
            // The other may be the only one on disk.
            Some(newest) if !first.synced => newest,
            Some(newest) => 1 - newest,
            None => 0,
        };
        let sequence = first.sequence + 1;
        let mut slot = Vec::with_capacity(FIRST_USED_BYTES);
        slot.extend_from_slice(contents);
        slot.extend_from_slice(&sequence.to_le_bytes());
        let checksum = self.checksum(0, &slot);
        slot.extend_from_slice(&checksum);
        self.file.write_all_at(&slot, first_offset(copy))?;
        *first = First {
            newest: Some(copy),
            sequence,
            synced: false,
        };
        Ok(())
    }

    /// Reads and verifies whole blocks, none of them the first.
    fn read_blocks(&self, number: u64, out: &mut [u8]) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|stored| self.read_blocks_by(number, out, stored))
    }

    fn read_blocks_by(&self, mut number: u64, out: &mut [u8], stored: &mut Vec<u8>) -> io::Result<()> {
        for run in out.chunks_mut(RUN_BYTES) {
            let bytes = run.len() / BLOCK_BYTES * STRIDE;
            if stored.len() < bytes {
                stored.resize(bytes, 0);
            }
            let stored = &mut stored[..bytes];
            self.file.read_exact_at(stored, block_offset(number)?)?;
            for (stored, out) in stored.chunks_exact(STRIDE).zip(run.chunks_exact_mut(BLOCK_BYTES)) {
                let (contents, checksum) = stored.split_at(BLOCK_BYTES);
                if self.checksum(number, contents) != checksum {
                    return Err(self.damaged(format!("block {number} of its file fails its checksum")));
                }
                out.copy_from_slice(contents);
                number += 1;
            }
        }
        Ok(())
    }

    /// Writes whole blocks, none of them the first.
    fn write_blocks(&self, number: u64, data: &[u8]) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|stored| self.write_blocks_by(number, data, stored))
    }

    fn write_blocks_by(&self, mut number: u64, data: &[u8], stored: &mut Vec<u8>) -> io::Result<()> {
        for run in data.chunks(RUN_BYTES) {
            stored.clear();
            let offset = block_offset(number)?;
            for contents in run.chunks_exact(BLOCK_BYTES) {
                stored.extend_from_slice(contents);
                stored.extend_from_slice(&self.checksum(number, contents));
                number += 1;
            }
            self.file.write_all_at(stored, offset)?;
        }
        Ok(())
    }

    /// Reads a block to change a part of it. If it was never written, it is zeros.
    fn read_to_change(&self, number: u64) -> io::Result<Vec<u8>> {
        if number == 0 {
            return self.read_first();
        }
        let mut stored = [0; STRIDE];
        self.file.read_exact_at(&mut stored, block_offset(number)?)?;
        let mut contents = vec![0; BLOCK_BYTES];
        if stored.iter().any(|byte| *byte != 0) {
            self.read_blocks(number, &mut contents)?;
        }
        Ok(contents)
    }

    fn write_block(&self, number: u64, contents: &[u8]) -> io::Result<()> {
        if number == 0 {
            self.write_first(contents)
        } else {
            self.write_blocks(number, contents)
        }
    }
}

/// The file as redb sees it: contents without heads and checksums.
impl BlockFile {
    pub(super) fn len(&self) -> io::Result<u64> {
        let physical = self.file.metadata()?.len();
        if physical <= HEAD_BYTES as u64 {
            return Ok(0);
        }
        match physical.checked_sub(REST) {
            Some(rest) if rest.is_multiple_of(STRIDE as u64) => {
                Ok((rest / STRIDE as u64 + 1) * BLOCK_BYTES as u64)
            }
            _ => Err(self.damaged(format!("its file of {physical} bytes ends within a block"))),
        }
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for part in parts(offset, out.len()) {
            let out = &mut out[part.at..part.at + part.bytes];
            if part.whole && part.number > 0 {
                self.read_blocks(part.number, out)?;
                continue;
            }
            let contents = if part.number == 0 {
                self.read_first()?
            } else {
                let mut contents = vec![0; BLOCK_BYTES];
                self.read_blocks(part.number, &mut contents)?;
                contents
            };
            out.copy_from_slice(&contents[part.within..part.within + part.bytes]);
        }
        Ok(())
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(BLOCK_BYTES as u64) {
            let message = format!("a length of {len} bytes is not a multiple of a block");
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        match len / BLOCK_BYTES as u64 {
            0 => self.file.set_len(HEAD_BYTES as u64),
            blocks => self.file.set_len(block_offset(blocks)?),
        }
    }

    pub(super) fn sync_data(&self) -> io::Result<()> {
        // No write of the first block may come between the sync and the note of it.
        let mut first = self.lock_first();
        #[cfg(test)]
        if let Some(before) = &mut *self.before_sync.lock().unwrap() {
            before();
        }
        self.file.sync_data()?;
        first.synced = true;
        Ok(())
    }

    pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        for part in parts(offset, data.len()) {
            let data = &data[part.at..part.at + part.bytes];
            if part.whole && part.number > 0 {
                self.write_blocks(part.number, data)?;
            } else if part.whole {
                self.write_first(data)?;
            } else {
                let mut contents = self.read_to_change(part.number)?;
                contents[part.within..part.within + part.bytes].copy_from_slice(data);
                self.write_block(part.number, &contents)?;
            }
        }
        Ok(())
    }
}

/// A part of a read or a write: whole blocks, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// The offset in the caller's bytes.
    at: usize,
    bytes: usize,
    /// Its first block.
    number: u64,
    /// The offset in that block.
    within: usize,
    /// True if it consists of whole blocks.
    whole: bool,
}

/// Cuts a range into parts, the first block by itself.
fn parts(offset: u64, bytes: usize) -> impl Iterator<Item = Part> {
    const BLOCK: u64 = BLOCK_BYTES as u64;
    let mut at = 0;
    std::iter::from_fn(move || {
        let left = bytes - at;
        if left == 0 {
            return None;
        }
        let place = offset + at as u64;
        let number = place / BLOCK;
        // Less than a block, so it fits.
        let within = usize::try_from(place % BLOCK).unwrap_or(0);
        let whole = within == 0 && left >= BLOCK_BYTES;
        let taken = if !whole {
            left.min(BLOCK_BYTES - within)
        } else if number == 0 {
            BLOCK_BYTES
        } else {
            left - left % BLOCK_BYTES
        };
        let part = Part {
            at,
            bytes: taken,
            number,
            within,
            whole,
        };
        at += taken;
        Some(part)
    })
}

const fn first_offset(copy: usize) -> u64 {
    (HEAD_BYTES + copy * FIRST_BYTES) as u64
}

/// Returns the offset in the file of a block other than the first.
fn block_offset(number: u64) -> io::Result<u64> {
    let blocks_before = number.saturating_sub(1);
    blocks_before
        .checked_mul(STRIDE as u64)
        .and_then(|bytes| bytes.checked_add(REST))
        .ok_or_else(|| {
            io::Error::new(
                ErrorKind::InvalidInput,
                format!("there cannot be a block {number}"),
            )
        })
}

fn encode_head(id: [u8; FILE_ID_BYTES]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let mut fields = Vec::with_capacity(64);
    fields.extend_from_slice(&MAGIC);
    fields.extend_from_slice(&VERSION.to_le_bytes());
    fields.extend_from_slice(&u32::try_from(BLOCK_BYTES).unwrap_or(0).to_le_bytes());
    fields.extend_from_slice(&id);
    head[..fields.len()].copy_from_slice(&fields);
    let end = HEAD_BYTES - blake3::OUT_LEN;
    let hash = *blake3::hash(&head[..end]).as_bytes();
    head[end..].copy_from_slice(&hash);
    head
}

/// Returns the two halves of a file's id.
fn decode_head(head: &[u8; HEAD_BYTES]) -> io::Result<(u64, u64)> {
    let refuse = |found: String| Err(io::Error::new(ErrorKind::InvalidData, found));
    let Some(rest) = head.strip_prefix(&MAGIC) else {
        return refuse("its file does not begin like a file of checked blocks".to_owned());
    };
    let end = HEAD_BYTES - blake3::OUT_LEN;
    if *blake3::hash(&head[..end]).as_bytes() != head[end..] {
        return refuse("the head of its file fails its checksum".to_owned());
    }
    let (version, rest) = rest.split_at(4);
    let (block_bytes, rest) = rest.split_at(4);
    if *version != VERSION.to_le_bytes() || *block_bytes != 4_096_u32.to_le_bytes() {
        return refuse(format!(
            "its file has version {version:?} and block size {block_bytes:?} (little-endian); this program supports version {VERSION} with 4096"
        ));
    }
    let half = |at: usize| {
        let mut bytes = [0; FILE_ID_BYTES / 2];
        bytes.copy_from_slice(&rest[at..at + FILE_ID_BYTES / 2]);
        u64::from_le_bytes(bytes)
    };
    Ok((half(0), half(FILE_ID_BYTES / 2)))
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
