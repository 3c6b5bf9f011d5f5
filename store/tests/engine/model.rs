//! Random batches, compared with a plain map after each and after reopening.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use starling_store::engine::{Batch, Direction, Engine, EngineKind, Tree};

use super::bed::{Bed, all_rows, noise, rows};

type Model = BTreeMap<(Tree, Vec<u8>), Vec<u8>>;

/// A put with its value's seed and length, or a delete.
type Op = (Tree, Vec<u8>, Option<(u64, usize)>);

#[derive(Clone, Debug)]
enum Step {
    /// One batch.
    Write(Vec<Op>),
    Checkpoint,
    Reopen,
}

fn trees() -> impl Strategy<Value = Tree> {
    prop::sample::select(vec![Tree::Meta, Tree::Logs, Tree::Held])
}

/// Generates few and short keys, so that they repeat and are prefixes of each other.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, 0x7F, 0xFF]), 0..3)
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..200_usize, 1 => 6_900..7_100_usize, 1 => 16_200..16_400_usize, 1 => 20_000..70_000_usize]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let op = (
        trees(),
        keys(),
        prop::option::weighted(0.7, (any::<u64>(), lengths())),
    );
    let write = prop::collection::vec(op, 0..12).prop_map(Step::Write);
    prop::collection::vec(
        prop_oneof![6 => write, 2 => Just(Step::Checkpoint), 1 => Just(Step::Reopen)],
        1..12,
    )
}

fn compare(engine: &dyn Engine, model: &Model) {
    for tree in [Tree::Meta, Tree::Logs, Tree::Held] {
        let expected: Vec<_> = model
            .iter()
            .filter(|((of, _), _)| *of == tree)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        assert!(all_rows(engine, tree) == expected, "rows of {tree}");
        let mut reverse = rows(
            engine,
            tree,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Reverse,
        );
        reverse.reverse();
        assert!(reverse == expected, "reversed rows of {tree}");
        for (key, value) in &expected {
            assert!(
                engine.get(tree, key).unwrap().as_ref() == Some(value),
                "{tree} {key:?}"
            );
        }
    }
    let report = engine.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        report.trees.iter().map(|tree| tree.rows).sum::<u64>(),
        model.len() as u64
    );
}

fn follows_the_model(kind: EngineKind, steps: Vec<Step>) {
    let mut bed = Bed::new(kind);
    let mut model = Model::new();
    for step in steps {
        match step {
            Step::Write(ops) => {
                let mut batch = Batch::new();
                for (tree, key, value) in ops {
                    match value {
                        Some((seed, length)) => {
                            let value = noise(seed, length);
                            batch.put(tree, &key, &value);
                            model.insert((tree, key), value);
                        }
                        None => {
                            batch.delete(tree, &key);
                            model.remove(&(tree, key));
                        }
                    }
                }
                bed.engine().commit(&batch).unwrap();
            }
            Step::Checkpoint => bed.engine().checkpoint().unwrap(),
            Step::Reopen => drop(bed.reopen()),
        }
        compare(&*bed.engine(), &model);
    }
    compare(&*bed.reopen(), &model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sled_follows_the_model(steps in steps()) {
        follows_the_model(EngineKind::Sled, steps);
    }

    #[test]
    fn redb_follows_the_model(steps in steps()) {
        follows_the_model(EngineKind::Redb, steps);
    }

    #[test]
    fn memory_follows_the_model(steps in steps()) {
        follows_the_model(EngineKind::Memory, steps);
    }
}
