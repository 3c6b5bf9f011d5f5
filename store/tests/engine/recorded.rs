//! Writes recorded on one engine make the same store on another.

use std::sync::Arc;

use starling_store::engine::{
    Engine, EngineKind, FaultKind, FaultPlan, MemoryEngine, RecordingEngine, Tree, replay,
};

use super::bed::{Bed, all_rows};
use super::steps;

#[test]
fn replay_makes_the_same_store() {
    let recording = RecordingEngine::new(Arc::new(MemoryEngine::new(FaultPlan::default())));
    for step in 1..=12 {
        steps::run(&recording, step).unwrap();
    }
    let writes = recording.take();
    assert!(recording.take().is_empty());
    for kind in EngineKind::ALL {
        let bed = Bed::new(*kind);
        let replayed = replay(&*bed.engine(), &writes).unwrap();
        assert_eq!(replayed.writes, 12 + 12 / steps::STEPS_PER_CHECKPOINT);
        assert_eq!(
            replayed.rows,
            writes
                .iter()
                .filter_map(|write| Some(write.batch()?.len() as u64))
                .sum::<u64>()
        );
        steps::assert_whole(&*bed.engine());
        for tree in Tree::ALL {
            assert!(
                all_rows(&recording, *tree) == all_rows(&*bed.engine(), *tree),
                "{kind}: {tree}"
            );
        }
    }
}

#[test]
fn write_that_failed_is_not_recorded() {
    let plan = FaultPlan::at_write(2, FaultKind::NoSpace);
    let recording = RecordingEngine::new(Arc::new(MemoryEngine::new(plan)));
    steps::run(&recording, 1).unwrap();
    steps::run(&recording, 2).unwrap_err();
    assert_eq!(recording.take().len(), 1);
    assert_eq!(recording.kind(), EngineKind::Memory);
}
