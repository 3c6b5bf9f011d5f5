//! Records about which authors disagree, and operators' decisions.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hash::{ContentHash, SiteId};
use crate::text::{SiteSlug, SourceName};
use crate::time::Timestamp;

/// Answer of `GET /api/v1/conflicts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictList {
    /// The records that wait for a decision, and the decided ones, sorted by source and id.
    pub conflicts: Vec<RecordConflict>,
}

/// The state of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictState {
    /// The record waits for a decision: all statements apply, worst first.
    Open,
    /// A decision applies.
    Decided,
    /// The conflict strategy decides, or the authors agree now.
    Settled,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl ConflictState {
    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Settled => "settled",
            Self::Unknown => "unknown",
        }
    }
}

/// One record and its authors' statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordConflict {
    /// The record's source.
    pub source: SourceName,
    /// Its id in the source.
    #[schema(min_length = 1, max_length = 256)]
    pub record: String,
    /// The state of the conflict.
    pub state: ConflictState,
    /// Each author's statement.
    pub claims: Vec<ConflictClaim>,
    /// The latest decision, unless it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ConflictDecision>,
}

/// One author's statement about a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictClaim {
    /// The author.
    pub site: SiteId,
    /// The author's name here, if it is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<SiteSlug>,
    /// The content's hash; null if the author says that the source dropped the record.
    pub content: Option<ContentHash>,
    /// Time of the statement, by the author's clock.
    pub claimed_at: Timestamp,
    /// The content's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// True if the content is withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// An operator's decision about a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictDecision {
    /// The content that applies while an author states it.
    pub content: ContentHash,
    /// The reason.
    pub reason: String,
    /// The person who decided.
    pub by: String,
    /// The time of the decision.
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
    /// Use this site's statement: a listed site's name, or its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Use this content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentHash>,
    /// Withdraw the earlier decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopen: bool,
    /// The reason.
    pub reason: String,
    /// The person who decides; default: the site's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
