//! The VEX documents that the site stores.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use starling_api_types::{ErrorCode, VexEntry, VexHash, VexList, VexRemoved};

use super::JsonReply;
use crate::body::{PathParam, read_all};
use crate::limits::VEX_MAX_BYTES;
use crate::openapi::Binary;
use crate::places::Caller;
use crate::reply::ProblemReply;
use crate::state::Api;

/// Returns the stored VEX documents.
///
/// Every scan of this site uses them in addition to its own documents; its verdict lists each one.
#[utoipa::path(get, path = "/vex", operation_id = "list_vex", tag = "scan",
    responses((status = 200, description = "The documents, sorted by hash.", body = VexList)))]
pub(crate) async fn list(State(api): State<Api>) -> JsonReply<VexList> {
    Ok(Json(api.service.vex().await?))
}

/// Stores a VEX document unchanged.
///
/// OpenVEX, CSAF or CycloneDX as JSON, detected from the content. Storing a document again changes nothing.
#[utoipa::path(post, path = "/vex", operation_id = "add_vex", tag = "scan",
    request_body(content = inline(Binary), content_type = "application/json", description = "The document."),
    responses((status = 200, description = "The stored document.", body = VexEntry)))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> JsonReply<VexEntry> {
    let _place = api.uploads.try_enter(caller)?;
    let (parts, body) = request.into_parts();
    let document = read_all(&parts.headers, body, VEX_MAX_BYTES, ErrorCode::BodyTooLarge).await?;
    Ok(Json(api.service.add_vex(document).await?))
}

/// Returns a stored VEX document, byte for byte.
#[utoipa::path(get, path = "/vex/{hash}", operation_id = "get_vex", tag = "scan",
    params(("hash" = VexHash, Path, description = "BLAKE3 of its bytes: `blake3:` and 64 hex digits")),
    responses((status = 200, description = "Its bytes.", content_type = "application/json", body = inline(Binary))))]
pub(crate) async fn get(
    State(api): State<Api>,
    PathParam(hash): PathParam<VexHash>,
) -> Result<Response, ProblemReply> {
    let document = api.service.vex_document(&hash).await?;
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(document)).into_response())
}

/// Deletes a stored VEX document, even a damaged one.
#[utoipa::path(delete, path = "/vex/{hash}", operation_id = "remove_vex", tag = "scan",
    params(("hash" = VexHash, Path, description = "BLAKE3 of its bytes: `blake3:` and 64 hex digits")),
    responses((status = 200, description = "The deleted document.", body = VexRemoved)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    PathParam(hash): PathParam<VexHash>,
) -> JsonReply<VexRemoved> {
    Ok(Json(api.service.remove_vex(&hash).await?))
}
