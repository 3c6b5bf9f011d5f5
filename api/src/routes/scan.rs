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

/// Scans an SBOM.
///
/// The body is the SBOM itself, whose kind is detected from its content; or a form (`multipart/form-data`) with the
/// SBOM in the part `sbom` and further documents in other parts. With a policy in either language, neither of the
/// site's own policies is used. The site's stored VEX documents are used in addition. A verdict *fail*, or a verdict
/// without knowledge, is returned with status 200: read `exit_code`.
#[utoipa::path(post, path = "/scan", operation_id = "scan", tag = "scan", params(ScanParams),
    request_body(
        description = "The SBOM, or a form with the SBOM and further documents.",
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
        Caller::Remote if ScanDocuments::is_form(headers) || params.as_of.is_some() => Share::Slow,
        Caller::Remote => Share::Plain,
    };
    let memory = api.memory.judge(read.length(), share).await?;
    let documents = ScanDocuments::from_bytes(headers, read.into_bytes().await?).await?;
    // Slow scans wait for each other, and do not delay the others.
    let costly = if api.service.is_costly(&documents) {
        Some(api.costly_scans.enter(caller).await?)
    } else {
        None
    };
    let past = match params.as_of {
        Some(_) => Some(api.past_scans.enter(caller).await?),
        None => None,
    };
    let place = api.scans.enter(caller).await?;
    // The work continues if the client is gone, and holds its places until it ends.
    let service = Arc::clone(&api.service);
    let judged = tokio::spawn(async move {
        let _kept = (memory, costly, past, place);
        service.scan(documents, params).await
    });
    let verdict = judged
        .await
        .unwrap_or_else(|panic| Err(Problem::internal("scanning an SBOM", panic)))?;
    Ok(Json(verdict))
}

/// Explains why a vulnerability does or does not affect a package.
///
/// Without an id, every advisory about the package is explained. Uses the lookup and the rules of a scan, and returns each rule's result for the version. No knowledge about the
/// package is also an answer.
#[utoipa::path(get, path = "/explain", operation_id = "explain", tag = "scan", params(ExplainQuery),
    responses((status = 200, description = "The result of a scan, and every rule behind it.", body = Explanation)))]
pub(crate) async fn explain(
    State(api): State<Api>,
    Params(query): Params<ExplainQuery>,
) -> JsonReply<Explanation> {
    let is_bad = |id: &String| id.is_empty() || id.len() > ADVISORY_NAME_MAX_BYTES;
    if query.id.as_ref().is_some_and(is_bad) {
        let problem = Problem::new(
            ErrorCode::BadRequest,
            format!("reading the query: `id` is empty or longer than {ADVISORY_NAME_MAX_BYTES} bytes"),
        );
        return Err(problem.into());
    }
    Ok(Json(api.service.explain(query).await?))
}
