//! Middleware that protects calls from each other: panics, time limits, number of calls.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use http_body::{Frame, SizeHint};
use starling_api_types::{ErrorCode, Problem};
use tokio::sync::Semaphore;

use crate::reply::ProblemReply;

/// Converts a panic in a call to an `internal` problem; the site continues.
pub(crate) async fn catch_panic(request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            ProblemReply(Problem::internal(
                format!("answering {call}"),
                format!("panic: {message}"),
            ))
            .into_response()
        }
    }
}

/// Ends a call that exceeds `limit`.
pub(crate) async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ProblemReply(
            Problem::new(
                ErrorCode::TimedOut,
                format!("answering the call: not finished after {} s", limit.as_secs()),
            )
            .hint("try again; if it happens again, look at `starling status` and the daemon's log"),
        )
        .into_response(),
    }
}

/// Refuses a call while all permits of the semaphore are in use. A call holds its permit until the last byte of its answer
/// is sent.
pub(crate) async fn number_limit(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match places.try_acquire_owned() {
        Ok(place) => next.run(request).await.map(|body| held_by(body, place)),
        Err(_) => ProblemReply(busy()).into_response(),
    }
}

/// Returns a body that holds a value until it is sent completely.
pub(crate) fn held_by<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Body::new(HeldBody { body, _kept: kept })
}

/// Builds the problem of a call that got no permit.
pub(crate) fn busy() -> Problem {
    Problem::new(
        ErrorCode::Busy,
        "starting the call: the site already serves its maximum number of calls",
    )
    .hint("try again in a second")
}

/// A body, and the value held until it is sent.
struct HeldBody<T> {
    body: Body,
    _kept: T,
}

impl<T: Unpin> http_body::Body for HeldBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
