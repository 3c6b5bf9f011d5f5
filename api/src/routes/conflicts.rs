//! Records about which authors disagree.

use axum::Json;
use axum::extract::State;
use starling_api_types::{ConflictList, ConflictQuery, ConflictResolve, RecordConflict};

use super::JsonReply;
use crate::body::{JsonBody, Params};
use crate::state::Api;

/// Returns the records that wait for a decision, and the decided ones.
#[utoipa::path(get, path = "/conflicts", operation_id = "list_conflicts", tag = "conflicts",
    responses((status = 200, description = "The records, sorted.", body = ConflictList)))]
pub(crate) async fn list(State(api): State<Api>) -> JsonReply<ConflictList> {
    Ok(Json(api.service.conflicts().await?))
}

/// Returns the statements of one record's authors.
#[utoipa::path(get, path = "/conflicts/record", operation_id = "get_conflict", tag = "conflicts",
    params(ConflictQuery),
    responses((status = 200, description = "The record.", body = RecordConflict)))]
pub(crate) async fn get(
    State(api): State<Api>,
    Params(query): Params<ConflictQuery>,
) -> JsonReply<RecordConflict> {
    Ok(Json(api.service.conflict(query).await?))
}

/// Decides which content of a record applies, or withdraws the decision. The view is updated before the answer.
#[utoipa::path(post, path = "/conflicts", operation_id = "resolve_conflict", tag = "conflicts",
    request_body = ConflictResolve,
    responses((status = 200, description = "The record after the call.", body = RecordConflict)))]
pub(crate) async fn resolve(
    State(api): State<Api>,
    JsonBody(resolve): JsonBody<ConflictResolve>,
) -> JsonReply<RecordConflict> {
    Ok(Json(api.service.resolve_conflict(resolve).await?))
}
