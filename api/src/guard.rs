//! Middleware that keeps one call from harming the others: panics, time, number.

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

/// Turns a panic in a call into an `internal` problem; the site goes on.
pub(crate) async fn catch_panic(request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let said = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            ProblemReply(Problem::internal(
                format!("answering {call}"),
                format!("panic: {said}"),
            ))
            .into_response()
        }
    }
}

/// Ends a call that takes longer than `limit`.
pub(crate) async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ProblemReply(
            Problem::new(ErrorCode::TimedOut, format!("answering the call within {} s", limit.as_secs()))
                .hint("try again; if it stays so, `starling status` and the daemon's log say what the site is busy with"),
        )
        .into_response(),
    }
}

/// Refuses a call while as many are in flight as the semaphore holds; a place is kept until the answer's
/// last byte is sent.
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

/// A body that keeps something for as long as it is sent.
pub(crate) fn held_by<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Body::new(HeldBody { body, _kept: kept })
}

/// The problem of a call that found no place.
pub(crate) fn busy() -> Problem {
    Problem::new(
        ErrorCode::Busy,
        "starting the call: as many are in flight as the site serves at once",
    )
    .hint("try again in a second")
}

/// A body, and what is kept until it is sent.
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
