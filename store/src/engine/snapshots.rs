//! Makes sled's snapshot files safe to open: an unfinished or damaged one would keep the store closed forever.
//!
//! A snapshot holds the page table at some position in sled's log. It only saves time: without one sled replays
//! its whole log, as at the first opening of every store.
//!
//! ```text
//! snapshot = page table | length of the page table when uncompressed:u64 | crc32 of the page table:u32
//! ```

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::disk::open_file;

/// Name prefix of snapshots, including those that are still being written.
const PREFIX: &str = "snap.";
/// Name suffix of a snapshot that is being written.
const UNFINISHED: &str = ".generating";
/// The new name of a damaged snapshot. One is kept, and sled ignores it.
const ASIDE: &str = "damaged-snapshot";
/// The length and the checksum at the end of a snapshot.
const TRAILER_BYTES: usize = 8 + 4;

/// Removes unfinished snapshots from sled's folder, and renames damaged ones that sled would open.
///
/// A missing folder is ignored.
pub(super) fn set_aside_damaged(folder: &Path) -> io::Result<()> {
    for path in snapshots(folder)? {
        if is_unfinished(&path) {
            fs::remove_file(&path)?;
        }
    }
    // sled opens the one with the highest name, so snapshots below a valid one do not matter.
    while let Some(newest) = snapshots(folder)?.pop() {
        // A pipe or a folder in its place is damage too.
        let mut bytes = Vec::new();
        let read = open_file(&newest).and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Ok(_) if is_sound(&bytes) => break,
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            _ => {}
        }
        tracing::warn!(file = %newest.display(), "a sled snapshot is damaged: it is set aside, and sled replays its log");
        fs::rename(&newest, folder.join(ASIDE))?;
    }
    Ok(())
}

/// Returns the snapshots in a folder by rising name.
fn snapshots(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_unfinished(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .ends_with(UNFINISHED.as_bytes())
}

fn is_sound(bytes: &[u8]) -> bool {
    let Some((rest, checksum)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    // sled refuses a snapshot with nothing before its trailer.
    bytes.len() > TRAILER_BYTES
        && crc32fast::hash(&rest[..bytes.len() - TRAILER_BYTES]) == u32::from_le_bytes(*checksum)
}
