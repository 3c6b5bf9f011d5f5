//! Mutes: findings that the sites have agreed to leave alone.

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
pub struct MuteAdd {
    /// An id or alias of the vulnerability; it need not be known yet.
    #[schema(example = "CVE-2021-44228")]
    pub vulnerability: String,
    /// Only in this package: a package URL, or a pattern (`*`, `?`) over names and package URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "pkg:maven/org.apache.logging.log4j/log4j-core")]
    pub package: Option<String>,
    /// Only in ecosystems that match this pattern, with their suffix (`Debian:12`) or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// Only in SBOMs that describe something that matches this pattern, or whose hash (`blake3:…`) does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// The last moment at which it counts. One of this and `forever` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it counts without an end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forever: bool,
    /// Why.
    pub reason: String,
    /// Who mutes; the site's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Query of `DELETE /api/v1/mutes/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MuteRemove {
    /// Why.
    pub reason: String,
    /// Who removes it; the site's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Query of `GET /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct MuteListQuery {
    /// Only mutes of this id or alias, to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<String>,
    /// Removed mutes too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// How a mute stands by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MuteState {
    /// Nobody removed it and its end has not passed: it counts wherever its site may mute.
    Active,
    /// Its end has passed.
    Expired,
    /// Somebody removed it.
    Removed,
}

impl MuteState {
    /// The state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for MuteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The signed claim that a change of the shared document came in: proof of who said it and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeProof {
    /// Identity of the author.
    pub site: SiteId,
    /// The author's name here; null where it is not listed.
    pub site_id: Option<SiteSlug>,
    /// The epoch whose key signed it.
    pub epoch: u32,
    /// The log.
    pub lane: Lane,
    /// The claim's place in the log, with the time of its delta.
    pub cursor: Cursor,
    /// Hash of the signed delta's header.
    pub delta_hash: ContentHash,
    /// Hash of the change: SHA-256, as Automerge names it.
    #[schema(example = "0d5e5c0b6a3b…")]
    pub change_hash: String,
    /// When the author claimed it, by its own clock.
    pub claimed_at: Timestamp,
}

/// The removal of a mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteRemoval {
    /// Why.
    pub reason: String,
    /// Who, by the author's word.
    pub by: String,
    /// When, by the author's clock.
    pub removed_at: Timestamp,
    /// Whose claim says so.
    pub proof: ChangeProof,
}

/// A mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mute {
    /// Its name at every site.
    #[schema(example = "9f2c41d07ab35e68-12")]
    pub id: String,
    /// How it stands by itself.
    pub state: MuteState,
    /// Whether it counts here, now.
    #[serde(default)]
    pub counts: bool,
    /// Why it does not count here; or, if it does, on what doubtful ground.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "site-b may not mute here (`starling sites set site-b --may-mute`)")]
    pub remark: Option<String>,
    /// The vulnerability, as the mute names it.
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
    /// The last moment at which it counts; null for ever.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who, by the author's word.
    pub by: String,
    /// When, by the author's clock.
    pub created_at: Timestamp,
    /// Whose claim says so.
    pub proof: ChangeProof,
    /// Every removal, oldest first; usually none or one.
    pub removals: Vec<MuteRemoval>,
}

/// A change of the document that is kept and does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeAside {
    /// The claim that it came in.
    pub proof: ChangeProof,
    /// Why it does not count.
    pub why: String,
}

/// Answer of `GET /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteList {
    /// The mutes, newest first.
    pub mutes: Vec<Mute>,
    /// Changes that follow others which are not here.
    pub waiting: Vec<ChangeAside>,
    /// Changes that never count.
    pub refused: Vec<ChangeAside>,
}

/// Answer of `POST /api/v1/mutes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteAdded {
    /// The mute.
    pub mute: Mute,
    /// What to look at, such as a vulnerability that this site does not know.
    pub warnings: Vec<String>,
}
