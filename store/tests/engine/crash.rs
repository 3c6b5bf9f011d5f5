//! `kill -9` at random moments: all steps up to some step survive, at least those before the last checkpoint,
//! and none in part.
//!
//! `STARLING_CRASH_ROUNDS` sets the kills per engine (default 12), `STARLING_CRASH_SEED` the moments.

use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;

use starling_store::engine::{EngineError, EngineKind, HomeLock, Opened, open, open_or_doubt};
use tempfile::TempDir;

use super::bed::{noise, options};
use super::child::{Said, Steps, store_in};
use super::steps;

const DEFAULT_ROUNDS: u64 = 12;
/// A new store after this many rounds keeps each round's check short.
const ROUNDS_PER_STORE: u64 = 25;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

fn keeps_a_whole_prefix_when_killed(kind: EngineKind) {
    let rounds = setting("STARLING_CRASH_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    let seed = setting("STARLING_CRASH_SEED").unwrap_or_else(|| RandomState::new().hash_one(kind.name()));
    println!("{kind}: {rounds} rounds, STARLING_CRASH_SEED={seed}");
    let mut folder = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for round in 0..rounds {
        if round % ROUNDS_PER_STORE == 0 {
            folder = TempDir::new().unwrap();
            acknowledged = 0;
        }
        let dir = store_in(&folder);
        let dice = noise(seed.wrapping_add(round), 16);
        let mut child = Steps::start(kind, &dir);
        // Sometimes before it has opened the store, else after a few steps.
        let steps_to_hear = u64::from(dice[0] % 12);
        for _ in 0..steps_to_hear {
            match child.next() {
                Some(Said::Acknowledged(step)) => acknowledged = step,
                other => panic!("round {round}: the child said {other:?}"),
            }
        }
        // Not always at the moment of an acknowledgement: some time later, after work of random length.
        black_box(noise(seed, usize::from(dice[1]) * 20_000));
        child.kill();
        // Acknowledgements printed before the kill count, too.
        while let Some(said) = child.next() {
            match said {
                Said::Acknowledged(step) => acknowledged = step,
                Said::Failed(error) => panic!("round {round}: {error}"),
            }
        }
        // A stop of the process alone puts nothing in doubt.
        let engine = match open_or_doubt(kind, &dir, &options()).unwrap() {
            Opened::Sound(engine) => engine,
            Opened::Doubt { reason, .. } => panic!("round {round}: {reason}"),
        };
        let found = steps::position(&*engine);
        assert!(
            (steps::checkpointed(acknowledged)..=acknowledged + 1).contains(&found),
            "round {round}: acknowledged {acknowledged}, found {found}"
        );
        steps::assert_whole(&*engine);
        acknowledged = found;
    }
}

/// An engine that is killed while it creates its files leaves an empty store, not a damaged one.
fn is_created_again_when_killed_in_creation(kind: EngineKind) {
    let rounds = setting("STARLING_CRASH_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    let seed = setting("STARLING_CRASH_SEED").unwrap_or_else(|| RandomState::new().hash_one(kind.name()));
    println!("{kind}: {rounds} rounds, STARLING_CRASH_SEED={seed}");
    for round in 0..rounds {
        let folder = TempDir::new().unwrap();
        let dir = store_in(&folder);
        let mut child = Steps::start(kind, &dir);
        let delay = usize::from(noise(seed.wrapping_add(round), 1)[0]);
        black_box(noise(seed, delay * 4_000));
        child.kill();
        match open_or_doubt(kind, &dir, &options()).unwrap() {
            Opened::Sound(engine) => steps::assert_whole(&*engine),
            Opened::Doubt { reason, .. } => panic!("round {round}: {reason}"),
        }
    }
}

#[test]
fn sled_is_created_again_when_killed_in_creation() {
    is_created_again_when_killed_in_creation(EngineKind::Sled);
}

#[test]
fn redb_is_created_again_when_killed_in_creation() {
    is_created_again_when_killed_in_creation(EngineKind::Redb);
}

#[test]
fn sled_keeps_a_whole_prefix_when_killed() {
    keeps_a_whole_prefix_when_killed(EngineKind::Sled);
}

#[test]
fn redb_keeps_a_whole_prefix_when_killed() {
    keeps_a_whole_prefix_when_killed(EngineKind::Redb);
}

#[test]
fn home_in_use_names_its_process_and_is_free_after_its_death() {
    for kind in [EngineKind::Sled, EngineKind::Redb] {
        let folder = TempDir::new().unwrap();
        let dir = store_in(&folder);
        let mut child = Steps::start(kind, &dir);
        assert_eq!(child.next(), Some(Said::Acknowledged(0)));
        match HomeLock::take(folder.path()) {
            Err(EngineError::Locked { holder, .. }) => assert_eq!(holder, Some(child.id())),
            other => panic!("{kind}: expected a locked home, got {other:?}"),
        }
        let refused = open(kind, &dir, &options()).map(drop);
        assert!(matches!(refused, Err(EngineError::Locked { .. })), "{refused:?}");
        child.kill();
        let _lock = HomeLock::take(folder.path()).unwrap();
        open(kind, &dir, &options()).unwrap();
    }
}
