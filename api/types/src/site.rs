//! The allow-list: the sites to exchange knowledge with.

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
    /// Display name.
    pub display_name: String,
    /// Multiaddresses of the site; empty if it is reached by file only.
    pub addresses: Vec<String>,
    /// Sources accepted from it. An empty list accepts nothing; `*` accepts every source.
    pub allowed_sources: Vec<SourcePattern>,
    /// Largest bundle accepted from it, in bytes.
    pub max_bundle_size: u64,
    /// True if the site is enabled: data is exchanged with it.
    pub enabled: bool,
    /// True if its mutes apply here. Missing for a site that was listed before this option existed: its mutes apply,
    /// and verdicts that depend on them warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
    /// Time at which it was listed.
    pub added_at: Timestamp,
    /// Time of the last exchange with it: a bundle of it was imported, or a session over the network moved data or found
    /// that both sites hold the same. A bundle that was exported for it is none. Null if there was none.
    pub last_sync_at: Option<Timestamp>,
    /// Its newest cursor held here.
    pub last_cursor: Option<Cursor>,
}

/// Body of `POST /api/v1/sites`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteAdd {
    /// Name for the site in the list.
    pub site_id: SiteSlug,
    /// Its identity (`blake3:…`), or its public certificate chain as `starling keys export --public` prints it.
    pub key: String,
    /// Display name; default: the `site_id`.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Multiaddresses of the site.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Sources to accept from it. An empty list accepts nothing.
    #[serde(default)]
    pub allowed_sources: Vec<SourcePattern>,
    /// Largest bundle to accept from it, in bytes; default: the site's own limit.
    #[serde(default)]
    pub max_bundle_size: Option<u64>,
    /// True to exchange data with it from now on; default true.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// True if its mutes apply here; default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_mute: bool,
}

/// Body of `PATCH /api/v1/sites/{site_id}`. Fields that are not given keep their value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SiteChange {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// All multiaddresses of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// All sources to accept from it; an empty list accepts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_sources: Option<Vec<SourcePattern>>,
    /// Largest bundle to accept from it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bundle_size: Option<u64>,
    /// True if data is exchanged with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// True if its mutes apply here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_mute: Option<bool>,
}

/// Answer of `GET /api/v1/sites`, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteList {
    /// The allow-list.
    pub sites: Vec<Site>,
}

/// The route of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Over the network.
    Sync,
    /// By a bundle.
    Bundle,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// One transfer from a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteHistoryEntry {
    /// Time of the commit.
    pub at: Timestamp,
    /// The route.
    pub kind: TransferKind,
    /// The bundle, if it came by bundle.
    pub bundle_hash: Option<BundleHash>,
    /// The site's cursor after the transfer.
    pub cursor: Option<Cursor>,
    /// Number of claims that were new here.
    pub items: u64,
    /// The changes in the view.
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
    /// True if a verified session is open.
    pub connected: bool,
    /// The positions of its logs here.
    pub positions: Vec<Position>,
    /// Number of its bundles imported here.
    pub bundles_imported: u64,
    /// Number of its claims imported here, by any route.
    pub total_items_imported: u64,
    /// Why the last session or import failed, if it failed.
    pub last_error: Option<String>,
}
