//! The files of a feed between its runs.
//!
//! ```text
//! feeds/NAME/state.json     the results of the last runs
//! feeds/NAME/position.json  the position up to which the source was read; losing it costs a full fetch
//! feeds/NAME/spool/         the documents fetched by the current run
//! feeds/NAME/suspect/       an input that waits for approval, as it was fetched
//! ```
//!
//! All of it can be lost: the records are in the site's log. A damaged file is reported and replaced.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use starling_api_types::{ContentHash, FeedCounts, FeedName, FeedRun, SuspectInput, Timestamp};

use super::read_to::{POSITION_FORMAT, ReadTo};
use super::sizes::Sizes;
use crate::home::{HomeError, write_durably};
use crate::small_file;

/// Most runs in the history of a feed.
const HISTORY: usize = 100;
/// Format of the states that this version writes.
const FORMAT: u32 = 1;
/// Most bytes of a state: a hundred runs, each with bounded texts.
const MAX_STATE_BYTES: u64 = 8 << 20;
/// Most bytes of a position: some hundred thousand documents of one source.
const MAX_POSITION_BYTES: u64 = 256 << 20;
/// Mode of the files: addresses in them may contain secrets.
const MODE: u32 = 0o600;
/// Deepest folder of an input that can be hashed.
const MAX_DEPTH: usize = 32;

/// The results of a feed's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedMemory {
    format: u32,
    pub(crate) last_success_at: Option<Timestamp>,
    pub(crate) next_run_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) failures: u32,
    #[serde(default)]
    pub(crate) counts: FeedCounts,
    #[serde(default)]
    pub(crate) suspect: Option<KeptInput>,
    /// The start of the current run. After a kill it is still set.
    #[serde(default)]
    pub(crate) began_at: Option<Timestamp>,
    /// The reason why an earlier state was given up; cleared by the next successful run.
    #[serde(default)]
    pub(crate) given_up: Option<String>,
    /// The number of records of the source on each of the last days.
    #[serde(default)]
    pub(crate) sizes: Sizes,
    /// Number of rejected documents of the source, and a description of the first ones.
    #[serde(default)]
    pub(crate) rejected: u64,
    #[serde(default)]
    pub(crate) rejected_shown: String,
    /// A description of the held-back records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_back: Option<String>,
    /// Newest first.
    #[serde(default)]
    pub(crate) history: VecDeque<FeedRun>,
}

impl Default for FeedMemory {
    fn default() -> Self {
        Self {
            format: FORMAT,
            last_success_at: None,
            next_run_at: None,
            failures: 0,
            counts: FeedCounts::default(),
            suspect: None,
            began_at: None,
            given_up: None,
            sizes: Sizes::default(),
            rejected: 0,
            rejected_shown: String::new(),
            held_back: None,
            history: VecDeque::new(),
        }
    }
}

impl FeedMemory {
    /// Adds a run; the oldest is forgotten.
    pub(crate) fn add(&mut self, run: FeedRun) {
        self.counts.count(run.outcome);
        self.history.push_front(run);
        self.history.truncate(HISTORY);
    }
}

/// A suspect input in `suspect/`, with the data needed to import it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptInput {
    pub(crate) shown: SuspectInput,
    /// Its path below `suspect/`.
    pub(crate) input: PathBuf,
    pub(crate) whole: bool,
    pub(crate) more: bool,
    #[serde(default)]
    pub(crate) read_to_end: bool,
    pub(crate) gone: Vec<String>,
    /// Its documents that are pages.
    #[serde(default)]
    pub(crate) pages: BTreeSet<String>,
    /// The place from which it was fetched. It cannot be approved after the feed's place changed.
    pub(crate) place: String,
}

/// The folder of one feed.
#[derive(Debug, Clone)]
pub(crate) struct FeedFolder(PathBuf);

impl FeedFolder {
    /// Returns the folder of a feed in the site's folder. Names of feeds cannot be paths.
    pub(crate) fn of(home: &Path, name: &FeedName) -> Self {
        Self(home.join("feeds").join(name.as_str()))
    }

    /// Returns the folder into which documents are fetched.
    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Returns the folder of a suspect input.
    pub(crate) fn suspect(&self) -> PathBuf {
        self.0.join("suspect")
    }

    /// Creates an empty spool.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub(crate) fn empty_spool(&self) -> io::Result<PathBuf> {
        let spool = self.spool();
        remove(&spool)?;
        fs::create_dir_all(&spool)?;
        Ok(spool)
    }

    /// Removes the fetched documents. If that fails, the next run reports it.
    pub(crate) fn drop_spool(&self) {
        let _ = remove(&self.spool());
    }

    /// Reads the results of the runs. The content of a damaged file is given up, and the text says so.
    pub(crate) fn memory(&self) -> (FeedMemory, Option<String>) {
        match read_json::<FeedMemory>(&self.0.join("state.json"), MAX_STATE_BYTES) {
            Ok(Some(memory)) if memory.format == FORMAT => (memory, None),
            Ok(None) => (FeedMemory::default(), None),
            Ok(Some(memory)) => self.given_up(format!(
                "its state has the format {}, expected {FORMAT}",
                memory.format
            )),
            Err(error) => self.given_up(format!("its state cannot be read: {error}")),
        }
    }

    fn given_up(&self, why: String) -> (FeedMemory, Option<String>) {
        let what = if self.suspect().exists() {
            "its runs are not known any more, and a suspect input that waits in suspect/ cannot be approved"
        } else {
            "its runs are not known any more"
        };
        let memory = FeedMemory {
            given_up: Some(format!("{why}: {what}")),
            ..FeedMemory::default()
        };
        (memory, Some(why))
    }

    /// Writes the results of the runs.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write_memory(&self, memory: &FeedMemory) -> Result<(), HomeError> {
        self.write("state.json", memory)
    }

    /// Reads the position. Without a file for this place, the position is the beginning, and the text says why.
    pub(crate) fn read_to(&self, place: &str) -> (ReadTo, Option<String>) {
        let start = || ReadTo::start(place.to_owned());
        match read_json::<ReadTo>(&self.0.join("position.json"), MAX_POSITION_BYTES) {
            Ok(None) => (start(), None),
            Ok(Some(found)) if found.format != POSITION_FORMAT => (
                start(),
                Some(format!(
                    "the position has the format {}, expected {POSITION_FORMAT}: everything is fetched",
                    found.format
                )),
            ),
            Ok(Some(found)) if found.place != place => (
                start(),
                Some("the feed fetches from another place than before: everything is fetched".to_owned()),
            ),
            Ok(Some(mut found)) => {
                let why = found.anew.take();
                (found, why)
            }
            Err(error) => (
                start(),
                Some(format!(
                    "the position cannot be read ({error}): everything is fetched"
                )),
            ),
        }
    }

    /// Writes the position. The caller must have committed the import up to it before.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write_read_to(&self, read_to: &ReadTo) -> Result<(), HomeError> {
        self.write("position.json", read_to)
    }

    /// Moves the spool to the suspect input.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub(crate) fn keep_suspect(&self, read_to: &ReadTo) -> Result<(), HomeError> {
        let failed = |source| HomeError::File {
            attempted: "keeping the input in",
            path: self.suspect(),
            source,
        };
        remove(&self.suspect()).map_err(failed)?;
        fs::create_dir_all(self.suspect()).map_err(failed)?;
        fs::rename(self.spool(), self.suspect().join("input")).map_err(failed)?;
        self.write("suspect/position.json", read_to)
    }

    /// Reads the position that applies after an import of the suspect input; `None` if another version wrote it.
    pub(crate) fn suspect_read_to(&self) -> io::Result<Option<ReadTo>> {
        let found: Option<ReadTo> = read_json(&self.suspect().join("position.json"), MAX_POSITION_BYTES)?;
        Ok(found.filter(|found| found.format == POSITION_FORMAT))
    }

    /// Drops the suspect input.
    pub(crate) fn drop_suspect(&self) {
        let _ = remove(&self.suspect());
    }

    /// Removes all files of the feed.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.0)
    }

    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), HomeError> {
        let path = self.0.join(name);
        let bytes = serde_json::to_vec(content).map_err(|error| HomeError::Content {
            path: path.clone(),
            problem: format!("it has no JSON form: {error}"),
        })?;
        fs::create_dir_all(&self.0).map_err(|source| HomeError::File {
            attempted: "making",
            path: self.0.clone(),
            source,
        })?;
        write_durably(&path, &bytes, MODE)
    }
}

/// Hashes all files of an input with their names, and the facts that decide what an import of them removes. Equal hashes
/// mean equal inputs.
///
/// These facts are whether the files are the whole source, and which other files the source dropped.
///
/// # Errors
/// A file cannot be read, or folders lie too deep.
pub(crate) fn hash_of(input: &Path, whole: bool, gone: &[String]) -> io::Result<ContentHash> {
    /// A separator that cannot be the length of a name.
    const PART: [u8; 8] = u64::MAX.to_le_bytes();
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 input of a feed");
    add_hash(&mut hasher, input, "", 0)?;
    if !whole || !gone.is_empty() {
        hasher.update(&PART);
        hasher.update(&[u8::from(whole)]);
        for name in gone {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
    }
    Ok(ContentHash::from_bytes(*hasher.finalize().as_bytes()))
}

fn add_hash(hasher: &mut blake3::Hasher, path: &Path, name: &str, depth: usize) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        if depth > MAX_DEPTH {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("folders lie more than {MAX_DEPTH} deep"),
            ));
        }
        let listed = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        let mut entries: Vec<_> = listed.iter().map(fs::DirEntry::path).collect();
        entries.sort();
        for entry in entries {
            let own = entry
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            add_hash(hasher, &entry, &format!("{name}/{own}"), depth + 1)?;
        }
        return Ok(());
    }
    if !kind.is_file() {
        return Ok(());
    }
    let mut content = blake3::Hasher::new();
    let mut file = fs::File::open(path)?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        content.update(chunk.get(..count).unwrap_or_default());
    }
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(content.finalize().as_bytes());
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path, limit: u64) -> io::Result<Option<T>> {
    match small_file::read(path, limit) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(home: &Path) -> FeedFolder {
        FeedFolder::of(home, &FeedName::new("nvd").unwrap())
    }

    #[test]
    fn memory_is_read_back_and_damage_is_named() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        assert_eq!(folder.memory(), (FeedMemory::default(), None));
        let memory = FeedMemory {
            failures: 3,
            ..FeedMemory::default()
        };
        folder.write_memory(&memory).unwrap();
        assert_eq!(folder.memory(), (memory, None));
        for damage in [
            "",
            "{",
            "[]",
            r#"{"format":9,"last_success_at":null,"next_run_at":null}"#,
        ] {
            fs::write(home.path().join("feeds/nvd/state.json"), damage).unwrap();
            let (read, why) = folder.memory();
            assert!(why.is_some(), "{damage}");
            assert!(
                read.given_up
                    .is_some_and(|told| told.contains("not known any more"))
            );
        }
    }

    #[test]
    fn position_of_another_place_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        let mut read_to = ReadTo::start("here".to_owned());
        read_to.whole_at = Some(Timestamp::saturating(7));
        folder.write_read_to(&read_to).unwrap();
        assert_eq!(folder.read_to("here"), (read_to, None));
        let (anew, why) = folder.read_to("there");
        assert_eq!(anew, ReadTo::start("there".to_owned()));
        assert!(why.unwrap().contains("another place"));
        fs::write(home.path().join("feeds/nvd/position.json"), "x").unwrap();
        assert!(
            folder
                .read_to("here")
                .1
                .unwrap()
                .contains("everything is fetched")
        );
    }

    #[test]
    fn suspect_input_is_moved_with_its_position() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        let spool = folder.empty_spool().unwrap();
        fs::write(spool.join("a.json"), "1").unwrap();
        let hash = hash_of(&spool, true, &[]).unwrap();
        let read_to = ReadTo::start("here".to_owned());
        folder.keep_suspect(&read_to).unwrap();
        assert!(!spool.exists());
        let kept = folder.suspect().join("input");
        assert_eq!(hash_of(&kept, true, &[]).unwrap(), hash);
        assert_eq!(folder.suspect_read_to().unwrap(), Some(read_to));
        fs::write(kept.join("a.json"), "2").unwrap();
        assert_ne!(hash_of(&kept, true, &[]).unwrap(), hash);
        let gone = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            hash_of(&kept, false, &names).unwrap()
        };
        assert_ne!(gone(&[]), hash_of(&kept, true, &[]).unwrap());
        assert_ne!(gone(&["a", "b"]), gone(&["a"]));
        assert_ne!(gone(&["ab"]), gone(&["a", "b"]));
        folder.drop_suspect();
        assert!(!folder.suspect().exists());
        folder.remove().unwrap();
        folder.remove().unwrap();
    }

    #[test]
    fn only_the_last_runs_are_kept() {
        let mut memory = FeedMemory::default();
        let run: FeedRun = serde_json::from_value(serde_json::json!({
            "feed": "nvd", "source": "nvd", "trigger": "schedule", "started_at": "2026-01-01T00:00:00.000Z",
            "duration_ms": 1, "outcome": "unchanged", "whole": false, "checked": true, "requests": 1, "documents": 0,
            "bytes": 0, "stored": 0, "unchanged": 0, "absent": 0, "rejected": 0,
        }))
        .unwrap();
        for number in 0..HISTORY as u64 + 5 {
            memory.add(FeedRun {
                duration_ms: number,
                ..run.clone()
            });
        }
        assert_eq!(memory.history.len(), HISTORY);
        assert_eq!(memory.history[0].duration_ms, HISTORY as u64 + 4);
        assert_eq!(memory.counts.unchanged, HISTORY as u64 + 5);
    }
}
