//! A numbered workload whose every step shows whether it is present whole, in part or not at all.
//!
//! Step `n` commits in one batch: rows in five trees, a large value in every fifth step, the removal of what
//! step `n - WINDOW` left in one tree, and the number itself. So the store's number determines which rows must
//! exist and which must not. Every few steps end with a checkpoint.

use starling_store::engine::{Batch, Engine, EngineError, KeyValue, Tree};

use super::bed::{all_rows, noise};

/// The number of steps after which a step's rows are removed.
const WINDOW: u64 = 10;
const POSITION: &[u8] = b"position";
/// The steps that end with a checkpoint.
pub(crate) const STEPS_PER_CHECKPOINT: u64 = 3;

fn key(step: u64) -> [u8; 8] {
    step.to_be_bytes()
}

fn body(step: u64) -> Vec<u8> {
    noise(step, 300)
}

/// Returns the row of a step in the log: a large value in every fifth step.
pub(crate) fn log_value(step: u64) -> Vec<u8> {
    let length = if step.is_multiple_of(5) { 60_000 } else { 700 };
    noise(step ^ 0xABCD, length)
}

/// Returns the views of a step: enough rows that a commit takes long enough to be hit.
fn views(step: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..30_u64).map(move |index| [step.to_be_bytes(), index.to_be_bytes()].concat())
}

/// Returns the last step in the store, as the store states it.
pub(crate) fn position(engine: &dyn Engine) -> u64 {
    let found = engine.get(Tree::Meta, POSITION).unwrap();
    found.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// Returns the last step up to `step` that ended with a checkpoint.
pub(crate) fn checkpointed(step: u64) -> u64 {
    step - step % STEPS_PER_CHECKPOINT
}

/// Does one step.
pub(crate) fn run(engine: &dyn Engine, step: u64) -> Result<(), EngineError> {
    let mut batch = Batch::new();
    batch.put(Tree::Bodies, &key(step), &body(step));
    batch.put(Tree::Logs, &key(step), &log_value(step));
    batch.put(Tree::Claims, &key(step), b"claim");
    for view in views(step) {
        batch.put(Tree::View, &view, &noise(step, 100));
    }
    batch.put(Tree::Events, &key(step), b"event");
    if step > WINDOW {
        batch.delete(Tree::Events, &key(step - WINDOW));
    }
    batch.put(Tree::Meta, POSITION, &key(step));
    engine.commit(&batch)?;
    if step == checkpointed(step) {
        engine.checkpoint()?;
    }
    Ok(())
}

/// Returns the rows of a tree after a step, in their order.
pub(crate) fn rows_after(tree: Tree, last: u64) -> Vec<KeyValue> {
    let each = |value: fn(u64) -> Vec<u8>| (1..=last).map(|step| (key(step).to_vec(), value(step))).collect();
    match tree {
        Tree::Bodies => each(body),
        Tree::Logs => each(log_value),
        Tree::Claims => each(|_| b"claim".to_vec()),
        Tree::View => (1..=last)
            .flat_map(|step| views(step).map(move |view| (view, noise(step, 100))))
            .collect(),
        Tree::Events => (last.saturating_sub(WINDOW) + 1..=last)
            .map(|step| (key(step).to_vec(), b"event".to_vec()))
            .collect(),
        Tree::Meta if last > 0 => vec![(POSITION.to_vec(), key(last).to_vec())],
        _ => Vec::new(),
    }
}

/// Checks that exactly the steps up to the store's position are there, each whole.
pub(crate) fn assert_whole(engine: &dyn Engine) {
    let last = position(engine);
    for tree in Tree::ALL {
        assert!(
            all_rows(engine, *tree) == rows_after(*tree, last),
            "{tree} after step {last}"
        );
    }
    let report = engine.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}
