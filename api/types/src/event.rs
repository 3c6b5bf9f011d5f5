//! The event stream: changes of canonical advisories and mutes, when they happen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::feed_run::FeedRan;
use crate::hash::{BundleHash, MergeHash, SiteId};
use crate::status::Lane;
use crate::text::{SiteSlug, TextError};
use crate::time::Timestamp;

/// An event's position in this site's stream: `NUMBER-GENERATION`.
///
/// Numbers count up from 1. The generation, 16 hex digits, identifies the stream: a rebuilt store starts another one.
/// An id of an earlier version is the number alone, and belongs to no current stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The event's number.
    pub number: u64,
    /// The stream of the number; `None` for an id of an earlier version.
    pub generation: Option<[u8; 8]>,
}

impl EventId {
    /// Creates the id of an event in a stream.
    pub const fn new(number: u64, generation: [u8; 8]) -> Self {
        Self {
            number,
            generation: Some(generation),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            Some(generation) => write!(f, "{}-{:016x}", self.number, u64::from_be_bytes(generation)),
            None => self.number.fmt(f),
        }
    }
}

impl FromStr for EventId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let (number, generation) = match text.split_once('-') {
            Some((number, generation)) => (number, Some(generation)),
            None => (text, None),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = Some(number)
            .filter(|text| digits(text))
            .and_then(|text| text.parse().ok());
        let generation = match generation {
            Some(text) => generation_of(text).map(Some),
            None => Some(None),
        };
        let (Some(number), Some(generation)) = (number, generation) else {
            return Err(TextError {
                what: "event id",
                found: text.chars().take(80).collect(),
                expected: "the `id` of an earlier event, such as 1200-00f1e2d3c4b5a697",
            });
        };
        Ok(Self { number, generation })
    }
}

/// Parses a generation: 16 lower-case hex digits.
fn generation_of(text: &str) -> Option<[u8; 8]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 16 && text.bytes().all(is_hex))
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
        .map(u64::to_be_bytes)
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for EventId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some(
                "An event's position in this site's stream: its number, which counts up from 1, and the generation of the \
                 stream. A store that is rebuilt begins another generation.",
            ))
            .pattern(Some("^[0-9]+(-[0-9a-f]{16})?$"))
            .examples(["1200-00f1e2d3c4b5a697"])
            .into()
    }
}

impl ToSchema for EventId {}

/// A change of a canonical advisory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum EventAction {
    /// The advisory is new.
    Created,
    /// A value, edge or state changed.
    Updated,
    /// Its identity changed: the old name now redirects to this one.
    Redirected,
    /// All its records are withdrawn.
    Withdrawn,
    /// It is no longer in force: absent or deleted.
    Removed,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// The event `canonical-imported`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalImported {
    /// The canonical advisory's merge hash, as text.
    pub canonical_id: MergeHash,
    /// Its CVE, if it has one.
    pub cve: Option<String>,
    /// The affected package URL, with a version if the record names exactly one.
    #[schema(example = "pkg:npm/express@4.0.0")]
    pub affects_key: String,
    /// Its merge hash.
    pub merge_hash: MergeHash,
    /// The change.
    pub action: EventAction,
    /// The bundle that brought it; null if it came by network or feed.
    pub bundle_hash: Option<BundleHash>,
    /// The site whose claim brought it.
    pub site_id: SiteSlug,
    /// The time of the commit at this site.
    pub imported_at: Timestamp,
    /// The name to which `merge_hash` now redirects, for `Redirected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<MergeHash>,
    /// All names that replace `redirected_from` now, starting with `merge_hash`, for `Redirected`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirected_to: Vec<MergeHash>,
}

impl CanonicalImported {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "canonical-imported";
}

/// A change of a mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum MuteAction {
    /// The mute applies from now on.
    Added,
    /// The mute no longer applies: it was removed, or its author left the allow-list.
    Ended,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// The event `mute-changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MuteChanged {
    /// The mute.
    pub mute_id: String,
    /// The muted vulnerability, as named in the mute.
    pub vulnerability: String,
    /// The change.
    pub mute_action: MuteAction,
    /// The bundle that brought it; null if it came by network or was added here.
    pub bundle_hash: Option<BundleHash>,
    /// The site whose claim brought it.
    pub site_id: SiteSlug,
    /// The time of the commit at this site.
    pub imported_at: Timestamp,
}

impl MuteChanged {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "mute-changed";
}

/// The event `author-frozen`: nothing more of an author's log is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorFrozen {
    /// The author.
    pub site_id: SiteSlug,
    /// Its identity.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The author's violation.
    pub reason: String,
    /// The time when it was found here.
    pub frozen_at: Timestamp,
}

impl AuthorFrozen {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "author-frozen";
}

/// The event `sites-differ`: up to the same claim, a peer's copy of a log differs from this site's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SitesDiffer {
    /// The log's author.
    pub site_id: SiteSlug,
    /// Its identity.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The peer, and the difference.
    pub difference: String,
    /// The time when it was found here.
    pub found_at: Timestamp,
}

impl SitesDiffer {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "sites-differ";
}

/// The state of a restored home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum RestoreAction {
    /// The site does not sign until it has heard from its peers.
    HeldBack,
    /// The site continues with a new epoch.
    WentOn,
    /// Another copy of the home continues instead.
    Superseded,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// The event `site-restored`: this site's home was restored from a backup, or copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteRestored {
    /// The site.
    pub site_id: SiteSlug,
    /// The state.
    pub restore_action: RestoreAction,
    /// How it was detected.
    pub reason: String,
    /// The time when it was found here.
    pub found_at: Timestamp,
}

impl SiteRestored {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "site-restored";
}

/// Any event. The name in the stream, and the fields, identify its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SiteEvent {
    /// `canonical-imported`.
    Canonical(CanonicalImported),
    /// `mute-changed`.
    Mute(MuteChanged),
    /// `author-frozen`.
    Frozen(AuthorFrozen),
    /// `sites-differ`.
    Differ(SitesDiffer),
    /// `site-restored`.
    Restored(SiteRestored),
    /// `feed-run`.
    FeedRun(FeedRan),
}

impl SiteEvent {
    /// Returns the event's name in the stream.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Canonical(_) => CanonicalImported::EVENT_NAME,
            Self::Mute(_) => MuteChanged::EVENT_NAME,
            Self::Frozen(_) => AuthorFrozen::EVENT_NAME,
            Self::Differ(_) => SitesDiffer::EVENT_NAME,
            Self::Restored(_) => SiteRestored::EVENT_NAME,
            Self::FeedRun(_) => FeedRan::EVENT_NAME,
        }
    }
}

/// An event with its position in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventRecord {
    /// Its position.
    pub id: EventId,
    /// The event.
    pub event: SiteEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_id_reads_back_as_written() {
        for id in [
            EventId::new(1, [0; 8]),
            EventId::new(u64::MAX, [0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<EventId>(&json).unwrap(), id);
        }
        assert_eq!(
            EventId::new(1200, [0, 0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97]).to_string(),
            "1200-00f1e2d3c4b5a697"
        );
    }

    #[test]
    fn plain_number_is_an_id_without_generation() {
        let id: EventId = "12".parse().unwrap();
        assert_eq!((id.number, id.generation), (12, None));
        assert_eq!(id.to_string(), "12");
    }

    #[test]
    fn malformed_event_ids_are_rejected() {
        for text in [
            "",
            "-",
            "1-",
            "-00f1e2d3c4b5a697",
            "+1",
            "1-+0f1e2d3c4b5a697",
            "1-00F1E2D3C4B5A697",
            "1-0f1e2d3c4b5a697",
            "1-00f1e2d3c4b5a6970",
            "1-00f1e2d3c4b5a697-1",
            "18446744073709551616",
            "abc",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
