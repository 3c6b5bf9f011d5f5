//! An engine over another one, which it reads and never changes: writes go to a separate engine. So any
//! operation of a store can be tried and thrown away.
//!
//! The layer holds every written key: a value with `0x01` before it, or `0x00` alone if the key was deleted.
//! Reads ask it first; scans merge the two orders.
//!
//! It is as consistent as the engine below: a version (`versions.rs`) does not change, an engine in use does.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use super::error::EngineError;
use super::generation::Generation;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::tree::Tree;
use super::{Compaction, Direction, Engine, KeyValue, PageLimit, Visitor};

const DELETED: u8 = 0;
const WRITTEN: u8 = 1;
/// The amount that a scan reads ahead from each of the two engines.
const PAGE: PageLimit = PageLimit {
    rows: 256,
    bytes: 1 << 20,
};

/// A store with additional writes that are kept beside it.
#[derive(Debug)]
pub struct OverlayEngine {
    below: Arc<dyn Engine>,
    layer: Arc<dyn Engine>,
}

impl OverlayEngine {
    /// Lays an empty engine, which takes every write, over another.
    pub fn new(below: Arc<dyn Engine>, layer: Arc<dyn Engine>) -> Self {
        Self { below, layer }
    }

    fn lay(batch: &Batch) -> Batch {
        let mut laid = Batch::with_capacity(batch.len(), batch.byte_len());
        let mut value = Vec::new();
        for op in batch.iter() {
            value.clear();
            match op.value {
                Some(bytes) => {
                    value.push(WRITTEN);
                    value.extend_from_slice(bytes);
                }
                None => value.push(DELETED),
            }
            laid.put(op.tree, op.key, &value);
        }
        laid
    }
}

/// One side of a merge: the rows of a range, read a page at a time.
struct Walk<'a> {
    engine: &'a dyn Engine,
    tree: Tree,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    direction: Direction,
    ahead: VecDeque<KeyValue>,
    more: bool,
}

impl<'a> Walk<'a> {
    fn new(
        engine: &'a dyn Engine,
        tree: Tree,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
        direction: Direction,
    ) -> Self {
        Self {
            engine,
            tree,
            start: start.map(<[u8]>::to_vec),
            end: end.map(<[u8]>::to_vec),
            direction,
            ahead: VecDeque::new(),
            more: true,
        }
    }

    fn peek(&mut self) -> Result<Option<&KeyValue>, EngineError> {
        if self.ahead.is_empty() && self.more {
            let (start, end) = (self.start.as_ref(), self.end.as_ref());
            let page = self.engine.page(
                self.tree,
                start.map(Vec::as_slice),
                end.map(Vec::as_slice),
                self.direction,
                PAGE,
            )?;
            self.more = page.more;
            if let Some((last, _)) = page.rows.last() {
                match self.direction {
                    Direction::Forward => self.start = Bound::Excluded(last.clone()),
                    Direction::Reverse => self.end = Bound::Excluded(last.clone()),
                }
            }
            self.ahead = page.rows.into();
        }
        Ok(self.ahead.front())
    }

    fn take(&mut self) -> Option<KeyValue> {
        self.ahead.pop_front()
    }
}

impl Engine for OverlayEngine {
    fn kind(&self) -> EngineKind {
        self.below.kind()
    }

    fn path(&self) -> &Path {
        self.below.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.layer.get(tree, key)? {
            None => self.below.get(tree, key),
            Some(mut value) if value.first() == Some(&WRITTEN) => {
                value.remove(0);
                Ok(Some(value))
            }
            Some(_) => Ok(None),
        }
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let mut below = Walk::new(self.below.as_ref(), tree, (start, end), direction);
        let mut layer = Walk::new(self.layer.as_ref(), tree, (start, end), direction);
        loop {
            let order = match (below.peek()?, layer.peek()?) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((below, _)), Some((layer, _))) => match direction {
                    Direction::Forward => below.cmp(layer),
                    Direction::Reverse => layer.cmp(below),
                },
            };
            let passed = if order.is_le() { below.take() } else { None };
            let row = if order.is_ge() { layer.take() } else { None };
            let flow = match (row, passed) {
                (Some((key, value)), _) => match value.split_first() {
                    Some((&WRITTEN, value)) => visitor(&key, value),
                    _ => ControlFlow::Continue(()),
                },
                (None, Some((key, value))) => visitor(&key, &value),
                (None, None) => return Ok(()),
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        self.layer.commit(&Self::lay(batch))
    }

    /// Does nothing: no part of a trial has to be durable.
    fn checkpoint(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn generation(&self) -> Generation {
        self.below.generation()
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        let (below, layer) = (self.below.size_on_disk()?, self.layer.size_on_disk()?);
        Ok(ByteCount(below.0.saturating_add(layer.0)))
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        Ok(Compaction::NotSupported)
    }

    /// Checks the engine below; the layer is new.
    fn check(&self) -> Result<CheckReport, EngineError> {
        self.below.check()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EngineKind, EngineOptions, open};
    use super::*;

    fn memory() -> Arc<dyn Engine> {
        open(EngineKind::Memory, Path::new(""), &EngineOptions::default()).unwrap()
    }

    fn rows(engine: &dyn Engine, direction: Direction) -> Vec<KeyValue> {
        let mut rows = Vec::new();
        let (start, end) = (Bound::Included(&[2][..]), Bound::Excluded(&[250][..]));
        engine
            .scan(Tree::Claims, start, end, direction, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn overlay_shows_its_writes_without_changing_the_base() {
        // More rows than a page, so that the merge continues reading on both sides.
        let (below, expected) = (memory(), memory());
        let key = |number: u32| [&[(number % 251) as u8][..], &number.to_be_bytes()].concat();
        let mut batch = Batch::new();
        for number in 0..2_000 {
            batch.put(Tree::Claims, &key(number), &number.to_le_bytes());
        }
        below.commit(&batch).unwrap();
        expected.commit(&batch).unwrap();
        let before = rows(below.as_ref(), Direction::Forward);
        let overlay = OverlayEngine::new(below.clone(), memory());
        for round in 0..3_u32 {
            let mut batch = Batch::new();
            for number in (round..3_000).step_by(7) {
                match (number + round) % 3 {
                    0 => batch.delete(Tree::Claims, &key(number)),
                    _ => batch.put(Tree::Claims, &key(number), &round.to_le_bytes()),
                }
            }
            // An empty value is a value.
            batch.put(Tree::Claims, &key(5 + round), &[]);
            overlay.commit(&batch).unwrap();
            expected.commit(&batch).unwrap();
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            assert_eq!(rows(&overlay, direction), rows(expected.as_ref(), direction));
        }
        for number in 0..3_100 {
            let key = key(number);
            assert_eq!(
                overlay.get(Tree::Claims, &key).unwrap(),
                expected.get(Tree::Claims, &key).unwrap()
            );
        }
        assert_eq!(rows(below.as_ref(), Direction::Forward), before);
    }

    #[test]
    fn visitor_ends_a_scan_on_either_side() {
        let below = memory();
        let mut batch = Batch::new();
        batch.put(Tree::Claims, b"b", b"below");
        below.commit(&batch).unwrap();
        let overlay = OverlayEngine::new(below, memory());
        let mut batch = Batch::new();
        batch.put(Tree::Claims, b"a", b"layer");
        batch.put(Tree::Claims, b"c", b"layer");
        overlay.commit(&batch).unwrap();
        let (start, end) = (Bound::Unbounded, Bound::Unbounded);
        let first = overlay
            .first(Tree::Claims, start, end, Direction::Forward)
            .unwrap();
        assert_eq!(first, Some((b"a".to_vec(), b"layer".to_vec())));
        let last = overlay
            .first(Tree::Claims, start, end, Direction::Reverse)
            .unwrap();
        assert_eq!(last, Some((b"c".to_vec(), b"layer".to_vec())));
    }
}
