//! The shared document `mutes`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use starling_api_types::{Mute, MuteAdd, MuteAdded, MuteList, MuteListQuery, MuteRemove};

use super::JsonReply;
use crate::body::{JsonBody, Params, PathParam};
use crate::reply::ProblemReply;
use crate::state::Api;

/// Returns the mutes of all sites that apply here, each with the claim that proves its author.
#[utoipa::path(get, path = "/mutes", operation_id = "list_mutes", tag = "mutes", params(MuteListQuery),
    responses((status = 200, description = "The mutes, newest first, and the changes that do not apply.",
        body = MuteList)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Params(query): Params<MuteListQuery>,
) -> JsonReply<MuteList> {
    Ok(Json(api.service.mutes(query).await?))
}

/// Returns one mute with its history.
#[utoipa::path(get, path = "/mutes/{id}", operation_id = "get_mute", tag = "mutes",
    params(("id" = String, Path, description = "The mute's id.")),
    responses((status = 200, description = "The mute.", body = Mute)))]
pub(crate) async fn get(State(api): State<Api>, PathParam(id): PathParam<String>) -> JsonReply<Mute> {
    Ok(Json(api.service.mute(&id).await?))
}

/// Mutes a vulnerability, at every site that lets this site mute.
///
/// Scans use the mute at once. An unknown vulnerability is muted too, with a warning.
#[utoipa::path(post, path = "/mutes", operation_id = "add_mute", tag = "mutes", request_body = MuteAdd,
    responses((status = 201, description = "The new mute.", body = MuteAdded)))]
pub(crate) async fn add(
    State(api): State<Api>,
    JsonBody(mute): JsonBody<MuteAdd>,
) -> Result<(StatusCode, Json<MuteAdded>), ProblemReply> {
    Ok((StatusCode::CREATED, Json(api.service.add_mute(mute).await?)))
}

/// Ends a mute, no matter who added it. It stays in the history.
#[utoipa::path(delete, path = "/mutes/{id}", operation_id = "remove_mute", tag = "mutes",
    params(("id" = String, Path, description = "The mute's id."), MuteRemove),
    responses((status = 200, description = "The mute after the call.", body = Mute)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    PathParam(id): PathParam<String>,
    Params(removal): Params<MuteRemove>,
) -> JsonReply<Mute> {
    Ok(Json(api.service.remove_mute(&id, removal).await?))
}
