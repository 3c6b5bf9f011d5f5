//! Walks an input of any supported form and hands on, one by one, what may be records.
//!
//! The form is told by content, not by name: a folder, a zip, a tar (plain, gzip or zstd), a
//! compressed or plain document, from a path or from a stream such as standard input. A folder may hold
//! archives; an archive inside an archive is not read. A document
//! that holds many records (NDJSON, a JSON list, an OSV API answer) is split while it is read.
//!
//! Everything is streamed. Memory is bounded by a few records of [`Limits::max_record_bytes`] (and,
//! for a zip, by its own list of members); nothing is unpacked to disk. A zip that comes through a
//! stream is kept in an unnamed temporary file, because its list of members is at its end.
//!
//! The order is that of the input, and of names in a folder, so a walk of equal bytes gives equal
//! results. What the bytes mean is left to [`osv`](crate::osv).

mod archive;
mod classify;
mod error;
mod folder;
mod meter;
mod split;
mod stream;
mod walk;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use starling_protocol::limits::MAX_RECORD_BYTES;

use crate::connectors::Kind;

pub use classify::{Expectation, NotARecord, classify};
pub use error::{InputError, InputErrorKind, Progress};
pub use folder::archive_stem;

use walk::Walk;

/// Where the bytes come from.
pub enum Source {
    /// A file or folder. A file with one record may have any name.
    Path(PathBuf),
    /// A stream, such as standard input.
    Stream {
        /// What to call it in messages and names, such as `-`.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl Source {
    /// Names a file or folder as the source.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Self {
        Source::Path(path.as_ref().to_owned())
    }

    /// Takes a stream as the source, called `name`.
    #[must_use]
    pub fn stream(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Source::Stream {
            name: name.into(),
            reader: Box::new(reader),
        }
    }
}

/// How much an input may hold. All counts are of unpacked bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest document or record, in bytes; a longer one is rejected and the walk goes on.
    pub max_record_bytes: usize,
    /// Longest document of a kind other than OSV, which may hold many records and is read whole; a longer one is
    /// rejected and the walk goes on.
    pub max_document_bytes: usize,
    /// Most bytes in all; an input with more is refused.
    pub max_total_bytes: u64,
    /// Most files, members and records in all; an input with more is refused.
    pub max_items: u64,
    /// Most unpacked bytes for each packed byte; an input with more is refused as a bomb.
    pub max_ratio: u64,
    /// Unpacked bytes up to which the ratio is not looked at.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    /// Fits every public OSV export (the largest are a few GB and 30 times smaller when packed),
    /// and stops a bomb after 64 MiB.
    fn default() -> Self {
        Limits {
            max_record_bytes: MAX_RECORD_BYTES,
            max_document_bytes: crate::connectors::MAX_DOCUMENT_BYTES,
            max_total_bytes: 32 << 30,
            max_items: 16_000_000,
            max_ratio: 400,
            ratio_free_bytes: 64 << 20,
        }
    }
}

/// One thing found in an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Bytes that may be a record.
    Document(Document),
    /// A file that holds no record.
    Ignored {
        /// Its name.
        name: String,
        /// How that is known.
        reason: NotARecord,
    },
    /// A file or record that cannot be handed on.
    Rejected {
        /// Its name.
        name: String,
        /// Why, and how long it is at least.
        reason: Unreadable,
    },
}

/// The bytes of a document, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The path inside the input, with `/`, through an archive in a folder; then `:LINE` for NDJSON, `#/INDEX` for a
    /// list.
    pub name: String,
    /// The bytes, at most [`Limits::max_record_bytes`] or, of another kind than OSV,
    /// [`Limits::max_document_bytes`].
    pub bytes: Vec<u8>,
    /// Whether it must be a record, or only looks like JSON.
    pub expectation: Expectation,
    /// Of which kind it is.
    pub kind: Kind,
}

/// Why something in an otherwise good input could not be handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Longer than a record may be.
    #[error("longer than the {limit} bytes that a document may have")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The member of an archive is encrypted, or packed in a way that is not supported.
    #[error("its packing is not supported ({what})")]
    Packing {
        /// What is not supported.
        what: String,
    },
    /// XML that no connector knows, or several do.
    #[error("it is XML, and not of a kind that is known by its shape; state the kind if you know it")]
    UnknownKind,
    /// The file of a folder cannot be read.
    #[error("it cannot be read ({what})")]
    File {
        /// The system's words.
        what: String,
    },
}

/// How a walk came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was read.
    Complete,
    /// The visitor asked to stop.
    Stopped,
}

/// Walks `source` and shows everything in it to `visit`, in the input's order. Of which kind a document is shows its
/// shape.
///
/// # Errors
/// When the input as a whole cannot be trusted to be complete: it cannot be opened or read, is cut
/// off or damaged, or exceeds `limits`. What was shown before that stands; the error says how far
/// the walk came. One bad file among others is no error: it is shown as [`Found::Rejected`].
pub fn read(
    source: Source,
    limits: &Limits,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Ending, InputError> {
    read_as(None, source, limits, visit)
}

/// Does as [`read`] for documents that are all of one kind.
///
/// # Errors
/// As [`read`].
pub fn read_as(
    kind: Option<Kind>,
    source: Source,
    limits: &Limits,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Ending, InputError> {
    Walk::new(kind, limits, visit).run(source)
}
