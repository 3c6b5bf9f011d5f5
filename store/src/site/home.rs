//! Opens the store in a site's home: lock, migration, log, packs, and an engine that may have to be rebuilt.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use starling_protocol::CertificateChain;

use super::engine_rows::{EngineWitness, Salvaged};
use super::open::{LOG_FOLDER, StoreParts};
use super::{SiteOptions, SiteStore};
use crate::disk::{Disk, FolderDisk};
use crate::engine::{
    self, ByteCount, Engine, EngineKind, EngineOptions, FaultPlan, HomeLock, IfMissing, MemoryEngine, Opened,
    SwapEngine, Tree,
};
use crate::error::StoreError;
use crate::journal::replay::OnProgress;
use crate::log::LogAccess;
use crate::migrate;
use crate::rows::meta;

/// The engine's folder in the home.
pub(crate) const ENGINE_FOLDER: &str = "store";
/// The folder that keeps a store of schema 2 until the first clean stop after its migration.
const OLD_ENGINE_FOLDER: &str = "store.v2";
/// Exists in the home from before a migration's switch until the old engine's folder is moved away.
const MIGRATING: &str = "store.migrating";
/// Space that the engine leaves free: less than the log does, so that the engine can take whatever the log
/// took.
const ENGINE_RESERVE: ByteCount = ByteCount::mebibytes(8);

/// A step in opening a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningStep {
    /// An older store is migrated.
    Migrating,
    /// The engine is rebuilt from the log, and why.
    Rebuilding(String),
    /// The disk is full: the site is opened to read only.
    ReadOnly(String),
}

/// Options for opening the store in a home.
pub struct HomeStore<'a> {
    /// The site's folder.
    pub home: &'a Path,
    /// The engine that the configuration names.
    pub engine: EngineKind,
    /// Memory for the engine's cached pages.
    pub cache: ByteCount,
    /// The site is new: log and engine are made.
    pub is_new: bool,
    /// True to continue past damage of the log.
    pub past_damage: bool,
    /// Randomness for the ids of files.
    pub random_id: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    /// Called before a step that takes long.
    pub on_step: &'a (dyn Fn(&OpeningStep) + Sync),
    /// Called while the log is replayed.
    pub progress: OnProgress<'a>,
}

impl HomeStore<'_> {
    /// Opens the store, whatever it needs: an older store is migrated, an engine in doubt is rebuilt, and on a
    /// full disk the site can still read and scan.
    ///
    /// # Errors
    /// [`StoreError`]: the home is in use, the log is missing or lost groups, or the store is another site's.
    pub fn open(&self, chain: &CertificateChain, options: &SiteOptions<'_>) -> Result<SiteStore, StoreError> {
        let lock = HomeLock::take(self.home)?;
        self.open_holding(lock, chain, options)
    }

    /// As [`open`](Self::open), with the home's lock held by the caller.
    ///
    /// # Errors
    /// As [`open`](Self::open), except for a home in use.
    pub fn open_holding(
        &self,
        lock: HomeLock,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<SiteStore, StoreError> {
        match self.open_locked(chain, options) {
            Err(error) if error.is_no_room() && !self.is_new && SiteStore::is_made(self.disk().as_ref())? => {
                (self.on_step)(&OpeningStep::ReadOnly(starling_protocol::error_chain(&error)));
                self.open_read_only(chain, options)
                    .map(|store| store.keep(lock, None))
            }
            Err(error) => Err(error),
            Ok((store, swap)) => Ok(store.keep(lock, Some((swap, self.engine_options())))),
        }
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(FolderDisk::new(self.home))
    }

    fn engine_options(&self) -> EngineOptions {
        EngineOptions::default()
            .with_cache(self.cache)
            .with_reserve(ENGINE_RESERVE)
    }

    fn open_locked(
        &self,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<(SiteStore, Arc<SwapEngine>), StoreError> {
        self.migrate_if_old(chain, options)?;
        let folder = self.home.join(ENGINE_FOLDER);
        if self.past_damage {
            return self.rebuild("its log is repaired".to_owned(), None, chain, options);
        }
        let opened = engine::open_or_doubt(self.engine, &folder, &self.engine_options())?;
        let engine = match opened {
            Opened::Sound(engine) => engine,
            Opened::Doubt { reason, engine } => {
                (self.on_step)(&OpeningStep::Rebuilding(reason));
                engine
            }
        };
        // An engine that was set aside may know of groups that the log has lost. It is read as long as no new
        // engine follows the log: from then on the loss is noted.
        let witness = match engine.get(Tree::Meta, meta::SCHEMA) {
            Ok(None) => self.witness_in(&engine::asides_in(&folder)?, chain),
            _ => None,
        };
        let (first, swap) = self.open_over(engine, (None, witness), chain, options);
        let reason = match first {
            Ok(store) => {
                // The rows are rebuilt: the old files are no longer needed.
                if let Err(error) = engine::discard_aside(&folder) {
                    tracing::warn!(%error, "removing the engine's old files");
                }
                return Ok((store, swap));
            }
            Err(error) => match error.engine_doubt() {
                Some(reason) => reason,
                None => return Err(error),
            },
        };
        drop(swap);
        self.rebuild(reason, witness, chain, options)
    }

    /// Returns the furthest log position of the engines in folders, if any of them can be read.
    fn witness_in(&self, folders: &[PathBuf], chain: &CertificateChain) -> Option<EngineWitness> {
        let read = folders.iter().map(|folder| {
            let engine = self.open_old(folder)?;
            EngineWitness::read(engine.as_ref(), chain.site())
        });
        read.fold(None, EngineWitness::further)
    }

    /// Opens an engine that is no longer used; returns `None` if that fails.
    fn open_old(&self, folder: &Path) -> Option<Arc<dyn Engine>> {
        let options = self.engine_options().with_if_missing(IfMissing::Refuse);
        engine::open(engine::detect(folder)?, folder, &options).ok()
    }

    /// Sets the engine aside and fills an empty one from the log.
    fn rebuild(
        &self,
        reason: String,
        mut witness: Option<EngineWitness>,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<(SiteStore, Arc<SwapEngine>), StoreError> {
        let folder = self.home.join(ENGINE_FOLDER);
        (self.on_step)(&OpeningStep::Rebuilding(reason));
        let mut salvaged = None;
        if self.past_damage {
            // An engine that an earlier, unfinished repair set aside may know more.
            for old in [vec![folder.clone()], engine::asides_in(&folder)?].concat() {
                let Some(engine) = self.open_old(&old) else {
                    continue;
                };
                let engine = engine.as_ref();
                salvaged = Salvaged::further(salvaged, Salvaged::read(engine, chain.site()));
                witness = EngineWitness::further(witness, EngineWitness::read(engine, chain.site()));
            }
        }
        let engine = engine::open_aside(self.engine, &folder, &self.engine_options())?;
        let (opened, swap) = self.open_over(engine, (salvaged, witness), chain, options);
        let store = opened?;
        engine::discard_aside(&folder)?;
        Ok((store, swap))
    }

    fn open_over(
        &self,
        engine: Arc<dyn Engine>,
        (salvaged, witness): (Option<Salvaged>, Option<EngineWitness>),
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> (Result<SiteStore, StoreError>, Arc<SwapEngine>) {
        let swap = Arc::new(SwapEngine::new(engine));
        let mut parts = self.parts(swap.clone(), LogAccess::Write);
        parts.salvaged = salvaged;
        parts.witness = witness;
        (SiteStore::open(&parts, chain, options), swap)
    }

    fn open_read_only(
        &self,
        chain: &CertificateChain,
        options: &SiteOptions<'_>,
    ) -> Result<SiteStore, StoreError> {
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let parts = self.parts(engine, LogAccess::Read);
        SiteStore::open(&parts, chain, options)
    }

    fn parts(&self, engine: Arc<dyn Engine>, access: LogAccess) -> StoreParts<'_> {
        StoreParts {
            disk: self.disk(),
            engine,
            access,
            is_new: self.is_new,
            past_damage: self.past_damage,
            salvaged: None,
            witness: None,
            random_id: self.random_id.clone(),
            progress: self.progress,
        }
    }

    /// Migrates a store of schema 2, if there is one, and finishes an interrupted migration.
    fn migrate_if_old(&self, chain: &CertificateChain, options: &SiteOptions<'_>) -> Result<(), StoreError> {
        let folder = self.home.join(ENGINE_FOLDER);
        let disk = self.disk();
        let switching = self.home.join(MIGRATING);
        if SiteStore::is_made(disk.as_ref())? {
            // The switch was made, but the steps after it may be missing.
            if !switching.exists() {
                return Ok(());
            }
            if engine::is_earlier(&folder) {
                return self.set_old_aside(&folder);
            }
            return std::fs::remove_file(switching).map_err(StoreError::Measure);
        }
        let Some(kind) = engine::detect(&folder).filter(|_| engine::is_earlier(&folder)) else {
            return Ok(());
        };
        let old = match engine::open_layout_1(kind, &folder, &self.engine_options()) {
            Ok(old) => old,
            // An engine of this build without its log: opening the log reports it. An engine without rows is
            // left from an interrupted creation.
            Err(
                engine::EngineError::Newer { .. }
                | engine::EngineError::OtherLayout { .. }
                | engine::EngineError::Missing { .. },
            ) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if migrate::old_schema(old.as_ref(), chain.site())?.is_none() {
            return Ok(());
        }
        (self.on_step)(&OpeningStep::Migrating);
        std::fs::write(self.home.join(MIGRATING), b"").map_err(StoreError::Measure)?;
        disk.sync_folder("").map_err(StoreError::Measure)?;
        migrate::migrate(
            old.as_ref(),
            chain.site(),
            &disk,
            options,
            &self.random_id,
            self.progress,
        )?;
        drop(old);
        self.set_old_aside(&folder)
    }

    /// Moves the engine's folder of schema 2 away, after the switch to its log.
    fn set_old_aside(&self, folder: &Path) -> Result<(), StoreError> {
        let move_aside = || {
            let aside = self.home.join(OLD_ENGINE_FOLDER);
            if aside.exists() {
                std::fs::remove_dir_all(&aside)?;
            }
            std::fs::rename(folder, &aside)?;
            self.disk().sync_folder("")?;
            std::fs::remove_file(self.home.join(MIGRATING))
        };
        move_aside().map_err(StoreError::Measure)
    }
}

impl SiteStore {
    /// Keeps the home's lock as long as the store, and the engine that can be swapped.
    fn keep(mut self, lock: HomeLock, swap: Option<(Arc<SwapEngine>, EngineOptions)>) -> Self {
        self.swap = swap;
        self.lock = Some(lock);
        self
    }

    /// Ends the use of a home in order: the next start has nothing to replay, and the old form of a migrated
    /// store is removed.
    ///
    /// # Errors
    /// Of the engine or the files; acknowledged data does not depend on it.
    pub fn stop_cleanly(&self) -> Result<(), StoreError> {
        if self.is_read_only() {
            return Ok(());
        }
        self.checkpoint()?;
        if let Some(lock) = &self.lock {
            let old = lock.home().join(OLD_ENGINE_FOLDER);
            match std::fs::remove_dir_all(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::Measure(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Rebuilds an engine that outgrew its contents beside itself and swaps; returns `None` for engines that
    /// cannot outgrow them.
    ///
    /// # Errors
    /// Of the engine, which then continues with its files.
    pub fn compact_engine(&self) -> Result<Option<engine::Compaction>, StoreError> {
        let (Some((swap, options)), Some(lock)) = (&self.swap, &self.lock) else {
            return Ok(None);
        };
        let folder = lock.home().join(ENGINE_FOLDER);
        let _working = self.meter.begin("rebuilding the engine's files", 0);
        let compaction = match swap.compact()? {
            engine::Compaction::NotSupported => engine::compact_beside(&folder, swap, options)?,
            done => done,
        };
        Ok(Some(compaction))
    }
}

/// Returns true if the log in a home ends at a position, so that its knowledge is still current.
///
/// # Errors
/// Of the log.
pub fn log_ends_at(home: &Path, position: &crate::log::LogPosition) -> Result<bool, StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(home));
    let (log, recovery) = crate::log::Log::open(disk, LOG_FOLDER, Some(*position), LogAccess::Read)?;
    Ok(recovery.lost.is_none() && recovery.damage.is_empty() && log.end() == *position)
}

/// Removes the log, packs and engine of a home whose creation was interrupted. A home with any content stays.
///
/// # Errors
/// Of the files.
pub fn discard_unfinished(home: &Path) -> Result<(), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(home));
    if !SiteStore::is_made(disk.as_ref())? {
        return Ok(());
    }
    let _lock = HomeLock::take(home)?;
    let (log, _) = crate::log::Log::open(disk, LOG_FOLDER, None, LogAccess::Read)?;
    for group in log.groups(crate::log::LogPosition::START) {
        let own = |(_, frame): &(_, crate::log::OwnedFrame)| !crate::journal::begins_a_site(frame);
        if group?.frames.iter().any(own) {
            return Ok(());
        }
    }
    // The log last: without it the rest would block the next attempt.
    for folder in [ENGINE_FOLDER, crate::site::open::PACKS_FOLDER, LOG_FOLDER] {
        match std::fs::remove_dir_all(home.join(folder)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Measure(error));
            }
            _ => {}
        }
    }
    Ok(())
}
