//! Reads and discards the part of a request that its handler did not read, for a limited time.
//!
//! A client writes its whole request before it reads the answer. If the connection closes after a refusal while bytes are
//! still on their way, the kernel resets it, and the client sees a broken connection instead of the refusal.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http_body::{Body as _, Frame, SizeHint};
use tokio::runtime::Handle;

use crate::limits::{LINGER, LINGER_IDLE};

/// Wraps the request's body, so that its rest is read and discarded if the handler drops it early: after a refusal, on a
/// full disk, or in a thread that failed.
pub(crate) async fn read_on(request: Request, next: Next) -> Response {
    let runtime = Handle::current();
    next.run(request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::new(ReadOn {
            rest: Some(body),
            runtime,
        })
    }))
    .await
}

/// A body whose rest is read and discarded after it is dropped.
struct ReadOn {
    /// The unread part; `None` after the end or an error.
    rest: Option<Body>,
    /// The runtime that reads the rest: a body can be dropped in a thread outside of every runtime.
    runtime: Handle,
}

impl http_body::Body for ReadOn {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(rest) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(rest).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for ReadOn {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take().filter(|rest| !rest.is_end_stream()) {
            self.runtime.spawn(discard(rest.into_data_stream()));
        }
    }
}

/// Reads until the end, an error, [`LINGER_IDLE`] without data, or [`LINGER`] in total.
async fn discard(mut rest: BodyDataStream) {
    let all = async { while let Ok(Some(Ok(_))) = tokio::time::timeout(LINGER_IDLE, rest.next()).await {} };
    let _ = tokio::time::timeout(LINGER, all).await;
}
