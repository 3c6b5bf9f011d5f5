//! What can go wrong with raw documents.

use std::io;
use std::path::{Path, PathBuf};

use super::entry::RawHash;

/// A store of raw documents that cannot be used, or a document that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// The disk failed.
    #[error("{} cannot be {action}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's words.
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
        /// What is wrong.
        what: String,
    },
    /// No such document is kept.
    #[error("the raw document {hash} is not kept here")]
    Unknown {
        /// What was asked for.
        hash: RawHash,
    },
    /// The bytes on the disk are not those that were kept.
    #[error("the raw document {hash} is damaged on this disk")]
    Damaged {
        /// What was asked for.
        hash: RawHash,
    },
    /// The document is longer than the caller takes.
    #[error("the raw document {hash} has {bytes} bytes, more than {limit}")]
    TooLong {
        /// What was asked for.
        hash: RawHash,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The archive has no such member.
    #[error("the raw document {hash} has no part {name:?}")]
    NoPart {
        /// What was asked for.
        hash: RawHash,
        /// The name of the part.
        name: String,
    },
}

/// The error for a failure of the disk.
pub(super) fn disk(path: &Path, action: &'static str, source: io::Error) -> RawError {
    RawError::Disk {
        path: path.to_owned(),
        action,
        source,
    }
}
