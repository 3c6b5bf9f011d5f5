//! Copies, lists and measures folders.

use std::fs;
use std::path::{Path, PathBuf};

/// Makes `to` a copy of the folder `from`, replacing its content. Sockets and links are left out.
///
/// # Panics
/// If a file cannot be read or written.
pub fn replace(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("a folder can be replaced");
    }
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    let mode = from.metadata().expect("a folder can be looked at").permissions();
    for entry in fs::read_dir(from).expect("a folder can be listed") {
        let entry = entry.expect("a folder can be listed");
        let kind = entry.file_type().expect("a file has a kind");
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).expect("a file can be copied");
            // A site reports the time of some files.
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let copied = fs::File::options().append(true).open(target);
            let _ = modified.and_then(|modified| copied?.set_modified(modified));
        }
    }
    fs::set_permissions(to, mode).expect("a folder's mode can be set");
}

/// Returns the files below `folder`, relative to `base`, sorted. A missing folder has none.
///
/// # Panics
/// If a folder cannot be listed.
#[must_use]
pub fn files(base: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![base.join(folder)];
    while let Some(at) = folders.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries {
            let entry = entry.expect("a folder can be listed");
            let kind = entry.file_type().expect("a file has a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                found.push(
                    path.strip_prefix(base)
                        .expect("a file lies below its base")
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    found
}

/// Returns the disk space of the files below `folder`; files that vanish meanwhile count as zero.
#[must_use]
pub fn bytes_on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    /// The unit of `st_blocks`, on every file system.
    const BLOCK: u64 = 512;
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let mut sum: u64 = 0;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let bytes = if metadata.is_dir() {
            bytes_on_disk(&entry.path())
        } else {
            metadata.blocks().saturating_mul(BLOCK)
        };
        sum = sum.saturating_add(bytes);
    }
    sum
}
