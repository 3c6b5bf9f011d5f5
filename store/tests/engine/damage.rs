//! A bad disk: blocks lost, bits flipped, files cut short.
//!
//! No engine finds all of it (bodies are hashed and derived data rebuilt above for that reason).
//! What holds here: it never panics past the seam, never hangs, is named where it is seen, and a
//! large value is never returned changed.

use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::FileExt;
use std::path::Path;

use starling_store::engine::{Direction, Engine, EngineError, EngineKind, Tree, open};
use tempfile::TempDir;

use super::bed::{noise, options};
use super::steps;

const STEPS: u64 = 60;
const TRIALS: u64 = 6;
/// What a disk loses at once.
const BLOCK_BYTES: usize = 4_096;

#[derive(Clone, Copy, Debug)]
enum Harm {
    ZeroBlock,
    FlipBit,
    CutShort,
}

impl Harm {
    /// Harms a file at a place that follows from `seed`.
    fn inflict(self, file: &File, seed: u64) {
        let length = file.metadata().unwrap().len();
        let place = u64::from_le_bytes(noise(seed, 8).try_into().unwrap()) % length;
        match self {
            Self::ZeroBlock => {
                let block = place - place % BLOCK_BYTES as u64;
                file.write_all_at(&[0; BLOCK_BYTES], block).unwrap();
            }
            Self::FlipBit => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, place).unwrap();
                byte[0] ^= 1 << (seed % 8);
                file.write_all_at(&byte, place).unwrap();
            }
            Self::CutShort => file.set_len(place).unwrap(),
        }
    }
}

fn is_named(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Corrupt { .. } | EngineError::Stopped { .. } | EngineError::Io { .. }
    )
}

/// Reads all that can be read; what cannot must say so.
fn read_all(engine: &dyn Engine) {
    for tree in Tree::ALL {
        let outcome = engine.scan(
            *tree,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, value| {
                if *tree == Tree::Logs && value.len() > 20_000 {
                    let step = u64::from_be_bytes(key.try_into().unwrap());
                    assert!(
                        value == steps::log_value(step),
                        "a large value of step {step} is changed"
                    );
                }
                ControlFlow::Continue(())
            },
        );
        assert!(
            outcome.as_ref().map_or_else(is_named, |()| true),
            "{tree}: {outcome:?}"
        );
    }
    let report = engine.check();
    assert!(report.as_ref().map_or_else(is_named, |_| true), "{report:?}");
}

fn survives(kind: EngineKind, file: &str, harm: Harm) -> Vec<Option<EngineError>> {
    let folder = TempDir::new().unwrap();
    let sound = folder.path().join("sound");
    let engine = open(kind, &sound, &options()).unwrap();
    for step in 1..=STEPS {
        steps::run(&*engine, step).unwrap();
    }
    drop(engine);
    (1..=TRIALS)
        .map(|trial| {
            let dir = folder.path().join(trial.to_string());
            copy_folder(&sound, &dir);
            harm.inflict(
                &File::options()
                    .read(true)
                    .write(true)
                    .open(dir.join(file))
                    .unwrap(),
                trial,
            );
            match open(kind, &dir, &options()) {
                Ok(engine) => {
                    read_all(&*engine);
                    None
                }
                Err(error) => {
                    assert!(is_named(&error), "{harm:?}, trial {trial}: {error:?}");
                    assert!(
                        error.to_string().contains("fill a new site"),
                        "says what to do: {error}"
                    );
                    Some(error)
                }
            }
        })
        .collect()
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
fn sled_contains_damage() {
    for harm in [Harm::ZeroBlock, Harm::FlipBit, Harm::CutShort] {
        let outcomes = survives(EngineKind::Sled, "sled/db", harm);
        println!(
            "{harm:?}: {} of {TRIALS} found when opening",
            outcomes.iter().flatten().count()
        );
    }
}

#[test]
fn redb_contains_damage() {
    for harm in [Harm::ZeroBlock, Harm::FlipBit] {
        let outcomes = survives(EngineKind::Redb, "store.redb", harm);
        println!(
            "{harm:?}: {} of {TRIALS} found when opening",
            outcomes.iter().flatten().count()
        );
    }
    let cut = survives(EngineKind::Redb, "store.redb", Harm::CutShort);
    assert!(
        cut.iter().all(Option::is_some),
        "redb knows how long its file must be: {cut:?}"
    );
}
