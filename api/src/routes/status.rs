//! Health and status.

use axum::Json;
use axum::extract::State;
use starling_api_types::{Health, Status, SyncStatus};

use super::JsonReply;
use crate::state::Api;

/// Returns the site's health.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "site",
    responses((status = 200, description = "The site's health.", body = Health)))]
pub(crate) async fn health(State(api): State<Api>) -> JsonReply<Health> {
    Ok(Json(api.service.health().await?))
}

/// Returns identity, roots, peers, positions, feeds and store.
#[utoipa::path(get, path = "/status", operation_id = "status", tag = "site",
    responses((status = 200, description = "The site's status.", body = Status)))]
pub(crate) async fn status(State(api): State<Api>) -> JsonReply<Status> {
    Ok(Json(api.service.status().await?))
}

/// Returns the progress of each listed site's data at this site.
#[utoipa::path(get, path = "/federation/sync/status", operation_id = "sync_status", tag = "federation",
    responses((status = 200, description = "All listed sites, sorted by name.", body = SyncStatus)))]
pub(crate) async fn sync_status(State(api): State<Api>) -> JsonReply<SyncStatus> {
    Ok(Json(api.service.sync_status().await?))
}
