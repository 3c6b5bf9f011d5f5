//! Places for calls, uploads, scans and downloads: so many at once, some of them kept for the local socket.
//!
//! Each listener has its own places for calls. What is scarce for the whole site (threads that judge, policies that are
//! costly, spool files, long downloads) is shared, but for a few places that only callers of the local socket
//! get: the owner's own commands go on whatever comes over TCP.

use std::sync::Arc;

use axum::response::Response;
use futures::future::Either;
use starling_api_types::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guard::{busy, held_by};

/// Whence a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The local socket: the site's owner.
    Local,
    /// TCP.
    Remote,
}

/// So many at once, and a few more for the local socket.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    shared: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

impl Places {
    /// Makes `shared` places for all, and `kept` more for the local socket.
    pub(crate) fn new(shared: usize, kept: usize) -> Self {
        Self {
            shared: Arc::new(Semaphore::new(shared)),
            kept: Arc::new(Semaphore::new(kept)),
        }
    }

    /// Takes a place; `busy` when there is none.
    pub(crate) fn try_enter(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Problem> {
        let shared = Arc::clone(&self.shared).try_acquire_owned();
        let place = match (shared, caller) {
            (Err(_), Caller::Local) => Arc::clone(&self.kept).try_acquire_owned(),
            (shared, _) => shared,
        };
        place.map_err(|_| busy())
    }

    /// Takes a place once there is one: first come, first served.
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

/// Keeps a place until the answer's last byte is sent.
pub(crate) fn keep(place: OwnedSemaphorePermit, response: Response) -> Response {
    response.map(|body| held_by(body, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn local_callers_get_in_where_remote_ones_took_all_places() {
        let places = Places::new(2, 1);
        let first = places.enter(Caller::Remote).await.unwrap();
        let _second = places.enter(Caller::Remote).await.unwrap();
        assert!(places.try_enter(Caller::Remote).is_err());
        let _local = places.enter(Caller::Local).await.unwrap();
        assert!(places.try_enter(Caller::Local).is_err());
        // Whichever is free first.
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.enter(Caller::Local).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
    }
}
