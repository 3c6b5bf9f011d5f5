//! The allow-list: sites this one exchanges knowledge with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bundle::ImportCounts;
use crate::hash::{BundleHash, SiteId};
use crate::status::Position;
use crate::text::{Cursor, SiteSlug, SourcePattern};
use crate::time::Timestamp;

/// One entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// The site's name here.
    pub site_id: SiteSlug,
    /// The site's identity: the hash of its genesis certificate.
    pub site: SiteId,
    /// A name for people.
    pub display_name: String,
    /// Multiaddresses to reach it at; empty for a site that is reached by file only.
    pub addresses: Vec<String>,
    /// Sources accepted from it. An empty list accepts nothing; `*` accepts every source.
    pub allowed_sources: Vec<SourcePattern>,
    /// Largest bundle accepted from it, in bytes.
    pub max_bundle_size: u64,
    /// Whether anything is exchanged with it at all.
    pub enabled: bool,
    /// Whether its mutes count here. Absent of one that was listed before this had to be said: they count, and verdicts
    /// that rest on them warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
    /// When it was listed.
    pub added_at: Timestamp,
    /// When knowledge last came from it, by whatever way.
    pub last_sync_at: Option<Timestamp>,
    /// Its newest cursor held here.
    pub last_cursor: Option<Cursor>,
}

/// Body of `POST /api/v1/sites`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteAdd {
    /// The name to list it under.
    pub site_id: SiteSlug,
    /// Its identity (`blake3:…`), or its public certificate chain as `starling keys export --public` prints it.
    pub key: String,
    /// A name for people; the `site_id` when absent.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Multiaddresses to reach it at.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Sources to accept from it; nothing is accepted while the list is empty.
    #[serde(default)]
    pub allowed_sources: Vec<SourcePattern>,
    /// Largest bundle to accept from it, in bytes; the site's own limit when absent.
    #[serde(default)]
    pub max_bundle_size: Option<u64>,
    /// Whether to exchange anything with it yet; true when absent.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Whether its mutes count here; they do not when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_mute: bool,
}

/// Body of `PATCH /api/v1/sites/{site_id}`: what is given changes, the rest stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SiteChange {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// All multiaddresses to reach it at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// All sources to accept from it; an empty list accepts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_sources: Option<Vec<SourcePattern>>,
    /// Largest bundle to accept from it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bundle_size: Option<u64>,
    /// Whether anything is exchanged with it at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its mutes count here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
}

/// Answer of `GET /api/v1/sites`, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteList {
    /// The allow-list.
    pub sites: Vec<Site>,
}

/// How knowledge came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Over the network.
    Sync,
    /// By a bundle.
    Bundle,
}

/// One transfer from a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteHistoryEntry {
    /// When it was committed.
    pub at: Timestamp,
    /// By which way.
    pub kind: TransferKind,
    /// The bundle, where it was one.
    pub bundle_hash: Option<BundleHash>,
    /// The site's cursor afterwards.
    pub cursor: Option<Cursor>,
    /// Claims that were new here.
    pub items: u64,
    /// What it changed in the view.
    pub counts: ImportCounts,
}

/// Answer of `GET /api/v1/sites/{site_id}/history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteHistory {
    /// The site.
    pub site_id: SiteSlug,
    /// Its transfers, newest first; at most 1,000.
    pub entries: Vec<SiteHistoryEntry>,
}

/// Answer of `GET /api/v1/sites/{site_id}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteStatus {
    /// The entry on the allow-list.
    pub entry: Site,
    /// Whether a verified session is open.
    pub connected: bool,
    /// Its logs' positions here.
    pub positions: Vec<Position>,
    /// Bundles of it imported here.
    pub bundles_imported: u64,
    /// Claims of it imported here, by whatever way.
    pub total_items_imported: u64,
    /// Why the last session or import failed, where it did.
    pub last_error: Option<String>,
}
