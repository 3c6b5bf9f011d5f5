//! A transaction being made: reads see its own writes, nothing reaches the engine before the commit.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use crate::engine::{Batch, Direction, Engine, EngineError, Tree};

/// What a scan calls for each row: key, value, and whether to go on.
type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Writes collected over an engine. Dropping it without a commit forgets them.
pub(crate) struct Txn<'a> {
    engine: &'a dyn Engine,
    writes: BTreeMap<Tree, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(engine: &'a dyn Engine) -> Self {
        Self {
            engine,
            writes: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.writes.get(&tree).and_then(|writes| writes.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.engine.get(tree, key),
        }
    }

    pub(crate) fn put(&mut self, tree: Tree, key: &[u8], value: Vec<u8>) {
        self.writes
            .entry(tree)
            .or_default()
            .insert(key.to_vec(), Some(value));
    }

    pub(crate) fn delete(&mut self, tree: Tree, key: &[u8]) {
        self.writes.entry(tree).or_default().insert(key.to_vec(), None);
    }

    /// Visits rows by rising key, those written here in place of those below.
    pub(crate) fn scan_prefix(
        &self,
        tree: Tree,
        prefix: &[u8],
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let Some(writes) = self.writes.get(&tree) else {
            return self.engine.scan_prefix(tree, prefix, Direction::Forward, visitor);
        };
        let mut written = writes
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let mut stopped = false;
        self.engine
            .scan_prefix(tree, prefix, Direction::Forward, &mut |key, value| {
                while let Some((own, change)) = written.next_if(|(own, _)| own.as_slice() < key) {
                    if let Some(change) = change
                        && visitor(own, change).is_break()
                    {
                        stopped = true;
                        return ControlFlow::Break(());
                    }
                }
                let flow = match written.next_if(|(own, _)| own.as_slice() == key) {
                    Some((own, Some(change))) => visitor(own, change),
                    Some((_, None)) => ControlFlow::Continue(()),
                    None => visitor(key, value),
                };
                stopped = flow.is_break();
                flow
            })?;
        if !stopped {
            for (own, change) in written {
                if let Some(change) = change
                    && visitor(own, change).is_break()
                {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Rows written so far.
    pub(crate) fn len(&self) -> usize {
        self.writes.values().map(BTreeMap::len).sum()
    }

    /// Commits everything at once, durably.
    pub(crate) fn commit(self) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for (tree, writes) in &self.writes {
            for (key, value) in writes {
                match value {
                    Some(value) => batch.put(*tree, key, value),
                    None => batch.delete(*tree, key),
                }
            }
        }
        self.engine.commit(&batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FaultPlan, MemoryEngine};

    #[test]
    fn a_scan_sees_the_transaction_merged_over_the_engine() {
        let engine = MemoryEngine::new(FaultPlan::default());
        let mut batch = Batch::new();
        for key in [b"a1", b"a3", b"a5", b"b1"] {
            batch.put(Tree::Meta, key, b"old");
        }
        engine.commit(&batch).unwrap();
        let mut txn = Txn::new(&engine);
        txn.put(Tree::Meta, b"a2", b"new".to_vec());
        txn.put(Tree::Meta, b"a3", b"new".to_vec());
        txn.delete(Tree::Meta, b"a5");
        txn.put(Tree::Meta, b"a9", b"new".to_vec());
        let mut seen = Vec::new();
        txn.scan_prefix(Tree::Meta, b"a", &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
        let expect: Vec<(Vec<u8>, Vec<u8>)> = [("a1", "old"), ("a2", "new"), ("a3", "new"), ("a9", "new")]
            .map(|(key, value)| (key.into(), value.into()))
            .to_vec();
        assert_eq!(seen, expect);
        txn.commit().unwrap();
        assert_eq!(engine.get(Tree::Meta, b"a5").unwrap(), None);
    }
}
