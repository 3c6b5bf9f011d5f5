//! Limits expensive work: a few calls run at once, a few more wait, the others are refused for the moment.
//!
//! A disconnected caller leaves its work running on its thread. Without a limit, a caller that calls and disconnects
//! could pile up work and threads without end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_api_types::{ErrorCode, Problem};

/// A gate; dropping a [`Place`] admits the next caller.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The work behind the gate, for the error text.
    what: &'static str,
    most: usize,
    most_waiting: usize,
    patience: Duration,
    count: Mutex<Count>,
    left: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    inside: usize,
    waiting: usize,
}

/// A place behind a gate.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Gate);

impl Gate {
    /// Creates a gate with `most` places; `most_waiting` more callers wait, each at most for `patience`.
    pub(crate) const fn new(
        what: &'static str,
        most: usize,
        most_waiting: usize,
        patience: Duration,
    ) -> Self {
        Self {
            what,
            most,
            most_waiting,
            patience,
            count: Mutex::new(Count {
                inside: 0,
                waiting: 0,
            }),
            left: Condvar::new(),
        }
    }

    /// Waits for a place, on a thread that may block.
    ///
    /// # Errors
    /// `busy` if too many callers wait already, or no place became free in time.
    pub(crate) fn enter(&self) -> Result<Place<'_>, Problem> {
        let deadline = Instant::now() + self.patience;
        let mut count = self.count();
        if count.inside >= self.most {
            if count.waiting >= self.most_waiting {
                return Err(self.busy(&format!(
                    "{} calls are running and {} are waiting",
                    count.inside, count.waiting
                )));
            }
            count.waiting += 1;
            while count.inside >= self.most {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    count.waiting -= 1;
                    let waited = format!(
                        "none of {} calls ended within {} s",
                        self.most,
                        self.patience.as_secs()
                    );
                    return Err(self.busy(&waited));
                }
                let woken = self.left.wait_timeout(count, left);
                count = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            count.waiting -= 1;
        }
        count.inside += 1;
        Ok(Place(self))
    }

    /// Locks the two numbers. They are correct after every change, so a panic of another thread does not matter.
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self, found: &str) -> Problem {
        Problem::new(ErrorCode::Busy, format!("{}: {found}", self.what)).hint("try again in a while")
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.count().inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn calls_beyond_the_queue_are_refused_at_once() {
        let gate = Gate::new("looking back", 2, 1, Duration::from_secs(60));
        let (first, _second) = (gate.enter().unwrap(), gate.enter().unwrap());
        std::thread::scope(|scope| {
            let third = scope.spawn(|| gate.enter().map(|_| ()));
            while gate.count().waiting == 0 {
                std::thread::yield_now();
            }
            let problem = gate.enter().unwrap_err();
            assert_eq!(problem.code, ErrorCode::Busy);
            assert_eq!(
                problem.detail,
                "looking back: 2 calls are running and 1 are waiting"
            );
            drop(first);
            third.join().unwrap().unwrap();
        });
        let count = *gate.count();
        assert_eq!((count.inside, count.waiting), (1, 0));
    }

    #[test]
    fn call_that_waits_too_long_is_refused() {
        let gate = Gate::new("looking back", 1, 1, Duration::from_millis(20));
        let _inside = gate.enter().unwrap();
        for _ in 0..2 {
            let problem = gate.enter().unwrap_err();
            assert!(problem.detail.contains("none of 1 calls ended"), "{problem}");
        }
        assert_eq!(gate.count().waiting, 0);
    }

    #[test]
    fn calls_never_exceed_the_places() {
        let gate = Gate::new("looking back", 3, 100, Duration::from_secs(60));
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    let _place = gate.enter().unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
    }
}
