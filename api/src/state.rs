//! What every route shares: the service, the options, the bounds and the stop signal.

use std::path::PathBuf;
use std::sync::Arc;

use starling_api_types::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::guard::busy;
use crate::limits::{MAX_CONCURRENT_CALLS, MAX_CONCURRENT_SCANS, MAX_CONCURRENT_UPLOADS, MAX_EVENT_STREAMS};
use crate::service::SiteService;

/// What the site's configuration says about its API.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Largest bundle upload, in bytes (`import.max_bundle_size`).
    pub max_bundle_bytes: u64,
    /// Folder for spool files; they have no names and vanish with their last handle.
    pub spool_dir: PathBuf,
}

/// The API of one site: one service, shared by every listener.
///
/// Cheap to clone; clones share the bounds on calls in flight.
#[derive(Clone)]
pub struct Api {
    pub(crate) service: Arc<dyn SiteService>,
    pub(crate) options: Arc<ApiOptions>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) scans: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

impl Api {
    /// Serves `service` until `stop` is cancelled.
    pub fn new(service: Arc<dyn SiteService>, options: ApiOptions, stop: CancellationToken) -> Self {
        Self {
            service,
            options: Arc::new(options),
            calls: Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS)),
            uploads: Arc::new(Semaphore::new(MAX_CONCURRENT_UPLOADS)),
            scans: Arc::new(Semaphore::new(MAX_CONCURRENT_SCANS)),
            streams: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
            stop,
        }
    }

    /// A place among the uploads; `busy` when there is none.
    pub(crate) fn upload_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| busy())
    }

    /// A place among the scans, once there is one: first come, first served. How many wait is bounded by the calls in
    /// flight, and for how long by the call's own time.
    pub(crate) async fn scan_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.scans).acquire_owned().await.map_err(|_| busy())
    }
}
