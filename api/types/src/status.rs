//! Health and status of a running (or opened) site.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::feed_list::Feed;
use crate::hash::{KnowledgeRoot, SiteId};
use crate::text::{Cursor, SiteSlug, SourceName};
use crate::time::Timestamp;

/// The answer of `GET /api/v1/health`. Contains nothing that an unauthorised caller may not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` if the site is open and answers every call, `opening` before that.
    #[schema(example = "ok")]
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The site's name.
    pub site_id: SiteSlug,
    /// Milliseconds since the daemon started; 0 without a daemon.
    pub uptime_ms: u64,
    /// Progress of opening the site; missing when it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
    /// Long work under way, and how far it is; missing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<LongWork>,
    /// The health of each part of the site; empty until it is open.
    #[serde(default)]
    pub parts: Vec<HealthPart>,
}

/// The health of one part of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthPart {
    /// The part.
    pub part: SitePart,
    /// Its state.
    pub state: PartState,
    /// An explanation for people.
    #[schema(example = "2 of 2 sites are connected")]
    pub detail: String,
}

/// A part of a site whose health is reported separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SitePart {
    /// Log, packs and engine.
    Store,
    /// Exchange with the listed sites.
    Sync,
    /// The sources, and the age of their last check.
    Feeds,
    /// The match index, which makes scans fast.
    Index,
    /// The daemon's periodic work: heads, checks, space.
    Scheduler,
    /// `starling.toml`, as the daemon runs with it; only listed if the daemon runs with another one.
    Configuration,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl SitePart {
    /// Returns the part's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Sync => "sync",
            Self::Feeds => "feeds",
            Self::Index => "index",
            Self::Scheduler => "scheduler",
            Self::Configuration => "configuration",
            Self::Unknown => "unknown",
        }
    }
}

/// The health state of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It is well.
    Ok,
    /// It is working on something and will be well by itself.
    Working,
    /// It has a problem, or is not in use yet: the detail explains it.
    Attention,
    /// It is disabled, or needs a daemon and none runs.
    Off,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl PartState {
    /// Returns the state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Working => "working",
            Self::Attention => "attention",
            Self::Off => "off",
            Self::Unknown => "unknown",
        }
    }
}

/// The beginning of the sentence in the feeds' detail that names the sources that no site took in as a whole.
pub const KNOWN_IN_PART: &str = "never imported as a whole:";

/// Builds the health of a site whose store is not open yet.
pub const HEALTH_OPENING: &str = "opening";

/// Progress of opening a site's store. Scans are answered meanwhile if the match index is current; other calls are
/// refused as `busy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opening {
    /// The current phase.
    pub work: OpeningWork,
    /// Number of completed log groups.
    pub groups: u64,
    /// Number of all log groups; 0 while it is unknown.
    pub of_groups: u64,
}

/// Long work of a site, such as a check or building the match index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LongWork {
    /// What is done.
    #[schema(example = "building the match index")]
    pub what: String,
    /// The amount done, in a unit of the work's own.
    #[schema(example = 20_480)]
    pub done: u64,
    /// The whole amount; 0 while it is unknown.
    #[schema(example = 39_120)]
    pub of: u64,
}

/// The phases of opening a site's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpeningWork {
    /// The engine is opened and catches up with the log.
    Opening,
    /// A store of an older version is migrated.
    Migrating,
    /// The engine is rebuilt from the log.
    Rebuilding,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
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
    /// Returns the lane's name.
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
    /// True if a daemon answers; false if the command opened the store itself.
    pub daemon: bool,
    /// Newest cursor of the site's own federation log; missing if the log is empty.
    pub head: Option<Cursor>,
    /// Hash of the accepted states: equal roots mean equal knowledge.
    pub knowledge_root: KnowledgeRoot,
    /// Hash of the held states: equal roots mean that replication converged.
    pub held_root: KnowledgeRoot,
    /// Number of live records, over all sources.
    pub records: u64,
    /// Number of canonical advisories.
    pub advisories: u64,
    /// Number of records about which authors disagree and that wait for a decision, with the conflict strategy `fail`.
    #[serde(default)]
    pub unresolved: u64,
    /// The health of each part of the site. Without a daemon, the daemon's own parts are missing.
    #[serde(default)]
    pub parts: Vec<HealthPart>,
    /// Addresses the site listens on for peers.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Allow-listed sites and their connections.
    pub peers: Vec<PeerStatus>,
    /// Positions per author and lane.
    pub positions: Vec<Position>,
    /// Sources and the time of each one's last check.
    pub feeds: Vec<FeedStatus>,
    /// Feeds that the site fetches by itself, without their history; empty if none is configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched_feeds: Vec<Feed>,
    /// The embedded store.
    pub store: StoreStatus,
    /// Logs whose copy at a peer differs from this site's copy, up to the same claim. Only a daemon compares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<LogDifference>,
    /// Sites that are not on the allow-list and asked to sync since the daemon started, the newest first; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<StrangerStatus>,
    /// Why the site does not sign; missing if it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// Records that a restore lost and whose sources were not imported again yet; missing if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_records: Option<LostRecords>,
    /// Claims that were here and that a repair of the site's log left out, such as `claims 28 to 33 of site-a`: no scan
    /// uses what they say. Missing if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_claims: Vec<String>,
}

/// A site that asked to sync and is not on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrangerStatus {
    /// The site that it says it is; nothing proves that.
    pub site: SiteId,
    /// Where it called from last.
    pub address: Option<String>,
    /// When it asked first.
    pub first_seen_at: Timestamp,
    /// When it asked last.
    pub last_seen_at: Timestamp,
    /// How often it asked.
    pub times: u64,
}

/// A log whose copy at a peer differs from this site's copy, up to the same claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogDifference {
    /// The peer's name, if it is on the allow-list.
    pub peer: Option<SiteSlug>,
    /// The log's author, if it is on the allow-list or is this site.
    pub author: Option<SiteSlug>,
    /// The author's identity.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The claim up to which both hold it.
    pub number: u64,
    /// The difference, and what to do.
    pub difference: String,
    /// The time when it was found.
    pub found_at: Timestamp,
}

/// Statements that a restored site replaced, because no site had the bodies of its claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LostRecords {
    /// The time of the replacement.
    pub since: Timestamp,
    /// Number of records that were set back to an earlier version.
    pub went_back: u64,
    /// Number of records that were retracted.
    pub retracted: u64,
    /// A description of the loss, with some of the records.
    pub what: String,
    /// Sources that were not imported completely since.
    pub sources: Vec<String>,
    /// What to do.
    pub advice: String,
}

/// The phase of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestorePhase {
    /// Waiting to hear from peers, or by a bundle, what they hold of the site.
    Waiting,
    /// Fetching its own log from other sites.
    Recovering,
    /// A head names claims of the site that no site has.
    ClaimsMissing,
    /// All data is here; the root key is needed to start a new epoch.
    RootKeyMissing,
    /// Its own log is frozen: two histories were signed.
    Frozen,
    /// Its own log lost its end in a repair: claims that it signed are not here.
    LogLost,
    /// Another copy of the home continues instead.
    Superseded,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// Answer of `starling restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The site's name.
    pub site_id: SiteSlug,
    /// The new epoch; null if the site waits, or did not need one.
    pub new_epoch: Option<u64>,
    /// Why the site does not sign; null if it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
}

/// A site whose home was restored or copied, or whose log lost its end: it reads, scans and relays, but does not sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreStatus {
    /// The phase.
    pub phase: RestorePhase,
    /// The start of this state, as far as known.
    pub since: Option<Timestamp>,
    /// How it was detected.
    pub reason: String,
    /// What the site waits for.
    pub waits_for: String,
    /// What to do.
    pub advice: String,
    /// The listed sites that were heard from since then.
    pub heard: Vec<SiteSlug>,
}

/// One allow-listed site as a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// The peer's name on the allow-list.
    pub site_id: SiteSlug,
    /// The peer's identity.
    pub site: SiteId,
    /// True if a verified session is open.
    pub connected: bool,
    /// Address of the open session, or the last one that was tried.
    pub address: Option<String>,
    /// Time at which the peer was last connected; updated while it is connected.
    pub last_seen_at: Option<Timestamp>,
    /// Bytes of messages sent to the peer since the daemon started, without QUIC's overhead.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Bytes of messages received from the peer since the daemon started, without QUIC's overhead.
    #[serde(default)]
    pub bytes_received: u64,
    /// Why the last session failed, if it failed.
    pub last_error: Option<String>,
    /// True if it is reached by file: it has no address, and was never connected or sent a bundle after that.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub by_file: bool,
}

/// The positions of one author's log in one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// The author's name, if it is on the allow-list or is this site.
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
    /// Number of record bodies that are missing yet, while a peer is sending some; 0 if none has come for half a minute.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub arriving_bodies: u64,
    /// Why *accepted* is behind *held*, or why the author's view has more than this one: missing data, sources that
    /// are not allowed, and what to do.
    pub hold_reason: Option<String>,
    /// Sources in the log that have live records and that its author is not allowed for here: two sites with
    /// different lists have different knowledge roots.
    #[serde(default)]
    pub out_of_scope: Vec<SourceName>,
    /// Number of live entries of these sources, which are held and relayed, and not accepted.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub held_back: u64,
    /// True if nothing but this site's own allow-list holds claims back, and it accepts something of some site: then
    /// nothing is to do.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub by_choice: bool,
}

/// One source of advisories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedStatus {
    /// The source.
    pub source: SourceName,
    /// Live records of it.
    pub records: u64,
    /// Time at which any site of the federation last checked it against its origin.
    pub last_checked: Option<Timestamp>,
    /// The author's own time, if it is later than this site's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_ahead: Option<Timestamp>,
    /// Time of this site's last import.
    pub last_imported_at: Option<Timestamp>,
}

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// The engine: `sled`, `redb` or `memory`.
    #[schema(example = "sled")]
    pub engine: String,
    /// Size on disk, in bytes: log, packs and engine.
    pub size_bytes: u64,
    /// Size of the log in bytes: signed deltas and heads. It only grows.
    #[serde(default)]
    pub log_bytes: u64,
    /// Size of the packs of record bodies in bytes.
    #[serde(default)]
    pub pack_bytes: u64,
    /// Size of the engine's files in bytes: rows derived from the log.
    #[serde(default)]
    pub engine_bytes: u64,
    /// Version of the stored schema.
    pub schema: u32,
    /// The oldest time for `as_of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_back_to: Option<Timestamp>,
    /// The last check of all frames of log and packs since the daemon started; missing before the first check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<StoreCheck>,
}

/// Result of a check of all frames of log and packs, or the damage that an earlier doctor left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreCheck {
    /// End of the check.
    pub at: Timestamp,
    /// Number of log frames and record bodies that were read.
    pub frames: u64,
    /// Number of damaged places.
    pub wrong: u64,
    /// Names of the damaged places: the first 20 of the log and of the packs.
    pub damaged: Vec<String>,
    /// What to do; missing if nothing is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}
