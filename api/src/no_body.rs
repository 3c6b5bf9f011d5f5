//! Refuses the body of a call that takes none: what it asks for would be left out silently.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::{Body, BodyDataStream};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use starling_api_types::{ErrorCode, Problem};

use crate::limits::LINGER_IDLE;
use crate::reply::ProblemReply;

/// The path and method of every call that takes a body.
static WITH_BODY: LazyLock<BTreeSet<(String, &'static str)>> = LazyLock::new(|| {
    let paths = crate::router::document().paths.paths;
    let calls = paths.into_iter().flat_map(|(path, item)| {
        let methods = [
            ("POST", item.post),
            ("PUT", item.put),
            ("PATCH", item.patch),
            ("DELETE", item.delete),
        ];
        let with_body = methods
            .into_iter()
            .filter(|(_, call)| call.as_ref().is_some_and(|call| call.request_body.is_some()));
        with_body.map(move |(method, _)| (path.clone(), method))
    });
    calls.collect()
});

/// Refuses a body that nobody reads (middleware of routes).
pub(crate) async fn refuse_body(path: MatchedPath, request: Request, next: Next) -> Response {
    let takes_one = |method: &Method| {
        let mut calls = WITH_BODY.iter();
        calls.any(|(known, of)| known == path.as_str() && *of == method.as_str())
    };
    let (parts, body) = request.into_parts();
    if takes_one(&parts.method) || !has_bytes(&body) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match first_bytes(body).await {
        None => next.run(Request::from_parts(parts, Body::empty())).await,
        Some(_rest) => {
            let detail = format!(
                "calling {} {}: the call takes no body, and got one",
                parts.method,
                path.as_str()
            );
            let problem = Problem::new(ErrorCode::BadRequest, detail);
            ProblemReply(problem.hint("its parameters belong into the path and the query")).into_response()
        }
    }
}

/// Returns false if the body is known to be empty.
fn has_bytes(body: &Body) -> bool {
    use http_body::Body as _;
    !body.is_end_stream() && body.size_hint().exact() != Some(0)
}

/// Waits for the first bytes of a body of unknown length; `None` if it ends without any.
async fn first_bytes(body: Body) -> Option<BodyDataStream> {
    let mut rest = body.into_data_stream();
    loop {
        match tokio::time::timeout(LINGER_IDLE, rest.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(bytes))) if bytes.is_empty() => {}
            _ => return Some(rest),
        }
    }
}
