//! How long nobody looked at events: time that must not be held against peers.

use std::time::Duration;

use starling_protocol::UnixMillis;

/// A timer that rings so much late was not just busy: the task did not run, or the clock was set.
const LATE_MILLIS: u64 = 1_000;

/// Watches the task's own clock.
#[derive(Debug)]
pub(super) struct Attention {
    /// Since when it has been waiting for the next event.
    waits_since: UnixMillis,
}

impl Attention {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self { waits_since: now }
    }

    /// An event came, or the timer rang, that was set for `due`. Gives how long nobody looked before.
    pub(super) fn looks(&self, now: UnixMillis, due: Option<UnixMillis>) -> Duration {
        let slept = due.is_some_and(|due| now > due.plus_millis(LATE_MILLIS));
        // When it fell asleep is not known: none of the wait counts.
        if slept {
            span(self.waits_since, now)
        } else {
            Duration::ZERO
        }
    }

    /// What came at `began` is dealt with. Gives how long that took.
    pub(super) fn waits(&mut self, began: UnixMillis, now: UnixMillis) -> Duration {
        self.waits_since = now;
        span(began, now)
    }
}

/// From one time to another; nothing if the clock was set back.
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
    fn long_work_and_long_sleep_are_time_away_and_waiting_is_not() {
        let mut attention = Attention::new(at(100));
        assert_eq!(
            attention.looks(at(110), Some(at(120))),
            Duration::ZERO,
            "an event"
        );
        assert_eq!(attention.waits(at(110), at(170)), Duration::from_secs(60), "work");
        assert_eq!(attention.looks(at(171), Some(at(171))), Duration::ZERO, "on time");
        assert_eq!(attention.looks(at(172), None), Duration::ZERO, "no timer was set");
        assert_eq!(
            attention.looks(at(770), Some(at(180))),
            Duration::from_secs(600),
            "asleep"
        );
        assert_eq!(
            attention.waits(at(770), at(700)),
            Duration::ZERO,
            "the clock was set back"
        );
    }
}
