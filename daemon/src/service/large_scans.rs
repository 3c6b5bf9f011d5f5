//! Runs large scans on one thread of their own, so that their memory is used again and given back.
//!
//! The allocator keeps the freed memory of a thread for that thread. A scan of a million components uses hundreds of
//! megabytes; if each runs on another thread of the pool, those of several threads add up. One thread uses the same
//! memory for one scan after the other, and gives it back when it ends, soon after the last.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Documents of more bytes make a scan large.
pub(super) const LARGE_BYTES: usize = 8 << 20;
/// How long the thread waits for a further scan before it ends.
const IDLE: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce() + Send>;

/// The thread, as long as it runs.
#[derive(Debug, Clone, Default)]
pub(super) struct LargeScans(Arc<Mutex<Option<SyncSender<Work>>>>);

impl LargeScans {
    /// Runs `work` on the thread; if it is busy, on the thread that the caller is on.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = sync_channel(1);
        let work: Work = Box::new(move || {
            let _ = answer.send(work());
        });
        match self.hand_over(work) {
            None => {}
            Some(work) => work(),
        }
        match answered.recv() {
            Ok(answer) => answer,
            // The work panicked on the thread: so does this call, and its caller reports that.
            Err(_) => std::panic::panic_any("a large scan panicked"),
        }
    }

    /// Gives work to the thread, or returns it if the thread is busy or cannot be started.
    fn hand_over(&self, work: Work) -> Option<Work> {
        let mut thread = self.lock();
        if let Some(waiting) = &*thread {
            // No queue: it takes work only while it waits.
            return waiting.try_send(work).err().map(|back| match back {
                std::sync::mpsc::TrySendError::Full(work)
                | std::sync::mpsc::TrySendError::Disconnected(work) => work,
            });
        }
        let (sender, receiver) = sync_channel::<Work>(0);
        let first = Arc::new(Mutex::new(Some(work)));
        let (this, its_first) = (self.clone(), first.clone());
        let run = move || {
            let _ended = Ended(this.clone());
            let work = its_first.lock().unwrap_or_else(PoisonError::into_inner).take();
            work.into_iter().for_each(|work| work());
            loop {
                match receiver.recv_timeout(IDLE) {
                    Ok(work) => work(),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                        // Under the lock nobody hands over: nothing can come between this look and the end.
                        let mut thread = this.lock();
                        match receiver.try_recv() {
                            Ok(work) => {
                                drop(thread);
                                work();
                            }
                            Err(_) => {
                                *thread = None;
                                return;
                            }
                        }
                    }
                }
            }
        };
        match std::thread::Builder::new()
            .name("large scan".to_owned())
            .spawn(run)
        {
            Ok(_) => {
                *thread = Some(sender);
                None
            }
            // The system gives no thread.
            Err(_) => first.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<SyncSender<Work>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a next thread start after a panic.
struct Ended(LargeScans);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.lock() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread_name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[test]
    fn scans_share_a_thread_and_a_busy_one_is_not_waited_for() {
        let scans = LargeScans::default();
        let large = Some("large scan".to_owned());
        assert_eq!(scans.run(thread_name), large);
        let (here, inside) = (scans.clone(), thread_name());
        // While the thread works, other work runs where its caller is.
        let outer = std::thread::spawn(move || {
            let again = here.clone();
            here.run(move || (thread_name(), again.run(thread_name)))
        });
        let (first, second) = outer.join().unwrap();
        assert!(first == large || first.is_none(), "{first:?}");
        assert!(
            second == large || second.is_none() || second == inside,
            "{second:?}"
        );
    }

    #[test]
    fn panic_reaches_the_caller_and_the_next_scan_runs() {
        let scans = LargeScans::default();
        let here = scans.clone();
        let ended = std::thread::spawn(move || here.run(|| std::panic::panic_any("a fault"))).join();
        assert!(ended.is_err());
        assert_eq!(scans.run(|| 7), 7);
    }
}
