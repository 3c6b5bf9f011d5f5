//! How long a feed rests after a run.

/// First wait after a temporary failure, and after one that needs an operator.
const RETRY_MS: u64 = 60_000;
const RETRY_LASTING_MS: u64 = 15 * 60_000;
/// Longest wait that a source may ask for, if its schedule is not longer.
const LONGEST_ASKED_MS: u64 = 24 * 3_600_000;
/// Wait where the source has more than one run takes.
const MORE_MS: u64 = 60_000;
/// Least share of its wait that a feed rests after a run that took long, in percent.
const LEAST_REST_PERCENT: u64 = 10;
/// Largest random difference of a wait from its schedule, in thousandths, so that sites that started together do not
/// fetch together.
const JITTER: u64 = 50;
/// The same for waits after a failure, which many sites begin at once.
const RETRY_JITTER: u64 = 250;

/// The result of a run, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The source was read.
    Done {
        /// It has more than this run took.
        more: bool,
    },
    /// The source could not be fetched or imported.
    Failed {
        /// Failures in a row, this one included.
        failures: u32,
        /// It may succeed without anybody's help.
        is_temporary: bool,
        /// The wait that the source asked for.
        retry_after_ms: Option<u64>,
    },
    /// The daemon stopped: it is due at once.
    Stopped,
}

/// Returns the time of the next run, by the clock by which the last one began and ended.
///
/// A feed that failed is tried again sooner than its schedule says, less and less often.
pub(crate) fn next_run_ms(every_ms: u64, began_ms: u64, ended_ms: u64, ending: Ending, random: u64) -> u64 {
    match ending {
        Ending::Done { more: false } => {
            let wait = jittered(every_ms, JITTER, random);
            let rest = wait.saturating_mul(LEAST_REST_PERCENT) / 100;
            // A clock that was set back meanwhile must not make it due long after.
            let began = began_ms.min(ended_ms);
            began.saturating_add(wait).max(ended_ms.saturating_add(rest))
        }
        Ending::Done { more: true } => ended_ms.saturating_add(MORE_MS.min(every_ms)),
        Ending::Failed {
            failures,
            is_temporary,
            retry_after_ms,
        } => {
            let first = if is_temporary { RETRY_MS } else { RETRY_LASTING_MS };
            let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(20));
            let wait = jittered(doubled.min(every_ms), RETRY_JITTER, random);
            // A source that asks for years would never be asked again.
            let asked = retry_after_ms.unwrap_or(0).min(every_ms.max(LONGEST_ASKED_MS));
            let wait = wait.min(every_ms).max(asked);
            ended_ms.saturating_add(wait)
        }
        Ending::Stopped => ended_ms,
    }
}

/// Returns a time that differs by at most some thousandths.
fn jittered(millis: u64, thousandths: u64, random: u64) -> u64 {
    let share = 1_000 - thousandths + random % (2 * thousandths + 1);
    (millis / 1_000)
        .saturating_mul(share)
        .saturating_add(millis % 1_000 * share / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    /// Results in no jitter.
    const MIDDLE: u64 = JITTER;
    const RETRY_MIDDLE: u64 = RETRY_JITTER;

    fn failed(failures: u32, is_temporary: bool) -> Ending {
        Ending::Failed {
            failures,
            is_temporary,
            retry_after_ms: None,
        }
    }

    #[test]
    fn next_run_follows_the_beginning_of_the_last() {
        let done = Ending::Done { more: false };
        assert_eq!(next_run_ms(2 * HOUR, 0, HOUR, done, MIDDLE), 2 * HOUR);
        // A run that took as long as its schedule is not followed at once.
        assert_eq!(
            next_run_ms(2 * HOUR, 0, 3 * HOUR, done, MIDDLE),
            3 * HOUR + HOUR / 5
        );
        // The clock was set back while it ran.
        assert_eq!(next_run_ms(2 * HOUR, 90 * HOUR, HOUR, done, MIDDLE), 3 * HOUR);
    }

    #[test]
    fn jitter_keeps_within_its_bounds() {
        for random in 0..500 {
            let next = next_run_ms(HOUR, 0, 0, Ending::Done { more: false }, random);
            assert!((HOUR * 95 / 100..=HOUR * 105 / 100).contains(&next), "{next}");
        }
        assert_ne!(
            next_run_ms(HOUR, 0, 0, Ending::Done { more: false }, 0),
            next_run_ms(HOUR, 0, 0, Ending::Done { more: false }, 100)
        );
    }

    #[test]
    fn failures_are_retried_sooner_and_less_and_less_often() {
        let waits: Vec<u64> = (1..=9)
            .map(|failures| next_run_ms(2 * HOUR, 0, 0, failed(failures, true), RETRY_MIDDLE) / 60_000)
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        let lasting = next_run_ms(2 * HOUR, 0, 0, failed(1, false), RETRY_MIDDLE);
        assert_eq!(lasting, HOUR / 4);
        // Never more often than its schedule.
        assert_eq!(next_run_ms(60_000, 0, 0, failed(1, false), RETRY_MIDDLE), 60_000);
        assert_eq!(
            next_run_ms(60_000, 0, 0, failed(u32::MAX, true), u64::MAX),
            next_run_ms(60_000, 0, 0, failed(7, true), u64::MAX)
        );
    }

    #[test]
    fn what_the_source_asks_for_is_kept() {
        let asked = Ending::Failed {
            failures: 1,
            is_temporary: true,
            retry_after_ms: Some(HOUR),
        };
        assert_eq!(next_run_ms(2 * HOUR, 0, 5, asked, RETRY_MIDDLE), HOUR + 5);
        let for_ever = Ending::Failed {
            failures: 1,
            is_temporary: true,
            retry_after_ms: Some(u64::MAX),
        };
        assert_eq!(next_run_ms(2 * HOUR, 0, 5, for_ever, RETRY_MIDDLE), 24 * HOUR + 5);
        assert_eq!(
            next_run_ms(48 * HOUR, 0, 5, for_ever, RETRY_MIDDLE),
            48 * HOUR + 5
        );
    }

    #[test]
    fn source_with_more_is_read_on_soon() {
        assert_eq!(
            next_run_ms(24 * HOUR, 0, 9, Ending::Done { more: true }, 7),
            60_009
        );
        assert_eq!(next_run_ms(24 * HOUR, 0, 9, Ending::Stopped, 7), 9);
    }
}
