//! sled's snapshot files, made safe to open: an unfinished or damaged one would keep the store shut for ever.
//!
//! A snapshot holds the page table as of some place in sled's log. It only saves time: without one sled
//! replays its whole log, as it does at the first opening of every store.
//!
//! ```text
//! snapshot = page table | length of the page table when uncompressed:u64 | crc32 of the page table:u32
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of snapshots begin, those that are still being written included.
const PREFIX: &str = "snap.";
/// How the name of a snapshot ends while it is written.
const UNFINISHED: &str = ".generating";
/// What a damaged snapshot is renamed to. One is kept, and sled does not look at it.
const ASIDE: &str = "damaged-snapshot";
/// The length and the checksum at the end of a snapshot.
const TRAILER_BYTES: usize = 8 + 4;

/// Removes unfinished snapshots from sled's folder, and renames damaged ones that sled would open.
///
/// A folder that is not there is left alone.
pub(super) fn set_aside_damaged(folder: &Path) -> io::Result<()> {
    for path in snapshots(folder)? {
        if is_unfinished(&path) {
            fs::remove_file(&path)?;
        }
    }
    // sled opens the one with the highest name, so what lies below a sound one does not matter.
    while let Some(newest) = snapshots(folder)?.pop() {
        if is_sound(&fs::read(&newest)?) {
            break;
        }
        tracing::warn!(file = %newest.display(), "a snapshot of sled is damaged: it is set aside and sled replays its log");
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
    // sled refuses one that has nothing before its trailer.
    bytes.len() > TRAILER_BYTES
        && crc32fast::hash(&rest[..bytes.len() - TRAILER_BYTES]) == u32::from_le_bytes(*checksum)
}
