//! An index's bytes in its file, read on demand. Its screens are held in memory if that is worth it.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use starling_scanner::index::{IndexBytes, IndexError, MatchIndex};
use starling_store::disk::refuse_pipe;

use super::Hold;

/// Most bytes of screens held in memory; of a larger index they are read from the file.
const MAX_HELD_BYTES: u64 = 256 * 1024 * 1024;

/// Number of package versions without findings that are remembered: 3 MB.
const REMEMBERED: usize = 1 << 16;

/// The bytes of an open file. They do not change, because a new index is a new file.
#[derive(Debug)]
pub(crate) struct FileBytes {
    file: File,
    length: u64,
    held: Range<u64>,
    bytes: Vec<u8>,
    /// True if the bytes in memory passed their check.
    checked: bool,
}

impl IndexBytes for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let end = offset.saturating_add(length as u64);
        if self.held.start <= offset && end <= self.held.end {
            let start = usize::try_from(offset - self.held.start).unwrap_or(usize::MAX);
            if let Some(bytes) = self.bytes.get(start..start.saturating_add(length)) {
                return Ok(Cow::Borrowed(bytes));
            }
        }
        if end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(Cow::Owned(bytes))
    }

    fn is_checked(&self, offset: u64, length: u64) -> bool {
        self.checked && self.held.start <= offset && offset.saturating_add(length) <= self.held.end
    }
}

/// Opens an index's file.
///
/// # Errors
/// If it cannot be read, is damaged, or is not an index of this version.
pub(super) fn open(path: &Path, hold: Hold) -> Result<MatchIndex<FileBytes>, IndexError> {
    refuse_pipe(path)?;
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let bytes = |file, held: Range<u64>, bytes, checked| FileBytes {
        file,
        length,
        held,
        bytes,
        checked,
    };
    let index = MatchIndex::open(bytes(file, 0..0, Vec::new(), false))?;
    let (plain, screens) = index.screens();
    let size = screens.end - screens.start;
    if hold == Hold::Directory || size > MAX_HELD_BYTES {
        return Ok(index);
    }
    let held = plain
        .read(screens.start, usize::try_from(size).unwrap_or(usize::MAX))?
        .into_owned();
    let file = plain.file.try_clone()?;
    let index = MatchIndex::open(bytes(file, screens, held, false))?;
    index.check_screens()?;
    let index = index.map_bytes(|bytes| FileBytes {
        checked: true,
        ..bytes
    });
    Ok(index.remembering(REMEMBERED))
}
