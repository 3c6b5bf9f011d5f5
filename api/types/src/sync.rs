//! The progress of each site's data at this site.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{Cursor, SiteSlug};
use crate::time::Timestamp;

/// Answer of `GET /api/v1/federation/sync/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncStatus {
    /// The allow-listed sites, sorted by name.
    pub sites: Vec<SyncSite>,
    /// Newest cursor of this site's own federation log; null if the log is empty.
    pub local_cursor: Option<Cursor>,
}

/// One allow-listed site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncSite {
    /// The site's name here.
    pub site_id: SiteSlug,
    /// True if data is exchanged with it.
    pub enabled: bool,
    /// Time of the last exchange with it: it gave or took data, or both sites were found to hold the same; null if
    /// never.
    pub last_sync_at: Option<Timestamp>,
    /// Its newest cursor held here; null if none.
    pub last_cursor: Option<Cursor>,
    /// Number of its bundles imported here.
    pub bundles_imported: u64,
    /// Number of its claims imported here, by any route.
    pub total_items_imported: u64,
}
