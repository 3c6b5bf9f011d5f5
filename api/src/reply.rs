//! Problems as HTTP answers.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use starling_api_types::{ErrorCode, Problem};

/// A [`Problem`] as `application/problem+json`.
#[derive(Debug)]
pub(crate) struct ProblemReply(pub(crate) Problem);

impl From<Problem> for ProblemReply {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ProblemReply {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A call that is refused for the moment is not an error of the site.
        let is_busy = problem.code == ErrorCode::Busy;
        if (status.is_server_error() && !is_busy) || problem.private.is_some() {
            tracing::error!(code = %problem.code, private = problem.private, "{problem}");
        } else {
            tracing::debug!(code = %problem.code, "{problem}");
        }
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
        match problem.code {
            ErrorCode::Busy => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
            ErrorCode::TokenRequired | ErrorCode::TokenInvalid => {
                drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            _ => {}
        }
        response
    }
}

/// Answers a path that does not exist.
pub(crate) async fn route_not_found(uri: axum::http::Uri) -> ProblemReply {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        ErrorCode::RouteNotFound,
        format!("looking up `{path}`: the path does not exist"),
    )
    .hint("GET /api/v1/openapi.json lists every path")
    .into()
}

/// Answers a path that exists for other methods; the router adds which ones in `Allow`.
pub(crate) async fn method_not_allowed(method: axum::http::Method, uri: axum::http::Uri) -> ProblemReply {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        ErrorCode::MethodNotAllowed,
        format!("calling `{path}` with {method}: the path has other methods"),
    )
    .hint(format!("the answer's `{ALLOW}` header lists them"))
    .into()
}
