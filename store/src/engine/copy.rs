//! Copies a whole store into another, possibly of another engine.

use std::ops::{Bound, ControlFlow};

use super::batch::Batch;
use super::error::EngineError;
use super::tree::Tree;
use super::{Direction, Engine};

/// Rows in one commit of a copy: large commits help redb and are still small for sled.
const COMMIT_ROWS: usize = 4_096;
/// Bytes after which a commit is made even with fewer rows.
const COMMIT_BYTES: usize = 8 << 20;

/// The amount that a copy has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows over all trees.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Copies every row of every tree from one engine into an empty one, and calls `progress` after
/// each commit. The copy is durable when this returns. The source must not be written meanwhile.
///
/// # Errors
/// Fails if the target holds rows, or if reading or writing fails. A half-filled target must be thrown away.
pub fn copy_all(
    from: &dyn Engine,
    to: &dyn Engine,
    progress: &mut dyn FnMut(Copied),
) -> Result<Copied, EngineError> {
    for tree in Tree::ALL {
        if to
            .first(*tree, Bound::Unbounded, Bound::Unbounded, Direction::Forward)?
            .is_some()
        {
            return Err(EngineError::NotEmpty {
                path: to.path().to_path_buf(),
                tree: *tree,
            });
        }
    }
    let mut copied = Copied::default();
    let mut batch = Batch::with_capacity(COMMIT_ROWS, COMMIT_BYTES);
    for tree in Tree::ALL {
        let mut written = Ok(());
        from.scan(
            *tree,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, value| {
                batch.put(*tree, key, value);
                copied.rows += 1;
                copied.bytes += (key.len() + value.len()) as u64;
                if batch.len() < COMMIT_ROWS && batch.byte_len() < COMMIT_BYTES {
                    return ControlFlow::Continue(());
                }
                written = to.commit(&batch);
                batch.clear();
                progress(copied);
                if written.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        written?;
    }
    to.commit(&batch)?;
    to.checkpoint()?;
    progress(copied);
    Ok(copied)
}
