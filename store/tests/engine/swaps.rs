//! Files rebuilt beside an engine in use.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use starling_store::engine::{
    Batch, Compaction, Direction, Engine, EngineError, EngineKind, FaultKind, FaultPlan, MemoryEngine,
    Opened, SwapEngine, Tree, compact_beside, open, open_or_doubt,
};
use tempfile::TempDir;

use super::bed::{all_rows, for_every_engine, noise, options, put};

const KEYS: u64 = 120;

/// Returns the batch of a round, which replaces rows, removes some and adds some. Its number is in every row
/// and in a separate one.
fn round_of(number: u64) -> Batch {
    let mut batch = Batch::new();
    for index in 0..KEYS {
        let key = noise(index, 16);
        match (index + number) % 5 {
            0 => batch.delete(Tree::View, &key),
            _ => batch.put(Tree::View, &key, &row(index, number)),
        }
    }
    batch.put(Tree::Claims, &number.to_be_bytes(), b"round");
    batch.put(Tree::Meta, b"round", &number.to_be_bytes());
    batch
}

fn row(index: u64, number: u64) -> Vec<u8> {
    let length = if index % 50 == 7 { 20_000 } else { 400 };
    [&number.to_be_bytes()[..], &noise(index ^ (number << 20), length)].concat()
}

/// Checks that the engine holds exactly the rows of the rounds up to the last one.
fn assert_rounds(engine: &dyn Engine, last: u64) {
    let expected: Arc<dyn Engine> = Arc::new(MemoryEngine::new(FaultPlan::default()));
    for number in 1..=last {
        expected.commit(&round_of(number)).unwrap();
    }
    for tree in Tree::ALL {
        assert!(all_rows(engine, *tree) == all_rows(&*expected, *tree), "{tree}");
    }
    let report = engine.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

for_every_engine! {
    fn copy_made_while_writers_go_on_holds_the_same_rows(bed) {
        let swap = SwapEngine::new(bed.engine());
        swap.commit(&round_of(1)).unwrap();
        let (rounds, done) = (AtomicU64::new(1), AtomicBool::new(false));
        let target: Arc<dyn Engine> = Arc::new(MemoryEngine::new(FaultPlan::default()));
        thread::scope(|scope| {
            scope.spawn(|| {
                // At least some rounds run while the copy is made, whichever is faster.
                while !done.load(Ordering::Acquire) || rounds.load(Ordering::Relaxed) < 5 {
                    let number = rounds.load(Ordering::Relaxed) + 1;
                    swap.commit(&round_of(number)).unwrap();
                    rounds.store(number, Ordering::Release);
                }
            });
            let copy = swap.begin_copy().unwrap();
            assert!(swap.begin_copy().is_none(), "one at a time");
            let mut steps = 0;
            copy.copy_beside(&*target, &mut |_| steps += 1).unwrap();
            assert!(steps > 0);
            copy.finish(target.clone(), Ok).unwrap();
            // Writers continue with the copy.
            let at_swap = rounds.load(Ordering::Acquire);
            while rounds.load(Ordering::Acquire) < at_swap + 2 {
                thread::yield_now();
            }
            done.store(true, Ordering::Release);
        });
        assert_rounds(&*target, rounds.load(Ordering::Acquire));
        assert!(swap.begin_copy().is_some());
    }
}

#[test]
fn compaction_runs_beside_readers_and_writers() {
    for kind in [EngineKind::Sled, EngineKind::Redb] {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().join("store");
        let swap = SwapEngine::new(open(kind, &dir, &options()).unwrap());
        let mut last = 0;
        for number in 1..=10 {
            swap.commit(&round_of(number)).unwrap();
            last = number;
        }
        let (rounds, done) = (AtomicU64::new(last), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) || rounds.load(Ordering::Relaxed) < last + 5 {
                    let number = rounds.load(Ordering::Relaxed) + 1;
                    swap.commit(&round_of(number)).unwrap();
                    if number % 4 == 0 {
                        swap.checkpoint().unwrap();
                    }
                    rounds.store(number, Ordering::Release);
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    swap.scan(
                        Tree::View,
                        Bound::Unbounded,
                        Bound::Unbounded,
                        Direction::Forward,
                        &mut |_, value| {
                            assert!(value.len() > 8);
                            ControlFlow::Continue(())
                        },
                    )
                    .unwrap();
                }
            });
            for _ in 0..2 {
                let compacted = compact_beside(&dir, &swap, &options()).unwrap();
                assert!(matches!(compacted, Compaction::Done { .. }), "{compacted:?}");
            }
            done.store(true, Ordering::Release);
        });
        last = rounds.load(Ordering::Acquire);
        assert_rounds(&swap, last);
        drop(swap);
        match open_or_doubt(kind, &dir, &options()).unwrap() {
            Opened::Sound(engine) => assert_rounds(&*engine, last),
            Opened::Doubt { reason, .. } => panic!("{kind}: {reason}"),
        }
    }
}

#[test]
fn failed_copy_leaves_the_engine_as_it_was() {
    let swap = SwapEngine::new(Arc::new(MemoryEngine::new(FaultPlan::default())));
    swap.commit(&round_of(1)).unwrap();
    for write in 1..12 {
        let target = Arc::new(MemoryEngine::new(FaultPlan::at_write(write, FaultKind::Fail)));
        let copy = swap.begin_copy().unwrap();
        let copied = copy.copy_beside(&*target, &mut |_| {});
        let outcome = copied.and_then(|_| copy.finish(target, Ok));
        assert!(
            matches!(outcome, Err(EngineError::Io { .. })),
            "{write}: {outcome:?}"
        );
        put(&swap, Tree::Held, &write.to_be_bytes(), b"goes on");
    }
    let copy = swap.begin_copy().unwrap();
    let target: Arc<dyn Engine> = Arc::new(MemoryEngine::new(FaultPlan::default()));
    copy.copy_beside(&*target, &mut |_| {}).unwrap();
    let refused = copy.finish(target, |target| {
        Err(EngineError::Missing {
            path: target.path().to_path_buf(),
        })
    });
    assert!(matches!(refused, Err(EngineError::Missing { .. })));
    assert_eq!(all_rows(&swap, Tree::Held).len(), 11);
}
