//! The only place where this program reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use starling_protocol::UnixMillis;

/// Returns the time of this machine's clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::saturating(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that never jumps, even if the machine's clock is set: for deadlines and pauses.
///
/// It starts with the machine's time, so that its times look normal. Compare them only with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyClock {
    began: UnixMillis,
    since: Instant,
}

impl SteadyClock {
    /// Starts the clock now.
    pub(crate) fn new() -> Self {
        Self {
            began: now(),
            since: Instant::now(),
        }
    }

    /// Returns this clock's time.
    pub(crate) fn now(&self) -> UnixMillis {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.plus_millis(passed)
    }
}
