//! Importing a feed by hand, and the account of every file in it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::text::{Cursor, SourceName};

/// Options of `POST /api/v1/feeds/{source}/import`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FeedImportOptions {
    /// The input is the whole source: records that are missing from it become absent.
    pub complete: bool,
    /// Refuse the whole input when one file of it is rejected.
    pub strict: bool,
    /// Let a complete import be truncated or empty.
    pub allow_empty: bool,
    /// Accept an input that removes much of what the source stated before.
    pub approve: bool,
    /// The kind of the documents, such as `osv`, `nvd` or `csaf`; without it, each document's shape tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What became of one input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedOutcome {
    /// A new or changed record.
    Stored,
    /// The record was there already, byte for byte.
    Unchanged,
    /// Another file of the input holds the same id.
    Duplicate,
    /// Holds no record.
    Ignored,
    /// Looks like a record and cannot be one; an earlier record of it stays.
    Rejected,
    /// Was in the source before and is not in this complete input.
    Absent,
}

impl FeedOutcome {
    /// The outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unchanged => "unchanged",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
            Self::Absent => "absent",
        }
    }
}

/// One file of the input that needs a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedFile {
    /// The file's name inside the input.
    pub name: String,
    /// What became of it.
    pub outcome: FeedOutcome,
    /// Why.
    pub reason: String,
}

/// Records of an import that no scan can ever come across, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutOfReach {
    /// Why.
    #[schema(
        example = "names commits of a repository and no package: which commits come after them needs the repository"
    )]
    pub reason: String,
    /// How many.
    pub records: u64,
    /// The first of them.
    pub example: String,
}

/// Answer of `POST /api/v1/feeds/{source}/import`: the six counts account for every input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedImportReport {
    /// The source.
    pub source: SourceName,
    /// Whether the input was taken as the whole source.
    pub complete: bool,
    /// New or changed records.
    pub stored: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Files that repeat an id of the input.
    pub duplicate: u64,
    /// Files that hold no record.
    pub ignored: u64,
    /// Files that were refused.
    pub rejected: u64,
    /// Records that the source dropped.
    pub absent: u64,
    /// Every duplicate, ignored or rejected file by name; the first 10,000.
    pub files: Vec<FeedFile>,
    /// Whether `files` was cut.
    #[serde(default)]
    pub files_truncated: bool,
    /// Deltas that were signed.
    pub deltas: u64,
    /// Newest cursor of this site's log afterwards; null while it is empty.
    pub cursor: Option<Cursor>,
    /// Records of the input that no scan can ever come across, by reason; those that are withdrawn left out.
    #[serde(default)]
    pub out_of_reach: Vec<OutOfReach>,
    /// What was odd but kept, or could not be carried over, in words; the first 1,000.
    pub warnings: Vec<String>,
    /// How many warnings there were, those not named included.
    #[serde(default)]
    pub warning_count: u64,
    /// Canonical bytes of the records that were read.
    #[serde(default)]
    pub input_bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}
