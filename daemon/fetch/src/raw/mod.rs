//! Raw documents: what was fetched, kept as it came, so that a record can be held against its source.
//!
//! A folder holds each document once, named by its BLAKE3 and packed with zstd, and an index of what came from where
//! and when. The store has a budget; older versions of a document go first. It is a convenience, not a truth: losing it
//! loses no knowledge.
//!
//! One process writes at a time; the caller sees to that. An index is written anew beside the old one and put in its
//! place, so a crash leaves the old or the new one.

mod entry;
mod error;
mod index;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use starling_feeds::input::archive_stem;

pub use entry::{NewDocument, NotARawHash, RawEntry, RawHash};
pub use error::RawError;

use error::disk;

/// Compression level of documents: they are written once and rarely read.
const ZSTD_LEVEL: i32 = 6;
/// Most documents of a store, whatever the budget is.
pub const MAX_ENTRIES: usize = 200_000;
const BUFFER_BYTES: usize = 256 << 10;

/// A store of raw documents.
#[derive(Debug)]
pub struct RawStore {
    root: PathBuf,
    budget_bytes: u64,
    /// In the order of arrival.
    entries: Vec<RawEntry>,
    /// Length of each object on the disk.
    sizes: BTreeMap<RawHash, u64>,
    notes: Vec<String>,
}

impl RawStore {
    /// Opens the store in a folder, which is made if it is not there. `budget_bytes` bounds the packed documents on the
    /// disk.
    ///
    /// What a crash left behind is removed. Entries of the index whose document is missing are dropped and noted.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or its index is not one. A broken index is not replaced silently: move
    /// the folder away to start with an empty store.
    pub fn open(root: &Path, budget_bytes: u64) -> Result<Self, RawError> {
        let objects = root.join("objects");
        fs::create_dir_all(&objects).map_err(|error| disk(&objects, "made", error))?;
        let mut store = Self {
            root: root.to_owned(),
            budget_bytes,
            entries: index::read(&root.join(index::NAME))?,
            sizes: BTreeMap::new(),
            notes: Vec::new(),
        };
        store.sweep(&objects)?;
        Ok(store)
    }

    /// Returns the notes so far, and forgets them.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Keeps a document that is a file. It is findable after [`Self::commit`].
    ///
    /// A document that is larger than the whole budget when packed is not kept. That is noted, and the result is
    /// `None`.
    ///
    /// # Errors
    /// If the file cannot be read or the store cannot be written.
    pub fn keep(&mut self, file: &Path, document: NewDocument) -> Result<Option<RawHash>, RawError> {
        let (hash, bytes) = hash_file(file)?;
        if !self.sizes.contains_key(&hash) {
            let packed_bytes = self.write_object(file, hash)?;
            if packed_bytes > self.budget_bytes {
                self.remove_object(hash)?;
                self.notes.push(format!(
                    "{} has {packed_bytes} bytes packed, more than the {} bytes for raw documents: it is not kept",
                    document.address, self.budget_bytes
                ));
                return Ok(None);
            }
            self.sizes.insert(hash, packed_bytes);
        }
        let entry = RawEntry::new(document, hash, bytes);
        // If the same version arrives again, only its time is updated.
        self.entries.retain(|known| {
            !(known.hash == hash && known.feed == entry.feed && known.address == entry.address)
        });
        self.entries.push(entry);
        Ok(Some(hash))
    }

    /// Drops the oldest versions to stay within the budget, and makes the rest durable.
    ///
    /// # Errors
    /// If the store cannot be written. Then the old index stays.
    pub fn commit(&mut self) -> Result<(), RawError> {
        self.fit_budget();
        let used: BTreeSet<RawHash> = self.entries.iter().map(|entry| entry.hash).collect();
        index::write(&self.root, &self.entries)?;
        let unused: Vec<RawHash> = self
            .sizes
            .keys()
            .filter(|hash| !used.contains(hash))
            .copied()
            .collect();
        for hash in unused {
            self.remove_object(hash)?;
            self.sizes.remove(&hash);
        }
        Ok(())
    }

    /// Returns the entries of a document, newest first. The same document may have come from several addresses.
    #[must_use]
    pub fn find(&self, hash: &RawHash) -> Vec<&RawEntry> {
        self.newest(|entry| entry.hash == *hash)
    }

    /// Returns the versions that came from an address, newest first.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Vec<&RawEntry> {
        self.newest(|entry| entry.address == address)
    }

    /// Returns the versions of a document by its name in an import, newest first. A name such as `npm/all/GHSA-1.json`,
    /// of a member of the archive `npm/all.zip`, finds the archive; so does that of an item of a list, such as
    /// `page.json#/3`.
    #[must_use]
    pub fn by_name(&self, feed: &str, name: &str) -> Vec<&RawEntry> {
        self.newest(|entry| entry.feed == feed && is_part_of(&entry.name, name))
    }

    /// Returns every entry, in the order of arrival.
    pub fn entries(&self) -> impl Iterator<Item = &RawEntry> {
        self.entries.iter()
    }

    /// Returns the size of all documents on the disk, in bytes.
    #[must_use]
    pub fn packed_bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Forgets every document of a feed. It is durable after [`Self::commit`].
    pub fn forget_feed(&mut self, feed: &str) {
        self.entries.retain(|entry| entry.feed != feed);
    }

    fn newest(&self, is_wanted: impl Fn(&RawEntry) -> bool) -> Vec<&RawEntry> {
        let mut found: Vec<&RawEntry> = self.entries.iter().filter(|entry| is_wanted(entry)).collect();
        found.reverse();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms));
        found
    }

    /// Drops entries until the rest fits the budget: first versions that have a newer one, then the oldest.
    fn fit_budget(&mut self) {
        let mut counts: BTreeMap<RawHash, u64> = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.hash).or_default() += 1;
        }
        let size = |hash: &RawHash| self.sizes.get(hash).copied().unwrap_or(0);
        let mut total: u64 = counts.keys().map(size).sum();
        let mut newest: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            newest.insert((&entry.feed, &entry.address), at);
        }
        let newest: BTreeSet<usize> = newest.into_values().collect();
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|at| (newest.contains(at), self.entries[*at].at_ms, *at));
        let mut dropped = BTreeSet::new();
        for at in order {
            if total <= self.budget_bytes && self.entries.len() - dropped.len() <= MAX_ENTRIES {
                break;
            }
            let hash = self.entries[at].hash;
            dropped.insert(at);
            if let Some(count) = counts.get_mut(&hash) {
                *count -= 1;
                if *count == 0 {
                    total -= size(&hash);
                }
            }
        }
        let mut at = 0;
        self.entries.retain(|_| {
            at += 1;
            !dropped.contains(&(at - 1))
        });
    }

    fn object(&self, hash: RawHash) -> PathBuf {
        let digits = hash.to_string();
        self.root
            .join("objects")
            .join(&digits[..2])
            .join(format!("{digits}.zst"))
    }

    fn write_object(&self, file: &Path, hash: RawHash) -> Result<u64, RawError> {
        let target = self.object(hash);
        let folder = target.parent().unwrap_or(&self.root).to_owned();
        fs::create_dir_all(&folder).map_err(|error| disk(&folder, "made", error))?;
        let partial = target.with_extension("tmp");
        let write = || -> io::Result<u64> {
            let mut source = File::open(file)?;
            let mut packed = zstd::Encoder::new(BufWriter::new(File::create(&partial)?), ZSTD_LEVEL)?;
            io::copy(&mut source, &mut packed)?;
            let object = packed
                .finish()?
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            object.sync_all()?;
            let bytes = object.metadata()?.len();
            fs::rename(&partial, &target)?;
            File::open(&folder)?.sync_all()?;
            Ok(bytes)
        };
        write().map_err(|error| disk(&target, "written", error))
    }

    fn remove_object(&self, hash: RawHash) -> Result<(), RawError> {
        let path = self.object(hash);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(&path, "removed", error)),
            _ => Ok(()),
        }
    }

    /// Removes documents without an entry, and drops entries whose document is missing.
    fn sweep(&mut self, objects: &Path) -> Result<(), RawError> {
        let used: BTreeSet<RawHash> = self.entries.iter().map(|entry| entry.hash).collect();
        for folder in folders(objects)? {
            for path in files(&folder)? {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let hash = name
                    .strip_suffix(".zst")
                    .and_then(|digits| digits.parse::<RawHash>().ok());
                match hash.filter(|hash| used.contains(hash)) {
                    Some(hash) => {
                        let metadata = path.metadata().map_err(|error| disk(&path, "read", error))?;
                        self.sizes.insert(hash, metadata.len());
                    }
                    None => fs::remove_file(&path).map_err(|error| disk(&path, "removed", error))?,
                }
            }
        }
        let before = self.entries.len();
        let sizes = &self.sizes;
        self.entries.retain(|entry| sizes.contains_key(&entry.hash));
        let lost = before - self.entries.len();
        if lost > 0 {
            self.notes.push(format!(
                "{lost} raw documents are in the index and not on the disk"
            ));
        }
        Ok(())
    }
}

/// Returns true if an import gives a document, or a part of it, this name.
fn is_part_of(document: &str, name: &str) -> bool {
    let part = |stem: &str, marks: &[char]| {
        name.strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with(marks))
    };
    document == name || part(document, &[':', '#']) || part(archive_stem(document), &['/'])
}

fn folders(root: &Path) -> Result<Vec<PathBuf>, RawError> {
    Ok(list(root)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn files(root: &Path) -> Result<Vec<PathBuf>, RawError> {
    Ok(list(root)?.into_iter().filter(|path| path.is_file()).collect())
}

fn list(root: &Path) -> Result<Vec<PathBuf>, RawError> {
    let fail = |error| disk(root, "read", error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(root).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

fn hash_file(path: &Path) -> Result<(RawHash, u64), RawError> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0_u64;
    let mut read = || -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                read => {
                    hasher.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
    };
    read().map_err(|error| disk(path, "read", error))?;
    Ok((RawHash::of(hasher.finalize()), bytes))
}

/// Writes a file under a temporary name, makes it durable, and renames it.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let partial = path.with_extension("tmp");
    let mut file = BufWriter::new(File::create(&partial)?);
    write(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
