//! Readers beside a writer see each value whole.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use starling_store::engine::{Batch, Direction, Engine, Tree};

use super::bed::{for_every_engine, noise};

const KEYS: u64 = 8;
const ROUNDS: u64 = 40;

/// Returns a value that names its own round: eight bytes of the number, then noise derived from it.
fn value(round: u64) -> Vec<u8> {
    // From small to split in many pieces, and back.
    let length = usize::try_from(round % 7).unwrap() * 9_000 + 10;
    [&round.to_le_bytes()[..], &noise(round, length)].concat()
}

fn assert_whole(found: &[u8]) {
    let round = u64::from_le_bytes(found[..8].try_into().unwrap());
    assert!(found == value(round), "a value of round {round} is torn");
}

fn write_rounds(engine: &dyn Engine) {
    for round in 1..=ROUNDS {
        let mut batch = Batch::new();
        for key in 0..KEYS {
            // One key comes and goes.
            if key == 0 && round % 2 == 0 {
                batch.delete(Tree::View, &key.to_be_bytes());
            } else {
                batch.put(Tree::View, &key.to_be_bytes(), &value(round));
            }
        }
        engine.commit(&batch).unwrap();
    }
}

for_every_engine! {
    fn readers_see_whole_values_while_a_writer_replaces_them(bed) {
        let engine = bed.engine();
        let done = AtomicBool::new(false);
        let reads = thread::scope(|scope| {
            let getter = scope.spawn(|| {
                let mut reads = 0_u64;
                while !done.load(Ordering::Acquire) || reads == 0 {
                    if let Some(found) = engine.get(Tree::View, &(reads % KEYS).to_be_bytes()).unwrap() {
                        assert_whole(&found);
                    }
                    reads += 1;
                }
                reads
            });
            let scanner = scope.spawn(|| {
                let mut scans = 0_u64;
                while !done.load(Ordering::Acquire) || scans == 0 {
                    let mut last = None;
                    engine.scan(Tree::View, Bound::Unbounded, Bound::Unbounded, Direction::Forward, &mut |key, found| {
                        assert_whole(found);
                        assert!(last.as_deref() < Some(key), "keys rise");
                        last = Some(key.to_vec());
                        ControlFlow::Continue(())
                    }).unwrap();
                    scans += 1;
                }
                scans
            });
            write_rounds(&*engine);
            done.store(true, Ordering::Release);
            (getter.join().unwrap(), scanner.join().unwrap())
        });
        assert!(reads.0 > 0 && reads.1 > 0);
        assert!(engine.check().unwrap().is_sound());
    }

    fn writers_on_several_threads_lose_nothing(bed) {
        let engine = bed.engine();
        thread::scope(|scope| {
            for writer in 0..4_u64 {
                let engine = &engine;
                scope.spawn(move || {
                    for index in 0..25_u64 {
                        let mut batch = Batch::new();
                        let key = [writer.to_be_bytes(), index.to_be_bytes()].concat();
                        batch.put(Tree::Ledger, &key, &value(index));
                        engine.commit(&batch).unwrap();
                    }
                });
            }
        });
        let report = engine.check().unwrap();
        assert!(report.is_sound());
        assert_eq!(report.trees[0].rows, 100);
    }
}
