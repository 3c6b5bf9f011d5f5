//! The VEX documents that a site stores: every scan uses them.
//!
//! They are stored unchanged in the site's folder, each named by its hash, so that a scan needs no store to find
//! them, and two equal documents are one. A document is parsed once per process, and again if its file changes.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use starling_api::{ServiceResult, file_problem};
use starling_api_types::{
    DamagedVex, DoctorCheck, ErrorCode, ForeignVex, Problem, UnusableStatements, VexEntry, VexHash, VexList,
    VexRemoved, wording,
};
use starling_policy::{MAX_VEX_BYTES, VexDocument};
use starling_protocol::UnixMillis;

use crate::home::{error_chain, home_problem, write_durably};

/// Folder of the documents, within the site's own.
const FOLDER: &str = "vex";
/// The suffix of a document's file name, after the hash.
const SUFFIX: &str = ".json";
/// The name of the doctor's check.
const CHECK: &str = "stored VEX documents";
/// Mode of stored documents: they may describe vulnerabilities of the site.
const MODE: u32 = 0o600;
/// Most documents that a site stores.
const MAX_DOCUMENTS: usize = 1_000;
/// Largest total size, in bytes: a scan without a daemon reads them each time.
const MAX_BYTES: u64 = 64 << 20;
/// Most statements of all documents, each counted by the names of its vulnerability: half of a scan's limit, so that
/// there is room for given documents.
const MAX_STATEMENTS: usize = 250_000;

/// Most times that the folder is read again if another process removes documents meanwhile.
const LOOKS: usize = 100;

/// The documents as they were parsed, or what is wrong with their bytes, and their files; removed documents are forgotten.
type Cache = BTreeMap<VexHash, (Found, Result<VexDocument, Problem>)>;
/// A document as it was read, or what is wrong with it.
type Looked = (VexHash, Found, Result<VexDocument, Problem>);
/// The documents in the folder, and the files that only look like one.
type Listed = (BTreeMap<VexHash, Found>, Vec<PathBuf>);

/// The content of the folder.
struct Folder {
    documents: Vec<Looked>,
    /// Files with the suffix of a document whose name is not a hash.
    foreign: Vec<PathBuf>,
}

/// The documents that one site stores.
#[derive(Debug)]
pub(crate) struct VexStore {
    folder: PathBuf,
    /// Serialises reads and changes of the folder, so that the limits hold, and a document that replaces another is
    /// never seen as neither of them.
    cache: Mutex<Cache>,
}

impl VexStore {
    /// Creates the documents of the site in a folder.
    pub(crate) fn in_home(home: &Path) -> Self {
        Self {
            folder: home.join(FOLDER),
            cache: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // The content is correct for its file, even after a panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all documents, sorted by hash.
    ///
    /// # Errors
    /// If one cannot be read or is damaged, or there are too many: a scan without it would silently give another
    /// verdict.
    pub(crate) fn documents(&self) -> ServiceResult<Vec<VexDocument>> {
        let read = self.read(&mut self.lock())?;
        Ok(read.into_iter().map(|(_, document)| document).collect())
    }

    /// Returns the list of stored documents, of those that cannot be read, and of foreign files, each sorted by name.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds too much.
    pub(crate) fn list(&self) -> ServiceResult<VexList> {
        let mut list = VexList::default();
        let Folder { documents, foreign } = self.read_each(&mut self.lock())?;
        for (hash, found, document) in documents {
            match document {
                Ok(document) => list.documents.push(entry(&document, found, true)),
                Err(problem) => list.damaged.push(DamagedVex {
                    hash,
                    problem: with_hint(&problem),
                }),
            }
        }
        let foreign_files = foreign.into_iter().map(|path| ForeignVex {
            problem: with_hint(&foreign_problem(&path)),
            file: path.display().to_string(),
        });
        list.foreign.extend(foreign_files);
        Ok(list)
    }

    /// Returns why every scan is refused: a stored document cannot be read, or the folder. `None` if none is.
    pub(crate) fn matter(&self) -> Option<String> {
        let why = match self.list() {
            Ok(list) => problems_of(list),
            Err(problem) => vec![with_hint(&problem)],
        };
        (!why.is_empty()).then(|| format!("every scan is refused: {}", why.join("; ")))
    }

    /// Returns the check of `doctor`: every scan is refused while a document cannot be read. `None` without documents.
    pub(crate) fn check(&self) -> Option<DoctorCheck> {
        let refused = "every scan is refused until this is mended".to_owned();
        // The bytes may have changed and the files' metadata not, as on a failing disk.
        self.lock().clear();
        let (ok, found, damaged) = match self.list() {
            Ok(list) if list == VexList::default() => return None,
            Ok(list) if list.damaged.is_empty() && list.foreign.is_empty() => (
                true,
                format!("{} documents examined", list.documents.len()),
                Vec::new(),
            ),
            Ok(list) => (false, refused, problems_of(list)),
            Err(problem) => (false, refused, vec![with_hint(&problem)]),
        };
        Some(DoctorCheck {
            name: CHECK.to_owned(),
            ok,
            found,
            damaged,
            repaired: 0,
            not_examined: false,
        })
    }

    /// Stores a document.
    ///
    /// # Errors
    /// `vex_unreadable` if it is not a VEX document, or one too many.
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

    /// Returns a stored document, byte for byte.
    ///
    /// # Errors
    /// `vex_not_found`, or an error if it is damaged.
    pub(crate) fn show(&self, hash: &VexHash) -> ServiceResult<Vec<u8>> {
        self.bytes(hash)?.ok_or_else(|| missing(hash))?
    }

    /// Deletes a stored document, even a damaged one.
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

    /// Creates the folder so that it survives a crash.
    fn make_folder(&self) -> ServiceResult<()> {
        match fs::create_dir(&self.folder) {
            Ok(()) => self.folder.parent().map_or(Ok(()), sync_folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(file_problem("creating the folder", &self.folder, &error)),
        }
    }

    fn path(&self, hash: &VexHash) -> PathBuf {
        self.folder
            .join(format!("{}{SUFFIX}", hex::encode(hash.as_bytes())))
    }

    /// Reads all documents and their file metadata, sorted by hash.
    fn read(&self, cache: &mut Cache) -> ServiceResult<Vec<(Found, VexDocument)>> {
        let Folder { documents, foreign } = self.read_each(cache)?;
        if let Some(path) = foreign.first() {
            return Err(foreign_problem(path));
        }
        let each = documents.into_iter();
        each.map(|(_, found, document)| Ok((found, document?))).collect()
    }

    /// Reads each document with its hash and file metadata, or what is wrong with it, sorted by hash. Only files that
    /// changed are read again.
    fn read_each(&self, cache: &mut Cache) -> ServiceResult<Folder> {
        for _ in 0..LOOKS {
            if let Some(read) = self.look(cache)? {
                return Ok(read);
            }
        }
        Err(file_problem(
            "reading",
            &self.folder,
            &std::io::Error::other("its content keeps changing"),
        ))
    }

    /// Returns all documents; `None` if the folder changed meanwhile. With a removed document missing and its
    /// replacement not yet there, the verdict would match no real state.
    fn look(&self, cache: &mut Cache) -> ServiceResult<Option<Folder>> {
        let Some((files, foreign)) = self.files()? else {
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
                None => match self.bytes(&hash) {
                    Ok(None) => return Ok(None),
                    Ok(Some(Ok(bytes))) => {
                        let read = VexDocument::read(&bytes).map(VexDocument::for_all_scans);
                        let read = read.map_err(|error| damaged(&hash, &error_chain(&error)));
                        cache.insert(hash, (found, read.clone()));
                        read
                    }
                    Ok(Some(Err(problem))) => {
                        cache.insert(hash, (found, Err(problem.clone())));
                        Err(problem)
                    }
                    // A file that cannot be read now may be readable the next time.
                    Err(problem) => Err(problem),
                },
            };
            statements += document.as_ref().map_or(0, VexDocument::weight);
            if let Some(over) = over(0, 0, statements) {
                return Err(too_many(over));
            }
            documents.push((hash, found, document));
        }
        Ok(Some(Folder { documents, foreign }))
    }

    /// Returns the bytes of a document, or what is wrong with them, if it exists.
    fn bytes(&self, hash: &VexHash) -> ServiceResult<Option<ServiceResult<Vec<u8>>>> {
        let path = self.path(hash);
        let failed = |error| file_problem("reading", &path, &error);
        // Opening something else than a file could block forever.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => {
                let hint = format!("move {} elsewhere", path.display());
                return Ok(Some(Err(damaged(hash, "it is not a file").hint(hint))));
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
            Ok(Some(Ok(bytes)))
        } else {
            Ok(Some(Err(damaged(hash, "its bytes have another hash"))))
        }
    }

    /// Returns the folder's metadata, which changes when a document is added or removed.
    fn stamp(&self) -> ServiceResult<Option<Found>> {
        match fs::metadata(&self.folder) {
            Ok(metadata) => Ok(Some(Found::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_problem("reading", &self.folder, &error)),
        }
    }

    /// Returns the documents in the folder, and the files that only look like one; `None` if it changed meanwhile. Files
    /// without the suffix of a document are not Starling's.
    fn files(&self) -> ServiceResult<Option<Listed>> {
        let failed = |error| file_problem("reading", &self.folder, &error);
        let (mut files, mut foreign) = (BTreeMap::new(), Vec::new());
        let before = self.stamp()?;
        let listed = match fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some((files, foreign))),
            Err(error) => return Err(failed(error)),
        };
        for file in listed {
            let file = file.map_err(failed)?;
            let name = file.file_name();
            let Some(stem) = name.as_encoded_bytes().strip_suffix(SUFFIX.as_bytes()) else {
                continue;
            };
            let Some(hash) = hash_in_name(stem) else {
                if foreign.len() < MAX_DOCUMENTS {
                    foreign.push(file.path());
                }
                continue;
            };
            match file.metadata() {
                Ok(metadata) => files.insert(hash, Found::of(&metadata)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(file_problem("reading", &file.path(), &error)),
            };
            if files.len() > MAX_DOCUMENTS {
                break;
            }
        }
        foreign.sort();
        Ok((self.stamp()? == before).then_some((files, foreign)))
    }
}

/// A document's metadata: another file of the same name differs in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    bytes: u64,
    added_at: UnixMillis,
    inode: u64,
    /// Time of the last change of its bytes or name, in seconds and nanoseconds.
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

/// Returns the limit that this many documents, bytes and statements exceed, if any.
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

/// Returns the hash in a document's file name. Each hash has only one valid name, in lower case.
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
        unusable_by: document
            .unusable_by()
            .iter()
            .map(|(reason, statements)| UnusableStatements {
                reason: reason.words().to_owned(),
                statements,
            })
            .collect(),
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

/// Returns the problem of bytes that are not a VEX document.
pub(crate) fn vex_unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::new(ErrorCode::VexUnreadable, wording::within(&error_chain(error)))
}

/// Returns what is wrong with the documents of a list, and what to do.
fn problems_of(list: VexList) -> Vec<String> {
    let damaged = list.damaged.into_iter().map(|damaged| damaged.problem);
    let foreign = list.foreign.into_iter().map(|foreign| foreign.problem);
    damaged.chain(foreign).collect()
}

/// Returns a problem with what to do about it.
fn with_hint(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.detail),
        None => problem.detail.clone(),
    }
}

fn damaged(hash: &VexHash, what: &str) -> Problem {
    Problem::new(
        ErrorCode::VexUnreadable,
        format!("reading the stored VEX document {hash}: {what}"),
    )
    .hint(format!(
        "delete it with `starling vex remove {hash}`, then add the original again"
    ))
}

fn foreign_problem(path: &Path) -> Problem {
    Problem::new(
        ErrorCode::VexUnreadable,
        format!(
            "reading the stored VEX documents: the name of {} is not its hash",
            path.display()
        ),
    )
    .hint("move it to another folder, and add it with `starling vex add`")
}

fn too_much(detail: String) -> Problem {
    Problem::new(ErrorCode::VexUnreadable, detail)
        .hint("`starling vex list` shows the stored documents, `starling vex remove` deletes one")
}

fn missing(hash: &VexHash) -> Problem {
    Problem::new(
        ErrorCode::VexNotFound,
        format!("looking up the VEX document {hash}: no stored document has this hash"),
    )
    .hint("`starling vex list` shows the stored documents")
}

#[cfg(test)]
mod tests;
