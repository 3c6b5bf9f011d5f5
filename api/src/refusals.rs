//! Adds a problem to the refusals that the HTTP layer writes by itself.
//!
//! A request that cannot be parsed never becomes a call, so no route answers it: hyper writes a status without a body.
//! What it writes while no call is in progress, and everything before is sent, is such a refusal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use starling_api_types::{ErrorCode, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No call is in progress, and every answer is sent.
const NONE: u8 = 0;
/// A call is in progress.
const CALL: u8 = 1;
/// A call has ended; the end of its answer may not be sent yet.
const UNSENT: u8 = 2;

/// Tells if a connection answers a call; HTTP/1 answers one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answering(Arc<AtomicU8>);

impl Answering {
    pub(crate) fn begin(&self) {
        self.0.store(CALL, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(UNSENT, Ordering::Relaxed);
    }

    fn sent(&self) {
        // A call in progress flushes too. Only the task of the connection writes here.
        if self.0.load(Ordering::Relaxed) == UNSENT {
            self.0.store(NONE, Ordering::Relaxed);
        }
    }

    fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NONE
    }
}

/// A connection whose refusals have a problem as their body.
pub(crate) struct Worded<S> {
    stream: S,
    answering: Answering,
    /// The rest of a refusal that is being written.
    refusal: Bytes,
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    pub(crate) fn new(stream: S, answering: Answering) -> Self {
        Self {
            stream,
            answering,
            refusal: Bytes::new(),
        }
    }

    /// Takes over bytes that are a refusal.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let worded = self.answering.is_none().then(|| with_problem(bytes)).flatten();
        let Some(worded) = worded else { return false };
        self.refusal = worded.into();
        true
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.refusal.has_remaining() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.refusal))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.refusal.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns an empty answer of the HTTP layer with a problem in it; `None` if it is something else.
fn with_problem(answer: &[u8]) -> Option<Vec<u8>> {
    const NO_BODY: &str = "content-length: 0\r\n";
    let head = std::str::from_utf8(answer).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?;
    if !head.ends_with("\r\n\r\n") {
        return None;
    }
    let (before, after) = head.split_once(NO_BODY)?;
    let problem = match status {
        "400" => Problem::new(
            ErrorCode::BadRequest,
            "reading the request: not a request of HTTP/1.1",
        ),
        "414" => Problem::new(
            ErrorCode::UriTooLong,
            "reading the request: its address is too long",
        ),
        "431" => Problem::new(
            ErrorCode::HeadersTooLarge,
            "reading the request: its headers are too many or too long, or announce a body that is too large",
        ),
        _ => return None,
    };
    let body = serde_json::to_string(&problem).ok()?;
    let (kind, length) = (Problem::CONTENT_TYPE, body.len());
    Some(format!("{before}content-type: {kind}\r\ncontent-length: {length}\r\n{after}{body}").into_bytes())
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        if self.take(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.answering.sent();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        let mut filled = bytes.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && self.take(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REFUSAL: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    async fn sent(state: u8, bytes: &[u8]) -> String {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let answering = Answering::default();
        match state {
            CALL => answering.begin(),
            UNSENT => answering.end(),
            _ => {}
        }
        let reading = tokio::spawn(async move {
            let mut all = String::new();
            theirs.read_to_string(&mut all).await.map(|_| all)
        });
        let mut ours = Worded::new(ours, answering);
        ours.write_all(bytes).await.unwrap();
        ours.shutdown().await.unwrap();
        drop(ours);
        reading.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn refusal_of_the_http_layer_gets_a_problem() {
        let text = sent(NONE, REFUSAL).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let problem: Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.code, ErrorCode::HeadersTooLarge);
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }

    #[tokio::test]
    async fn answers_of_calls_are_sent_unchanged() {
        for state in [CALL, UNSENT] {
            assert_eq!(sent(state, REFUSAL).await.as_bytes(), REFUSAL);
        }
        let other = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(sent(NONE, other).await.as_bytes(), other);
    }
}
