//! The feeds that a site fetches by itself: their configuration, state and runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::feed_run::{FeedCounts, FeedProgress, FeedRun};
use crate::hash::ContentHash;
use crate::text::{FeedName, SiteSlug, SourceName};
use crate::time::Timestamp;

/// Body of `POST /api/v1/feeds`: a preset by its name, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedAdd {
    /// Name of the feed here; the preset's name if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<FeedName>,
    /// The preset to follow, as `starling feeds presets` lists them.
    #[schema(example = "nvd")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// An address: of a mirror of the preset, or of a document, archive or folder of its own.
    #[schema(example = "https://mirror.example.org/nvd/")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The source that the records are of; the preset's source if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// The kind of the documents, as `feeds import --kind` takes it.
    #[schema(example = "nvd")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How often to fetch: a span such as `2h`.
    #[schema(example = "2h")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What of the source to fetch, such as an ecosystem of `osv`.
    #[schema(example = "npm")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// File with the key for the source's interface, absolute or in the site's folder.
    #[schema(value_type = Option<String>, example = "keys/nvd.key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Address of the proxy; `none` for no proxy, whatever the environment says.
    #[schema(example = "http://proxy.example.org:3128")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// File with certificates to trust besides the public ones, absolute or in the site's folder.
    #[schema(value_type = Option<String>, example = "/etc/ssl/own-ca.pem")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// True if a fetch of the whole source makes absent what is missing from it; the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// True if the daemon fetches it; the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// True if one site of the federation fetches it for all that offer to; the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_fetch: Option<bool>,
}

/// A setting of a feed that its preset or this program has a default for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedSetting {
    /// How often to fetch: the preset's schedule, else `1d`.
    Schedule,
    /// The address: the preset's own.
    Address,
    /// What of the source to fetch: all of it.
    Parameter,
    /// The key: none.
    ApiKeyFile,
    /// The proxy: as the daemon's environment says.
    Proxy,
    /// Certificates: those that the system trusts.
    CaFile,
}

impl FeedSetting {
    /// The setting's name, which is its key in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Address => "address",
            Self::Parameter => "parameter",
            Self::ApiKeyFile => "api_key_file",
            Self::Proxy => "proxy",
            Self::CaFile => "ca_file",
        }
    }
}

/// Body of `PATCH /api/v1/feeds/{name}`: what is given is changed, the rest stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedChange {
    /// True if the daemon fetches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often to fetch: a span such as `2h`.
    #[schema(example = "2h")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The address to fetch from.
    #[schema(example = "https://mirror.example.org/nvd/")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What of the source to fetch.
    #[schema(example = "npm")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// File with the key for the source's interface.
    #[schema(value_type = Option<String>, example = "keys/nvd.key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Address of the proxy; `none` for no proxy.
    #[schema(example = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// File with certificates to trust besides the public ones.
    #[schema(value_type = Option<String>, example = "/etc/ssl/own-ca.pem")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// True if a fetch of the whole source makes absent what is missing from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// True if one site of the federation fetches it for all that offer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_fetch: Option<bool>,
    /// Settings that are taken out of the configuration, so that their defaults apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<FeedSetting>,
}

/// Body of `POST /api/v1/feeds/{name}/approve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedApprove {
    /// Hash of the input that the caller examined; the call is refused if the site keeps another input now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<ContentHash>,
}

/// The state of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// It was never run.
    New,
    /// Its last run succeeded.
    Ok,
    /// It is being fetched or imported.
    Running,
    /// No run succeeded for more than twice its schedule.
    Late,
    /// Its last run failed. The run may have imported the part of the source that it read.
    Failing,
    /// Its last input would remove much of the source's records or of their content. The input is kept for approval.
    Suspect,
    /// It is disabled.
    Disabled,
    /// Another site fetches its source.
    StandingBy,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl FeedState {
    /// Returns the state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ok => "ok",
            Self::Running => "running",
            Self::Late => "late",
            Self::Failing => "failing",
            Self::Suspect => "suspect",
            Self::Disabled => "disabled",
            Self::StandingBy => "standing_by",
            Self::Unknown => "unknown",
        }
    }

    /// Returns true if a person should look at the feed. A state that this version does not know may need it.
    pub const fn needs_attention(self) -> bool {
        matches!(self, Self::Late | Self::Failing | Self::Suspect | Self::Unknown)
    }
}

/// An input that is kept until an operator approves it or a later input replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuspectInput {
    /// Hash of all its documents and their names.
    pub input: ContentHash,
    /// Time of the fetch.
    pub fetched_at: Timestamp,
    /// What an import would remove.
    pub reason: String,
    /// Number of documents.
    pub documents: u64,
    /// Size of the documents, in bytes.
    pub bytes: u64,
}

/// The reason why a site fetches a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FetchReason {
    /// It comes first among the sites that offer to fetch: those with the shortest schedule, then the least site id.
    First,
    /// The sites before it did not fetch in time.
    Overdue,
    /// No site that offers to fetch is healthy, so each tries.
    NobodyHealthy,
    /// This site does not share the feed.
    NotShared,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl FetchReason {
    /// Returns the reason's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Overdue => "overdue",
            Self::NobodyHealthy => "nobody_healthy",
            Self::NotShared => "not_shared",
            Self::Unknown => "unknown",
        }
    }
}

/// The site that fetches the source of a feed, as this site sees it, if other sites offer to fetch it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedFetcher {
    /// The site that fetches.
    pub site_id: SiteSlug,
    /// True if that is this site.
    pub here: bool,
    /// The reason.
    pub reason: FetchReason,
    /// Milliseconds, by this site's clock, since the fetching site's check of the source last advanced, or since this site
    /// began to watch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_ms_ago: Option<u64>,
    /// The same in a sentence.
    #[schema(example = "standing by: site-eu-1 fetches (last advanced 5 min ago)")]
    pub detail: String,
}

/// A feed: its configuration and the results of its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Feed {
    /// Its name here.
    pub name: FeedName,
    /// The source that its records are of.
    pub source: SourceName,
    /// The preset that it follows.
    #[schema(example = "nvd")]
    pub preset: Option<String>,
    /// The address that it fetches from, if it is not the preset's own; what follows a `?` is not shown.
    #[schema(example = "https://mirror.example.org/nvd/")]
    pub address: Option<String>,
    /// The kind of its documents; detected from each document's shape if absent.
    #[schema(example = "nvd")]
    pub kind: Option<String>,
    /// What of the source is fetched.
    #[schema(example = "npm")]
    pub parameter: Option<String>,
    /// How often it is fetched.
    #[schema(example = "2h")]
    pub schedule: String,
    /// True if the daemon fetches it.
    pub enabled: bool,
    /// True if a fetch of the whole source makes absent what is missing from it.
    pub complete: bool,
    /// True if one site of the federation fetches it for all that offer to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub share_fetch: bool,
    /// Which site fetches its source; absent if no other site offers to, and without a daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_by: Option<FeedFetcher>,
    /// True if a key, or what follows a `?` in its address, is sent to the source.
    #[serde(default)]
    pub has_secret: bool,
    /// Documents of the source that are rejected: what they say is not known here.
    #[serde(default)]
    pub rejected: u64,
    /// Its state.
    pub state: FeedState,
    /// The problem and what to do; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<String>,
    /// The progress of the current run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<FeedProgress>,
    /// The end of the last successful run: the source was read, even if it had nothing new.
    pub last_success_at: Option<Timestamp>,
    /// The time of the next run; absent if the feed is disabled.
    pub next_run_at: Option<Timestamp>,
    /// Number of failed runs since the last successful one.
    pub failures: u32,
    /// Number of runs by outcome, since the feed was added.
    pub counts: FeedCounts,
    /// The last run.
    pub last_run: Option<FeedRun>,
    /// The input that waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<SuspectInput>,
    /// Its last 100 runs, newest first; in the answer about one feed only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<FeedRun>,
}

const fn yes() -> bool {
    true
}

// Serde passes the field by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// Answer of `GET /api/v1/feeds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedList {
    /// The feeds, sorted by name.
    pub feeds: Vec<Feed>,
}

/// A source that this version knows how to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPreset {
    /// Its name, as `starling feeds add` takes it.
    pub name: String,
    /// A short description.
    pub title: String,
    /// The source that its records are of.
    pub source: String,
    /// The kind of its documents.
    pub kind: String,
    /// How often it is fetched by default.
    pub schedule: String,
    /// The ecosystems that its records are about; empty if the records only add data about vulnerabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ecosystems: Vec<String>,
    /// What to know before adding it: its licence, a key that it needs.
    pub notes: Vec<String>,
}
