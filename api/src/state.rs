//! State shared by every route: the service, the options, the limits and the stop signal.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::limits::{
    KEPT_PLACES, MAX_CONCURRENT_DUMPS, MAX_CONCURRENT_SCANS, MAX_CONCURRENT_UPLOADS, MAX_COSTLY_SCANS,
    MAX_EVENT_STREAMS, MAX_PAST_SCANS,
};
use crate::places::Places;
use crate::scan_memory::ScanMemory;
use crate::service::SiteService;

/// The site's configuration of its API.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Largest bundle upload, in bytes (`import.max_bundle_size`).
    pub max_bundle_bytes: u64,
    /// Folder for spool files. They have no names and disappear with their last handle.
    pub spool_dir: PathBuf,
}

/// The API of one site: one service, shared by every listener.
///
/// Cheap to clone; clones share the limits.
#[derive(Clone)]
pub struct Api {
    pub(crate) service: Arc<dyn SiteService>,
    pub(crate) options: Arc<ApiOptions>,
    pub(crate) uploads: Places,
    pub(crate) scans: Places,
    pub(crate) costly_scans: Places,
    pub(crate) past_scans: Places,
    pub(crate) dumps: Places,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) memory: ScanMemory,
    pub(crate) stop: CancellationToken,
}

impl Api {
    /// Creates the API of `service`, which serves until `stop` is cancelled.
    pub fn new(service: Arc<dyn SiteService>, options: ApiOptions, stop: CancellationToken) -> Self {
        Self {
            service,
            options: Arc::new(options),
            uploads: Places::new(MAX_CONCURRENT_UPLOADS, KEPT_PLACES),
            scans: Places::new(MAX_CONCURRENT_SCANS, KEPT_PLACES),
            costly_scans: Places::new(MAX_COSTLY_SCANS, KEPT_PLACES),
            past_scans: Places::new(MAX_PAST_SCANS, KEPT_PLACES),
            dumps: Places::new(MAX_CONCURRENT_DUMPS, KEPT_PLACES),
            streams: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
            memory: ScanMemory::default(),
            stop,
        }
    }
}
