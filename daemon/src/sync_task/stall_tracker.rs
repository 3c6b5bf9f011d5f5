//! Detects times when nobody handled events: they must not count against peers.

use std::time::Duration;

use starling_protocol::UnixMillis;

/// A timer that is this late was not just busy: the task did not run, or the clock was set.
const LATE_MILLIS: u64 = 1_000;

/// Watches the task's own clock.
#[derive(Debug)]
pub(super) struct StallTracker {
    /// The start of the wait for the next event.
    waits_since: UnixMillis,
}

impl StallTracker {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self { waits_since: now }
    }

    /// Records that an event arrived, or that the timer for `due` fired. Returns how long events were not handled
    /// before.
    pub(super) fn looks(&self, now: UnixMillis, due: Option<UnixMillis>) -> Duration {
        let slept = due.is_some_and(|due| now > due.plus_millis(LATE_MILLIS));
        // The start of the sleep is unknown: nothing of the wait counts.
        if slept {
            span(self.waits_since, now)
        } else {
            Duration::ZERO
        }
    }

    /// Records that the event of `began` was handled. Returns how long that took.
    pub(super) fn waits(&mut self, began: UnixMillis, now: UnixMillis) -> Duration {
        self.waits_since = now;
        span(began, now)
    }
}

/// Returns the duration between two times; zero if the clock was set back.
fn span(from: UnixMillis, until: UnixMillis) -> Duration {
    Duration::from_millis(until.as_millis().saturating_sub(from.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis::saturating(seconds * 1_000)
    }

    #[test]
    fn long_work_and_sleep_count_as_stall_but_waiting_does_not() {
        let mut stalls = StallTracker::new(at(100));
        assert_eq!(stalls.looks(at(110), Some(at(120))), Duration::ZERO, "an event");
        assert_eq!(stalls.waits(at(110), at(170)), Duration::from_secs(60), "work");
        assert_eq!(stalls.looks(at(171), Some(at(171))), Duration::ZERO, "on time");
        assert_eq!(stalls.looks(at(172), None), Duration::ZERO, "no timer was set");
        assert_eq!(
            stalls.looks(at(770), Some(at(180))),
            Duration::from_secs(600),
            "asleep"
        );
        assert_eq!(
            stalls.waits(at(770), at(700)),
            Duration::ZERO,
            "the clock was set back"
        );
    }
}
