//! The VEX documents that a site keeps: every scan of it takes them into account.
//!
//! They lie as they were given in the site's folder, each named by its hash, so that a scan needs no store to find
//! them, and two of the same content are one. What a document says is read once a process, and again when its file
//! is not the one that was read.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use starling_api::{ServiceResult, file_problem};
use starling_api_types::{ErrorCode, Problem, VexEntry, VexHash, VexRemoved};
use starling_policy::{MAX_VEX_BYTES, VexDocument};
use starling_protocol::UnixMillis;

use crate::home::{error_chain, write_durably};
use crate::home_problem::home_problem;

/// Folder of the documents in the site's own.
const FOLDER: &str = "vex";
/// What follows the hash in a document's name.
const SUFFIX: &str = ".json";
/// Mode of what is kept: it may tell what is vulnerable where.
const MODE: u32 = 0o600;
/// Most documents that a site keeps.
const MAX_DOCUMENTS: usize = 1_000;
/// Most bytes of all of them: a scan without a daemon reads them each time.
const MAX_BYTES: u64 = 64 << 20;
/// Most statements of all of them, each counted by the names of its vulnerability: half of what a scan takes, so that there is room for what it is given.
const MAX_STATEMENTS: usize = 250_000;

/// How often the folder is looked at anew where another process takes documents away while they are read.
const LOOKS: usize = 100;

/// What was read, and from which file; what is not there any more is forgotten.
type Cache = BTreeMap<VexHash, (Found, VexDocument)>;

/// The documents that one site keeps.
#[derive(Debug)]
pub(crate) struct KeptVex {
    folder: PathBuf,
    /// One at a time looks at the folder or changes it, so that the bounds hold, and that one document put in the place
    /// of another is never seen as neither of them.
    cache: Mutex<Cache>,
}

impl KeptVex {
    /// Those of the site in a folder.
    pub(crate) fn in_home(home: &Path) -> Self {
        Self {
            folder: home.join(FOLDER),
            cache: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // What is in it is true of the file that it names, whoever broke off.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order of their hashes.
    ///
    /// # Errors
    /// When one cannot be read, is not what it was, or there are more than may be kept: to scan without it would give
    /// another verdict without a word.
    pub(crate) fn documents(&self) -> ServiceResult<Vec<VexDocument>> {
        let read = self.read(&mut self.lock())?;
        Ok(read.into_iter().map(|(_, document)| document).collect())
    }

    /// What is kept, in the order of the hashes.
    ///
    /// # Errors
    /// As [`documents`](Self::documents).
    pub(crate) fn list(&self) -> ServiceResult<Vec<VexEntry>> {
        let read = self.read(&mut self.lock())?;
        Ok(read
            .iter()
            .map(|(found, document)| entry(document, *found, true))
            .collect())
    }

    /// Keeps a document.
    ///
    /// # Errors
    /// `vex_unreadable` if it is none, or one too many.
    pub(crate) fn add(&self, bytes: &[u8], now: UnixMillis) -> ServiceResult<VexEntry> {
        let document = VexDocument::read(bytes).map_err(|error| vex_unreadable(&error))?;
        let hash = hash_of(&document);
        let mut cache = self.lock();
        let read = self.read(&mut cache)?;
        if let Some((found, _)) = read.iter().find(|(_, kept)| kept.hash() == document.hash()) {
            return Ok(entry(&document, *found, true));
        }
        let size = bytes.len() as u64;
        let documents = read.len() + 1;
        let bytes_of_all = read.iter().map(|(found, _)| found.bytes).sum::<u64>() + size;
        let statements = read.iter().map(|(_, kept)| kept.weight()).sum::<usize>() + document.weight();
        if let Some(over) = over(documents, bytes_of_all, statements) {
            return Err(too_much(format!(
                "keeping the VEX document: there would be {over}"
            )));
        }
        self.make_folder()?;
        write_durably(&self.path(&hash), bytes, MODE).map_err(|error| home_problem(&error))?;
        let found = Found {
            bytes: size,
            added_at: now,
            ..Found::default()
        };
        Ok(entry(&document, found, false))
    }

    /// A document as it was given.
    ///
    /// # Errors
    /// `vex_not_found`, or when it is not what it was.
    pub(crate) fn show(&self, hash: &VexHash) -> ServiceResult<Vec<u8>> {
        self.bytes(hash)?.ok_or_else(|| missing(hash))
    }

    /// Keeps a document no longer, be it damaged or not.
    ///
    /// # Errors
    /// `vex_not_found`.
    pub(crate) fn remove(&self, hash: &VexHash) -> ServiceResult<VexRemoved> {
        let _one_at_a_time = self.lock();
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing(hash)),
            Err(error) => return Err(file_problem("removing", &path, &error)),
        }
        sync_folder(&self.folder)?;
        Ok(VexRemoved { hash: *hash })
    }

    /// Makes the folder, so that it outlives a crash.
    fn make_folder(&self) -> ServiceResult<()> {
        match fs::create_dir(&self.folder) {
            Ok(()) => self.folder.parent().map_or(Ok(()), sync_folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(file_problem("making the folder", &self.folder, &error)),
        }
    }

    fn path(&self, hash: &VexHash) -> PathBuf {
        self.folder
            .join(format!("{}{SUFFIX}", hex::encode(hash.as_bytes())))
    }

    /// All documents with what the file system says of them, in the order of their hashes.
    fn read(&self, cache: &mut Cache) -> ServiceResult<Vec<(Found, VexDocument)>> {
        for _ in 0..LOOKS {
            if let Some(read) = self.look(cache)? {
                return Ok(read);
            }
        }
        Err(file_problem(
            "reading",
            &self.folder,
            &std::io::Error::other("what is in it goes on changing"),
        ))
    }

    /// All documents; none if the folder changed meanwhile. Without what was taken away, and without what came for it, the
    /// verdict would be one of a moment that never was.
    fn look(&self, cache: &mut Cache) -> ServiceResult<Option<Vec<(Found, VexDocument)>>> {
        let Some(files) = self.files()? else {
            return Ok(None);
        };
        let bytes = files.values().map(|found| found.bytes).sum();
        let too_many = |over| too_much(format!("reading {}: there are {over}", self.folder.display()));
        if let Some(over) = over(files.len(), bytes, 0) {
            return Err(too_many(over));
        }
        cache.retain(|hash, (was, _)| files.get(hash) == Some(was));
        let mut statements = 0;
        let mut documents = Vec::with_capacity(files.len());
        for (hash, found) in files {
            let document = match cache.get(&hash) {
                Some((_, document)) => document.clone(),
                None => {
                    let Some(bytes) = self.bytes(&hash)? else {
                        return Ok(None);
                    };
                    let document = VexDocument::read(&bytes)
                        .map_err(|error| damaged(&hash, &error_chain(&error)))?
                        .for_all_scans();
                    cache.insert(hash, (found, document.clone()));
                    document
                }
            };
            statements += document.weight();
            if let Some(over) = over(0, 0, statements) {
                return Err(too_many(over));
            }
            documents.push((found, document));
        }
        Ok(Some(documents))
    }

    /// The bytes of a document, if it is there.
    fn bytes(&self, hash: &VexHash) -> ServiceResult<Option<Vec<u8>>> {
        let path = self.path(hash);
        let failed = |error| file_problem("reading", &path, &error);
        // Opening what is no file could wait without end.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => {
                let hint = format!("move {} elsewhere", path.display());
                return Err(damaged(hash, "it is not a file").hint(hint));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_VEX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() <= MAX_VEX_BYTES && blake3::hash(&bytes).as_bytes() == hash.as_bytes() {
            Ok(Some(bytes))
        } else {
            Err(damaged(hash, "its bytes have another hash"))
        }
    }

    /// What the file system says of the folder: it is another after a document came or went.
    fn stamp(&self) -> ServiceResult<Option<Found>> {
        match fs::metadata(&self.folder) {
            Ok(metadata) => Ok(Some(Found::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_problem("reading", &self.folder, &error)),
        }
    }

    /// The documents that lie there; none if the folder changed meanwhile. Files that do not end as a document does are
    /// not ours.
    fn files(&self) -> ServiceResult<Option<BTreeMap<VexHash, Found>>> {
        let failed = |error| file_problem("reading", &self.folder, &error);
        let mut files = BTreeMap::new();
        let before = self.stamp()?;
        let listed = match fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(files)),
            Err(error) => return Err(failed(error)),
        };
        for file in listed {
            let file = file.map_err(failed)?;
            let name = file.file_name();
            let Some(stem) = name.as_encoded_bytes().strip_suffix(SUFFIX.as_bytes()) else {
                continue;
            };
            let hash = hash_in_name(stem).ok_or_else(|| foreign(&file.path()))?;
            match file.metadata() {
                Ok(metadata) => files.insert(hash, Found::of(&metadata)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(file_problem("reading", &file.path(), &error)),
            };
            if files.len() > MAX_DOCUMENTS {
                break;
            }
        }
        Ok((self.stamp()? == before).then_some(files))
    }
}

/// What the file system says of a document: another file of its name differs in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    bytes: u64,
    added_at: UnixMillis,
    inode: u64,
    /// When its bytes or its name were changed last, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Found {
    fn of(metadata: &Metadata) -> Self {
        let added = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let added = added.and_then(|since| u64::try_from(since.as_millis()).ok());
        Self {
            bytes: metadata.len(),
            added_at: UnixMillis::saturating(added.unwrap_or(0)),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The bound that so many documents, bytes and statements break, if they break one.
fn over(documents: usize, bytes: u64, statements: usize) -> Option<String> {
    if documents > MAX_DOCUMENTS {
        Some(format!("more than {MAX_DOCUMENTS} documents"))
    } else if bytes > MAX_BYTES {
        Some(format!("{bytes} bytes of documents, more than {MAX_BYTES}"))
    } else if statements > MAX_STATEMENTS {
        Some(format!("{statements} statements, more than {MAX_STATEMENTS}"))
    } else {
        None
    }
}

/// The hash that a document's name tells. One name a hash: in other letters it is none.
fn hash_in_name(stem: &[u8]) -> Option<VexHash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(stem, &mut hash).ok()?;
    (hex::encode(hash).as_bytes() == stem).then_some(VexHash::from_bytes(hash))
}

fn hash_of(document: &VexDocument) -> VexHash {
    VexHash::from_bytes(*document.hash())
}

fn entry(document: &VexDocument, found: Found, known: bool) -> VexEntry {
    VexEntry {
        hash: hash_of(document),
        format: document.format().to_string(),
        author: document.author().map(ToOwned::to_owned),
        statements: document.len() as u64,
        unusable: document.unusable(),
        size_bytes: found.bytes,
        added_at: found.added_at.into(),
        known,
    }
}

fn sync_folder(folder: &Path) -> ServiceResult<()> {
    File::open(folder)
        .and_then(|open| open.sync_all())
        .map_err(|error| file_problem("syncing", folder, &error))
}

/// The problem of bytes that are no VEX document.
pub(crate) fn vex_unreadable(error: &dyn std::error::Error) -> Problem {
    Problem::new(ErrorCode::VexUnreadable, error_chain(error))
}

fn damaged(hash: &VexHash, what: &str) -> Problem {
    Problem::new(
        ErrorCode::VexUnreadable,
        format!("reading the kept VEX document {hash}: {what}"),
    )
    .hint(format!(
        "`starling vex remove {hash}` takes it away; then add it again as it was"
    ))
}

fn foreign(path: &Path) -> Problem {
    Problem::new(
        ErrorCode::VexUnreadable,
        format!(
            "reading the kept VEX documents: {} is not named by its hash",
            path.display()
        ),
    )
    .hint("move it elsewhere; `starling vex add` keeps a document")
}

fn too_much(detail: String) -> Problem {
    Problem::new(ErrorCode::VexUnreadable, detail)
        .hint("`starling vex list` shows what is kept, `starling vex remove` takes one away")
}

fn missing(hash: &VexHash) -> Problem {
    Problem::new(
        ErrorCode::VexNotFound,
        format!("looking up the VEX document {hash}: this site keeps none of that hash"),
    )
    .hint("`starling vex list` shows what is kept")
}

#[cfg(test)]
mod tests;
