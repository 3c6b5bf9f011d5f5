//! Worker threads of a command: how they start, and how they end before the process does.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// The time that worker threads have to end before the process exits; reached only if one is stuck in a system call.
const END_DEADLINE: Duration = Duration::from_secs(1);

/// Starts the worker threads.
///
/// # Errors
/// If the system gives no thread or no event queue.
pub(crate) fn start() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Ends the worker threads, and leaves one that waits for standard input behind.
///
/// The cryptographic library wipes its state when the process exits, and aborts a thread that uses it then: a worker that
/// still dials a peer would end a clean stop with SIGABRT.
pub(crate) fn end(workers: Runtime) {
    workers.shutdown_timeout(END_DEADLINE);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::{END_DEADLINE, end, start};

    #[test]
    fn no_worker_runs_after_the_end() {
        let workers = start().unwrap();
        let used = Arc::new(());
        for _ in 0..32 {
            let used = Arc::clone(&used);
            workers.spawn(async move {
                loop {
                    tokio::task::yield_now().await;
                    let _ = Arc::strong_count(&used);
                }
            });
        }
        end(workers);
        assert_eq!(Arc::strong_count(&used), 1, "a task outlived its worker");
    }

    #[test]
    fn thread_that_waits_for_input_is_left_behind() {
        let workers = start().unwrap();
        let (input, awaited) = std::sync::mpsc::sync_channel::<()>(1);
        workers.spawn_blocking(move || awaited.recv());
        let from = Instant::now();
        end(workers);
        assert!(from.elapsed() >= END_DEADLINE, "it was waited for");
        drop(input);
    }
}
