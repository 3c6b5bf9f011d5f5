//! Removes files that interrupted writes left in a site's folder.
//!
//! A file is written under another name and then renamed, so that it appears complete or not at all. A kill between
//! the two steps leaves the other name.

use std::fs;
use std::path::Path;

use crate::match_index::{UNFINISHED_PREFIX, UNFINISHED_SUFFIX};

/// Suffixes of unfinished files.
const UNFINISHED: &str = "new";
/// Unfinished files in the site's folder itself. Other names there are not Starling's.
const IN_HOME: [&str; 3] = ["site.new", "starling.new", "scan.new"];
/// Unfinished marker files in the engine's folder.
const IN_STORE: [&str; 2] = ["clean.new", "running.new"];
/// Folders in which all files with these suffixes are Starling's, and are written under the lock.
const FOLDERS: [&str; 2] = ["keys", "vex"];

/// Removes unfinished files, as far as possible. The caller holds the home's lock, so nobody is writing them.
pub(crate) fn clear(home: &Path) {
    for name in IN_HOME {
        let _ = fs::remove_file(home.join(name));
    }
    for name in IN_STORE {
        let _ = fs::remove_file(home.join("store").join(name));
    }
    remove_where(home, &|name| {
        name.starts_with(UNFINISHED_PREFIX) && name.ends_with(UNFINISHED_SUFFIX)
    });
    for folder in FOLDERS {
        remove_where(&home.join(folder), &|name| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ending == UNFINISHED)
        });
    }
}

/// Removes the unfinished files of a folder.
fn remove_where(folder: &Path, is_unfinished: &dyn Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_unfinished) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_are_removed_and_others_stay() {
        let home = tempfile::tempdir().unwrap();
        let unfinished = [
            "scan.new",
            "starling.new",
            ".match.aB3.new",
            "keys/operating-1.new",
            "vex/00ff.new",
            "store/running.new",
        ];
        let others = [
            "policy.new",
            "match.idx",
            ".match.idx",
            "keys/root.key",
            "vex/00ff.json",
        ];
        for folder in ["keys", "vex", "store"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        for name in unfinished.iter().chain(&others) {
            fs::write(home.path().join(name), b"").unwrap();
        }
        clear(home.path());
        for name in unfinished {
            assert!(!home.path().join(name).exists(), "{name}");
        }
        for name in others {
            assert!(home.path().join(name).exists(), "{name}");
        }
    }
}
