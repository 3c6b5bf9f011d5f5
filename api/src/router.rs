//! All routes under `/api/v1`, and their guards.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::{Extension, Router, middleware};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Access, require_admin, require_host};
use crate::guard::{catch_panic, number_limit, time_limit};
use crate::limits::{MAX_CONCURRENT_CALLS, QUICK_CALL_TIMEOUT, SCAN_TIMEOUT};
use crate::linger::read_on;

use crate::openapi::{Document, complete};
use crate::reply::{method_not_allowed, route_not_found};
use crate::routes::{
    advisories, bundles, conflicts, doctor, events, feeds, mutes, scan, sites, status, store, vex,
};
use crate::state::Api;
use crate::unread::refuse_unread;

/// The base path of all routes.
pub const BASE_PATH: &str = "/api/v1";

/// Reads and small changes that everyone who can reach the listener may request.
fn open_quick() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(status::health))
        .routes(routes!(status::status))
        .routes(routes!(status::sync_status))
        .routes(routes!(scan::explain))
        .routes(routes!(advisories::list))
        .routes(routes!(advisories::get))
        .routes(routes!(advisories::dump))
        .routes(routes!(sites::list))
        .routes(routes!(sites::get))
        .routes(routes!(sites::history))
        .routes(routes!(sites::status))
        .routes(routes!(conflicts::list))
        .routes(routes!(conflicts::get))
        .routes(routes!(mutes::list))
        .routes(routes!(mutes::get))
        .routes(routes!(feeds::get))
        .routes(routes!(feeds::list))
        .routes(routes!(vex::list))
        .routes(routes!(vex::get))
        .routes(routes!(events::events))
        .routes(routes!(openapi))
}

/// Work without a total time limit, in which uploads must not fall silent. It includes changes of the allow-list: the
/// view is updated before the answer. To find a raw document, many may have to be read.
fn admin_long() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(advisories::raw))
        .routes(routes!(sites::add))
        .routes(routes!(sites::change, sites::remove))
        .routes(routes!(conflicts::resolve))
        .routes(routes!(mutes::add))
        .routes(routes!(mutes::remove))
        .routes(routes!(bundles::import))
        .routes(routes!(bundles::export_get, bundles::export_post))
        .routes(routes!(bundles::inspect))
        .routes(routes!(bundles::validate))
        .routes(routes!(feeds::import))
        .routes(routes!(feeds::add))
        .routes(routes!(feeds::change, feeds::remove))
        .routes(routes!(feeds::run))
        .routes(routes!(feeds::approve))
        .routes(routes!(vex::add))
        .routes(routes!(vex::remove))
        .routes(routes!(doctor::doctor))
        .routes(routes!(store::compact))
}

/// Returns the OpenAPI document, the same at every site.
pub fn document() -> utoipa::openapi::OpenApi {
    let all = open_quick()
        .merge(admin_long())
        .merge(OpenApiRouter::new().routes(routes!(scan::scan)));
    let said = OpenApiRouter::with_openapi(Document::openapi())
        .nest(BASE_PATH, all)
        .into_openapi();
    crate::examples::add(complete(said))
}

/// Returns the document as committed and served: indented, with a line end.
///
/// # Panics
/// Never: the document's types can all be written as JSON, as its test shows.
pub fn document_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
        text.push('\n');
        text
    });
    &TEXT
}

/// Returns this document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "site",
    responses((status = 200, description = "The OpenAPI document.", content_type = "application/json")))]
async fn openapi(State(_api): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document_json())
}

impl Api {
    /// Builds the routes for a listener with `access`.
    pub fn router(&self, access: Access) -> Router {
        let caller = access.caller();
        let access = Arc::new(access);
        let admin = || from_fn_with_state(Arc::clone(&access), require_admin);
        let quick = || from_fn_with_state(QUICK_CALL_TIMEOUT, time_limit);
        let scan = OpenApiRouter::new()
            .routes(routes!(scan::scan))
            .route_layer(from_fn_with_state(SCAN_TIMEOUT, time_limit));
        let unread = || middleware::from_fn(refuse_unread);
        let all = open_quick()
            .route_layer(unread())
            .route_layer(quick())
            .merge(admin_long().route_layer(unread()).route_layer(admin()))
            .merge(scan);
        let calls = Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS));
        let (routes, _) = OpenApiRouter::new().nest(BASE_PATH, all).split_for_parts();
        routes
            .fallback(route_not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(from_fn_with_state(calls, number_limit))
            .layer(Extension(caller))
            .layer(from_fn_with_state(access, require_host))
            .layer(middleware::from_fn(catch_panic))
            .layer(middleware::from_fn(read_on))
            .with_state(self.clone())
    }
}
