//! A bad disk: sectors lost, flipped, cut off, or with content from elsewhere.
//!
//! With any damage, an engine returns the right row or an error, or is in doubt when it is opened. It never
//! panics past the seam and never hangs. redb misses no row either. sled may: it checks each sector separately,
//! and does not notice a page that is not found.

use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::FileExt;
use std::path::Path;

use starling_store::engine::{Direction, Engine, EngineError, EngineKind, Opened, Tree, open, open_or_doubt};
use tempfile::TempDir;

use super::bed::{noise, options};
use super::steps;

const STEPS: u64 = 60;
const TRIALS: u64 = 8;

/// The amount that a disk loses at once.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Sector,
    Page,
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Zero(Unit),
    FlipBit,
    CutShort,
    /// Content from elsewhere in the file.
    Misplace(Unit),
    /// Content from elsewhere in the file at an earlier time.
    StaleFromElsewhere(Unit),
    /// Content from the same place in another store.
    Foreign(Unit),
}

const HARMS: [Harm; 10] = [
    Harm::Zero(Unit::Sector),
    Harm::Zero(Unit::Page),
    Harm::FlipBit,
    Harm::CutShort,
    Harm::Misplace(Unit::Sector),
    Harm::Misplace(Unit::Page),
    Harm::StaleFromElsewhere(Unit::Sector),
    Harm::StaleFromElsewhere(Unit::Page),
    Harm::Foreign(Unit::Sector),
    Harm::Foreign(Unit::Page),
];

impl Unit {
    fn bytes(self) -> u64 {
        match self {
            Self::Sector => 512,
            Self::Page => 4_096,
        }
    }
}

/// Files of an engine at one time, and the content of other files.
struct Files<'f> {
    name: &'f str,
    /// The store before its last steps.
    earlier: &'f Path,
    /// Another store of the same steps.
    other: &'f Path,
}

impl Harm {
    /// Harms a file at a place that follows from `seed`.
    fn inflict(self, path: &Path, files: &Files<'_>, seed: u64) {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        let dice: Vec<u64> = noise(seed, 16)
            .chunks(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let place = dice[0] % length;
        let aligned = |unit: Unit, place: u64| place - place % unit.bytes();
        let overwrite = |unit: Unit, from: &Path, at: u64| {
            let mut bytes = vec![0; usize::try_from(unit.bytes()).unwrap()];
            File::open(from).unwrap().read_exact_at(&mut bytes, at).unwrap();
            file.write_all_at(&bytes, aligned(unit, place)).unwrap();
        };
        match self {
            Self::Zero(unit) => {
                let bytes = vec![0; usize::try_from(unit.bytes()).unwrap()];
                file.write_all_at(&bytes, aligned(unit, place)).unwrap();
            }
            Self::FlipBit => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, place).unwrap();
                byte[0] ^= 1 << (seed % 8);
                file.write_all_at(&byte, place).unwrap();
            }
            Self::CutShort => file.set_len(place).unwrap(),
            Self::Misplace(unit) => {
                overwrite(unit, path, aligned(unit, dice[1] % (length - unit.bytes())));
            }
            Self::StaleFromElsewhere(unit) => {
                let earlier = files.earlier.join(files.name);
                let length = earlier.metadata().unwrap().len();
                overwrite(unit, &earlier, aligned(unit, dice[1] % (length - unit.bytes())));
            }
            Self::Foreign(unit) => {
                let other = files.other.join(files.name);
                let length = other.metadata().unwrap().len();
                overwrite(unit, &other, aligned(unit, place.min(length - unit.bytes())));
            }
        }
    }
}

fn is_named(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Corrupt { .. } | EngineError::Stopped { .. } | EngineError::Io { .. }
    )
}

/// Reads every readable row. A row is right or an error; with `no_gaps`, none is missing either.
fn read_all(engine: &dyn Engine, no_gaps: bool, what: &str) {
    for tree in Tree::ALL {
        let (expected, mut seen) = (steps::rows_after(*tree, STEPS), 0);
        let outcome = engine.scan(
            *tree,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, value| {
                let found = (key.to_vec(), value.to_vec());
                if no_gaps {
                    assert!(expected.get(seen) == Some(&found), "{what}: row {seen} of {tree}");
                } else {
                    // Replaced or removed since; a gap can bring it back.
                    let was_right = (0..=STEPS).any(|step| {
                        (*tree == Tree::Meta || *tree == Tree::Events)
                            && steps::rows_after(*tree, step).contains(&found)
                    });
                    assert!(was_right || expected.contains(&found), "{what}: a row of {tree}");
                }
                seen += 1;
                ControlFlow::Continue(())
            },
        );
        match outcome {
            Ok(()) => assert!(
                !no_gaps || seen == expected.len(),
                "{what}: {tree} has {seen} rows"
            ),
            Err(error) => assert!(is_named(&error), "{what}: {tree}: {error:?}"),
        }
        for (key, value) in expected.iter().step_by(7) {
            match engine.get(*tree, key) {
                // The position of an earlier step, if sled lost the end of its log.
                Ok(Some(found)) => assert!(
                    &found == value || (!no_gaps && *tree == Tree::Meta),
                    "{what}: {tree}"
                ),
                Ok(None) => assert!(!no_gaps, "{what}: a row of {tree} is missing"),
                Err(error) => assert!(is_named(&error), "{what}: {tree}: {error:?}"),
            }
        }
    }
    let report = engine.check();
    assert!(
        report.as_ref().map_or_else(is_named, |_| true),
        "{what}: {report:?}"
    );
}

fn make(kind: EngineKind, dir: &Path, last: u64) {
    let engine = open(kind, dir, &options()).unwrap();
    for step in steps::position(&*engine) + 1..=last {
        steps::run(&*engine, step).unwrap();
    }
}

/// Harms copies of a store in every way and reads them.
fn survives(kind: EngineKind, name: &str, no_gaps: bool) {
    let folder = TempDir::new().unwrap();
    let [sound, earlier, other] = ["sound", "earlier", "other"].map(|name| folder.path().join(name));
    make(kind, &sound, STEPS / 2);
    copy_folder(&sound, &earlier);
    make(kind, &sound, STEPS);
    make(kind, &other, STEPS);
    let files = Files {
        name,
        earlier: &earlier,
        other: &other,
    };
    for harm in HARMS {
        let mut doubts = 0;
        for trial in 1..=TRIALS {
            let what = format!("{kind}: {harm:?}, trial {trial}");
            let dir = folder.path().join("harmed");
            copy_folder(&sound, &dir);
            harm.inflict(&dir.join(name), &files, trial);
            match open_or_doubt(kind, &dir, &options()).unwrap() {
                Opened::Sound(engine) => read_all(&*engine, no_gaps, &what),
                Opened::Doubt { engine, .. } => {
                    assert_eq!(steps::position(&*engine), 0, "{what}");
                    doubts += 1;
                }
            }
            std::fs::remove_dir_all(dir).unwrap();
        }
        println!("{kind}: {harm:?}: {doubts} of {TRIALS} found when opening");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn sled_returns_no_wrong_row_after_damage() {
    survives(EngineKind::Sled, "sled/db", false);
}

#[test]
fn redb_returns_no_wrong_row_and_misses_none_after_damage() {
    survives(EngineKind::Redb, "store.redb", true);
}
