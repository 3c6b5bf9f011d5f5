//! Reads an input of any supported form and passes on, one by one, its possible records.
//!
//! The form is detected from the content, not from the name: a folder, a zip, a tar (plain, gzip or zstd), a
//! compressed or plain document, from a path or from a stream such as standard input. A folder may hold archives; an
//! archive inside an archive is not read. A document with many records
//! (NDJSON, a JSON list, an OSV API answer) is split while it is read.
//!
//! Everything is streamed. Memory is limited to a few records of [`Limits::max_record_bytes`] (and, for a zip, its
//! list of members); nothing is unpacked to disk. A zip from a stream is stored in an unnamed temporary file, because
//! its list of members is at its end.
//!
//! The order is that of the input, and of names in a folder, so equal bytes give equal results. [`osv`](crate::osv)
//! interprets the bytes.

mod archive;
mod classify;
mod directory;
mod error;
mod folder;
mod meter;
mod split;
mod stream;
mod walk;
mod wide;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use starling_protocol::limits::MAX_RECORD_BYTES;

use crate::connectors::Kind;

pub use classify::{Expectation, NotARecord, classify};
pub use directory::lists_more;
pub use error::{InputError, InputErrorKind, Progress};
pub use folder::archive_stem;

pub use walk::endless;

use walk::Walk;

/// The origin of the bytes.
pub enum Source {
    /// A file or folder. A file with one record may have any name.
    Path(PathBuf),
    /// A stream, such as standard input.
    Stream {
        /// Its name in messages and results, such as `-`.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl Source {
    /// Creates a source from a file or folder.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Self {
        Source::Path(path.as_ref().to_owned())
    }

    /// Creates a source from a stream, with this `name`.
    #[must_use]
    pub fn stream(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Source::Stream {
            name: name.into(),
            reader: Box::new(reader),
        }
    }
}

/// Limits of an input. All counts are of unpacked bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest document or record, in bytes; a longer one is rejected and the walk continues.
    pub max_record_bytes: usize,
    /// Longest document of a kind other than OSV, which may contain many records and is read completely; a longer one
    /// is rejected and the walk continues.
    pub max_document_bytes: usize,
    /// Most bytes in total; a larger input is refused.
    pub max_total_bytes: u64,
    /// Most files, members and records in total; a larger input is refused.
    pub max_items: u64,
    /// Most unpacked bytes per packed byte; an input with more is refused as a decompression bomb.
    pub max_ratio: u64,
    /// Unpacked bytes up to which the ratio is ignored.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    /// Allows every public OSV export (the largest have a few GB and are 30 times smaller when packed), and stops a
    /// bomb after 64 MiB.
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
    /// A file without a record.
    Ignored {
        /// Its name.
        name: String,
        /// The reason.
        reason: NotARecord,
    },
    /// A file or record that cannot be passed on.
    Rejected {
        /// Its name.
        name: String,
        /// The reason and, for a length, its minimum.
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
    /// True if it must be a record; false if it only looks like JSON.
    pub expectation: Expectation,
    /// Its kind.
    pub kind: Kind,
}

/// The reason why part of an otherwise good input could not be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Longer than a record may be.
    #[error("longer than the limit of {limit} bytes for a document")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The member of an archive is encrypted, or compressed in an unsupported way.
    #[error("its packing is not supported ({what})")]
    Packing {
        /// The unsupported feature.
        what: String,
    },
    /// Named as an archive, and none.
    #[error("it is named as an archive, and is {what}")]
    FalseArchive {
        /// What it is instead.
        what: String,
    },
    /// XML that no connector knows, or several do.
    #[error("unknown kind of XML document: if you know its kind, state it with --kind")]
    UnknownKind,
    /// The file of a folder cannot be read.
    #[error("it cannot be read ({what})")]
    File {
        /// The system's message.
        what: String,
    },
}

/// The way in which a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was read.
    Complete,
    /// The visitor asked to stop.
    Stopped,
}

/// Reads `source` and passes everything in it to `visit`, in the input's order. The kind of each document is detected
/// from its form.
///
/// # Errors
/// If the input as a whole may be incomplete: it cannot be opened or read, is truncated or damaged, or exceeds
/// `limits`. Everything that was passed on before stays valid; the error contains the progress. A bad file among
/// others is not an error: it is passed on as [`Found::Rejected`].
pub fn read(
    source: Source,
    limits: &Limits,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Ending, InputError> {
    read_as(None, source, limits, visit)
}

/// Same as [`read`], for documents that all have one kind.
///
/// # Errors
/// Same as [`read`].
pub fn read_as(
    kind: Option<Kind>,
    source: Source,
    limits: &Limits,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<Ending, InputError> {
    Walk::new(kind, limits, visit).run(source)
}
