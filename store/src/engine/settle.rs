//! The layer's own rows: the layout of a store and its generation, written once and checked at each opening.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::Ordering;

use super::Direction;
use super::error::{Attempt, EngineError, Failure};
use super::generation::Generation;
use super::kv::{Kv, KvOp};
use super::layered::Layered;
use super::row::{self, Layout, Opened};
use super::split::PIECES;
use super::tree::Tree;

const LAYOUT_KEY: &[u8] = b"\0layout";
const GENERATION_KEY: &[u8] = b"\0generation";

/// The purpose of opening a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// To use it: it must have the layout that this build writes, or be empty.
    Current,
    /// To migrate rows from a store of an earlier release.
    Earlier,
}

/// Draws the generation of a new store.
pub(super) type NewGeneration<'a> = dyn Fn() -> Result<Generation, Failure> + 'a;

impl<K: Kv> Layered<K> {
    /// Checks or writes the layer's own rows, and finds the trees that hold split values.
    pub(super) fn settle(&self, opening: Opening, generation: &NewGeneration<'_>) -> Result<(), EngineError> {
        let fail = |failure: Failure| failure.into_error(Attempt::Open, self.kv.path());
        let settled = match self.kv.get(LAYOUT_KEY).map_err(fail)? {
            Some(bytes) => self.found_layout(&bytes, opening)?,
            None => self.make(opening, generation)?,
        };
        let _ = self.settled.set(settled);
        self.find_split_trees()
    }

    /// Checks the layout number of a store, and reads its generation.
    fn found_layout(&self, bytes: &[u8], opening: Opening) -> Result<(Layout, Generation), EngineError> {
        let fail = |failure: Failure| failure.into_error(Attempt::Open, self.kv.path());
        let corrupt = |found: &str| fail(Failure::Corrupt(found.to_owned()));
        let bytes = bytes
            .try_into()
            .map_err(|_| corrupt("the layout number is not 4 bytes"))?;
        let found = u32::from_le_bytes(bytes);
        let (path, current) = (self.kv.path().to_path_buf(), Layout::Checked.number());
        if found == 0 {
            Err(corrupt("the layout number is 0"))
        } else if found > current {
            Err(EngineError::Newer {
                path,
                found,
                known: current,
            })
        } else if opening == Opening::Earlier && found == Layout::Unchecked.number() {
            Ok((Layout::Unchecked, Generation::default()))
        } else if opening == Opening::Current && found == current {
            let row = self.kv.get(GENERATION_KEY).map_err(fail)?;
            let row = row.ok_or_else(|| corrupt("it has no generation"))?;
            match Layout::Checked.open(GENERATION_KEY, &row) {
                Ok(Opened::Inline(generation)) => match generation.try_into() {
                    Ok(generation) => Ok((Layout::Checked, Generation(generation))),
                    Err(_) => Err(corrupt("its generation is not 8 bytes")),
                },
                Ok(Opened::Split(_)) => Err(corrupt("its generation is not 8 bytes")),
                Err(found) => Err(corrupt(&found)),
            }
        } else {
            Err(EngineError::OtherLayout { path, found, current })
        }
    }

    /// Initialises an empty store.
    fn make(
        &self,
        opening: Opening,
        generation: &NewGeneration<'_>,
    ) -> Result<(Layout, Generation), EngineError> {
        let fail = |failure: Failure| failure.into_error(Attempt::Open, self.kv.path());
        let mut empty = true;
        self.kv
            .scan(
                (Bound::Unbounded, Bound::Unbounded),
                Direction::Forward,
                &mut |_, _| {
                    empty = false;
                    ControlFlow::Break(())
                },
            )
            .map_err(fail)?;
        if !empty {
            return Err(fail(Failure::Corrupt(
                "it holds rows and no layout number".to_owned(),
            )));
        }
        if opening == Opening::Earlier {
            return Err(EngineError::Missing {
                path: self.kv.path().to_path_buf(),
            });
        }
        let generation = generation().map_err(fail)?;
        let mut row = [GENERATION_KEY, &generation.0].concat();
        row::seal_inline(0..GENERATION_KEY.len(), &mut row);
        let layout = Layout::Checked.number().to_le_bytes();
        let ops = [
            (GENERATION_KEY, &row[GENERATION_KEY.len()..]),
            (LAYOUT_KEY, layout.as_slice()),
        ];
        let ops = ops.map(|(key, value)| KvOp {
            key,
            value: Some(value),
        });
        self.begin().map_err(fail)?;
        self.kv.commit(&ops).map_err(fail)?;
        self.kv.checkpoint().map_err(fail)?;
        Ok((Layout::Checked, generation))
    }

    fn find_split_trees(&self) -> Result<(), EngineError> {
        for tree in Tree::ALL {
            let start = [PIECES, tree.number()];
            let end = [PIECES, tree.number() + 1];
            let flag = self.split_flag(*tree);
            self.kv
                .scan(
                    (Bound::Included(&start), Bound::Excluded(&end)),
                    Direction::Forward,
                    &mut |_, _| {
                        flag.store(true, Ordering::Release);
                        ControlFlow::Break(())
                    },
                )
                .map_err(|failure| failure.into_error(Attempt::Open, self.kv.path()))?;
        }
        Ok(())
    }
}
