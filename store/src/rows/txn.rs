//! A transaction in progress: reads see its own writes; nothing reaches the log or the engine before the
//! commit.
//!
//! It collects two things: entries, which the site acknowledges, and rows, which follow from them. The commit
//! appends the entries to the log, durably, and then writes the rows with the log's new position.
//!
//! Rows that are too many for one batch are written in steps, after their entries are in the log. The last step
//! carries the position: after a crash before it, the entries are replayed over the rows of the other steps, so
//! these must not change what the replay reads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use starling_protocol::ClaimNumber;

use super::{DeltaRow, LogNumber, delta_key, meta};
use crate::engine::{Batch, Direction, Engine, EngineError, ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::history::is_moment;
use crate::journal::{Entry, Journal};
use crate::log::{FramePlace, LogPosition};

/// The callback of a scan for each row: key and value in, whether to continue out.
type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Most rows that a transaction remembers as they were read.
const MOST_READS: usize = 32_768;

/// Bytes of rows after which a step of a large change is written.
const STEP_BYTES: usize = 8 << 20;

#[derive(Default)]
struct Reads {
    rows: BTreeMap<Tree, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    count: usize,
}

/// Puts and deletes by tree and key.
type Writes = BTreeMap<Tree, BTreeMap<Vec<u8>, Option<Vec<u8>>>>;

/// Writes collected over an engine. Dropping it without a commit forgets them.
pub(crate) struct Txn<'a> {
    engine: &'a dyn Engine,
    /// The destination of entries; a transaction of derived rows alone has none.
    journal: Option<&'a Journal>,
    writes: Writes,
    entries: Vec<Entry>,
    /// Rows as they were read, with the number of commits at that time: the old values of later writes.
    reads: RefCell<Reads>,
    commits: u64,
    /// Rows of deltas that get their place in the log by the commit, by the entry's index.
    deltas: Vec<(usize, Vec<u8>, u16)>,
    /// The end of the group with the entries, after they are in the log and before the last row is written.
    stored: Option<LogPosition>,
    /// About the bytes of the rows, each write counted.
    bytes: usize,
    /// True if the rows are too many for one batch.
    in_steps: bool,
}

impl<'a> Txn<'a> {
    /// Begins a transaction of rows that are derived, or replayed from the log.
    pub(crate) fn new(engine: &'a dyn Engine) -> Self {
        Self {
            engine,
            journal: None,
            writes: BTreeMap::new(),
            entries: Vec::new(),
            reads: RefCell::default(),
            commits: engine.commits(),
            deltas: Vec::new(),
            stored: None,
            bytes: 0,
            in_steps: false,
        }
    }

    /// Begins a transaction whose entries go to a journal.
    pub(crate) fn over(engine: &'a dyn Engine, journal: &'a Journal) -> Self {
        Self {
            journal: Some(journal),
            ..Self::new(engine)
        }
    }

    /// Adds an entry to the log. The caller also writes the rows that follow from it.
    ///
    /// A site that is open to read only changes in memory alone, so nothing is logged.
    pub(crate) fn log(&mut self, entry: Entry) {
        if !self.journal.is_some_and(Journal::is_read_only) {
            self.entries.push(entry);
        }
    }

    /// Adds a delta to the log, and its row.
    pub(crate) fn log_delta(
        &mut self,
        log: LogNumber,
        first: ClaimNumber,
        count: u16,
        own: bool,
        bytes: &[u8],
    ) {
        let key = delta_key(log, first);
        let row = DeltaRow::Inline {
            count,
            bytes: bytes.to_vec(),
        };
        self.put(Tree::Logs, &key, row.encode());
        self.deltas.push((self.entries.len(), key, count));
        let bytes = bytes.to_vec();
        self.entries.push(Entry::Delta { own, bytes });
    }

    /// Sets the log position up to which the rows follow after this transaction.
    pub(crate) fn reach(&mut self, position: &LogPosition) {
        self.put(Tree::Meta, meta::POSITION, position.encode().to_vec());
    }

    pub(crate) fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.writes.get(&tree).and_then(|writes| writes.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.read(tree, key),
        }
    }

    /// Reads a row below and remembers it: most rows that are read are written next.
    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let row = self.engine.get(tree, key)?;
        let mut reads = self.reads.borrow_mut();
        if reads.count < MOST_READS {
            reads.count += 1;
            let rows = reads.rows.entry(tree).or_default();
            rows.insert(key.to_vec(), row.clone());
        }
        Ok(row)
    }

    pub(crate) fn put(&mut self, tree: Tree, key: &[u8], value: Vec<u8>) {
        self.bytes += key.len() + value.len();
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

    /// Returns true if there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.entries.is_empty() && self.stored.is_none()
    }

    /// Returns the greatest key written here.
    pub(crate) fn last_written(&self, tree: Tree) -> Option<Vec<u8>> {
        let (key, _) = self.writes.get(&tree)?.last_key_value()?;
        Some(key.clone())
    }

    /// Rows written so far.
    pub(crate) fn len(&self) -> usize {
        self.writes.values().map(BTreeMap::len).sum()
    }

    /// Returns true if there are rows of a tree to write.
    pub(crate) fn writes_to(&self, tree: Tree) -> bool {
        self.writes.get(&tree).is_some_and(|rows| !rows.is_empty())
    }

    fn notes_moment(&self) -> bool {
        let rows = self.writes.get(&Tree::History);
        rows.is_some_and(|rows| rows.keys().any(|key| is_moment(key)))
    }

    /// Appends the entries to the log, durably, before the rows. Returns the places of their frames; none on a copy of
    /// the store.
    ///
    /// # Errors
    /// Of the log, with nothing stored.
    pub(crate) fn store_entries(&mut self) -> Result<Vec<FramePlace>, StoreError> {
        debug_assert!(
            self.entries.is_empty() || self.journal.is_some(),
            "entries need a journal"
        );
        let Some(journal) = self.journal.filter(|_| !self.entries.is_empty()) else {
            return Ok(Vec::new());
        };
        let Some(appended) = journal.append(&self.entries, self.notes_moment())? else {
            return Ok(Vec::new());
        };
        self.entries.clear();
        for (index, key, count) in std::mem::take(&mut self.deltas) {
            if let Some(place) = appended.places.get(index) {
                let row = DeltaRow::Placed { count, place: *place };
                self.put(Tree::Logs, &key, row.encode());
            }
        }
        self.stored = Some(appended.end);
        Ok(appended.places)
    }

    /// Writes the entries and the rows so far, and lets [`step`](Self::step) write the others. A failure after it leaves a
    /// part of the rows, and is mended by a replay.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn begin_steps(&mut self) -> Result<(), StoreError> {
        self.in_steps = true;
        self.flush()
    }

    /// Writes the rows so far if they are many, in a change that is too large for one batch.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn step(&mut self) -> Result<(), StoreError> {
        if self.in_steps && (self.len() >= ROWS_PER_COMMIT || self.bytes >= STEP_BYTES) {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the rows so far, without the position of the entries.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn flush(&mut self) -> Result<(), StoreError> {
        self.store_entries()?;
        if !self.writes.is_empty() {
            let reads = std::mem::take(self.reads.get_mut());
            let writes = std::mem::take(&mut self.writes);
            self.bytes = 0;
            self.write(&writes, &reads)?;
            self.commits = self.engine.commits();
        }
        Ok(())
    }

    fn write(&self, writes: &Writes, reads: &Reads) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for (tree, writes) in writes {
            for (key, value) in writes {
                match value {
                    Some(value) => batch.put(*tree, key, value),
                    None => batch.delete(*tree, key),
                }
            }
        }
        // Another commit may have come between; then the rows are read again.
        let is_current = self.engine.commits() == self.commits;
        let known = |tree: Tree, key: &[u8]| {
            let row = reads.rows.get(&tree)?.get(key)?;
            is_current.then(|| row.clone())
        };
        self.engine.commit_knowing(&batch, &known).map_err(|source| {
            if self.stored.is_some() {
                StoreError::NotShown { source }
            } else {
                StoreError::Engine(source)
            }
        })
    }

    /// Commits everything: the entries durably in the log, then the rows at once in the engine.
    ///
    /// # Errors
    /// Of the log, with nothing stored; [`StoreError::NotShown`] if the entries are stored but the engine did
    /// not take the rows.
    pub(crate) fn commit(mut self) -> Result<(), StoreError> {
        self.store_entries()?;
        if let Some(end) = self.stored {
            self.reach(&end);
            // Of entries that were stored before their rows, it was not known yet.
            if let Some(journal) = self.journal.filter(|_| self.notes_moment()) {
                journal.moment_noted();
            }
        }
        let reads = std::mem::take(self.reads.get_mut());
        self.write(&self.writes, &reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{FaultPlan, MemoryEngine};

    #[test]
    fn scan_sees_the_transaction_merged_over_the_engine() {
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
