//! Health and status.

use axum::Json;
use axum::extract::State;
use starling_api_types::{Health, Status, SyncStatus};

use super::JsonReply;
use crate::state::Api;

/// Whether the site answers.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "site",
    responses((status = 200, description = "The site answers.", body = Health)))]
pub(crate) async fn health(State(api): State<Api>) -> JsonReply<Health> {
    Ok(Json(api.service.health().await?))
}

/// Identity, roots, peers, positions, feeds and store.
#[utoipa::path(get, path = "/status", operation_id = "status", tag = "site",
    responses((status = 200, description = "The site's status.", body = Status)))]
pub(crate) async fn status(State(api): State<Api>) -> JsonReply<Status> {
    Ok(Json(api.service.status().await?))
}

/// How far each listed site's knowledge has come here.
#[utoipa::path(get, path = "/federation/sync/status", operation_id = "sync_status", tag = "federation",
    responses((status = 200, description = "Every listed site, sorted by name.", body = SyncStatus)))]
pub(crate) async fn sync_status(State(api): State<Api>) -> JsonReply<SyncStatus> {
    Ok(Json(api.service.sync_status().await?))
}
