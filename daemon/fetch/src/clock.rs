//! Time as the fetcher sees it, so that a test can wait a day in no time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

/// The reason why the fetcher waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Keeps the distance between two requests to one host.
    Pace,
    /// Waits before a failed request is repeated.
    Retry,
    /// Runs beside a request: when it ends, the server was silent too long. It usually does not end.
    Silence,
}

/// A clock that returns the time and waits.
pub trait Clock: Send + Sync {
    /// Returns the time by the machine's clock, in milliseconds since 1970 (UTC). It may be set back.
    fn now_ms(&self) -> u64;

    /// Returns milliseconds that never go back, from any beginning: for spans.
    fn steady_ms(&self) -> u64;

    /// Waits for `span`.
    fn wait(&self, span: Duration, why: Wait) -> BoxFuture<'_, ()>;
}

/// The clock of the machine. Its waits need a tokio runtime with timers.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// Creates a clock whose steady time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn steady_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait(&self, span: Duration, _why: Wait) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}
