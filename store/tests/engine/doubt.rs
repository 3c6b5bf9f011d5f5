//! Unusable files of an engine are set aside, and an empty engine is opened in their place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use starling_store::engine::{
    Engine, EngineError, EngineKind, IfMissing, Opened, Randomness, Tree, detect, discard_aside, open,
    open_or_doubt,
};
use tempfile::TempDir;

use super::bed::{options, put};

const ON_DISK: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

fn file_of(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Sled => "sled/db",
        _ => "store.redb",
    }
}

fn make(kind: EngineKind, dir: &Path) {
    put(&*open(kind, dir, &options()).unwrap(), Tree::Meta, b"k", b"v");
}

fn sound(kind: EngineKind, dir: &Path) -> Arc<dyn Engine> {
    match open_or_doubt(kind, dir, &options()).unwrap() {
        Opened::Sound(engine) => engine,
        Opened::Doubt { reason, .. } => panic!("{kind}: {reason}"),
    }
}

/// Opens a store in doubt, checks that it is empty and usable, and returns the reason.
fn doubt(kind: EngineKind, dir: &Path) -> String {
    let Opened::Doubt { reason, engine } = open_or_doubt(kind, dir, &options()).unwrap() else {
        panic!("{kind}: expected a doubt");
    };
    assert_eq!(engine.get(Tree::Meta, b"k").unwrap(), None);
    assert!(engine.check().unwrap().trees.is_empty());
    put(&*engine, Tree::Meta, b"new", b"row");
    drop(engine);
    let engine = sound(kind, dir);
    assert_eq!(engine.get(Tree::Meta, b"new").unwrap(), Some(b"row".to_vec()));
    reason
}

fn asides(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("aside-")).collect()
}

#[test]
fn missing_store_is_created_and_sound() {
    for kind in EngineKind::ALL {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().join("deep/store");
        put(&*sound(*kind, &dir), Tree::Meta, b"k", b"v");
        if *kind != EngineKind::Memory {
            assert_eq!(
                sound(*kind, &dir).get(Tree::Meta, b"k").unwrap(),
                Some(b"v".to_vec())
            );
            let missing = folder.path().join("missing");
            let refused = open_or_doubt(*kind, &missing, &options().with_if_missing(IfMissing::Refuse));
            assert!(matches!(refused, Err(EngineError::Missing { .. })), "{refused:?}");
        }
    }
}

#[test]
fn file_that_does_not_open_is_set_aside_and_kept() {
    for kind in ON_DISK {
        for content in [&b""[..], b"nonsense", &[0; 100_000], &[0xFF; 100_000]] {
            let folder = TempDir::new().unwrap();
            let dir = folder.path();
            make(kind, dir);
            fs::write(dir.join(file_of(kind)), content).unwrap();
            // An empty redb file is one that is being created, and sled takes an unreadable log for an empty
            // one.
            match open_or_doubt(kind, dir, &options()).unwrap() {
                Opened::Sound(engine) => assert_eq!(engine.get(Tree::Meta, b"k").unwrap(), None),
                Opened::Doubt { engine, .. } => {
                    assert_eq!(engine.get(Tree::Meta, b"k").unwrap(), None);
                    let aside = dir.join("aside-1").join(file_of(kind));
                    assert!(aside.exists());
                    discard_aside(dir).unwrap();
                    assert!(asides(dir).is_empty());
                    discard_aside(dir).unwrap();
                }
            }
        }
    }
}

#[test]
fn store_of_another_engine_is_in_doubt() {
    for (kind, other) in [
        (EngineKind::Sled, EngineKind::Redb),
        (EngineKind::Redb, EngineKind::Sled),
    ] {
        let folder = TempDir::new().unwrap();
        make(other, folder.path());
        let reason = doubt(kind, folder.path());
        assert!(
            reason.contains(&format!(
                "is of engine {other}, and the configuration says {kind}"
            )),
            "{reason}"
        );
        assert_eq!(detect(folder.path()), Some(kind));
        assert_eq!(detect(&folder.path().join("aside-1")), Some(other));
    }
}

#[test]
fn only_the_newest_files_are_kept_aside() {
    let folder = TempDir::new().unwrap();
    let mut kinds = ON_DISK.into_iter().cycle();
    make(kinds.next().unwrap(), folder.path());
    for number in 1..4 {
        doubt(kinds.next().unwrap(), folder.path());
        assert_eq!(asides(folder.path()), [format!("aside-{number}")]);
    }
}

#[test]
fn only_sled_is_in_doubt_after_a_machine_stop() {
    for kind in ON_DISK {
        let folder = TempDir::new().unwrap();
        let dir = folder.path();
        make(kind, dir);
        // An orderly close makes the files clean, on any boot of the machine.
        fs::write(dir.join("running"), "another-boot-id").unwrap();
        drop(sound(kind, dir));
        let _ = fs::remove_file(dir.join("clean"));
        match kind {
            EngineKind::Sled => {
                let reason = doubt(kind, dir);
                assert!(reason.contains("the machine stopped"), "{reason}");
                // The new store has its own marker files.
                drop(sound(kind, dir));
            }
            _ => drop(sound(kind, dir)),
        }
    }
}

#[test]
fn sled_without_marker_files_is_in_doubt() {
    let folder = TempDir::new().unwrap();
    make(EngineKind::Sled, folder.path());
    for mark in ["clean", "running"] {
        fs::remove_file(folder.path().join(mark)).unwrap();
    }
    doubt(EngineKind::Sled, folder.path());
}

#[test]
fn sled_that_ended_before_its_first_commit_is_not_in_doubt() {
    let folder = TempDir::new().unwrap();
    // Fails after sled has made its files and before the layer's first commit, as a kill would.
    let no_dice = Randomness::new(|_| Err(std::io::ErrorKind::Interrupted.into()));
    let failing = options().with_randomness(no_dice);
    open(EngineKind::Sled, folder.path(), &failing)
        .map(drop)
        .unwrap_err();
    assert!(folder.path().join("sled").is_dir());
    sound(EngineKind::Sled, folder.path());
}

#[test]
fn sled_is_marked_as_running_while_commits_are_made() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    make(EngineKind::Sled, dir);
    assert!(dir.join("clean").exists());
    let engine = sound(EngineKind::Sled, dir);
    assert_eq!(engine.get(Tree::Meta, b"k").unwrap(), Some(b"v".to_vec()));
    assert!(dir.join("clean").exists(), "reading changes nothing");
    put(&*engine, Tree::Meta, b"k", b"w");
    assert!(!dir.join("clean").exists());
    drop(engine);
    assert!(dir.join("clean").exists());
}

#[test]
fn refused_access_is_an_error_but_not_doubt() {
    for kind in ON_DISK {
        let folder = TempDir::new().unwrap();
        let dir = folder.path();
        make(kind, dir);
        let file = dir.join(file_of(kind));
        let readable = fs::metadata(&file).unwrap().permissions();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        // A privileged user is never refused.
        let is_refused = fs::File::open(&file).is_err();
        let opened = open_or_doubt(kind, dir, &options());
        if is_refused {
            assert!(
                matches!(opened, Err(EngineError::Io { .. })),
                "{kind}: {opened:?}"
            );
        }
        drop(opened);
        assert!(asides(dir).is_empty());
        fs::set_permissions(&file, readable).unwrap();
        assert_eq!(
            sound(kind, dir).get(Tree::Meta, b"k").unwrap(),
            Some(b"v".to_vec())
        );
    }
}
