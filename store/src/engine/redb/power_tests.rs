//! A loss of power at any moment: any sectors written since the last sync may be on disk.
//!
//! The contents of the file are kept before and after each sync. A disk after a loss of power is then made from
//! sectors of the last synced contents and of the contents about to be synced.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::{Batch, ByteCount, Engine, Tree};

const COMMITS: u64 = 24;
const COMMITS_PER_CHECKPOINT: u64 = 4;
/// The number of disks tried for each sync.
const TRIALS: u64 = 4;
const SECTOR_BYTES: usize = 512;

/// The file at a sync: its last synced contents, its contents about to be synced, and the number of durable
/// commits.
struct Sync {
    durable: Vec<u8>,
    pending: Vec<u8>,
    commits: u64,
}

fn options() -> EngineOptions {
    // So small a cache that pages are written out before a checkpoint.
    EngineOptions::default()
        .with_cache(ByteCount(256 << 10))
        .with_reserve(ByteCount(0))
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_keyed(&[7; 32])
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    for index in 0..60_u64 {
        let key = noise(number * 7 % 5 * 1_000 + index, 16);
        batch.put(Tree::View, &key, &noise(number << 20 | index, 900));
    }
    batch.put(Tree::Claims, &number.to_be_bytes(), &noise(number, 20_000));
    batch.put(Tree::Meta, b"commits", &number.to_be_bytes());
    batch
}

/// Commits with checkpoints between, and returns each sync.
fn syncs(dir: &Path) -> Vec<Sync> {
    let engine = open(dir, &options()).unwrap();
    let file = engine.kv.file.clone().unwrap();
    let path = dir.join(FILE);
    let seen = Arc::new(Mutex::new((Vec::new(), 0_u64)));
    let noted = seen.clone();
    let mut durable = std::fs::read(&path).unwrap();
    file.before_sync(move || {
        let pending = std::fs::read(&path).unwrap();
        let (syncs, commits) = &mut *noted.lock().unwrap();
        syncs.push(Sync {
            durable: std::mem::replace(&mut durable, pending.clone()),
            pending,
            commits: *commits,
        });
    });
    for number in 1..=COMMITS {
        engine.commit(&batch(number)).unwrap();
        if number % COMMITS_PER_CHECKPOINT == 0 {
            engine.checkpoint().unwrap();
            seen.lock().unwrap().1 = number;
        }
    }
    drop(engine);
    let mut seen = seen.lock().unwrap();
    std::mem::take(&mut seen.0)
}

/// Returns a disk that holds some of the sectors that were pending.
fn disk(sync: &Sync, seed: u64) -> Vec<u8> {
    let longer = sync.durable.len().max(sync.pending.len());
    let dice = noise(seed, longer / SECTOR_BYTES + 2);
    // The length is one of the two.
    let mut disk = if dice[0].is_multiple_of(2) {
        sync.durable.clone()
    } else {
        sync.pending.clone()
    };
    for (index, sector) in disk.chunks_mut(SECTOR_BYTES).enumerate() {
        let at = index * SECTOR_BYTES;
        let from = if dice[index + 1].is_multiple_of(2) {
            &sync.durable
        } else {
            &sync.pending
        };
        // Beyond the shorter of them a file that grew holds zeros.
        let bytes = from
            .get(at..(at + sector.len()).min(from.len()))
            .unwrap_or_default();
        sector[..bytes.len()].copy_from_slice(bytes);
        sector[bytes.len()..].fill(0);
    }
    disk
}

fn assert_prefix(dir: &Path, least: u64, what: &str) {
    let engine = open(dir, &options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let commits = engine.get(Tree::Meta, b"commits").unwrap();
    let commits = commits.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    assert!(
        (least..=COMMITS).contains(&commits),
        "{what}: {commits} commits, {least} durable"
    );
    let expected = crate::engine::MemoryEngine::new(crate::engine::FaultPlan::default());
    for number in 1..=commits {
        expected.commit(&batch(number)).unwrap();
    }
    let rows = |engine: &dyn Engine, tree| {
        let mut rows = Vec::new();
        let (start, end) = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        engine
            .scan(tree, start, end, Direction::Forward, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    };
    for tree in [Tree::Meta, Tree::View, Tree::Claims] {
        assert!(
            rows(&engine, tree) == rows(&expected, tree),
            "{what}: {tree} after {commits}"
        );
    }
    assert!(engine.check().unwrap().is_sound(), "{what}");
    engine.commit(&batch(commits + 1)).unwrap();
    engine.checkpoint().unwrap();
}

#[test]
fn loss_of_power_leaves_the_last_checkpoint_or_a_later_commit() {
    let folder = tempfile::tempdir().unwrap();
    let syncs = syncs(&folder.path().join("store"));
    assert!(
        syncs.len() as u64 >= 2 * COMMITS / COMMITS_PER_CHECKPOINT,
        "{}",
        syncs.len()
    );
    assert!(syncs.iter().any(|sync| sync.pending.len() != sync.durable.len()));
    let dir = folder.path().join("after");
    for (number, sync) in syncs.iter().enumerate() {
        for trial in 0..TRIALS {
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join(FILE), disk(sync, number as u64 * TRIALS + trial)).unwrap();
            assert_prefix(&dir, sync.commits, &format!("sync {number}, trial {trial}"));
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
}
