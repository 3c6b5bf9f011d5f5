//! Arithmetic on given times.

use std::time::Duration;

use starling_protocol::UnixMillis;

/// Returns `time` plus `by`, at most the last possible time.
pub(crate) fn later(time: UnixMillis, by: Duration) -> UnixMillis {
    time.plus_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the time from `from` to `until`, or zero if `until` is earlier.
pub(crate) fn span(from: UnixMillis, until: UnixMillis) -> Duration {
    Duration::from_millis(until.as_millis().saturating_sub(from.as_millis()))
}
