//! Scanning an SBOM.

use axum::Json;
use axum::extract::{Request, State};
use starling_api_types::{ErrorCode, ExplainQuery, Explanation, Problem, ScanParams, VerdictEnvelope};

use super::JsonReply;
use crate::body::Params;
use crate::limits::ADVISORY_NAME_MAX_BYTES;
use crate::openapi::Binary;
use crate::scan_form::{ScanDocuments, ScanForm};
use crate::state::Api;

/// Judges an SBOM.
///
/// The body is the SBOM itself, its kind found by content whatever its content type; or a form
/// (`multipart/form-data`) with the SBOM in the part `sbom` and what goes with it in others: with a policy in either
/// language, neither of the site's own counts. VEX documents that the site keeps count besides. A verdict of *fail*, or
/// one over empty knowledge, is an answer with status 200: read `exit_code`.
#[utoipa::path(post, path = "/scan", operation_id = "scan", tag = "scan", params(ScanParams),
    request_body(
        description = "The SBOM, or a form with what goes with it.",
        content((inline(Binary) = "application/octet-stream"), (inline(ScanForm) = "multipart/form-data"))),
    responses((status = 200, description = "The verdict in its envelope.", body = VerdictEnvelope)))]
pub(crate) async fn scan(
    State(api): State<Api>,
    Params(params): Params<ScanParams>,
    request: Request,
) -> JsonReply<VerdictEnvelope> {
    let _place = api.scan_place().await?;
    let (parts, body) = request.into_parts();
    let documents = ScanDocuments::from_body(&parts.headers, body).await?;
    Ok(Json(api.service.scan(documents, params).await?))
}

/// Why a package is, or is not, affected by a vulnerability.
///
/// The same lookup and the same rules as a scan's, each with what it says about the version. Knowing nothing
/// about the package is an answer too.
#[utoipa::path(get, path = "/explain", operation_id = "explain", tag = "scan", params(ExplainQuery),
    responses((status = 200, description = "What a scan would decide, and every rule behind it.", body = Explanation)))]
pub(crate) async fn explain(
    State(api): State<Api>,
    Params(query): Params<ExplainQuery>,
) -> JsonReply<Explanation> {
    if query.id.is_empty() || query.id.len() > ADVISORY_NAME_MAX_BYTES {
        let problem = Problem::new(
            ErrorCode::BadRequest,
            format!("reading the query: `id` is empty or longer than {ADVISORY_NAME_MAX_BYTES} bytes"),
        );
        return Err(problem.into());
    }
    Ok(Json(api.service.explain(query).await?))
}
