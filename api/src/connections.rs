//! The open connections of a listener. Their number is limited; the one that has been silent longest is closed first.
//!
//! A client that connects without a call, or sends its headers byte by byte, would otherwise block others for as long
//! as it likes. A connection with a call in progress is never closed, until its answer's last byte is sent.

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
    /// Notified if a connection closes or falls silent.
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
    /// Start of its silence: it has had no call in progress since then.
    silent_since: Instant,
    closing: CancellationToken,
}

/// An open connection; dropping it removes it from the list.
#[derive(Debug)]
pub(crate) struct Opened {
    connections: Connections,
    number: u64,
    /// Cancelled if the connection must be closed.
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

    /// Adds a new connection to the list when there is room; closes the connection that has been silent longest.
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
            let silent = open.all.iter().filter(|(_, connection)| connection.calls == 0);
            let longest = silent.min_by_key(|(_, connection)| connection.silent_since);
            let number = longest.map(|(number, _)| *number)?;
            // Removed at once; its task closes the connection.
            if let Some(silent) = open.all.remove(&number) {
                silent.closing.cancel();
            }
        }
        let number = open.next;
        open.next += 1;
        let closing = CancellationToken::new();
        let connection = Connection {
            calls: 0,
            silent_since: Instant::now(),
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
                connection.silent_since = Instant::now();
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
struct AtWork {
    connections: Connections,
    number: u64,
    answering: Answering,
}

impl Drop for AtWork {
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
        let at_work = AtWork {
            connections: self.connections.clone(),
            number: self.number,
            answering: self.answering.clone(),
        };
        let answer = self.router.clone().oneshot(request.map(Body::new));
        Box::pin(async move { Ok(answer.await?.map(|body| held_by(body, at_work))) })
    }
}

/// A connection that fails if a write is blocked for a while: the client sends calls but does not read.
pub(crate) struct Taken<S> {
    stream: S,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Taken<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
        }
    }

    /// Ends a write that is blocked for too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
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
    async fn longest_silent_connection_is_closed_first() {
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
    async fn write_to_a_client_that_does_not_read_ends() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut ours = Taken::new(ours, Duration::from_secs(30));
        ours.write_all(b"12345678").await.unwrap();
        let error = ours.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }
}
