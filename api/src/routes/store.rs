//! Giving space back.

use axum::Json;
use axum::extract::State;
use starling_api_types::CompactReport;

use super::JsonReply;
use crate::state::Api;

/// Drops what is older than the retention, rewrites packs that are mostly garbage, and rebuilds the engine's files.
///
/// Reads and scans go on meanwhile; with redb they wait while its file is compacted. The log is left as it is: it only grows.
#[utoipa::path(post, path = "/store/compact", operation_id = "compact_store", tag = "site",
    responses((status = 200, description = "Sizes before and after, and what was rewritten.", body = CompactReport)))]
pub(crate) async fn compact(State(api): State<Api>) -> JsonReply<CompactReport> {
    Ok(Json(api.service.compact_store().await?))
}
