//! The one place where this program reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use starling_protocol::UnixMillis;

/// Now, by this machine's clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::saturating(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
