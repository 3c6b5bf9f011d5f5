//! Mutes: findings that the sites leave alone.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hash::{ContentHash, SiteId};
use crate::status::Lane;
use crate::text::{Cursor, SiteSlug};
use crate::time::Timestamp;

/// Body of `POST /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "vulnerability": "CVE-2021-44228",
    "package": "pkg:maven/org.apache.logging.log4j/log4j-core",
    "until": "2030-01-01T00:00:00.000Z",
    "reason": "the lookup is switched off in this product"
}))]
pub struct MuteAdd {
    /// An id or alias of the vulnerability; it may be unknown here.
    #[schema(example = "CVE-2021-44228")]
    pub vulnerability: String,
    /// Only in this package: a package URL, or a pattern (`*`, `?`) for names and package URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "pkg:maven/org.apache.logging.log4j/log4j-core")]
    pub package: Option<String>,
    /// Only in ecosystems that match this pattern, with their suffix (`Debian:12`) or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// Only in SBOMs whose subject matches this pattern, or whose hash (`blake3:…`) does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// Last time at which the mute applies. Either this or `forever` is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// True if the mute never ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forever: bool,
    /// The reason.
    pub reason: String,
    /// The person who mutes; default: the site's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Query of `DELETE /api/v1/mutes/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MuteRemove {
    /// The reason.
    pub reason: String,
    /// The person who removes it; default: the site's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Query of `GET /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MuteListQuery {
    /// Only mutes of exactly this id or alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<String>,
    /// Include removed mutes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// The state of a mute, without regard to this site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MuteState {
    /// Not removed and not expired: it applies wherever its site may mute.
    Active,
    /// It has expired.
    Expired,
    /// It was removed.
    Removed,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl MuteState {
    /// Returns the state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for MuteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The signed claim that contained a change of the shared document: proof of its author and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeProof {
    /// Identity of the author.
    pub site: SiteId,
    /// The author's name here; null if it is not listed.
    pub site_id: Option<SiteSlug>,
    /// The epoch whose key signed it.
    pub epoch: u32,
    /// The log.
    pub lane: Lane,
    /// The claim's position in the log, with the time of its delta.
    pub cursor: Cursor,
    /// Hash of the signed delta's header.
    pub delta_hash: ContentHash,
    /// Hash of the change: SHA-256, as in Automerge.
    #[schema(example = "0d5e5c0b6a3b…")]
    pub change_hash: String,
    /// Time of the claim, by the author's clock.
    pub claimed_at: Timestamp,
}

/// The removal of a mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteRemoval {
    /// The reason.
    pub reason: String,
    /// The person, as stated by the author.
    pub by: String,
    /// The time, by the author's clock.
    pub removed_at: Timestamp,
    /// The claim of the removal.
    pub proof: ChangeProof,
}

/// A mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mute {
    /// Its id, the same at every site.
    #[schema(example = "9f2c41d07ab35e68-12")]
    pub id: String,
    /// Its state, without regard to this site.
    pub state: MuteState,
    /// True if it applies here and now.
    #[serde(default)]
    pub counts: bool,
    /// Why it does not apply here; or, if it applies, a warning about its basis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "site-b may not mute here (`starling sites set site-b --may-mute`)")]
    pub remark: Option<String>,
    /// The vulnerability, as given in the mute.
    pub vulnerability: String,
    /// Only in this package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Only in ecosystems that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// Only in SBOMs that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// Last time at which it applies; null if it never ends.
    pub until: Option<Timestamp>,
    /// The reason.
    pub reason: String,
    /// The person, as stated by the author.
    pub by: String,
    /// The time, by the author's clock.
    pub created_at: Timestamp,
    /// The claim of the mute.
    pub proof: ChangeProof,
    /// All removals, oldest first; usually none or one.
    pub removals: Vec<MuteRemoval>,
}

/// A change of the document that is kept but does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeAside {
    /// Its claim.
    pub proof: ChangeProof,
    /// Why it does not apply.
    pub why: String,
}

/// Answer of `GET /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteList {
    /// The mutes, newest first.
    pub mutes: Vec<Mute>,
    /// Changes that wait for a missing change.
    pub waiting: Vec<ChangeAside>,
    /// Changes that never apply.
    pub refused: Vec<ChangeAside>,
}

/// Answer of `POST /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteAdded {
    /// The mute.
    pub mute: Mute,
    /// Warnings, such as a vulnerability that this site does not know.
    pub warnings: Vec<String>,
}
