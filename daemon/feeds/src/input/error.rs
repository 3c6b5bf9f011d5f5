//! The reason why an input as a whole was refused, and how far it was read.

use std::fmt;
use std::io;

/// The error of an input that may be incomplete.
#[derive(Debug, thiserror::Error)]
#[error("reading {name}: {kind} (until there: {progress})")]
pub struct InputError {
    /// The file, member or stream that was being read.
    pub name: String,
    /// The problem.
    #[source]
    pub kind: InputErrorKind,
    /// The progress before the error.
    pub progress: Progress,
}

impl InputError {
    /// Returns true if the input ends too early, so that another download may be complete.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind, InputErrorKind::Truncated)
    }
}

/// The kinds of error that end a walk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputErrorKind {
    /// The path cannot be opened.
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    /// A device, socket or pipe, which may never end.
    #[error("it is {what}, expected a file or a folder; pass a pipe as standard input (`-`)")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// The system could not read.
    #[error("the read failed")]
    Read(#[source] io::Error),
    /// The input ends too early.
    #[error("it is truncated: the end is missing. Fetch it again")]
    Truncated,
    /// The bytes violate their format or checksum.
    #[error("it is damaged ({what}). Fetch it again")]
    Damaged {
        /// The violation.
        what: String,
    },
    /// An unsupported format.
    #[error("it is {what}, which is not supported; unpack it first")]
    Unsupported {
        /// The format.
        what: &'static str,
    },
    /// A bundle of Starling: read as a feed, its records would lose their authors.
    #[error(
        "it is a Starling bundle, whose records belong to their authors; take it in with `starling bundle import`"
    )]
    Bundle,
    /// More bytes than [`Limits::max_total_bytes`](super::Limits::max_total_bytes).
    #[error("it unpacks to more than {limit} bytes; raise the limit if you trust it")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// More files and records than [`Limits::max_items`](super::Limits::max_items).
    #[error("it has more than {limit} files and records; raise the limit if you trust it")]
    TooMany {
        /// The limit.
        limit: u64,
    },
    /// A decompression bomb, by [`Limits::max_ratio`](super::Limits::max_ratio).
    #[error("it unpacks to more than {ratio} times its size, as only a decompression bomb does")]
    Bomb {
        /// The limit.
        ratio: u64,
    },
    /// The list of members, or their names, are longer than in any real archive.
    #[error("the archive's headers are longer than {limit} bytes between two members")]
    Headers {
        /// The limit.
        limit: u64,
    },
}

/// The progress of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Number of files, members and records passed on.
    pub items: u64,
    /// Number of unpacked bytes read.
    pub bytes: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items, {} bytes", self.items, self.bytes)
    }
}
