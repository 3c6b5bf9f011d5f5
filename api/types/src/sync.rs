//! How far each site's knowledge has come here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{Cursor, SiteSlug};
use crate::time::Timestamp;

/// Answer of `GET /api/v1/federation/sync/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncStatus {
    /// The allow-listed sites, sorted by name.
    pub sites: Vec<SyncSite>,
    /// Newest cursor of this site's own federation log; null while it is empty.
    pub local_cursor: Option<Cursor>,
}

/// One allow-listed site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncSite {
    /// The site's name here.
    pub site_id: SiteSlug,
    /// Whether anything is exchanged with it.
    pub enabled: bool,
    /// When knowledge last came from it; null if never.
    pub last_sync_at: Option<Timestamp>,
    /// Its newest cursor held here; null if none.
    pub last_cursor: Option<Cursor>,
    /// Bundles of it imported here.
    pub bundles_imported: u64,
    /// Claims of it imported here, by whatever way.
    pub total_items_imported: u64,
}
