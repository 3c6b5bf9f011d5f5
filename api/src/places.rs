//! Limited places for calls, uploads, scans and downloads; some are reserved for the local socket.
//!
//! Each listener has its own places for calls. Resources that are limited for the whole site (evaluation threads,
//! slow policies, spool files, long downloads) are shared, except for a few places that only the local socket gets:
//! the owner's own commands work, no matter how many calls come over TCP.

use std::sync::Arc;

use axum::response::Response;
use futures::future::Either;
use starling_api_types::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guard::{busy, held_by};

/// The origin of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The local socket: the site's owner.
    Local,
    /// TCP.
    Remote,
}

/// A number of places, and a few more for the local socket.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    shared: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

impl Places {
    /// Creates `shared` places for all callers, and `kept` more for the local socket.
    pub(crate) fn new(shared: usize, kept: usize) -> Self {
        Self {
            shared: Arc::new(Semaphore::new(shared)),
            kept: Arc::new(Semaphore::new(kept)),
        }
    }

    /// Takes a place; `busy` if none is free.
    pub(crate) fn try_enter(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Problem> {
        let shared = Arc::clone(&self.shared).try_acquire_owned();
        let place = match (shared, caller) {
            (Err(_), Caller::Local) => Arc::clone(&self.kept).try_acquire_owned(),
            (shared, _) => shared,
        };
        place.map_err(|_| busy())
    }

    /// Waits for a place: first come, first served.
    pub(crate) async fn enter(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(place) = self.try_enter(caller) {
            return Ok(place);
        }
        let shared = Arc::clone(&self.shared).acquire_owned();
        let place = match caller {
            Caller::Remote => shared.await,
            Caller::Local => {
                let kept = Arc::clone(&self.kept).acquire_owned();
                match futures::future::select(Box::pin(shared), Box::pin(kept)).await {
                    Either::Left((place, _)) | Either::Right((place, _)) => place,
                }
            }
        };
        place.map_err(|_| busy())
    }
}

/// Holds a place until the answer's last byte is sent.
pub(crate) fn keep(place: OwnedSemaphorePermit, response: Response) -> Response {
    response.map(|body| held_by(body, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn local_caller_gets_a_place_if_remote_ones_are_full() {
        let places = Places::new(2, 1);
        let first = places.enter(Caller::Remote).await.unwrap();
        let _second = places.enter(Caller::Remote).await.unwrap();
        assert!(places.try_enter(Caller::Remote).is_err());
        let _local = places.enter(Caller::Local).await.unwrap();
        assert!(places.try_enter(Caller::Local).is_err());
        // Takes the first free place of either kind.
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.enter(Caller::Local).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
    }
}
