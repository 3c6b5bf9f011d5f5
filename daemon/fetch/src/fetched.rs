//! The result of a run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::FetchError;
use crate::position::Position;

/// The result of a run that did not fail as a whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// What to import: the folder of the run, or the one archive in it. An import of this path, with the plan's kind,
    /// reads exactly [`Self::documents`].
    pub input: PathBuf,
    /// The documents and archives that are new or changed, in the order in which they were fetched.
    pub documents: Vec<Document>,
    /// True if this is the complete source. Only then may missing records become absent.
    pub whole: bool,
    /// True if nothing new was found. Nothing is to be imported; only with [`Self::read_to_end`] is it known that there
    /// is nothing new.
    pub unchanged: bool,
    /// True if everything that the source has was read, by this run or by earlier ones whose documents did not change
    /// since. Otherwise the source does not count as checked.
    pub read_to_end: bool,
    /// What of the source was not read, in words, if that is a fault: report it as a failure, after the import. None
    /// with [`Self::more`] alone, which the next run brings.
    pub unread: Option<String>,
    /// True if this run and those before it, together, read everything that the source has since its beginning.
    pub from_start: bool,
    /// Rows and documents that are odd for so long that they no longer keep the source from being read to its end. The
    /// notes name them.
    pub passed_over: u64,
    /// Names of the passed-over documents that the source lists but that are missing (404 or 410).
    pub dead: BTreeSet<String>,
    /// Documents that the source had and has dropped.
    pub gone: Vec<Gone>,
    /// The position at which the next run continues. Store it after the import was committed, not before.
    pub position: Position,
    /// True if the source has more and a limit ended this run: run again soon, after the import.
    pub more: bool,
    /// Why the run ended early. What it brought is good and its position is true, but the source was not read to its
    /// end: report it as a failure, after the import.
    pub unfinished: Option<FetchError>,
    /// Descriptions of everything unexpected: missing documents, dropped rows, a clock that was set back.
    pub notes: Vec<String>,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// A file that a run fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its path, below the folder of the run.
    pub path: PathBuf,
    /// The address that it came from, without any key.
    pub address: String,
    /// When it was received, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The server's name for this version: its `ETag`, else its `Last-Modified`.
    pub validator: Option<String>,
    /// Its length on the disk.
    pub bytes: u64,
    /// True if its name only says where it came in this run, as that of a page does: another run gives the name to other
    /// content.
    pub is_numbered: bool,
}

/// A document that a source has dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone {
    /// Its path below the folder of the run in which it once came, with `/`.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The evidence.
    pub reason: String,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// The address that is being fetched, without any key.
    pub address: String,
    /// Number of complete documents.
    pub documents: u64,
    /// Number of expected documents, if known.
    pub expected: Option<u64>,
    /// Bytes received.
    pub bytes: u64,
}
