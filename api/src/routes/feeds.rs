//! The route that imports a feed.

use axum::extract::{Request, State};
use axum::{Extension, Json};
use starling_api_types::{ErrorCode, FeedImportOptions, FeedImportReport, SourceName};

use super::JsonReply;
use crate::body::{Params, PathParam, upload_stream};
use crate::limits::FEED_UPLOAD_MAX_BYTES;
use crate::openapi::Binary;
use crate::places::Caller;
use crate::state::Api;
use crate::upload::Upload;

/// Imports a feed: one file or archive of documents. Its form is detected from its content, not from its content type.
#[utoipa::path(post, path = "/feeds/{source}/import", operation_id = "import_feed", tag = "feeds",
    params(("source" = SourceName, Path, description = "The source, such as `ghsa`."), FeedImportOptions),
    request_body(content = inline(Binary), content_type = "application/octet-stream",
        description = "OSV JSON or YAML, NDJSON, a document of another known kind, zip, tar or tar.zst."),
    responses((status = 200, description = "A report on every file.", body = FeedImportReport)))]
pub(crate) async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    PathParam(source): PathParam<SourceName>,
    Params(options): Params<FeedImportOptions>,
    request: Request,
) -> JsonReply<FeedImportReport> {
    let _place = api.uploads.try_enter(caller)?;
    let (parts, body) = request.into_parts();
    let stream = upload_stream(
        &parts.headers,
        body,
        FEED_UPLOAD_MAX_BYTES,
        ErrorCode::BodyTooLarge,
    )?;
    Ok(Json(
        api.service
            .import_feed(source, Upload::Stream(stream), options)
            .await?,
    ))
}
