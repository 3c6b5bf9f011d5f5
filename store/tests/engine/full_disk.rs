//! A disk that runs full in the middle: the error says so, no commit before a checkpoint is lost, and the store
//! continues when there is room.

use std::process::{Command, Stdio};

use starling_store::engine::{Batch, ByteCount, Engine, EngineError, EngineKind, StopCause, Tree, open};
use tempfile::TempDir;

use super::bed::{noise, options};
use super::child::{Said, Steps, store_in};
use super::steps;

const ON_DISK: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

/// Set in the process that runs on a small separate disk, to that disk's folder.
const SMALL_DISK: &str = "STARLING_TEST_SMALL_DISK";
const SMALL_DISK_MEBIBYTES: u64 = 24;

#[test]
fn file_size_limit_stops_the_store_without_loss() {
    for kind in ON_DISK {
        let folder = TempDir::new().unwrap();
        let dir = store_in(&folder);
        // The limit is inherited, and so is ignoring its signal: the write fails instead.
        let limited = [
            "sh",
            "-c",
            "trap '' XFSZ; ulimit -f 16384; exec \"$@\"",
            "limited",
        ];
        let mut child = Steps::start_under(&limited, kind, &dir);
        let mut acknowledged = 0;
        let error = loop {
            match child.next() {
                Some(Said::Acknowledged(step)) => acknowledged = step,
                Some(Said::Failed(error)) => break error,
                None => panic!("{kind}: the child ended at step {acknowledged} without saying why"),
            }
        };
        assert!(
            child.wait().success(),
            "{kind}: the child closed the store and ended"
        );
        assert!(error.starts_with("NoSpace"), "{kind}: {error}");
        assert!(acknowledged > 0);
        let engine = open(kind, &dir, &options()).unwrap();
        let found = steps::position(&*engine);
        assert!(
            (steps::checkpointed(acknowledged)..=acknowledged + 1).contains(&found),
            "{kind}: {acknowledged} and {found}"
        );
        steps::assert_whole(&*engine);
        steps::run(&*engine, found + 1).unwrap();
    }
}

#[test]
fn full_disk_stops_the_store_without_loss() {
    let folder = TempDir::new().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // A private mount in a private name space: gone with the process.
    let script = format!(
        "mount -t tmpfs -o size={SMALL_DISK_MEBIBYTES}m tmpfs \"${SMALL_DISK}\" || exit 77; exec \"$@\""
    );
    let outcome = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "small-disk"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "engine::full_disk::child_process_fills_its_small_disk"])
        .args(["--nocapture", "--test-threads=1"])
        .env(SMALL_DISK, &disk)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match outcome.map(|status| status.code()) {
        Ok(Some(0)) => {}
        // 77: the mount was refused; 1: no name space. A failed test of the child exits with 101.
        Ok(Some(77 | 1)) | Err(_) => println!("skipped: this machine does not allow a mount of our own"),
        other => panic!("the child process failed: {other:?}"),
    }
}

/// Not a test by itself: it runs only in the child process on the small disk.
#[test]
fn child_process_fills_its_small_disk() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else {
        return;
    };
    for kind in ON_DISK {
        let disk = std::path::Path::new(&disk);
        runs_full_and_goes_on(kind, &disk.join(format!("{kind}-full")));
        is_refused_by_the_reserve_and_goes_on(kind, &disk.join(format!("{kind}-reserve")));
    }
}

fn filler(dir: &std::path::Path) -> std::path::PathBuf {
    let path = dir.with_extension("filler");
    std::fs::write(&path, noise(1, 8 << 20)).unwrap();
    path
}

/// Does steps until one fails; returns the last acknowledged one.
fn fill(engine: &dyn Engine) -> (u64, EngineError) {
    let mut step = steps::position(engine);
    loop {
        match steps::run(engine, step + 1) {
            Ok(()) => step += 1,
            Err(error) => return (step, error),
        }
    }
}

fn runs_full_and_goes_on(kind: EngineKind, dir: &std::path::Path) {
    let filler = filler(dir);
    let engine = open(kind, dir, &options()).unwrap();
    let (acknowledged, error) = fill(&*engine);
    assert!(matches!(error, EngineError::NoSpace { .. }), "{kind}: {error:?}");
    let mut batch = Batch::new();
    batch.put(Tree::Held, b"k", b"v");
    let after = engine.commit(&batch);
    assert!(
        matches!(
            after,
            Err(EngineError::Stopped {
                cause: StopCause::NoSpace,
                ..
            })
        ),
        "{kind}: {after:?}"
    );
    drop(engine);
    // On the full disk it may open or report a full disk, nothing else.
    match open(kind, dir, &options()) {
        Ok(_) | Err(EngineError::NoSpace { .. }) => {}
        Err(error) => panic!("{kind}: {error:?}"),
    }
    std::fs::remove_file(filler).unwrap();
    let engine = open(kind, dir, &options()).unwrap();
    let found = steps::position(&*engine);
    assert!(
        (steps::checkpointed(acknowledged)..=acknowledged + 1).contains(&found),
        "{kind}: {acknowledged} and {found}"
    );
    steps::assert_whole(&*engine);
    steps::run(&*engine, found + 1).unwrap();
    drop(engine);
    std::fs::remove_dir_all(dir).unwrap();
}

fn is_refused_by_the_reserve_and_goes_on(kind: EngineKind, dir: &std::path::Path) {
    let filler = filler(dir);
    let engine = open(kind, dir, &options().with_reserve(ByteCount::mebibytes(4))).unwrap();
    let (acknowledged, error) = fill(&*engine);
    assert!(matches!(error, EngineError::NoSpace { .. }), "{kind}: {error:?}");
    assert_eq!(
        steps::position(&*engine),
        acknowledged,
        "{kind}: it can still be read"
    );
    std::fs::remove_file(filler).unwrap();
    steps::run(&*engine, acknowledged + 1).unwrap();
    steps::assert_whole(&*engine);
    drop(engine);
    std::fs::remove_dir_all(dir).unwrap();
}
