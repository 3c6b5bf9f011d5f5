//! The in-memory engine's planned faults, at every write of a workload.

use starling_store::engine::{
    Batch, ByteCount, Engine, EngineError, FaultKind, FaultPlan, MemoryEngine, Tree, UnsyncedContent,
};

use super::bed::noise;
use super::steps;

const STEPS: u64 = 12;
/// A commit each, and the checkpoints.
const WRITES: u64 = STEPS + STEPS / steps::STEPS_PER_CHECKPOINT;

/// Returns the step of a write, and true if it is the step's checkpoint.
fn step_of(write: u64) -> (u64, bool) {
    let per_checkpoint = steps::STEPS_PER_CHECKPOINT + 1;
    let (before, within) = ((write - 1) / per_checkpoint, (write - 1) % per_checkpoint);
    let step = before * steps::STEPS_PER_CHECKPOINT + within.min(steps::STEPS_PER_CHECKPOINT - 1) + 1;
    (step, within == steps::STEPS_PER_CHECKPOINT)
}

/// Returns the last step that must be there after a fault at a write.
fn survives(write: u64, kind: FaultKind) -> u64 {
    let (step, is_checkpoint) = step_of(write);
    let last = steps::checkpointed(step - 1);
    let kept = |unsynced, steps: u64| match unsynced {
        UnsyncedContent::Kept => last + steps,
        UnsyncedContent::Lost => last,
        UnsyncedContent::HalfLost => last + steps / 2,
    };
    match kind {
        FaultKind::CrashAfter(_) if is_checkpoint => step,
        FaultKind::CrashAfter(unsynced) => kept(unsynced, step - last),
        FaultKind::Tear(unsynced) if is_checkpoint => kept(unsynced, step - last),
        FaultKind::Tear(unsynced) => kept(unsynced, step - 1 - last),
        _ if is_checkpoint => step,
        _ => step - 1,
    }
}

/// Executes steps until the end or the first failure; returns the last acknowledged step.
fn run_on(engine: &MemoryEngine) -> (u64, Option<EngineError>) {
    let mut acknowledged = steps::position(engine);
    while acknowledged < STEPS {
        if let Err(error) = steps::run(engine, acknowledged + 1) {
            return (acknowledged, Some(error));
        }
        acknowledged += 1;
    }
    (acknowledged, None)
}

#[test]
fn fault_free_workload_makes_the_expected_writes() {
    let engine = MemoryEngine::new(FaultPlan::default());
    assert!(run_on(&engine).1.is_none());
    assert_eq!(engine.writes(), WRITES);
    steps::assert_whole(&engine);
}

#[test]
fn fault_at_any_write_leaves_a_whole_prefix_of_the_commits() {
    use UnsyncedContent::{HalfLost, Kept, Lost};
    let kinds = [
        FaultKind::Fail,
        FaultKind::Tear(Kept),
        FaultKind::Tear(Lost),
        FaultKind::Tear(HalfLost),
        FaultKind::CrashAfter(Kept),
        FaultKind::CrashAfter(Lost),
        FaultKind::CrashAfter(HalfLost),
    ];
    for kind in kinds {
        for write in 1..=WRITES {
            let engine = MemoryEngine::new(FaultPlan::at_write(write, kind));
            let (acknowledged, error) = run_on(&engine);
            assert!(error.is_some(), "{kind:?} at write {write} struck");
            assert_eq!(acknowledged, step_of(write).0 - 1, "{kind:?} at write {write}");
            let after = engine.get(Tree::Meta, b"position");
            assert!(
                matches!(after, Err(EngineError::Stopped { .. })),
                "a failed write stops: {after:?}"
            );

            let engine = engine.reopen(FaultPlan::default());
            assert_eq!(
                steps::position(&engine),
                survives(write, kind),
                "{kind:?} at write {write}"
            );
            steps::assert_whole(&engine);
            assert_eq!(run_on(&engine).0, STEPS);
            steps::assert_whole(&engine);
        }
    }
}

#[test]
fn full_engine_refuses_one_write_and_continues() {
    for write in 1..=WRITES {
        let engine = MemoryEngine::new(FaultPlan::at_write(write, FaultKind::NoSpace));
        let (_, error) = run_on(&engine);
        assert!(matches!(error, Some(EngineError::NoSpace { .. })), "{error:?}");
        steps::assert_whole(&engine);
        assert!(run_on(&engine).1.is_none());
        assert_eq!(steps::position(&engine), STEPS);
        steps::assert_whole(&engine);
    }
}

#[test]
fn capacity_is_enforced_and_can_be_raised() {
    let engine = MemoryEngine::new(FaultPlan {
        capacity: Some(ByteCount(40_000)),
        ..FaultPlan::default()
    });
    let (acknowledged, error) = run_on(&engine);
    assert!(matches!(error, Some(EngineError::NoSpace { .. })), "{error:?}");
    assert!(acknowledged > 0 && engine.size_on_disk().unwrap() <= ByteCount(40_000));
    engine.set_plan(FaultPlan::default());
    assert!(run_on(&engine).1.is_none());
    steps::assert_whole(&engine);
}

#[test]
fn crash_leaves_unsynced_commits_as_planned() {
    let survivors = |unsynced: UnsyncedContent| {
        let engine = MemoryEngine::new(FaultPlan::default());
        for key in 0..12_u8 {
            let mut batch = Batch::new();
            batch.put(Tree::Bodies, &[key], &noise(u64::from(key), 20_000));
            // Written by every commit, so that undoing one must give the value of the previous one.
            batch.put(Tree::Meta, b"last", &[key]);
            engine.commit(&batch).unwrap();
            if key == 4 {
                engine.checkpoint().unwrap();
            }
        }
        engine.crash(unsynced);
        let engine = engine.reopen(FaultPlan::default());
        let last = engine.get(Tree::Meta, b"last").unwrap().unwrap()[0];
        for key in 0..12_u8 {
            let expected = (key <= last).then(|| noise(u64::from(key), 20_000));
            assert!(
                engine.get(Tree::Bodies, &[key]).unwrap() == expected,
                "key {key} after {last}"
            );
        }
        assert!(engine.check().unwrap().is_sound());
        last
    };
    assert_eq!(survivors(UnsyncedContent::Kept), 11);
    assert_eq!(survivors(UnsyncedContent::Lost), 4);
    assert_eq!(survivors(UnsyncedContent::HalfLost), 7);
}
