//! sled's snapshot files: with any damage to one, the store opens and holds every row.

use std::fs;
use std::path::{Path, PathBuf};

use starling_store::engine::{EngineKind, open};
use tempfile::TempDir;

use super::bed::options;
use super::steps;

/// Enough that sled has freed and reused segments of its log.
const STEPS: u64 = 120;

/// Creates a store in `dir` whose newest snapshot is older than its newest rows.
fn make(dir: &Path) -> u64 {
    for last in [STEPS / 2, STEPS - 5, STEPS] {
        let engine = open(EngineKind::Sled, dir, &options()).unwrap();
        for step in steps::position(&*engine) + 1..=last {
            steps::run(&*engine, step).unwrap();
        }
    }
    assert!(!dir.join("sled/damaged-snapshot").exists(), "a sound one stays");
    STEPS
}

fn snapshot_in(dir: &Path) -> PathBuf {
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("snap.");
    let files = fs::read_dir(dir.join("sled")).unwrap();
    let mut found: Vec<PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(is_snapshot)
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Opens the store twice, as sled writes a new snapshot at each opening.
fn assert_holds_all(dir: &Path, last: u64, what: &str) {
    for _ in 0..2 {
        let engine = open(EngineKind::Sled, dir, &options()).unwrap();
        assert_eq!(steps::position(&*engine), last, "{what}");
        steps::assert_whole(&*engine);
    }
    let engine = open(EngineKind::Sled, dir, &options()).unwrap();
    steps::run(&*engine, last + 1).unwrap();
}

#[test]
fn unfinished_snapshot_does_not_block_opening() {
    for content in [&b""[..], b"garbage", &[0xA5; 4_096]] {
        let folder = TempDir::new().unwrap();
        let last = make(folder.path());
        let newer = format!("{}.generating", snapshot_in(folder.path()).display());
        fs::write(&newer, content).unwrap();
        let highest = folder.path().join("sled/snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&highest, content).unwrap();
        assert_holds_all(folder.path(), last, "leftover");
        assert!(!Path::new(&newer).exists() && !highest.exists());
    }
}

#[test]
fn damaged_snapshot_is_set_aside_and_every_row_is_there() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 7] = [
        ("emptied", |bytes| bytes.clear()),
        ("cut to its trailer", |bytes| bytes.truncate(12)),
        ("cut in the middle", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut by a byte", |bytes| bytes.truncate(bytes.len() - 1)),
        ("flipped at the start", |bytes| bytes[3] ^= 0x10),
        ("flipped at the end", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("zeroed", |bytes| bytes.fill(0)),
    ];
    for (what, harm) in harms {
        let folder = TempDir::new().unwrap();
        let last = make(folder.path());
        let snapshot = snapshot_in(folder.path());
        let mut bytes = fs::read(&snapshot).unwrap();
        harm(&mut bytes);
        fs::write(&snapshot, bytes).unwrap();
        assert_holds_all(folder.path(), last, what);
        assert!(folder.path().join("sled/damaged-snapshot").exists(), "{what}");
    }
}

#[test]
fn missing_snapshot_costs_no_row() {
    let folder = TempDir::new().unwrap();
    let last = make(folder.path());
    fs::remove_file(snapshot_in(folder.path())).unwrap();
    assert_holds_all(folder.path(), last, "removed");
}
