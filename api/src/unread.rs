//! Refuses what a call does not read: the body of a call that takes none, and the query of a call without parameters.
//!
//! What they ask for would be left out silently.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::{Body, BodyDataStream};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use starling_api_types::{ErrorCode, Problem};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

use crate::limits::LINGER_IDLE;
use crate::reply::ProblemReply;

/// Monitors ask this one, and many add a query against caches; it has nothing that a parameter could change.
const HEALTH: &str = "/api/v1/health";

/// The parts of a request that a call reads.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    body: bool,
    query: bool,
}

impl Reads {
    fn of(call: &Operation) -> Self {
        let is_query = |parameter: &RefOr<Parameter>| match parameter {
            RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
            RefOr::Ref(_) => true,
        };
        Self {
            body: call.request_body.is_some(),
            query: call.parameters.iter().flatten().any(is_query),
        }
    }
}

/// What each documented call reads, by its path and method.
static CALLS: LazyLock<BTreeMap<(String, &'static str), Reads>> = LazyLock::new(|| {
    let paths = crate::router::document().paths.paths;
    let calls = paths.into_iter().flat_map(|(path, item)| {
        let methods = [
            ("GET", item.get),
            ("POST", item.post),
            ("PUT", item.put),
            ("PATCH", item.patch),
            ("DELETE", item.delete),
        ];
        let calls = methods
            .into_iter()
            .filter_map(|(method, call)| Some((method, Reads::of(&call?))));
        calls.map(move |(method, reads)| ((path.clone(), method), reads))
    });
    calls.collect()
});

fn reads(path: &str, method: &Method) -> Option<Reads> {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut calls = CALLS.iter();
    calls
        .find(|((known, of), _)| known == path && *of == method)
        .map(|(_, reads)| *reads)
}

/// Refuses a body or a query that nobody reads (middleware of routes).
pub(crate) async fn refuse_unread(path: MatchedPath, request: Request, next: Next) -> Response {
    let Some(reads) = reads(path.as_str(), request.method()) else {
        // Another method of the path: its refusal follows.
        return next.run(request).await;
    };
    let call = format!("calling {} {}", request.method(), path.as_str());
    let refused = |what: &str, hint: &str| {
        let problem = Problem::new(ErrorCode::BadRequest, format!("{call}: {what}"));
        ProblemReply(problem.hint(hint)).into_response()
    };
    let is_read = reads.query || path.as_str() == HEALTH;
    if !is_read && request.uri().query().is_some_and(|query| !query.is_empty()) {
        return refused(
            "the call has no query parameters, and got some",
            "GET /api/v1/openapi.json describes every parameter",
        );
    }
    if reads.body || !has_bytes(request.body()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match first_bytes(body).await {
        None => next.run(Request::from_parts(parts, Body::empty())).await,
        Some(_rest) => refused(
            "the call takes no body, and got one",
            "its parameters belong into the path and the query",
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_a_call_reads_are_those_of_the_document() {
        let of = |path: &str, method: Method| {
            let reads = reads(&format!("/api/v1{path}"), &method);
            reads.map(|reads| (reads.body, reads.query))
        };
        assert_eq!(of("/sites", Method::POST), Some((true, false)));
        assert_eq!(of("/mutes/{id}", Method::DELETE), Some((false, true)));
        assert_eq!(of("/health", Method::HEAD), Some((false, false)));
        assert_eq!(of("/federation/import", Method::POST), Some((true, true)));
        assert_eq!(of("/sites", Method::DELETE), None);
    }
}
