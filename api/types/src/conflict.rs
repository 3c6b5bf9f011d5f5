//! Records about which authors disagree, and what operators decided.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hash::{ContentHash, SiteId};
use crate::text::{SiteSlug, SourceName};
use crate::time::Timestamp;

/// Answer of `GET /api/v1/conflicts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictList {
    /// The records that wait for a decision, and those that were decided, sorted by source and id.
    pub conflicts: Vec<RecordConflict>,
}

/// Whether a disagreement is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictState {
    /// It waits for a decision: all that is said counts, and what is worse comes first.
    Open,
    /// A decision holds.
    Decided,
    /// The conflict strategy settles it, or its authors agree by now.
    Settled,
}

impl ConflictState {
    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Settled => "settled",
        }
    }
}

/// One record and what its authors say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordConflict {
    /// The record's source.
    pub source: SourceName,
    /// Its id in the source.
    #[schema(min_length = 1, max_length = 256)]
    pub record: String,
    /// Whether it is settled.
    pub state: ConflictState,
    /// What each author says.
    pub claims: Vec<ConflictClaim>,
    /// The last decision about it, if there was one that was not taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ConflictDecision>,
}

/// What one author says of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictClaim {
    /// The author.
    pub site: SiteId,
    /// Its name here, if it is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<SiteSlug>,
    /// The content; none if it says that the source dropped the record.
    pub content: Option<ContentHash>,
    /// When it said so, by its clock.
    pub claimed_at: Timestamp,
    /// The content's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// True if the content is withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// What an operator decided about a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictDecision {
    /// The content that counts while an author states it.
    pub content: ContentHash,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub by: String,
    /// When.
    pub decided_at: Timestamp,
}

/// Query of `GET /api/v1/conflicts/record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConflictQuery {
    /// The record's source.
    pub source: SourceName,
    /// Its id in the source.
    #[param(min_length = 1, max_length = 256)]
    pub record: String,
}

/// Body of `POST /api/v1/conflicts`: one of `site`, `content` and `reopen` is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConflictResolve {
    /// The record's source.
    pub source: SourceName,
    /// Its id in the source.
    #[schema(min_length = 1, max_length = 256)]
    pub record: String,
    /// What this site says counts: a listed site's name, or its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// This content counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentHash>,
    /// The decision of before is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopen: bool,
    /// Why.
    pub reason: String,
    /// Who decides; the site's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
