//! Scanning an SBOM.

use axum::Json;
use axum::extract::{Request, State};
use starling_api_types::{ErrorCode, ScanParams, VerdictEnvelope};

use super::JsonReply;
use crate::body::{Params, read_all};
use crate::limits::SBOM_MAX_BYTES;
use crate::openapi::Binary;
use crate::state::Api;

/// Judges an SBOM.
///
/// The body is the SBOM itself; its kind is found by content, whatever its content type. A verdict of
/// *fail*, or one over empty knowledge, is an answer with status 200: read `exit_code`.
#[utoipa::path(post, path = "/scan", operation_id = "scan", tag = "scan", params(ScanParams),
    request_body(content = inline(Binary), content_type = "application/octet-stream", description = "The SBOM."),
    responses((status = 200, description = "The verdict in its envelope.", body = VerdictEnvelope)))]
pub(crate) async fn scan(
    State(api): State<Api>,
    Params(params): Params<ScanParams>,
    request: Request,
) -> JsonReply<VerdictEnvelope> {
    let _place = api.upload_place()?;
    let (parts, body) = request.into_parts();
    let sbom = read_all(&parts.headers, body, SBOM_MAX_BYTES, ErrorCode::BodyTooLarge).await?;
    Ok(Json(api.service.scan(sbom, params).await?))
}
