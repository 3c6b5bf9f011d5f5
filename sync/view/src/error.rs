//! Errors of reading and updating the view.

use starling_protocol::ContentHash;

use crate::ports::RecordKey;
use crate::rows::Table;

/// The error of any of the ports.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;

/// The reason why the view could not be read or updated.
///
/// An unusual record is not an error: it is kept, and reported as a [`crate::Problem`].
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A row could not be read.
    #[error("reading the {table} rows of the view")]
    ReadRows {
        /// The table that was read.
        table: Table,
        /// The cause.
        source: PortError,
    },
    /// A row could not be written.
    #[error("writing the {table} rows of the view")]
    WriteRows {
        /// The table that was written.
        table: Table,
        /// The cause.
        source: PortError,
    },
    /// The claims about a record could not be read.
    #[error("reading the statements about {record}")]
    ReadClaims {
        /// The record asked about.
        record: RecordKey,
        /// The cause.
        source: PortError,
    },
    /// A record's body could not be read.
    #[error("reading the body {content} of {record}")]
    ReadBody {
        /// The record asked about.
        record: RecordKey,
        /// The content asked for.
        content: ContentHash,
        /// The cause.
        source: PortError,
    },
    /// A row holds bytes that this version never writes.
    #[error(
        "decoding a row of the {table} table: the row is damaged (expected {expected}, found {found}); rebuild the view"
    )]
    DamagedRow {
        /// The table that was read.
        table: Table,
        /// The expected content.
        expected: &'static str,
        /// The first bytes of the key or value, as hex.
        found: String,
    },
    /// A canonical advisory could not be written as JSON.
    #[error("writing a canonical advisory as JSON")]
    WriteJson {
        /// The cause.
        source: serde_json::Error,
    },
}
