//! The in-memory engine's planned faults, at every write of a workload.

use starling_store::engine::{
    Batch, ByteCount, Engine, EngineError, FaultKind, FaultPlan, MemoryEngine, Tree, UnsyncedContent,
};

use super::bed::noise;
use super::steps;

const STEPS: u64 = 12;
/// A content write and a commit each.
const WRITES: u64 = 2 * STEPS;

/// Runs steps until the end or the first failure; returns the last acknowledged step.
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
fn without_faults_the_workload_makes_the_writes_that_the_other_tests_strike() {
    let engine = MemoryEngine::new(FaultPlan::default());
    assert!(run_on(&engine).1.is_none());
    assert_eq!(engine.writes(), WRITES);
    steps::assert_whole(&engine);
}

#[test]
fn after_a_fault_at_any_write_every_acknowledged_step_is_there_and_none_by_half() {
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
            assert_eq!(acknowledged, (write - 1) / 2, "{kind:?} at write {write}");
            let after = engine.get(Tree::Meta, b"position");
            assert!(
                matches!(after, Err(EngineError::Stopped { .. })),
                "a failed write stops: {after:?}"
            );

            let engine = engine.reopen(FaultPlan::default());
            let took_effect = u64::from(matches!(kind, FaultKind::CrashAfter(_)) && write % 2 == 0);
            assert_eq!(
                steps::position(&engine),
                acknowledged + took_effect,
                "{kind:?} at write {write}"
            );
            steps::assert_whole(&engine);
            assert_eq!(run_on(&engine).0, STEPS);
            steps::assert_whole(&engine);
        }
    }
}

#[test]
fn no_space_refuses_one_write_and_the_engine_goes_on() {
    for write in 1..=WRITES {
        let engine = MemoryEngine::new(FaultPlan::at_write(write, FaultKind::NoSpace));
        let (_, error) = run_on(&engine);
        assert!(matches!(error, Some(EngineError::NoSpace { .. })), "{error:?}");
        steps::assert_whole(&engine);
        assert!(run_on(&engine).1.is_none());
        steps::assert_whole(&engine);
    }
}

#[test]
fn a_capacity_is_kept_and_can_be_raised() {
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
fn a_crash_takes_unsynced_content_as_told_and_never_what_was_committed() {
    let survivors = |content: UnsyncedContent| {
        let engine = MemoryEngine::new(FaultPlan::default());
        let write = |from: u8, durable: bool| {
            let mut batch = Batch::new();
            for key in from..from + 4 {
                batch.put(Tree::Bodies, &[key], &noise(u64::from(key), 20_000));
            }
            if durable {
                engine.commit(&batch)
            } else {
                engine.write_content(&batch)
            }
            .unwrap();
        };
        write(0, false);
        write(4, true);
        write(8, false);
        engine.crash(content);
        let engine = engine.reopen(FaultPlan::default());
        let mut keys = Vec::new();
        for key in 0..12_u8 {
            // Half of a split value may be gone: then it reads as damaged, not as something else.
            match engine.get(Tree::Bodies, &[key]) {
                Ok(Some(value)) if value == noise(u64::from(key), 20_000) => keys.push(key),
                Ok(None) | Err(EngineError::Corrupt { .. }) => {}
                other => panic!("key {key}: {other:?}"),
            }
        }
        keys
    };
    let committed: Vec<u8> = (0..8).collect();
    assert_eq!(survivors(UnsyncedContent::Kept), (0..12).collect::<Vec<_>>());
    assert_eq!(survivors(UnsyncedContent::Lost), committed);
    assert!(survivors(UnsyncedContent::HalfLost).starts_with(&committed));
}
