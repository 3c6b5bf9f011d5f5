//! The tasks that run until the daemon stops, and the report of one that ends before.

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The tasks that run until the daemon stops. A task that ends before that, or panics, ends the daemon with a reason.
pub(super) struct Watched {
    tell: mpsc::Sender<(&'static str, String)>,
    told: mpsc::Receiver<(&'static str, String)>,
}

impl Watched {
    pub(super) fn new() -> Self {
        // Capacity one is enough: only the first end matters.
        let (tell, told) = mpsc::channel(8);
        Self { tell, told }
    }

    pub(super) fn start(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let how = match std::panic::AssertUnwindSafe(task).catch_unwind().await {
                Ok(()) => "it finished".to_owned(),
                Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
            };
            // At a stop nobody receives this.
            let _ = tell.try_send((name, how));
        })
    }

    /// Waits until a task ends.
    pub(super) async fn ended(&mut self) -> (&'static str, String) {
        match self.told.recv().await {
            Some(ended) => ended,
            // Never happens: this value holds a sender itself.
            None => std::future::pending().await,
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ended_task_is_reported_by_name() {
        let mut watched = Watched::new();
        let _task = watched.start("sync", async { panic!("the store is gone") });
        let (task, how) = watched.ended().await;
        assert_eq!((task, how.as_str()), ("sync", "it panicked: the store is gone"));
        let _task = watched.start("index", async {});
        assert_eq!(watched.ended().await.0, "index");
    }
}
