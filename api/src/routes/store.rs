//! The route that compacts the store.

use axum::Json;
use axum::extract::State;
use starling_api_types::CompactReport;

use super::JsonReply;
use crate::state::Api;

/// Drops data older than the retention, rewrites packs that are mostly garbage, and rebuilds the engine's files.
///
/// Reads and scans continue meanwhile; with redb they wait while its file is compacted. The log is not changed: it only
/// grows.
#[utoipa::path(post, path = "/store/compact", operation_id = "compact_store", tag = "site",
    responses((status = 200, description = "Sizes before and after, and what was rewritten.", body = CompactReport)))]
pub(crate) async fn compact(State(api): State<Api>) -> JsonReply<CompactReport> {
    Ok(Json(api.service.compact_store().await?))
}
