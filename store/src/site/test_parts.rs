//! A store in memory, for tests: its disk and its engine, opened, crashed and opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use starling_protocol::CertificateChain;

use super::engine_rows::Salvaged;
use super::{SiteOptions, SiteStore, StoreParts};
use crate::disk::{Disk, MemoryDisk};
use crate::engine::Engine;
use crate::error::StoreError;
use crate::log::LogAccess;

/// Opens the store on a disk and an engine; creates it if there is none.
pub(crate) fn open_on(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    options: &SiteOptions<'_>,
) -> Result<SiteStore, StoreError> {
    open_past(disk, engine, chain, options, false)
}

/// As [`open_on`]; `past_damage` gives up the damaged parts of the log.
pub(crate) fn open_past(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    options: &SiteOptions<'_>,
    past_damage: bool,
) -> Result<SiteStore, StoreError> {
    open_as(disk, engine, chain, options, (past_damage, None))
}

/// Opens the store past damage, with what is known of an engine that is given up.
pub(crate) fn open_salvaging(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    options: &SiteOptions<'_>,
    salvaged: Option<Salvaged>,
) -> Result<SiteStore, StoreError> {
    open_as(disk, engine, chain, options, (true, salvaged))
}

fn open_as(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    options: &SiteOptions<'_>,
    (past_damage, salvaged): (bool, Option<Salvaged>),
) -> Result<SiteStore, StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let is_new = !SiteStore::is_made(disk.as_ref())?;
    let next = AtomicU8::new(1);
    let parts = StoreParts {
        disk,
        engine,
        access: LogAccess::Write,
        is_new,
        past_damage,
        salvaged,
        witness: None,
        random_id: Arc::new(move || [next.fetch_add(1, Ordering::SeqCst); 16]),
        progress: &|_| {},
    };
    SiteStore::open(&parts, chain, options)
}
