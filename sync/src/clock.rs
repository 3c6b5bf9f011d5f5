//! Arithmetic on given times.

use std::time::Duration;

use starling_protocol::UnixMillis;

/// `time` moved on by `by`, at most to the last time there is.
pub(crate) fn later(time: UnixMillis, by: Duration) -> UnixMillis {
    time.plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the time from `from` to `until`, or zero if `until` is earlier.
pub(crate) fn span(from: UnixMillis, until: UnixMillis) -> Duration {
    Duration::from_millis(until.as_millis().saturating_sub(from.as_millis()))
}
