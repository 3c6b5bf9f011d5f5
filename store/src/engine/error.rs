//! Errors of engines, with advice for operators.

use std::io;
use std::path::PathBuf;

use super::options::{ByteCount, EngineKind};
use super::tree::Tree;

/// The operation that an engine failed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Opening the store.
    Open,
    /// Reading one value.
    Get(Tree),
    /// Walking over a range of keys.
    Scan(Tree),
    /// An atomic write.
    Commit {
        /// Operations in the batch.
        rows: usize,
        /// Bytes of keys and values.
        bytes: usize,
    },
    /// Making all commits durable.
    Checkpoint,
    /// Giving space back.
    Compact,
    /// Checking the whole store.
    Check,
    /// Asking for the size of the store.
    Measure,
    /// Copying one store into another.
    Copy,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open => f.write_str("open the store"),
            Self::Get(tree) => write!(f, "read a value of tree {tree}"),
            Self::Scan(tree) => write!(f, "walk over tree {tree}"),
            Self::Commit { rows, bytes } => write!(f, "commit {rows} rows of {bytes} bytes"),
            Self::Checkpoint => f.write_str("write a checkpoint"),
            Self::Compact => f.write_str("compact the store"),
            Self::Check => f.write_str("check the store"),
            Self::Measure => f.write_str("measure the store"),
            Self::Copy => f.write_str("copy the store"),
        }
    }
}

/// The kind of failure that stopped an engine: what an operator removes before the restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The disk, a quota or a size limit left no room.
    NoSpace,
    /// The operating system refused a read or a write.
    Io,
    /// Stored bytes differ from those written, or the library panicked on them.
    Damage,
    /// The library must not be used again for a reason of its own.
    Library,
}

/// The thing that was over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// A key of this tree.
    Key(Tree),
    /// A value of this tree.
    Value(Tree),
    /// A whole batch.
    Batch,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(tree) => write!(f, "a key of tree {tree}"),
            Self::Value(tree) => write!(f, "a value of tree {tree}"),
            Self::Batch => f.write_str("a batch"),
        }
    }
}

/// The reason why an engine failed.
///
/// The text says what was attempted, what was found and what to do. A cause, if there is one, is in `source`
/// and not repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Another process, or another part of this one, has the store open.
    #[error("the store in {} is in use by {}; a daemon answers commands while it runs, any other program must end first", path.display(), holder_text(*holder))]
    Locked {
        /// The store's folder.
        path: PathBuf,
        /// The process that holds the lock, if it could be read.
        holder: Option<u32>,
    },
    /// The disk, a quota or a size limit left no room. No part of the batch is stored.
    #[error("could not {attempted} in {}: no space left ({found}); free space or move the store, then try again", path.display())]
    NoSpace {
        /// The operation that failed.
        attempted: Attempt,
        /// The store's folder.
        path: PathBuf,
        /// The system's error, or the free and the needed bytes.
        found: String,
    },
    /// The rows changed too much during the read: a version of the rows is kept for a bounded time.
    #[error(
        "the store changed too much during this read, and the state that it read is no longer kept; try again"
    )]
    VersionGone,
    /// An attempt to write to a snapshot.
    #[error("could not write: these rows are an earlier snapshot")]
    VersionIsPast,
    /// Stored bytes differ from those written.
    #[error("could not {attempted} in {}: the store is damaged ({found}); {}", path.display(), damage_advice(*attempted))]
    Corrupt {
        /// The operation that failed.
        attempted: Attempt,
        /// The store's folder.
        path: PathBuf,
        /// The damage, and its place if known.
        found: String,
    },
    /// The operating system refused a read or a write.
    #[error("could not {attempted} in {}; check the disk and the folder's permissions", path.display())]
    Io {
        /// The operation that failed.
        attempted: Attempt,
        /// The store's folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A key, a value or a batch exceeds its limit. No part of the batch is stored.
    #[error("could not write {what} of {found} bytes: the limit is {limit} bytes")]
    TooLarge {
        /// The part that is too large.
        what: Limited,
        /// Its size in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no store, and the caller did not ask for one to be made.
    #[error("there is no store in {}; was the folder moved, or its disk not mounted?", path.display())]
    Missing {
        /// The folder that was looked at.
        path: PathBuf,
    },
    /// The folder holds a store of another engine.
    #[error("the store in {} is of engine {found}, and the configuration says {asked}", path.display())]
    OtherEngine {
        /// The store's folder.
        path: PathBuf,
        /// The engine that was asked for.
        asked: EngineKind,
        /// The engine whose files are there.
        found: EngineKind,
    },
    /// The store was written by a later version of this program.
    #[error("the store in {} has layout {found}, but this program supports layouts up to {known}; use a newer program", path.display())]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// The layout number that was found.
        found: u32,
        /// The newest layout number that this program knows.
        known: u32,
    },
    /// An earlier release wrote the store; its rows must be migrated before it can be used.
    #[error("the store in {} has layout {found}, but this program uses {current}; migrate its rows into a new store", path.display())]
    OtherLayout {
        /// The store's folder.
        path: PathBuf,
        /// The layout number that was found.
        found: u32,
        /// The layout number that this program uses.
        current: u32,
    },
    /// An attempt to write to a store that was opened for migration.
    #[error("could not write to the store in {}: it has layout {found} and is open for migration only", path.display())]
    ReadOnly {
        /// The store's folder.
        path: PathBuf,
        /// Its layout number.
        found: u32,
    },
    /// The engine stopped after an earlier failure, so that nothing builds on an untrusted state.
    #[error(
        "could not {attempted}: the store stopped after an earlier failure ({reason}); remove the cause and restart"
    )]
    Stopped {
        /// The operation that failed.
        attempted: Attempt,
        /// The kind of the failure that stopped the engine.
        cause: StopCause,
        /// The failure that stopped the engine.
        reason: String,
    },
    /// A copy was asked for into a store that already holds rows.
    #[error("could not copy into the store in {}: tree {tree} already holds rows; choose an empty folder", path.display())]
    NotEmpty {
        /// The target's folder.
        path: PathBuf,
        /// The first tree found with a row.
        tree: Tree,
    },
}

impl EngineError {
    /// Returns true if the same call can succeed later without a restart, after its cause is removed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Locked { .. })
    }

    /// Returns true if the disk was full, now or at the failure that stopped the engine.
    pub fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::NoSpace { .. }
                | Self::Stopped {
                    cause: StopCause::NoSpace,
                    ..
                }
        )
    }
}

/// Returns the advice about damage. A store that does not open cannot be examined by commands that open it.
const fn damage_advice(attempted: Attempt) -> &'static str {
    match attempted {
        Attempt::Open => "it is derived from the site's log: move it away, and it is rebuilt",
        _ => "`starling doctor` names the damage; with --rebuild it rebuilds derived data",
    }
}

fn holder_text(holder: Option<u32>) -> String {
    match holder {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// A failure as an engine's own file reports it; the shared layer adds the operation and the place.
#[derive(Debug)]
pub(super) enum Failure {
    /// Refused before any change: the engine continues.
    NoRoom {
        free: ByteCount,
        needed: ByteCount,
    },
    /// The system ran out of space in the middle.
    NoSpace(io::Error),
    Io(io::Error),
    /// Another opener has the files open.
    Busy,
    Corrupt(String),
    /// The library panicked, as both do on some damage: its state is no longer trusted.
    Panicked(String),
    /// The engine must not be used again.
    Stopped(String),
}

impl Failure {
    /// Classifies an I/O error: a full disk, an exhausted quota and a file-size limit are all "no space".
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace(error)
            }
            io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => Self::Busy,
            // The libraries' error kinds for bytes that are foreign or cut off.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt(error.to_string()),
            _ => Self::Io(error),
        }
    }

    /// Adds the operation and the place.
    pub(super) fn into_error(self, attempted: Attempt, path: &std::path::Path) -> EngineError {
        let path = path.to_path_buf();
        match self {
            Self::NoRoom { free, needed } => EngineError::NoSpace {
                attempted,
                path,
                found: format!("{free} free, {needed} needed with the reserve"),
            },
            Self::NoSpace(error) => EngineError::NoSpace {
                attempted,
                path,
                found: error.to_string(),
            },
            Self::Busy => EngineError::Locked { path, holder: None },
            Self::Io(source) => EngineError::Io {
                attempted,
                path,
                source,
            },
            Self::Corrupt(found) => EngineError::Corrupt {
                attempted,
                path,
                found,
            },
            Self::Panicked(text) => EngineError::Corrupt {
                attempted,
                path,
                found: format!("its library panicked: {text}"),
            },
            Self::Stopped(reason) => EngineError::Stopped {
                attempted,
                cause: StopCause::Library,
                reason,
            },
        }
    }

    /// Returns the kind that an engine which stops over this failure reports from then on.
    pub(super) fn stop_cause(&self) -> StopCause {
        match self {
            Self::NoRoom { .. } | Self::NoSpace(_) => StopCause::NoSpace,
            Self::Io(_) | Self::Busy => StopCause::Io,
            Self::Corrupt(_) | Self::Panicked(_) => StopCause::Damage,
            Self::Stopped(_) => StopCause::Library,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRoom { free, needed } => write!(f, "no room: {free} free, {needed} needed"),
            Self::NoSpace(error) => write!(f, "no space left: {error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Busy => f.write_str("another process has the files open"),
            Self::Corrupt(found) => write!(f, "damaged: {found}"),
            Self::Panicked(text) => write!(f, "the engine's library panicked: {text}"),
            Self::Stopped(reason) => f.write_str(reason),
        }
    }
}
