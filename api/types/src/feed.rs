//! Imports of feeds, with a report on every file.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::text::{Cursor, SourceName};

/// Options of `POST /api/v1/feeds/{source}/import`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FeedImportOptions {
    /// The input is the complete source: missing records become absent.
    pub complete: bool,
    /// Reject the whole input if one file is rejected.
    pub strict: bool,
    /// Allow a complete import to be empty; files of which none is understood are refused all the same.
    pub allow_empty: bool,
    /// Accept an input that removes much of what the source stated before.
    pub approve: bool,
    /// The kind of the documents, such as `osv`, `nvd` or `csaf`; default: detected from each document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The result of one input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedOutcome {
    /// A new or changed record.
    Stored,
    /// The record was already there, byte for byte.
    Unchanged,
    /// Another file of the input has the same id.
    Duplicate,
    /// The file has no record.
    Ignored,
    /// The file looks like a record but is not valid; an earlier version of the record stays.
    Rejected,
    /// The record was in the source before and is missing in this complete input.
    Absent,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl FeedOutcome {
    /// Returns the outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unchanged => "unchanged",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// One file of the input that is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedFile {
    /// The file's name inside the input.
    pub name: String,
    /// The result.
    pub outcome: FeedOutcome,
    /// The reason.
    pub reason: String,
}

/// Records of an import that no scan can match, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutOfReach {
    /// The reason.
    #[schema(example = "lists commits but no package: the order of commits needs the repository")]
    pub reason: String,
    /// Number of records.
    pub records: u64,
    /// Some of the records.
    pub example: String,
}

/// How many documents of an import were read as one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadAs {
    /// The kind, such as `osv`, `nvd` or `csaf`.
    #[schema(example = "nvd")]
    pub kind: String,
    /// Number of documents of this kind that gave a record; of NDJSON, of its lines.
    pub documents: u64,
}

/// The answer of `POST /api/v1/feeds/{source}/import`. The six counts cover every input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedImportReport {
    /// The source.
    pub source: SourceName,
    /// True if the input was imported as the complete source.
    pub complete: bool,
    /// The kinds of the documents that gave a record, with how many of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_as: Vec<ReadAs>,
    /// Number of new or changed records.
    pub stored: u64,
    /// Number of unchanged records.
    pub unchanged: u64,
    /// Number of files that repeat an id of the input.
    pub duplicate: u64,
    /// Number of files without a record.
    pub ignored: u64,
    /// Number of rejected files.
    pub rejected: u64,
    /// Number of records that the source dropped.
    pub absent: u64,
    /// Every duplicate, ignored or rejected file; the first 10,000.
    pub files: Vec<FeedFile>,
    /// True if `files` is incomplete.
    #[serde(default)]
    pub files_truncated: bool,
    /// Number of signed deltas.
    pub deltas: u64,
    /// Newest cursor of this site's log after the import; null if the log is empty.
    pub cursor: Option<Cursor>,
    /// Records of the input that no scan can match, by reason; without withdrawn records.
    #[serde(default)]
    pub out_of_reach: Vec<OutOfReach>,
    /// Records of the input of which a scan can match some entries of `affected` but not others, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partly_out_of_reach: Vec<OutOfReach>,
    /// Why an import of the complete source does not count as a check of it; omitted if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    /// Warnings about records that were kept, or about data that could not be converted; the first 1,000.
    pub warnings: Vec<String>,
    /// Number of all warnings.
    #[serde(default)]
    pub warning_count: u64,
    /// Canonical size of the records that were read, in bytes.
    #[serde(default)]
    pub input_bytes: u64,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}
