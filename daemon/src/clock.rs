//! The one place where this program reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use starling_protocol::UnixMillis;

/// Now, by this machine's clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::saturating(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that only goes forward, at one pace, whatever is done to the machine's: for deadlines and pauses.
///
/// Its first time is the machine's, so that its times read like others; they are compared with its own alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyClock {
    began: UnixMillis,
    since: Instant,
}

impl SteadyClock {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self {
            began: now(),
            since: Instant::now(),
        }
    }

    /// Now, by this clock.
    pub(crate) fn now(&self) -> UnixMillis {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.plus_millis(passed)
    }
}
