//! The raw rate below a way of knowledge: the same log, packs and rows, and only their writes.

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use starling_store::disk::{Disk, FolderDisk, OpenFile};
use starling_store::engine::{Direction, Engine, Tree, Write, replay};
use starling_store::log::{JournalId, Log, LogAccess, LogPosition};

use crate::site::BenchSite;

/// Bytes of a pack between two syncs: about the size of a delta's bodies.
const PACK_BYTES_PER_SYNC: usize = 1 << 20;

/// Returns the seconds that the writes alone take: a site's log group by group, each synced as it was, its
/// packs, and the writes of its engine.
pub(crate) fn write_seconds(site: &BenchSite, writes: &[Write], dir: &Path) -> f64 {
    let folder = dir.join("raw");
    std::fs::create_dir_all(&folder).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(&folder));
    let home: Arc<dyn Disk> = Arc::new(FolderDisk::new(&site.home));
    let (log, _) = Log::open(home, "log", None, LogAccess::Read).unwrap();
    let groups: Vec<_> = log.groups(LogPosition::START).map(Result::unwrap).collect();
    let packs: Vec<Vec<u8>> = files(&site.home.join("packs"))
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let raw_log = Log::create(disk.clone(), "log", JournalId([1; 16])).unwrap();
    let engine = site.open_engine(&folder.join("store"));

    let started = Instant::now();
    for group in groups {
        let frames: Vec<_> = group.frames.into_iter().map(|(_, frame)| frame).collect();
        raw_log.append(group.time, group.flags, &frames).unwrap();
    }
    for (number, bytes) in packs.iter().enumerate() {
        let file = disk.open(&format!("{number}.pack"), OpenFile::Create).unwrap();
        let mut offset = 0;
        for part in bytes.chunks(PACK_BYTES_PER_SYNC) {
            file.write_all_at(part, offset).unwrap();
            file.sync_data().unwrap();
            offset += part.len() as u64;
        }
    }
    replay(engine.as_ref(), writes).unwrap();
    let seconds = started.elapsed().as_secs_f64();

    drop((engine, raw_log));
    std::fs::remove_dir_all(&folder).unwrap();
    seconds
}

/// Returns the seconds for reading the parts of a full bundle: every delta of the log, every claim of the
/// engine, every body of the packs.
pub(crate) fn read_seconds(home: &Path, engine: &dyn Engine) -> f64 {
    let started = Instant::now();
    let mut bytes = 0;
    for folder in ["log", "packs"] {
        for file in files(&home.join(folder)) {
            bytes += std::fs::read(file).unwrap().len();
        }
    }
    assert!(bytes > 0, "the log and the packs are empty");
    let mut claims = 0;
    engine
        .scan(
            Tree::Claims,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |_, value| {
                claims += value.len();
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert!(claims > 0, "the store is empty");
    started.elapsed().as_secs_f64()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
