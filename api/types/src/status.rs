//! Health and status of a running (or opened) site.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::feed_list::Feed;
use crate::hash::{KnowledgeRoot, SiteId};
use crate::text::{Cursor, SiteSlug, SourceName};
use crate::time::Timestamp;

/// Answer of `GET /api/v1/health`: holds nothing that an unauthorised caller may not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` once the site is open and answers every call, `opening` before.
    #[schema(example = "ok")]
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The site's name.
    pub site_id: SiteSlug,
    /// Milliseconds since the daemon started; 0 when there is none.
    pub uptime_ms: u64,
    /// Progress of opening the site; absent once it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
    /// How each part of the site is; empty before it is open.
    #[serde(default)]
    pub parts: Vec<HealthPart>,
}

/// How one part of a site is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthPart {
    /// The part.
    pub part: SitePart,
    /// How it is.
    pub state: PartState,
    /// What that means, for a person.
    #[schema(example = "2 of 2 sites are connected")]
    pub detail: String,
}

/// A part of a site that can be well or not by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SitePart {
    /// Log, packs and engine.
    Store,
    /// Exchange with the listed sites.
    Sync,
    /// The sources and how old their last check is.
    Feeds,
    /// The match index, by which scans are fast.
    Index,
    /// What the daemon does by itself now and then: heads, checks, space.
    Scheduler,
}

impl SitePart {
    /// The part's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Sync => "sync",
            Self::Feeds => "feeds",
            Self::Index => "index",
            Self::Scheduler => "scheduler",
        }
    }
}

/// How a part of a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It is well.
    Ok,
    /// It is at work and will be well by itself.
    Working,
    /// It is not well, or nobody has used it yet: the detail says what is the matter.
    Attention,
    /// It is switched off.
    Off,
}

impl PartState {
    /// The state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Working => "working",
            Self::Attention => "attention",
            Self::Off => "off",
        }
    }
}

/// Status of a site whose store is not open yet.
pub const HEALTH_OPENING: &str = "opening";

/// Progress of opening a site's store. Scans are answered meanwhile if the match index is current; other calls are
/// refused as `busy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opening {
    /// What is done.
    pub work: OpeningWork,
    /// Groups of the log that are done.
    pub groups: u64,
    /// Groups of the log in all; 0 while that is not known.
    pub of_groups: u64,
}

/// What opening a site's store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpeningWork {
    /// The engine is opened, and follows the end of the log.
    Opening,
    /// A store of an older version is migrated.
    Migrating,
    /// The engine is rebuilt from the log.
    Rebuilding,
}

/// The lane of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Goes to every site.
    Federation,
    /// Goes to direct peers only.
    Direct,
}

impl Lane {
    /// The lane's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Federation => "federation",
            Self::Direct => "direct",
        }
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Answer of `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The site's name.
    pub site_id: SiteSlug,
    /// The site's identity.
    pub site: SiteId,
    /// The program's version.
    pub version: String,
    /// Whether a daemon answers; false when the command opened the store itself.
    pub daemon: bool,
    /// Newest cursor of the site's own federation log; absent while it is empty.
    pub head: Option<Cursor>,
    /// Hash of the accepted states: equal roots are equal knowledge.
    pub knowledge_root: KnowledgeRoot,
    /// Hash of the held states: equal roots prove that replication converged.
    pub held_root: KnowledgeRoot,
    /// Number of live records, over all sources.
    pub records: u64,
    /// Number of canonical advisories.
    pub advisories: u64,
    /// Number of records about which authors disagree and nobody has decided, under the conflict strategy `fail`.
    #[serde(default)]
    pub unresolved: u64,
    /// How each part of the site is; the parts that only a daemon has are missing without one.
    #[serde(default)]
    pub parts: Vec<HealthPart>,
    /// Addresses the site listens on for peers.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Allow-listed sites and how each is connected.
    pub peers: Vec<PeerStatus>,
    /// Positions per author and lane.
    pub positions: Vec<Position>,
    /// Sources and when each was last checked.
    pub feeds: Vec<FeedStatus>,
    /// Feeds that the site fetches by itself, without their history; empty if none is configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched_feeds: Vec<Feed>,
    /// The embedded store.
    pub store: StoreStatus,
    /// Logs that a peer holds up to the same claim as this site, and not alike; only a daemon compares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<LogDifference>,
    /// Why the site signs nothing; absent if it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// Records that a restore lost, as long as their sources were not taken in again; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_records: Option<LostRecords>,
}

/// A log that a peer holds up to the same claim as this site, and not alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogDifference {
    /// The peer, where it is on the allow-list.
    pub peer: Option<SiteSlug>,
    /// The log's author, where it is on the allow-list or is this site.
    pub author: Option<SiteSlug>,
    /// The author's identity.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The claim up to which both hold it.
    pub number: u64,
    /// How they differ, and what to do.
    pub difference: String,
    /// When it was found.
    pub found_at: Timestamp,
}

/// What a restored site said anew, because nobody had the bodies that its claims named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LostRecords {
    /// When it did.
    pub since: Timestamp,
    /// Records that are as the site had them before.
    pub went_back: u64,
    /// Records that were retracted.
    pub retracted: u64,
    /// What was lost, in words, with some of the records.
    pub what: String,
    /// Sources that were not taken in as a whole since.
    pub sources: Vec<String>,
    /// What to do.
    pub advice: String,
}

/// How far a restored site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestorePhase {
    /// It waits to hear from peers, or by a bundle, what they hold of it.
    Waiting,
    /// It takes what others hold of its own log.
    Recovering,
    /// A head names claims of it, and no site that was heard has them.
    ClaimsMissing,
    /// It has that, and needs the root key to begin a new epoch.
    RootKeyMissing,
    /// Its own log is frozen: two histories of it were signed.
    Frozen,
    /// Another copy of the home goes on instead.
    Superseded,
}

/// Answer of `starling restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The site's name.
    pub site_id: SiteSlug,
    /// The epoch that began; none if the site waits, or if nothing held it back.
    pub new_epoch: Option<u64>,
    /// Why the site signs nothing; none if it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
}

/// A site whose home was put back from a backup, or copied: it reads, scans and relays, and signs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreStatus {
    /// How far it is.
    pub phase: RestorePhase,
    /// Since when, as far as that is known.
    pub since: Option<Timestamp>,
    /// What showed it.
    pub reason: String,
    /// What it waits for.
    pub waits_for: String,
    /// What to do.
    pub advice: String,
    /// The listed sites that were heard since.
    pub heard: Vec<SiteSlug>,
}

/// One allow-listed site as a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// The peer's name on the allow-list.
    pub site_id: SiteSlug,
    /// The peer's identity.
    pub site: SiteId,
    /// Whether a verified session is open.
    pub connected: bool,
    /// Address of the open session, or the last that was tried.
    pub address: Option<String>,
    /// When the peer was last there; moves as long as it is connected.
    pub last_seen_at: Option<Timestamp>,
    /// Bytes of messages sent to the peer since the daemon started, without what QUIC adds.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the daemon started, without what QUIC adds.
    #[serde(default)]
    pub bytes_received: u64,
    /// Why the last session ended, where it did not end well.
    pub last_error: Option<String>,
}

/// How far one author's log of one lane has come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// The author's name, where it is on the allow-list or is this site.
    pub site_id: Option<SiteSlug>,
    /// The author's identity.
    pub site: SiteId,
    /// The log's lane.
    pub lane: Lane,
    /// The author's epoch.
    pub epoch: u64,
    /// Newest verified head; never falls.
    pub high_water: Option<Cursor>,
    /// Verified, stored and relayed up to here.
    pub held: Option<Cursor>,
    /// In the view up to here.
    pub accepted: Option<Cursor>,
    /// Every body in scope is present up to here.
    pub body_complete: Option<Cursor>,
    /// Why *accepted* lags behind *held*, or the author's view holds more than this one: what is missing, what is
    /// not allowed, and what to do.
    pub hold_reason: Option<String>,
    /// Sources that the log speaks of, with live records, and that its author may not speak of here: two sites
    /// with different lists show different knowledge roots.
    #[serde(default)]
    pub out_of_scope: Vec<SourceName>,
}

/// One source of advisories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedStatus {
    /// The source.
    pub source: SourceName,
    /// Live records of it.
    pub records: u64,
    /// When any site of the federation last checked it against its origin.
    pub last_checked: Option<Timestamp>,
    /// What its author says, if that is after this site's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_ahead: Option<Timestamp>,
    /// When this site last imported it.
    pub last_imported_at: Option<Timestamp>,
}

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// The engine: `sled`, `redb` or `memory`.
    #[schema(example = "sled")]
    pub engine: String,
    /// Size on disk in bytes: log, packs and engine together.
    pub size_bytes: u64,
    /// Size of the log in bytes: signed deltas and heads. It only grows.
    #[serde(default)]
    pub log_bytes: u64,
    /// Size of the packs of record bodies in bytes.
    #[serde(default)]
    pub pack_bytes: u64,
    /// Size of the engine's files in bytes: rows that follow from the log.
    #[serde(default)]
    pub engine_bytes: u64,
    /// Version of the stored schema.
    pub schema: u32,
    /// The oldest moment whose knowledge `as_of` can ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_back_to: Option<Timestamp>,
    /// The last check of every frame of log and packs since the daemon started; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<StoreCheck>,
}

/// What a check of every frame of log and packs found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreCheck {
    /// When it ended.
    pub at: Timestamp,
    /// Frames of the log and record bodies in the packs that were read.
    pub frames: u64,
    /// How many places are damaged.
    pub wrong: u64,
    /// Which ones, by name: the first 20 of the log and of the packs.
    pub damaged: Vec<String>,
    /// What to do about it; absent if nothing is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}
