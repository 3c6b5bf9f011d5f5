//! Canonical advisories and the records behind them.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use starling_api_types::{
    AdvisoryListQuery, AdvisoryLookup, AdvisoryPage, AdvisoryQuery, DumpQuery, ErrorCode, Problem,
    RawDocument, RawQuery,
};

use super::JsonReply;
use crate::body::{Params, PathParam};
use crate::limits::ADVISORY_NAME_MAX_BYTES;
use crate::openapi::Binary;
use crate::places::{Caller, keep};
use crate::reply::ProblemReply;
use crate::state::Api;

/// Returns one page of canonical advisories.
#[utoipa::path(get, path = "/advisories", operation_id = "list_advisories", tag = "advisories",
    params(AdvisoryListQuery),
    responses((status = 200, description = "A page, sorted by package, then vulnerability.", body = AdvisoryPage)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Params(query): Params<AdvisoryListQuery>,
) -> JsonReply<AdvisoryPage> {
    if query
        .limit
        .is_some_and(|limit| !(1..=AdvisoryListQuery::MAX_LIMIT).contains(&limit))
    {
        let problem = Problem::new(
            ErrorCode::BadRequest,
            "reading the query: `limit` must be between 1 and 1,000",
        );
        return Err(problem.hint("to get more rows, continue with `after`").into());
    }
    Ok(Json(api.service.advisories(query).await?))
}

/// Returns every canonical advisory with this name.
///
/// The name is an id, an alias, a package URL or a merge hash, percent-encoded as one path segment. One id can name a
/// vulnerability in several packages.
#[utoipa::path(get, path = "/advisories/{name}", operation_id = "get_advisory", tag = "advisories",
    params(("name" = String, Path, description = "CVE-…, GHSA-…, pkg:…, blake3:…", example = "CVE-2021-44228"),
        AdvisoryQuery),
    responses((status = 200, description = "The matching advisories; never empty.", body = AdvisoryLookup)))]
pub(crate) async fn get(
    State(api): State<Api>,
    PathParam(name): PathParam<String>,
    Params(query): Params<AdvisoryQuery>,
) -> JsonReply<AdvisoryLookup> {
    check_name(&name)?;
    Ok(Json(api.service.advisory(&name, query).await?))
}

fn check_name(name: &str) -> Result<(), Problem> {
    if name.len() > ADVISORY_NAME_MAX_BYTES || name.chars().any(char::is_control) {
        return Err(Problem::new(
            ErrorCode::BadRequest,
            format!(
                "reading the advisory's name: expected at most {ADVISORY_NAME_MAX_BYTES} printable characters"
            ),
        ));
    }
    Ok(())
}

/// The header that says what is known of a raw document, as JSON.
const RAW_HEADER: &str = "starling-raw-document";

/// Returns the document that a record came from, as the feed fetched it.
///
/// The name is a record's id or an alias, percent-encoded as one path segment. Of an archive, the document in it that
/// holds the record is returned. The header `starling-raw-document` is JSON with the document's address, time and
/// validator, as `RawDocument` describes it.
#[utoipa::path(get, path = "/advisories/{name}/raw", operation_id = "get_advisory_raw", tag = "advisories",
    params(("name" = String, Path, description = "CVE-…, GHSA-…", example = "CVE-2021-44228"), RawQuery),
    responses((status = 200, description = "Its bytes; `starling-raw-document` describes them.",
        content_type = "application/octet-stream", body = inline(Binary))))]
pub(crate) async fn raw(
    State(api): State<Api>,
    PathParam(name): PathParam<String>,
    Params(query): Params<RawQuery>,
) -> Result<Response, ProblemReply> {
    check_name(&name)?;
    let answer = api.service.advisory_raw(&name, query).await?;
    let unfit = |error: &dyn std::fmt::Display| Problem::internal("describing a raw document", error);
    let text = serde_json::to_vec(&answer.document).map_err(|error| unfit(&error))?;
    let header = HeaderValue::from_bytes(&text).map_err(|error| unfit(&error))?;
    let mut response = Response::new(Body::from_stream(answer.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(RAW_HEADER, header);
    Ok(response)
}

/// Reads what the headers of a raw document say of it; `None` if they are missing or unreadable.
pub fn read_raw_header(headers: &HeaderMap) -> Option<RawDocument> {
    serde_json::from_slice(headers.get(RAW_HEADER)?.as_bytes()).ok()
}

/// Returns the live records as NDJSON: canonical bytes, sorted by source and id.
#[utoipa::path(get, path = "/advisories/dump", operation_id = "dump_advisories", tag = "advisories",
    params(DumpQuery),
    responses((status = 200, description = "One record per line. An interrupted stream ends without its last chunk.",
        content_type = "application/x-ndjson", body = inline(Binary))))]
pub(crate) async fn dump(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<DumpQuery>,
) -> Result<Response, ProblemReply> {
    let place = api.dumps.try_enter(caller)?;
    let records = api.service.dump(query).await?;
    let response = (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(records),
    );
    Ok(keep(place, response.into_response()))
}
