//! Opens an engine as it is, or replaces it with an empty one if its files are in doubt.
//!
//! An engine is derived from the site's log. So unusable files are no reason to stop: they are set aside, and
//! the caller fills an empty engine from the log. Set aside means renamed to `aside-N` in the same folder;
//! nothing is removed before the caller reports that it has its rows again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beside;
use super::error::{Attempt, EngineError, Failure};
use super::generation::Generation;
use super::markers::{CLEAN, DOUBT, Left, MarkerFiles, RUNNING, noted_doubt, write_small};
use super::memory::{FaultPlan, MemoryEngine};
use super::options::{EngineKind, EngineOptions, IfMissing};
use super::settle::Opening;
use super::{Engine, sync_folder};

/// Exists while an engine creates its files. What a process that was ended left beside it is no store yet: sled and redb
/// take their own unfinished files for damaged ones.
const CREATING: &str = "creating";
/// Name prefix of folders with files that were set aside.
const ASIDE: &str = "aside-";

/// An engine that was opened.
#[derive(Debug)]
pub enum Opened {
    /// The engine as it was left, or empty because there was none.
    Sound(Arc<dyn Engine>),
    /// The files cannot be used and were set aside. After the engine holds everything again, [`discard_aside`]
    /// removes the old files.
    Doubt {
        /// Why.
        reason: String,
        /// An empty engine.
        engine: Arc<dyn Engine>,
    },
}

impl Opened {
    /// Returns the engine in either case.
    pub fn into_engine(self) -> Arc<dyn Engine> {
        match self {
            Self::Sound(engine) | Self::Doubt { engine, .. } => engine,
        }
    }
}

/// Opens the store in `dir` with the engine `kind`. The caller holds the [`HomeLock`](super::HomeLock).
///
/// The memory engine ignores the folder.
///
/// ```
/// use starling_store::engine::{Batch, EngineKind, EngineOptions, Tree, open};
///
/// let engine = open(EngineKind::Memory, "".as_ref(), &EngineOptions::default())?;
/// let mut batch = Batch::new();
/// batch.put(Tree::Claims, b"key", b"value");
/// engine.commit(&batch)?;
/// assert_eq!(engine.get(Tree::Claims, b"key")?.as_deref(), Some(&b"value"[..]));
/// # Ok::<(), starling_store::engine::EngineError>(())
/// ```
///
/// # Errors
/// Fails if the store is damaged, of another engine or of another layout, or if it is missing and `options`
/// forbid making one.
pub fn open(kind: EngineKind, dir: &Path, options: &EngineOptions) -> Result<Arc<dyn Engine>, EngineError> {
    match kind {
        EngineKind::Sled => Ok(Arc::new(super::sled::open(dir, options, Opening::Current)?)),
        EngineKind::Redb => Ok(Arc::new(super::redb::open(dir, options)?)),
        EngineKind::Memory => {
            let generation =
                Generation::of(options).map_err(|failure| failure.into_error(Attempt::Open, dir))?;
            let plan = FaultPlan::default();
            Ok(Arc::new(MemoryEngine::with_generation(plan, generation)))
        }
    }
}

/// Opens the store in `dir` with the engine `kind`, or an empty one if the files are in doubt.
///
/// Files are in doubt if they do not open, make the library panic, fail a checksum, have another layout or
/// belong to another engine. sled's files are also in doubt after a stop of the machine. The caller holds the
/// [`HomeLock`](super::HomeLock).
///
/// # Errors
/// Fails if the files are in use; if the system refuses access, has no room or no more handles; or if the store
/// is missing and `options` forbid making one. Nothing is set aside then.
pub fn open_or_doubt(kind: EngineKind, dir: &Path, options: &EngineOptions) -> Result<Opened, EngineError> {
    if kind == EngineKind::Memory {
        return open(kind, dir, options).map(Opened::Sound);
    }
    let io = |error| Failure::from_io(error).into_error(Attempt::Open, dir);
    if dir.is_dir() {
        beside::clear(dir).map_err(io)?;
    }
    let reason = match doubt_before(kind, dir) {
        Some(reason) => reason,
        None => match open(kind, dir, options) {
            Ok(engine) => return Ok(Opened::Sound(engine)),
            Err(error) if is_doubt(&error) => in_one_line(&error),
            Err(error) => return Err(error),
        },
    };
    tracing::warn!(%reason, folder = %dir.display(), "the store is set aside and will be rebuilt");
    set_aside(dir).map_err(io)?;
    let options = options.clone().with_if_missing(IfMissing::Create);
    let engine = open(kind, dir, &options)?;
    Ok(Opened::Doubt { reason, engine })
}

/// Sets the files in `dir` aside, whatever they are, and opens an empty engine in their place. The caller holds
/// the [`HomeLock`](super::HomeLock), and no engine of the folder is open.
///
/// # Errors
/// As [`open_or_doubt`].
pub fn open_aside(
    kind: EngineKind,
    dir: &Path,
    options: &EngineOptions,
) -> Result<Arc<dyn Engine>, EngineError> {
    if kind != EngineKind::Memory && dir.is_dir() {
        set_aside(dir).map_err(|error| Failure::from_io(error).into_error(Attempt::Open, dir))?;
    }
    open(kind, dir, &options.clone().with_if_missing(IfMissing::Create))
}

/// Returns true if a release before row checksums wrote the files in `dir`. Opens nothing.
pub fn is_earlier(dir: &Path) -> bool {
    match detect(dir) {
        Some(EngineKind::Sled) => !dir.join(CLEAN).exists() && !dir.join(RUNNING).exists(),
        Some(EngineKind::Redb) => super::redb::is_earlier(dir),
        Some(EngineKind::Memory) | None => false,
    }
}

/// Removes the files that [`open_or_doubt`] set aside in `dir`, after the engine there holds everything again.
///
/// # Errors
/// Fails if the files cannot be removed; a later call then removes the rest.
pub fn discard_aside(dir: &Path) -> Result<(), EngineError> {
    let discard = || {
        for (_, path) in asides(dir)? {
            fs::remove_dir_all(path)?;
        }
        Ok(())
    };
    discard().map_err(|error: io::Error| Failure::from_io(error).into_error(Attempt::Open, dir))
}

/// Opens a store of a release before row checksums for migration: it can be read but not written.
///
/// # Errors
/// As [`open`], and if there is no store, or one of another layout.
pub fn open_layout_1(
    kind: EngineKind,
    dir: &Path,
    options: &EngineOptions,
) -> Result<Arc<dyn Engine>, EngineError> {
    let options = options.clone().with_if_missing(IfMissing::Refuse);
    match kind {
        EngineKind::Sled => Ok(Arc::new(super::sled::open(dir, &options, Opening::Earlier)?)),
        EngineKind::Redb => Ok(Arc::new(super::redb::open_earlier(dir, &options)?)),
        EngineKind::Memory => Err(EngineError::Missing {
            path: dir.to_path_buf(),
        }),
    }
}

/// Returns the engine whose files are in `dir`, or `None` if there is no store.
pub fn detect(dir: &Path) -> Option<EngineKind> {
    if dir.join(CREATING).exists() {
        None
    } else if dir.join(super::sled::FOLDER).is_dir() {
        Some(EngineKind::Sled)
    } else if dir.join(super::redb::FILE).is_file() {
        Some(EngineKind::Redb)
    } else {
        None
    }
}

/// Prepares `dir` for an engine with files: makes it if allowed, and refuses a store of another engine. A new engine
/// calls [`finish_creation`] when it has its files.
pub(super) fn prepare_folder(
    kind: EngineKind,
    dir: &Path,
    options: &EngineOptions,
) -> Result<(), EngineError> {
    match detect(dir) {
        None if options.if_missing == IfMissing::Refuse => Err(EngineError::Missing {
            path: dir.to_path_buf(),
        }),
        Some(found) if found != kind => Err(EngineError::OtherEngine {
            path: dir.to_path_buf(),
            asked: kind,
            found,
        }),
        Some(_) => Ok(()),
        None => begin_creation(dir).map_err(|error| Failure::from_io(error).into_error(Attempt::Open, dir)),
    }
}

/// Removes the files of an unfinished creation, and notes that another one begins.
fn begin_creation(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if dir.join(CREATING).exists() {
        let removed = [
            fs::remove_dir_all(dir.join(super::sled::FOLDER)),
            fs::remove_file(dir.join(super::redb::FILE)),
        ];
        for removed in removed {
            removed.or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
    }
    write_small(dir, CREATING, "")
}

/// Notes that the engine in `dir` has created its files. On disk on return, so that no later commit is thrown away.
pub(super) fn finish_creation(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(CREATING)) {
        Ok(()) => sync_folder(dir),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns why a store must not even be tried.
fn doubt_before(kind: EngineKind, dir: &Path) -> Option<String> {
    if let Some(reason) = noted_doubt(dir) {
        return Some(reason);
    }
    (kind == EngineKind::Sled
        && detect(dir) == Some(EngineKind::Sled)
        && MarkerFiles::of(dir).left() == Left::MachineStopped)
        .then(|| {
            "the machine stopped while sled was in use, which can lose writes without sled noticing"
                .to_owned()
        })
}

/// Returns true if an error says that the files cannot be used, rather than that they cannot be reached.
fn is_doubt(error: &EngineError) -> bool {
    match error {
        EngineError::Corrupt { .. }
        | EngineError::OtherEngine { .. }
        | EngineError::OtherLayout { .. }
        | EngineError::Newer { .. } => true,
        // A sector that the disk can no longer read.
        EngineError::Io { source, .. } => source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()),
        _ => false,
    }
}

/// Returns an error with its causes in one line.
fn in_one_line(error: &EngineError) -> String {
    let mut text = match error {
        // The advice is for callers that must not change anything.
        EngineError::Corrupt { found, .. } => format!("it is damaged: {found}"),
        error => error.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Moves everything of an engine into a separate folder. One such folder is kept.
fn set_aside(dir: &Path) -> io::Result<()> {
    let before = asides(dir)?;
    let number = before.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    let aside = dir.join(format!("{ASIDE}{number}"));
    fs::create_dir(&aside)?;
    // The marker files go first: without them sled's files are in doubt if this is interrupted.
    for name in [
        CLEAN,
        RUNNING,
        super::sled::FOLDER,
        super::redb::FILE,
        DOUBT,
        CREATING,
    ] {
        match fs::rename(dir.join(name), aside.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(&aside)?;
    sync_folder(dir)?;
    for (_, path) in before {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// Returns the folders of files that were set aside in `dir`, from which a repair may still read.
///
/// # Errors
/// Fails if the folder cannot be read.
pub fn asides_in(dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let found = asides(dir).map_err(|error| Failure::from_io(error).into_error(Attempt::Open, dir))?;
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Returns the folders of files that were set aside, with their numbers.
fn asides(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(ASIDE)?.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}
