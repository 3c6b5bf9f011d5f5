//! Migrates from schema 2, with everything in the engine, to schema 3, with log and packs as the truth.
//!
//! The log and the packs are written beside the old store and synced. The replayed log is compared with the old
//! rows; then a rename switches. A crash before that leaves the old store unchanged, and the next start begins
//! again. The old rows are only read.
//! start begins again. The old rows are only read.

mod bodies;
mod entries;

use std::sync::Arc;

use starling_protocol::SiteId;

use crate::disk::Disk;
use crate::engine::{Engine, FaultPlan, MemoryEngine, Tree};
use crate::error::StoreError;
use crate::journal::replay::OnProgress;
use crate::journal::{Entry, Journal};
use crate::log::{JournalId, Log};
use crate::packs::{PackAccess, PackOptions, Packs};
use crate::rows::{damaged, meta};
use crate::site::SiteOptions;
use crate::site::open::{LOG_FOLDER, PACKS_FOLDER};
use crate::site::state::State;

/// The schemas that can be migrated.
const OLD_SCHEMAS: std::ops::RangeInclusive<u32> = 1..=2;
const NEW_LOG_FOLDER: &str = "log.new";
const NEW_PACKS_FOLDER: &str = "packs.new";
/// Bytes of entries after which a group ends.
const GROUP_BYTES: usize = 4 << 20;

/// Reads the schema of an engine that holds everything; `None` if it is empty.
///
/// # Errors
/// [`StoreError::NewerSchema`], another site's rows, or damage.
pub(crate) fn old_schema(old: &dyn Engine, site: SiteId) -> Result<Option<u32>, StoreError> {
    let Some(found) = old.get(Tree::Meta, meta::SCHEMA)? else {
        return Ok(None);
    };
    let found = <[u8; 4]>::try_from(found.as_slice())
        .map(u32::from_le_bytes)
        .map_err(|_| damaged(Tree::Meta, meta::SCHEMA, "the schema version"))?;
    if !OLD_SCHEMAS.contains(&found) {
        return Err(StoreError::NewerSchema {
            found,
            known: *OLD_SCHEMAS.end(),
        });
    }
    let owner = old.get(Tree::Meta, meta::SITE)?.unwrap_or_default();
    let owner = <[u8; 32]>::try_from(owner.as_slice())
        .map(SiteId::from_bytes)
        .map_err(|_| damaged(Tree::Meta, meta::SITE, "the site's id"))?;
    if owner != site {
        return Err(StoreError::OtherSite {
            expected: site,
            found: owner,
        });
    }
    Ok(Some(found))
}

/// Writes log and packs from the rows of an engine that holds everything, and switches to them.
///
/// # Errors
/// Of the old rows, naming the damage; of the disk. Nothing is switched then.
pub(crate) fn migrate(
    old: &dyn Engine,
    site: SiteId,
    disk: &Arc<dyn Disk>,
    options: &SiteOptions<'_>,
    random_id: &Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    progress: OnProgress<'_>,
) -> Result<(), StoreError> {
    let migrated = write_beside(old, site, disk, options, random_id, progress);
    if migrated.is_err() {
        // Remains would take the space that the next attempt needs.
        for folder in [NEW_LOG_FOLDER, NEW_PACKS_FOLDER] {
            let _ = clear(disk.as_ref(), folder);
        }
    }
    migrated?;
    let switch = || {
        disk.rename(NEW_PACKS_FOLDER, PACKS_FOLDER)?;
        disk.sync_folder("")?;
        disk.rename(NEW_LOG_FOLDER, LOG_FOLDER)?;
        disk.sync_folder("")
    };
    switch().map_err(StoreError::Measure)
}

/// Writes log and packs beside the existing files, and compares their content with the old rows.
fn write_beside(
    old: &dyn Engine,
    site: SiteId,
    disk: &Arc<dyn Disk>,
    options: &SiteOptions<'_>,
    random_id: &Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    progress: OnProgress<'_>,
) -> Result<(), StoreError> {
    let state = State::load(old, site)?;
    for folder in [NEW_LOG_FOLDER, NEW_PACKS_FOLDER, PACKS_FOLDER] {
        clear(disk.as_ref(), folder).map_err(StoreError::Measure)?;
    }
    let id = random_id.clone();
    let pack_options = PackOptions::new(options.compression_level, PackAccess::Write, move || id());
    let packs = Packs::open(disk.clone(), NEW_PACKS_FOLDER, &pack_options)?;
    bodies::copy(old, &packs)?;
    packs.sync()?;
    let log = Log::create(disk.clone(), NEW_LOG_FOLDER, JournalId(random_id()))?;
    let journal = Journal::live(Arc::new(log));
    journal.begin_without_history((options.clock)());
    let mut group = Group {
        journal: &journal,
        entries: Vec::new(),
        bytes: 0,
    };
    entries::write(old, &state, &mut |entry| group.push(entry))?;
    group.end()?;
    compare(&state, &journal, Arc::new(packs), options, progress)
}

/// Entries that become one group.
struct Group<'a> {
    journal: &'a Journal,
    entries: Vec<Entry>,
    bytes: usize,
}

impl Group<'_> {
    fn push(&mut self, entry: Entry) -> Result<(), StoreError> {
        self.bytes += match &entry {
            Entry::Delta { bytes, .. } => bytes.len(),
            _ => 256,
        };
        self.entries.push(entry);
        if self.bytes >= GROUP_BYTES {
            self.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), StoreError> {
        if !self.entries.is_empty() {
            self.journal.append(&self.entries, false)?;
            self.entries.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}

/// Replays the new log in memory and compares the result with the old rows.
fn compare(
    old: &State,
    journal: &Journal,
    packs: Arc<Packs>,
    options: &SiteOptions<'_>,
    progress: OnProgress<'_>,
) -> Result<(), StoreError> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let replayed = crate::SiteStore::replayed_in(engine, journal, packs, old.site, options, progress)?;
    let state = replayed.read()?;
    let pairs = [
        ("knowledge", old.knowledge_root(), state.knowledge_root()),
        ("held", old.held_root(), state.held_root()),
    ];
    for (name, before, after) in pairs {
        if before != after {
            return Err(StoreError::MigrationDiffers {
                what: format!("the {name} root of the old rows is {before}, that of the new log {after}"),
            });
        }
    }
    Ok(())
}

fn clear(disk: &dyn Disk, folder: &str) -> std::io::Result<()> {
    for name in disk.list(folder)? {
        disk.remove(&format!("{folder}/{name}"))?;
    }
    Ok(())
}
