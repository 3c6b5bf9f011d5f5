//! How far long work is, for those who wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The current work. Reading it never blocks.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Vec<Arc<Task>>>);

#[derive(Debug)]
struct Task {
    what: &'static str,
    done: AtomicU64,
    of: AtomicU64,
}

/// One piece of work, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The work, as in *building the match index*.
    pub what: &'static str,
    /// The amount done, in a unit of the work's own.
    pub done: u64,
    /// The whole amount; 0 if it is unknown.
    pub of: u64,
}

/// Current work, which ends when this is dropped.
#[derive(Debug)]
pub struct Working<'a> {
    meter: &'a Meter,
    task: Arc<Task>,
}

impl Meter {
    /// Begins work of a known amount; of an unknown one if it is 0.
    pub fn begin(&self, what: &'static str, of: u64) -> Working<'_> {
        let task = Arc::new(Task {
            what,
            done: AtomicU64::new(0),
            of: AtomicU64::new(of),
        });
        self.tasks().push(Arc::clone(&task));
        Working { meter: self, task }
    }

    /// Returns the work that was begun last.
    pub fn now(&self) -> Option<Progress> {
        self.tasks().last().map(|task| Progress {
            what: task.what,
            done: task.done.load(Ordering::Relaxed),
            of: task.of.load(Ordering::Relaxed),
        })
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Working<'_> {
    /// Counts what was done.
    pub fn add(&self, amount: u64) {
        self.task.done.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets the amount done, and the whole.
    pub fn set(&self, done: u64, of: u64) {
        self.task.done.store(done, Ordering::Relaxed);
        self.task.of.store(of, Ordering::Relaxed);
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.meter.tasks().retain(|task| !Arc::ptr_eq(task, &self.task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_begun_work_is_shown_until_it_ends() {
        let meter = Meter::default();
        assert_eq!(meter.now(), None);
        let outer = meter.begin("checking", 0);
        {
            let inner = meter.begin("building", 10);
            inner.add(4);
            let shown = meter.now().unwrap();
            assert_eq!((shown.what, shown.done, shown.of), ("building", 4, 10));
        }
        outer.set(3, 7);
        let shown = meter.now().unwrap();
        assert_eq!((shown.what, shown.done, shown.of), ("checking", 3, 7));
        drop(outer);
        assert_eq!(meter.now(), None);
    }
}
