//! Importing a feed by hand, and the feeds that a site fetches by itself.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use starling_api_types::{
    ErrorCode, Feed, FeedAdd, FeedApprove, FeedChange, FeedImportOptions, FeedImportReport, FeedList,
    FeedName, FeedRun, FeedSetting, Problem, SourceName,
};

use super::JsonReply;
use crate::body::{JsonBody, Params, PathParam, upload_stream};
use crate::limits::FEED_UPLOAD_MAX_BYTES;
use crate::openapi::Binary;
use crate::places::Caller;
use crate::reply::ProblemReply;
use crate::state::Api;
use crate::upload::Upload;

/// Imports a feed: one file or archive of documents. Its form is detected from its content, not from its content type.
#[utoipa::path(post, path = "/feeds/{name}/import", operation_id = "import_feed", tag = "feeds",
    params(("name" = SourceName, Path, description = "The source, such as `ghsa`."), FeedImportOptions),
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

/// The feeds that the site fetches by itself.
#[utoipa::path(get, path = "/feeds", operation_id = "list_feeds", tag = "feeds",
    responses((status = 200, description = "The feeds, sorted by name, without their history.", body = FeedList)))]
pub(crate) async fn list(State(api): State<Api>) -> JsonReply<FeedList> {
    Ok(Json(api.service.feeds().await?))
}

/// One feed with its last 100 runs.
#[utoipa::path(get, path = "/feeds/{name}", operation_id = "get_feed", tag = "feeds",
    params(("name" = FeedName, Path, description = "The feed.")),
    responses((status = 200, description = "The feed.", body = Feed)))]
pub(crate) async fn get(State(api): State<Api>, PathParam(name): PathParam<FeedName>) -> JsonReply<Feed> {
    Ok(Json(api.service.feed(&name).await?))
}

/// Adds a feed to the site's configuration; the daemon runs it at once.
///
/// Over TCP, a feed cannot name a file or folder of the site's machine.
#[utoipa::path(post, path = "/feeds", operation_id = "add_feed", tag = "feeds", request_body = FeedAdd,
    responses((status = 201, description = "The new feed.", body = Feed)))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(feed): JsonBody<FeedAdd>,
) -> Result<(StatusCode, Json<Feed>), ProblemReply> {
    refuse_files(
        caller,
        feed.address.as_deref(),
        feed.api_key_file.is_some() || feed.ca_file.is_some(),
    )?;
    Ok((StatusCode::CREATED, Json(api.service.add_feed(feed).await?)))
}

/// Changes the given settings of a feed.
///
/// Over TCP, a feed cannot name a file or folder of the site's machine, and one that sends a key keeps its address and
/// proxy.
#[utoipa::path(patch, path = "/feeds/{name}", operation_id = "change_feed", tag = "feeds",
    params(("name" = FeedName, Path, description = "The feed.")), request_body = FeedChange,
    responses((status = 200, description = "The feed as it is now.", body = Feed)))]
pub(crate) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    PathParam(name): PathParam<FeedName>,
    JsonBody(change): JsonBody<FeedChange>,
) -> JsonReply<Feed> {
    refuse_files(
        caller,
        change.address.as_deref(),
        change.api_key_file.is_some() || change.ca_file.is_some(),
    )?;
    let is_unset = |setting| change.unset.contains(&setting);
    let changes_destination = change.address.is_some()
        || change.proxy.is_some()
        || is_unset(FeedSetting::Address)
        || is_unset(FeedSetting::Proxy);
    if caller == Caller::Remote && changes_destination {
        refuse_other_destination(&name, api.service.feed(&name).await?.has_secret)?;
    }
    Ok(Json(api.service.change_feed(&name, change).await?))
}

/// Removes a feed from the site's configuration.
///
/// Its history, its kept input and its raw documents are deleted. Its records stay.
#[utoipa::path(delete, path = "/feeds/{name}", operation_id = "remove_feed", tag = "feeds",
    params(("name" = FeedName, Path, description = "The feed.")),
    responses((status = 200, description = "The feed as it was.", body = Feed)))]
pub(crate) async fn remove(State(api): State<Api>, PathParam(name): PathParam<FeedName>) -> JsonReply<Feed> {
    Ok(Json(api.service.remove_feed(&name).await?))
}

/// Runs a feed now, and answers when the run has ended.
///
/// If the feed already runs, the answer is about that run. A failed run is an answer too: see `outcome`. The run continues
/// if the caller disconnects.
#[utoipa::path(post, path = "/feeds/{name}/run", operation_id = "run_feed", tag = "feeds",
    params(("name" = FeedName, Path, description = "The feed.")),
    responses((status = 200, description = "How the run ended.", body = FeedRun)))]
pub(crate) async fn run(State(api): State<Api>, PathParam(name): PathParam<FeedName>) -> JsonReply<FeedRun> {
    Ok(Json(api.service.run_feed(&name).await?))
}

/// Imports the input of a feed that waits for approval.
///
/// Fetches nothing: it imports exactly the input that was found suspect.
#[utoipa::path(post, path = "/feeds/{name}/approve", operation_id = "approve_feed", tag = "feeds",
    params(("name" = FeedName, Path, description = "The feed.")), request_body = FeedApprove,
    responses((status = 200, description = "How the run ended.", body = FeedRun)))]
pub(crate) async fn approve(
    State(api): State<Api>,
    PathParam(name): PathParam<FeedName>,
    JsonBody(approve): JsonBody<FeedApprove>,
) -> JsonReply<FeedRun> {
    Ok(Json(api.service.approve_feed(&name, approve).await?))
}

/// Refuses a file or folder that a caller over TCP names: the daemon can read files that the caller must not.
fn refuse_files(caller: Caller, address: Option<&str>, names_files: bool) -> Result<(), Problem> {
    let is_path = address.is_some_and(|address| {
        let scheme = address.split("://").next().unwrap_or_default();
        !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http")
    });
    if caller == Caller::Remote && (is_path || names_files) {
        let detail = "changing a feed over TCP: it names a file or folder of the site's machine";
        return Err(Problem::new(ErrorCode::FeedInvalid, detail)
            .hint("use the `starling` command on that machine, or edit its starling.toml"));
    }
    Ok(())
}

/// Refuses a change over TCP by which the key of a feed would be sent elsewhere.
fn refuse_other_destination(name: &FeedName, has_secret: bool) -> Result<(), Problem> {
    if !has_secret {
        return Ok(());
    }
    let detail = format!(
        "changing the feed {name} over TCP: its key would be sent to the new address or through the new proxy"
    );
    Err(Problem::new(ErrorCode::FeedInvalid, detail)
        .hint("use the `starling` command on that machine, or edit its starling.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_feed_is_not_sent_elsewhere() {
        let name = FeedName::new("nvd").unwrap();
        assert_eq!(refuse_other_destination(&name, false), Ok(()));
        let refused = refuse_other_destination(&name, true).unwrap_err();
        assert_eq!(refused.code, ErrorCode::FeedInvalid);
        assert!(refused.detail.contains("key would be sent"), "{refused}");
    }

    #[test]
    fn callers_over_tcp_cannot_name_files() {
        for (address, files, is_refused) in [
            (Some("https://example.org/a"), false, false),
            (Some("HTTP://example.org/a"), false, false),
            (None, false, false),
            (Some("/etc/passwd"), false, true),
            (Some("file:///etc/passwd"), false, true),
            (Some("https://example.org/a"), true, true),
        ] {
            let refused = refuse_files(Caller::Remote, address, files);
            assert_eq!(refused.is_err(), is_refused, "{address:?}");
            assert_eq!(refuse_files(Caller::Local, address, files), Ok(()));
        }
    }
}
