//! A numbered workload whose every step shows whether it is there whole, in part or not at all.
//!
//! Step `n` commits in one batch: rows in five trees, a large value in every fifth step, the removal of
//! what step `n - WINDOW` left in one tree, and the number itself. So the store's number tells which rows
//! must be there and which must not. Every few steps end with a checkpoint.

use starling_store::engine::{Batch, Engine, EngineError, Tree};

use super::bed::{all_rows, noise};

/// How many steps back a step removes.
const WINDOW: u64 = 10;
const POSITION: &[u8] = b"position";
/// Which steps end with a checkpoint.
pub(crate) const STEPS_PER_CHECKPOINT: u64 = 3;

fn key(step: u64) -> [u8; 8] {
    step.to_be_bytes()
}

fn body(step: u64) -> Vec<u8> {
    noise(step, 300)
}

/// What a step leaves in the log: a large value in every fifth.
pub(crate) fn log_value(step: u64) -> Vec<u8> {
    let length = if step.is_multiple_of(5) { 60_000 } else { 700 };
    noise(step ^ 0xABCD, length)
}

/// Views per step: enough rows that a commit takes long enough to be hit.
fn views(step: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..30_u64).map(move |index| [step.to_be_bytes(), index.to_be_bytes()].concat())
}

/// Returns the last step that is in the store, by its own account.
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

/// Checks that exactly the steps up to the store's position are there, each whole.
pub(crate) fn assert_whole(engine: &dyn Engine) {
    let last = position(engine);
    let steps: Vec<u64> = (1..=last).collect();
    let keys = |tree| -> Vec<Vec<u8>> { all_rows(engine, tree).into_iter().map(|(key, _)| key).collect() };
    let expected = |steps: &[u64]| -> Vec<Vec<u8>> { steps.iter().map(|step| key(*step).to_vec()).collect() };
    assert_eq!(keys(Tree::Claims), expected(&steps), "claims up to {last}");
    let window = usize::try_from(last.saturating_sub(WINDOW)).unwrap();
    assert_eq!(
        keys(Tree::Events),
        expected(&steps[window..]),
        "events up to {last}"
    );
    let views: Vec<Vec<u8>> = steps.iter().flat_map(|step| views(*step)).collect();
    assert!(keys(Tree::View) == views, "views up to {last}");
    let logs = all_rows(engine, Tree::Logs);
    assert_eq!(logs.len(), steps.len(), "logs up to {last}");
    for (step, (_, value)) in steps.iter().zip(logs) {
        assert!(value == log_value(*step), "log of step {step}");
    }
    let bodies: Vec<_> = steps
        .iter()
        .map(|step| (key(*step).to_vec(), body(*step)))
        .collect();
    assert!(all_rows(engine, Tree::Bodies) == bodies, "bodies up to {last}");
    let report = engine.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}
