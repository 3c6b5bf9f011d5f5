//! The allow-list.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use starling_api_types::{Site, SiteAdd, SiteChange, SiteHistory, SiteList, SiteSlug, SiteStatus};

use super::JsonReply;
use crate::body::{JsonBody, PathParam};
use crate::reply::ProblemReply;
use crate::state::Api;

/// Returns the allow-list.
#[utoipa::path(get, path = "/sites", operation_id = "list_sites", tag = "sites",
    responses((status = 200, description = "The list, sorted by name.", body = SiteList)))]
pub(crate) async fn list(State(api): State<Api>) -> JsonReply<SiteList> {
    Ok(Json(api.service.sites().await?))
}

/// Returns one site of the allow-list.
#[utoipa::path(get, path = "/sites/{site_id}", operation_id = "get_site", tag = "sites",
    params(("site_id" = SiteSlug, Path, description = "The site's name.")),
    responses((status = 200, description = "The entry.", body = Site)))]
pub(crate) async fn get(State(api): State<Api>, PathParam(site): PathParam<SiteSlug>) -> JsonReply<Site> {
    Ok(Json(api.service.site(&site).await?))
}

/// Adds a site to the allow-list.
#[utoipa::path(post, path = "/sites", operation_id = "add_site", tag = "sites", request_body = SiteAdd,
    responses((status = 201, description = "The new entry.", body = Site)))]
pub(crate) async fn add(
    State(api): State<Api>,
    JsonBody(site): JsonBody<SiteAdd>,
) -> Result<(StatusCode, Json<Site>), ProblemReply> {
    Ok((StatusCode::CREATED, Json(api.service.add_site(site).await?)))
}

/// Changes a site of the allow-list.
///
/// Newly allowed records are accepted at once if their bodies are here; the others are requested from peers.
#[utoipa::path(patch, path = "/sites/{site_id}", operation_id = "change_site", tag = "sites",
    params(("site_id" = SiteSlug, Path, description = "The site's name.")), request_body = SiteChange,
    responses((status = 200, description = "The entry after the call.", body = Site)))]
pub(crate) async fn change(
    State(api): State<Api>,
    PathParam(site): PathParam<SiteSlug>,
    JsonBody(change): JsonBody<SiteChange>,
) -> JsonReply<Site> {
    Ok(Json(api.service.change_site(&site, change).await?))
}

/// Removes a site from the allow-list.
///
/// Its data is still held and relayed, but no longer accepted into the view.
#[utoipa::path(delete, path = "/sites/{site_id}", operation_id = "remove_site", tag = "sites",
    params(("site_id" = SiteSlug, Path, description = "The site's name.")),
    responses((status = 200, description = "The removed entry.", body = Site)))]
pub(crate) async fn remove(State(api): State<Api>, PathParam(site): PathParam<SiteSlug>) -> JsonReply<Site> {
    Ok(Json(api.service.remove_site(&site).await?))
}

/// Returns a site's transfers, newest first.
#[utoipa::path(get, path = "/sites/{site_id}/history", operation_id = "site_history", tag = "sites",
    params(("site_id" = SiteSlug, Path, description = "The site's name.")),
    responses((status = 200, description = "At most 1,000 transfers.", body = SiteHistory)))]
pub(crate) async fn history(
    State(api): State<Api>,
    PathParam(site): PathParam<SiteSlug>,
) -> JsonReply<SiteHistory> {
    Ok(Json(api.service.site_history(&site).await?))
}

/// Returns a site's positions and counts.
#[utoipa::path(get, path = "/sites/{site_id}/status", operation_id = "site_status", tag = "sites",
    params(("site_id" = SiteSlug, Path, description = "The site's name.")),
    responses((status = 200, description = "The site's status here.", body = SiteStatus)))]
pub(crate) async fn status(
    State(api): State<Api>,
    PathParam(site): PathParam<SiteSlug>,
) -> JsonReply<SiteStatus> {
    Ok(Json(api.service.site_status(&site).await?))
}
