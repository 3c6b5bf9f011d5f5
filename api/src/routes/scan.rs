//! Scanning an SBOM.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::{Extension, Json};
use starling_api_types::{ErrorCode, ExplainQuery, Explanation, Problem, ScanParams, VerdictEnvelope};

use super::JsonReply;
use crate::body::Params;
use crate::limits::ADVISORY_NAME_MAX_BYTES;
use crate::openapi::Binary;
use crate::places::Caller;
use crate::scan_form::{ScanDocuments, ScanForm};
use crate::scan_memory::Share;
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
    Extension(caller): Extension<Caller>,
    Params(params): Params<ScanParams>,
    request: Request,
) -> JsonReply<VerdictEnvelope> {
    let (parts, body) = request.into_parts();
    let (headers, spool_dir) = (&parts.headers, &api.options.spool_dir);
    let most = ScanDocuments::most_bytes(headers);
    let read = api.memory.read(headers, body, most, spool_dir).await?;
    let share = match caller {
        Caller::Local => Share::Local,
        Caller::Remote if ScanDocuments::is_form(headers) => Share::Forms,
        Caller::Remote => Share::Plain,
    };
    let memory = api.memory.judge(read.length(), share).await?;
    let documents = ScanDocuments::from_bytes(headers, read.into_bytes().await?).await?;
    // Those that may take long wait for each other, not in the others' way.
    let costly = if api.service.is_costly(&documents) {
        Some(api.costly_scans.enter(caller).await?)
    } else {
        None
    };
    let place = api.scans.enter(caller).await?;
    // The work goes on when the client is gone, and keeps its places until it ends.
    let service = Arc::clone(&api.service);
    let judged = tokio::spawn(async move {
        let _kept = (memory, costly, place);
        service.scan(documents, params).await
    });
    let verdict = judged
        .await
        .unwrap_or_else(|panic| Err(Problem::internal("judging an SBOM", panic)))?;
    Ok(Json(verdict))
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
