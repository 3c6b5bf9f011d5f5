//! Routes to import, export, inspect and validate bundles.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;
use starling_api_types::{
    BundleInfo, BundleValidation, ErrorCode, ExportRequest, ExportSummary, ImportParams, ImportReport,
    Problem, SiteCursor, SiteSlug,
};
use utoipa::IntoParams;

use super::JsonReply;
use crate::body::{JsonBody, Params, require_content_type, upload_stream};
use crate::openapi::Binary;
use crate::places::Caller;
use crate::reply::ProblemReply;
use crate::state::Api;
use crate::upload::Upload;

/// Content type of a bundle.
pub const BUNDLE_CONTENT_TYPE: &str = "application/zstd";

const HASH_HEADER: &str = "starling-bundle-hash";
const DELTAS_HEADER: &str = "starling-bundle-deltas";
const CLAIMS_HEADER: &str = "starling-bundle-claims";
const BODIES_HEADER: &str = "starling-bundle-bodies";
/// The header of one warning.
const WARNING_HEADER: &str = "starling-bundle-warning";

/// Imports a bundle.
///
/// Verifies the bundle, holds and relays its data, and accepts it into the view as the policy allows. Indexes are
/// updated before the answer. Each log is imported completely or not at all, and the answer lists the result for
/// each: read `success` and `logs`.
#[utoipa::path(post, path = "/federation/import", operation_id = "import_bundle", tag = "federation",
    params(ImportParams),
    request_body(content = inline(Binary), content_type = "application/zstd", description = "The bundle."),
    responses((status = 200, description = "The report.", body = ImportReport)))]
pub(crate) async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ImportParams>,
    request: Request,
) -> JsonReply<ImportReport> {
    let _place = api.uploads.try_enter(caller)?;
    let bundle = spool(&api, request).await?;
    Ok(Json(api.service.import_bundle(bundle, params).await?))
}

/// Returns a bundle's own information, without verifying it.
#[utoipa::path(post, path = "/federation/bundles/inspect", operation_id = "inspect_bundle", tag = "federation",
    request_body(content = inline(Binary), content_type = "application/zstd", description = "The bundle."),
    responses((status = 200, description = "A summary of its manifest.", body = BundleInfo)))]
pub(crate) async fn inspect(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> JsonReply<BundleInfo> {
    let _place = api.uploads.try_enter(caller)?;
    let bundle = spool(&api, request).await?;
    Ok(Json(api.service.inspect_bundle(bundle).await?))
}

/// Runs all checks of an import and changes nothing.
///
/// A failed check is reported with status 200: read `valid` and `checks`.
#[utoipa::path(post, path = "/federation/bundles/validate", operation_id = "validate_bundle", tag = "federation",
    request_body(content = inline(Binary), content_type = "application/zstd", description = "The bundle."),
    responses((status = 200, description = "All checks.", body = BundleValidation)))]
pub(crate) async fn validate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> JsonReply<BundleValidation> {
    let _place = api.uploads.try_enter(caller)?;
    let bundle = spool(&api, request).await?;
    Ok(Json(api.service.validate_bundle(bundle).await?))
}

/// Returns the complete upload as an unnamed file: a bundle is read more than once.
async fn spool(api: &Api, request: Request) -> Result<Upload, Problem> {
    let (parts, body) = request.into_parts();
    require_content_type(&parts.headers, BUNDLE_CONTENT_TYPE)?;
    let max_bytes = api.options.max_bundle_bytes;
    let stream = upload_stream(&parts.headers, body, max_bytes, ErrorCode::BundleTooLarge)?;
    let spooled =
        Upload::Stream(stream).into_file(&api.options.spool_dir, max_bytes, ErrorCode::BundleTooLarge);
    let (file, _size) = spooled.await?;
    Ok(Upload::File(file))
}

/// Query of the export by GET.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// What the reader already has, per author, as `CURSOR` or `SITE=CURSOR`, separated by commas; default: nothing.
    cursors: Option<String>,
    /// The allow-listed site that the bundle is for.
    #[param(value_type = Option<String>)]
    to_site: Option<SiteSlug>,
}

/// Exports a bundle, with parameters in the query.
#[utoipa::path(get, path = "/federation/export", operation_id = "export_bundle_get", tag = "federation",
    params(ExportQuery),
    responses((status = 200, description = "The bundle; `starling-bundle-*` headers summarise it.",
        content_type = "application/zstd", body = inline(Binary))))]
pub(crate) async fn export_get(
    State(api): State<Api>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, ProblemReply> {
    let cursors = query
        .cursors
        .as_deref()
        .unwrap_or("")
        .split(',')
        .filter(|text| !text.is_empty());
    let cursors = cursors
        .map(str::parse::<SiteCursor>)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::new(ErrorCode::InvalidCursor, error.to_string()))?;
    export(
        &api,
        ExportRequest {
            cursors,
            to_site: query.to_site,
        },
    )
    .await
}

/// Exports a bundle, with parameters in the body.
#[utoipa::path(post, path = "/federation/export", operation_id = "export_bundle", tag = "federation",
    request_body = ExportRequest,
    responses((status = 200, description = "The bundle; `starling-bundle-*` headers summarise it.",
        content_type = "application/zstd", body = inline(Binary))))]
pub(crate) async fn export_post(
    State(api): State<Api>,
    JsonBody(request): JsonBody<ExportRequest>,
) -> Result<Response, ProblemReply> {
    export(&api, request).await
}

async fn export(api: &Api, request: ExportRequest) -> Result<Response, ProblemReply> {
    let bundle = api.service.export_bundle(request).await?;
    let mut response = Response::new(Body::from_stream(bundle.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BUNDLE_CONTENT_TYPE));
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"starling-bundle.zst\""),
    );
    write_summary(&bundle.summary, headers);
    Ok(response)
}

fn write_summary(summary: &ExportSummary, headers: &mut HeaderMap) {
    if let Ok(hash) = HeaderValue::from_str(&summary.bundle_hash.to_string()) {
        headers.insert(HASH_HEADER, hash);
    }
    headers.insert(DELTAS_HEADER, summary.deltas.into());
    headers.insert(CLAIMS_HEADER, summary.claims.into());
    headers.insert(BODIES_HEADER, summary.bodies.into());
    if let Some(size) = summary.size_bytes {
        headers.insert(CONTENT_LENGTH, size.into());
    }
    for warning in &summary.warnings {
        // A header can only contain visible ASCII.
        let plain: String = warning
            .chars()
            .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
            .collect();
        if let Ok(warning) = HeaderValue::from_str(&plain) {
            headers.append(WARNING_HEADER, warning);
        }
    }
}

/// Reads the summary in an export's headers; `None` if they are missing or unreadable.
pub fn read_summary(headers: &HeaderMap) -> Option<ExportSummary> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Some(ExportSummary {
        bundle_hash: text(HASH_HEADER)?.parse().ok()?,
        deltas: text(DELTAS_HEADER)?.parse().ok()?,
        claims: text(CLAIMS_HEADER)?.parse().ok()?,
        bodies: text(BODIES_HEADER)?.parse().ok()?,
        size_bytes: text(CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok()),
        warnings: headers
            .get_all(WARNING_HEADER)
            .iter()
            .filter_map(|warning| warning.to_str().ok().map(str::to_owned))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use starling_api_types::BundleHash;

    use super::*;

    #[test]
    fn summary_round_trips_through_headers() {
        let summary = ExportSummary {
            bundle_hash: BundleHash::from_bytes([5; 32]),
            deltas: 1,
            claims: 2,
            bodies: 3,
            size_bytes: Some(4),
            warnings: vec!["no room".to_owned(), "writing /caf\u{e9}\n".to_owned()],
        };
        let mut headers = HeaderMap::new();
        write_summary(&summary, &mut headers);
        let read = read_summary(&headers).unwrap();
        assert_eq!(read.warnings, ["no room", "writing /caf??"]);
        let summary = ExportSummary {
            warnings: read.warnings.clone(),
            ..summary
        };
        assert_eq!(read, summary);
    }
}
