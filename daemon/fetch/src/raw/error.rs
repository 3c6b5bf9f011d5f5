//! Errors of the store of raw documents.

use std::io;
use std::path::{Path, PathBuf};

use super::entry::RawHash;

/// The reason why the store of raw documents, or one document, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// The disk failed.
    #[error("{} cannot be {action}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The operation that failed.
        action: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The index is damaged.
    #[error("the index of raw documents {} is damaged in line {line}: {what}; move the folder away to begin anew", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The error.
        what: String,
    },
    /// No such document is kept.
    #[error("the raw document {hash} is not kept here")]
    Unknown {
        /// The requested document.
        hash: RawHash,
    },
    /// The bytes on the disk differ from those that were stored.
    #[error("the raw document {hash} is damaged on this disk")]
    Damaged {
        /// The requested document.
        hash: RawHash,
    },
    /// The document is longer than the caller's limit.
    #[error("the raw document {hash} has {bytes} bytes, more than {limit}")]
    TooLong {
        /// The requested document.
        hash: RawHash,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The archive has no such member.
    #[error("the raw document {hash} has no part {name:?}")]
    NoPart {
        /// The requested document.
        hash: RawHash,
        /// The name of the part.
        name: String,
    },
}

/// Returns the error for a failure of the disk.
pub(super) fn disk(path: &Path, action: &'static str, source: io::Error) -> RawError {
    RawError::Disk {
        path: path.to_owned(),
        action,
        source,
    }
}
