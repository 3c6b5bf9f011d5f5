//! The engine's open write, carried out beside the task: the disk does not hold up the answers to peers.

use starling_store::SharedReplica;
use starling_sync::{Event, StoreFailure, Write, WriteId, Written};
use tokio::task::JoinHandle;

/// A write that is being carried out. The engine opens the next one only after its outcome.
#[derive(Debug)]
pub(crate) struct OpenWrite {
    id: WriteId,
    outcome: JoinHandle<Result<Written, StoreFailure>>,
}

impl OpenWrite {
    pub(super) fn begin(id: WriteId, write: Write, mut replica: SharedReplica) -> Self {
        let outcome = tokio::task::spawn_blocking(move || write.carry_out(&mut replica));
        Self { id, outcome }
    }
}

/// Waits for the outcome of the open write, forever if none is open. Returns `None` if the runtime stops.
///
/// # Panics
/// If the write panicked: the content of the store is unknown then.
pub(super) async fn outcome(write: &mut Option<OpenWrite>) -> Option<Event> {
    let Some(open) = write else {
        return std::future::pending().await;
    };
    let (id, outcome) = (open.id, (&mut open.outcome).await);
    *write = None;
    match outcome {
        Ok(outcome) => Some(Event::Written { id, outcome }),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Waits for the end of the open write: nothing may write after the task.
pub(super) async fn finish(write: &mut Option<OpenWrite>) {
    if write.is_some() {
        outcome(write).await;
    }
}
