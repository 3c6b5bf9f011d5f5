//! The route that checks the store.

use axum::Json;
use axum::extract::State;
use starling_api_types::{DoctorReport, DoctorRequest};

use super::JsonReply;
use crate::body::Params;
use crate::state::Api;

/// Checks every invariant of the store. If requested, repairs it or rebuilds derived data.
#[utoipa::path(post, path = "/doctor", operation_id = "doctor", tag = "site", params(DoctorRequest),
    responses((status = 200, description = "All checks; read `ok`.", body = DoctorReport)))]
pub(crate) async fn doctor(
    State(api): State<Api>,
    Params(request): Params<DoctorRequest>,
) -> JsonReply<DoctorReport> {
    Ok(Json(api.service.doctor(request).await?))
}
