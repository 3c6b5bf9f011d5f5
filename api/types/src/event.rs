//! The event stream: what became of canonical advisories and mutes, as it happens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hash::{BundleHash, MergeHash};
use crate::text::{SiteSlug, TextError};
use crate::time::Timestamp;

/// An event's place in this site's stream; counts up from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        text.parse().map(Self).map_err(|_| TextError {
            what: "event id",
            found: text.chars().take(80).collect(),
            expected: "the `id` of an earlier event: a whole number",
        })
    }
}

/// What happened to a canonical advisory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum EventAction {
    /// It is new.
    Created,
    /// A value, edge or state of it changed.
    Updated,
    /// Its identity changed: the old name now leads to this one.
    Redirected,
    /// Every record behind it is withdrawn.
    Withdrawn,
    /// It no longer stands: absent or deleted.
    Removed,
}

/// The event `canonical-imported`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalImported {
    /// The canonical advisory's id in text: its merge hash.
    pub canonical_id: MergeHash,
    /// Its CVE, where it has one.
    pub cve: Option<String>,
    /// The package URL that it affects, with a version where the record names exactly one.
    #[schema(example = "pkg:npm/express@4.0.0")]
    pub affects_key: String,
    /// Its merge hash.
    pub merge_hash: MergeHash,
    /// What happened.
    pub action: EventAction,
    /// The bundle that brought it; null when it came by network or feed.
    pub bundle_hash: Option<BundleHash>,
    /// The site whose claim brought it.
    pub site_id: SiteSlug,
    /// When it was committed here.
    pub imported_at: Timestamp,
    /// The name that now leads to `merge_hash`, for `Redirected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<MergeHash>,
}

impl CanonicalImported {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "canonical-imported";
}

/// What happened to a mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum MuteAction {
    /// It counts from now on.
    Added,
    /// It no longer counts: it was removed, or its author left the allow-list.
    Ended,
}

/// The event `mute-changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteChanged {
    /// The mute.
    pub mute_id: String,
    /// What it mutes, as it names it.
    pub vulnerability: String,
    /// What happened.
    pub mute_action: MuteAction,
    /// The bundle that brought it; null when it came by network or was made here.
    pub bundle_hash: Option<BundleHash>,
    /// The site whose claim brought it.
    pub site_id: SiteSlug,
    /// When it was committed here.
    pub imported_at: Timestamp,
}

impl MuteChanged {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "mute-changed";
}

/// Any event; they are told apart by their names in the stream, and by their fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SiteEvent {
    /// `canonical-imported`.
    Canonical(CanonicalImported),
    /// `mute-changed`.
    Mute(MuteChanged),
}

impl SiteEvent {
    /// The event's name in the stream.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Canonical(_) => CanonicalImported::EVENT_NAME,
            Self::Mute(_) => MuteChanged::EVENT_NAME,
        }
    }
}

/// An event with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventRecord {
    /// Its place.
    pub id: EventId,
    /// The event.
    pub event: SiteEvent,
}
