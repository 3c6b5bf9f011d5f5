//! Limits the number of open connections of a listener. To make room, it closes the connection without a call in
//! progress that has been idle longest.
//!
//! Without this, a client that connects and sends nothing, or sends its headers byte by byte, could block others for as
//! long as it likes. A call is in progress until the last byte of its answer is sent.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::guard::held_by;
use crate::refusals::Answering;

/// The connections of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    most: usize,
    open: Arc<Mutex<Open>>,
    /// Notified when a connection closes, or when a call on one ends.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    calls: usize,
    /// The end of its last call, or the time when it was opened.
    idle_since: Instant,
    closing: CancellationToken,
}

/// An open connection; dropping it removes it from the list.
#[derive(Debug)]
pub(crate) struct Opened {
    connections: Connections,
    number: u64,
    /// Cancelled when the connection must close.
    pub(crate) closing: CancellationToken,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
            changed: Arc::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a new connection to the list. If the list is full, closes the connection that has been idle longest; if all
    /// have a call in progress, waits.
    pub(crate) async fn enter(&self) -> Opened {
        loop {
            let changed = self.changed.notified();
            if let Some(opened) = self.try_enter() {
                return opened;
            }
            changed.await;
        }
    }

    fn try_enter(&self) -> Option<Opened> {
        let mut open = self.open();
        if open.all.len() >= self.most {
            let idle = open.all.iter().filter(|(_, connection)| connection.calls == 0);
            let longest = idle.min_by_key(|(_, connection)| connection.idle_since);
            let number = longest.map(|(number, _)| *number)?;
            // Removed at once; its task closes the connection.
            if let Some(idle) = open.all.remove(&number) {
                idle.closing.cancel();
            }
        }
        let number = open.next;
        open.next += 1;
        let closing = CancellationToken::new();
        let connection = Connection {
            calls: 0,
            idle_since: Instant::now(),
            closing: closing.clone(),
        };
        open.all.insert(number, connection);
        Some(Opened {
            connections: self.clone(),
            number,
            closing,
        })
    }

    fn count(&self, number: u64, begins: bool) {
        if let Some(connection) = self.open().all.get_mut(&number) {
            if begins {
                connection.calls += 1;
            } else {
                connection.calls = connection.calls.saturating_sub(1);
                connection.idle_since = Instant::now();
            }
        }
        if !begins {
            self.changed.notify_one();
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.connections.open().all.remove(&self.number);
        self.connections.changed.notify_one();
    }
}

/// A call in progress on a connection, until the last byte of its answer.
struct CallInProgress {
    connections: Connections,
    number: u64,
    answering: Answering,
}

impl Drop for CallInProgress {
    fn drop(&mut self) {
        self.answering.end();
        self.connections.count(self.number, false);
    }
}

/// The routes as seen by the calls of one connection.
#[derive(Clone)]
pub(crate) struct Calls {
    router: Router,
    connections: Connections,
    number: u64,
    answering: Answering,
}

impl Calls {
    pub(crate) fn new(router: Router, opened: &Opened, answering: Answering) -> Self {
        Self {
            router,
            connections: opened.connections.clone(),
            number: opened.number,
            answering,
        }
    }
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connections.count(self.number, true);
        self.answering.begin();
        let in_progress = CallInProgress {
            connections: self.connections.clone(),
            number: self.number,
            answering: self.answering.clone(),
        };
        let answer = self.router.clone().oneshot(request.map(Body::new));
        Box::pin(async move { Ok(answer.await?.map(|body| held_by(body, in_progress))) })
    }
}

/// A stream whose writes fail after they are blocked for `timeout`: its client sends calls but does not read the answers.
pub(crate) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// Runs while a write is blocked.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(crate) fn new(stream: S, timeout: Duration) -> Self {
        Self {
            stream,
            timeout,
            waiting: None,
        }
    }

    /// Returns the result of a write, or an error if it is blocked for too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let timeout = self.timeout;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn longest_idle_connection_is_closed_first() {
        let connections = Connections::new(2);
        let (first, second) = (connections.enter().await, connections.enter().await);
        connections.count(first.number, true);
        let third = connections.enter().await;
        assert!(second.closing.is_cancelled() && !first.closing.is_cancelled());
        connections.count(third.number, true);
        // All have a call in progress: the next one waits.
        let waiting = connections.clone();
        let waiting = tokio::spawn(async move { waiting.enter().await.number });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        connections.count(first.number, false);
        waiting.await.unwrap();
        assert!(first.closing.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn write_times_out_if_the_client_does_not_read() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut ours = WriteTimeout::new(ours, Duration::from_secs(30));
        ours.write_all(b"12345678").await.unwrap();
        let error = ours.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }
}
