//! Reads the streams of the corpus: the files of a source before the first day, and the changes of each day.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::feed::Folder;

/// A source with its changes over some days, in order.
#[derive(Debug, Default)]
pub struct Stream {
    /// Its files before the first day.
    pub base: Folder,
    /// The changes, by date.
    pub days: BTreeMap<String, Day>,
}

/// One day's changes.
#[derive(Debug, Default)]
pub struct Day {
    /// Added and modified files.
    pub changed: BTreeMap<String, Vec<u8>>,
    /// Files that are gone.
    pub deleted: BTreeSet<String>,
}

impl Day {
    /// Brings a tree to its state at the end of the day. Files that are already gone are skipped.
    pub fn apply(&self, tree: &mut Folder) {
        for name in &self.deleted {
            tree.files.remove(name);
        }
        let changed = self.changed.iter();
        tree.files
            .extend(changed.map(|(name, bytes)| (name.clone(), bytes.clone())));
    }
}

impl Stream {
    /// Reads those files of a stream's archive that `takes_part` selects.
    ///
    /// # Panics
    /// If it cannot be read, or no file is selected.
    #[must_use]
    pub fn read(archive: &Path, takes_part: impl Fn(&str) -> bool) -> Self {
        let mut stream = Self::default();
        let file = File::open(archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
        let mut tar = tar::Archive::new(zstd::Decoder::new(file).expect("a zstd stream"));
        for entry in tar.entries().expect("a tar archive") {
            let mut entry = entry.expect("a tar archive");
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry
                .path()
                .expect("a path")
                .to_str()
                .expect("a path in UTF-8")
                .to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a file in the archive");
            stream.put(&path, bytes);
        }
        stream.base.files.retain(|name, _| takes_part(name));
        for day in stream.days.values_mut() {
            day.changed.retain(|name, _| takes_part(name));
            day.deleted.retain(|name| takes_part(name));
        }
        let some = !stream.base.files.is_empty() && !stream.days.is_empty();
        assert!(some, "{} has no days", archive.display());
        stream
    }

    fn put(&mut self, path: &str, bytes: Vec<u8>) {
        let parts: Vec<&str> = path.splitn(5, '/').collect();
        match parts[..] {
            [_, "base", ..] => {
                let name = path.splitn(3, '/').nth(2).expect("a file lies in the base");
                self.base.files.insert(name.to_owned(), bytes);
            }
            [_, "days", day, "files", name] => {
                let day = self.days.entry(day.to_owned()).or_default();
                day.changed.insert(name.to_owned(), bytes);
            }
            [_, "days", day, "changes.tsv"] => {
                let text = String::from_utf8(bytes).expect("a table in UTF-8");
                let day = self.days.entry(day.to_owned()).or_default();
                for line in text.lines() {
                    let mut fields = line.split('\t');
                    let (kind, name) = (fields.next(), fields.next_back());
                    if kind == Some("D") {
                        day.deleted.insert(name.expect("a row names a file").to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}
