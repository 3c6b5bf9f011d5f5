//! Compares versions with copies made at the same moment.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::super::{FaultPlan, MemoryEngine};
use super::*;

fn engine() -> VersionedEngine {
    VersionedEngine::new(Arc::new(MemoryEngine::new(FaultPlan::default())))
}

fn rows(engine: &dyn Engine, start: Bound<&[u8]>, end: Bound<&[u8]>, direction: Direction) -> Vec<KeyValue> {
    let mut rows = Vec::new();
    engine
        .scan(Tree::Claims, start, end, direction, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn all(engine: &dyn Engine, direction: Direction) -> Vec<KeyValue> {
    rows(engine, Bound::Unbounded, Bound::Unbounded, direction)
}

/// Writes or, without a value, removes.
fn commit(engine: &dyn Engine, changes: &[(u16, Option<u8>)]) {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(Tree::Claims, &key.to_be_bytes(), &[*value]),
            None => batch.delete(Tree::Claims, &key.to_be_bytes()),
        }
    }
    engine.commit(&batch).unwrap();
}

proptest! {
    #[test]
    fn version_shows_the_state_at_publication(
        steps in prop::collection::vec(
            (prop::collection::vec((0_u16..900, any::<Option<u8>>()), 1..200), any::<bool>()),
            1..12,
        ),
        (from, to) in (0_u16..900, 0_u16..900),
    ) {
        let engine = engine();
        let mut versions = Vec::new();
        for (changes, published) in &steps {
            commit(&engine, changes);
            if *published {
                versions.push((engine.publish(), all(&engine, Direction::Forward)));
            }
        }
        for (version, then) in &versions {
            prop_assert_eq!(&all(version, Direction::Forward), then);
            let mut reversed = all(version, Direction::Reverse);
            reversed.reverse();
            prop_assert_eq!(&reversed, then);
            let (start, end) = (from.to_be_bytes(), to.to_be_bytes());
            let part = rows(version, Bound::Excluded(&start), Bound::Included(&end), Direction::Forward);
            let inside = |key: &[u8]| key > start.as_slice() && key <= end.as_slice();
            let expected: Vec<KeyValue> =
                then.iter().filter(|(key, _)| inside(key)).cloned().collect();
            prop_assert_eq!(part, expected);
            for key in 0_u16..900 {
                let found = version.get(Tree::Claims, &key.to_be_bytes()).unwrap();
                let expected = then.iter().find(|(found, _)| *found == key.to_be_bytes());
                prop_assert_eq!(found, expected.map(|(_, value)| value.clone()));
            }
        }
    }
}

#[test]
fn version_is_unchanged_by_a_writer() {
    let engine = engine();
    let changes: Vec<(u16, Option<u8>)> = (0..2_000).map(|key| (key, Some(0))).collect();
    commit(&engine, &changes);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for round in 1_u8..60 {
                // Each row of a commit has the same value, so a mixture shows.
                let changes: Vec<(u16, Option<u8>)> = (0..2_000).map(|key| (key, Some(round))).collect();
                commit(&engine, &changes);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let version = engine.publish();
            let found = all(&version, Direction::Forward);
            assert_eq!(found.len(), 2_000);
            assert!(
                found.iter().all(|(_, value)| *value == found[0].1),
                "rows of two commits"
            );
            let value = version.get(Tree::Claims, &7_u16.to_be_bytes()).unwrap();
            assert_eq!(value.as_ref(), Some(&found[0].1));
        }
    });
}

#[test]
fn version_with_too_many_notes_is_given_up() {
    let engine = engine();
    let large = vec![7; 8 << 20];
    let put = |number: u8| {
        let mut batch = Batch::new();
        batch.put(Tree::Claims, &[number], &large);
        engine.commit(&batch).unwrap();
    };
    let rounds = u8::try_from(MAX_NOTED_BYTES / large.len() + 2).unwrap();
    (0..rounds).for_each(put);
    let version = engine.publish();
    (0..rounds).for_each(put);
    assert!(matches!(
        version.get(Tree::Claims, &[0]),
        Err(EngineError::VersionGone)
    ));
    // The next version is whole.
    let version = engine.publish();
    assert!(version.get(Tree::Claims, &[0]).unwrap().is_some());
    assert!(matches!(
        version.commit(&Batch::new()),
        Err(EngineError::VersionIsPast)
    ));
}

#[test]
fn unread_versions_take_no_notes() {
    let engine = engine();
    commit(&engine, &[(1, Some(1))]);
    drop(engine.publish());
    commit(&engine, &[(1, Some(2)), (2, Some(2))]);
    assert!(engine.newest().read().is_empty());
}

#[test]
fn oldest_versions_are_given_up_when_all_take_too_much() {
    let engine = engine();
    let large = vec![7; 8 << 20];
    let put = |number: u8| {
        let mut batch = Batch::new();
        batch.put(Tree::Claims, &[number], &large);
        engine.commit(&batch).unwrap();
    };
    (0..8).for_each(put);
    let first = engine.publish();
    let mut newest = engine.publish();
    // Each holds less than the bound, but all together more.
    for _ in 0..4 {
        (0..8).for_each(put);
        newest = engine.publish();
    }
    assert!(matches!(
        first.get(Tree::Claims, &[0]),
        Err(EngineError::VersionGone)
    ));
    assert!(newest.get(Tree::Claims, &[0]).unwrap().is_some());
    let published = engine.published.lock().unwrap();
    let bytes = published.iter().filter_map(Weak::upgrade);
    let bytes: usize = bytes.map(|noted| noted.bytes.load(Ordering::Relaxed)).sum();
    assert!(bytes <= MAX_NOTED_BYTES, "{bytes}");
}

#[test]
fn long_chain_of_versions_behind_one_reader_is_freed() {
    let engine = engine();
    let first = engine.publish();
    for round in 0..50_000_u32 {
        if round % 1_000 == 0 {
            commit(&engine, &[(7, u8::try_from(round / 1_000).ok())]);
        }
        drop(engine.publish());
    }
    assert_eq!(first.get(Tree::Claims, &7_u16.to_be_bytes()).unwrap(), None);
    drop(first);
}
