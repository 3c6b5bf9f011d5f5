//! The in-memory engine: deterministic, and able to fail on request.
//!
//! For tests and simulations, so it keeps the seam's promises exactly: commits that no checkpoint has followed
//! can be lost in a crash, and faults are data, so a run can be repeated.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::batch::Batch;
use super::error::{EngineError, Failure};
use super::generation::Generation;
use super::kv::{KeyRange, Kv, KvOp};
use super::layered::Layered;
use super::options::{ByteCount, EngineKind};
use super::report::CheckReport;
use super::settle::Opening;
use super::tree::Tree;
use super::{Compaction, Direction, Engine, Visitor};

/// Planned faults. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Faults by the number of the write that fails. The first fault of a number is used.
    pub faults: Vec<Fault>,
    /// The most bytes of keys and values in the store; further writes find no room.
    pub capacity: Option<ByteCount>,
}

impl FaultPlan {
    /// Returns a plan with one fault.
    pub fn at_write(write: u64, kind: FaultKind) -> Self {
        Self {
            faults: vec![Fault { write, kind }],
            capacity: None,
        }
    }
}

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the write: commits and checkpoints since the engine was opened, from 1.
    pub write: u64,
    /// The kind of the fault.
    pub kind: FaultKind,
}

/// The way in which a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An I/O error with nothing stored. Stops the engine like any other.
    Fail,
    /// No room, found before the write: nothing is stored and the engine continues.
    NoSpace,
    /// Power is lost in the middle: the commit is gone and, as chosen, earlier ones since the last checkpoint.
    /// A checkpoint has not taken effect.
    Tear(UnsyncedContent),
    /// Power is lost after the write took effect but before the caller learned of it. A commit counts as
    /// unsynced and is treated as chosen; after a checkpoint nothing is lost.
    CrashAfter(UnsyncedContent),
}

/// The commits without a checkpoint that survive a crash: always all up to some commit, and each whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsyncedContent {
    /// All of them.
    Kept,
    /// None.
    Lost,
    /// The first half of them, rounded down.
    HalfLost,
}

/// The in-memory engine. [`reopen`](MemoryEngine::reopen) simulates a restart of the process.
#[derive(Debug)]
pub struct MemoryEngine {
    layered: Layered<MemoryKv>,
}

impl MemoryEngine {
    /// Creates an empty store that fails as planned. All such stores have the same generation.
    pub fn new(plan: FaultPlan) -> Self {
        Self::with_generation(plan, Generation::default())
    }

    /// Creates an empty store with a generation that fails as planned.
    pub fn with_generation(plan: FaultPlan, generation: Generation) -> Self {
        Self::over(Arc::default(), plan, generation)
    }

    /// Loses power now. Every later call fails until [`reopen`](MemoryEngine::reopen).
    pub fn crash(&self, unsynced: UnsyncedContent) {
        self.layered.kv.write_state().crash(unsynced);
    }

    /// Reopens the store: after a crash with the surviving rows, after an orderly stop with everything. The old
    /// value is unusable afterwards.
    pub fn reopen(&self, plan: FaultPlan) -> Self {
        let mut state = self.layered.kv.write_state();
        state.crash(UnsyncedContent::Kept);
        // The rows hold the generation with which they were made.
        Self::over(std::mem::take(&mut state.rows), plan, Generation::default())
    }

    /// Replaces the plan. Writes continue counting.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.layered.kv.write_state().plan = plan;
    }

    /// Returns how many writes were begun since the engine was opened.
    pub fn writes(&self) -> u64 {
        self.layered.kv.read_state().writes
    }

    fn over(rows: Rows, plan: FaultPlan, generation: Generation) -> Self {
        let bytes = rows.iter().map(|(key, value)| row_bytes(key, value)).sum();
        let kv = MemoryKv {
            state: RwLock::new(State {
                rows,
                bytes,
                ..State::default()
            }),
        };
        let layered = Layered::assemble(kv, None);
        // A map without a plan does not fail; if it did, the engine would report it at its first use.
        if let Err(error) = layered.settle(Opening::Current, &|| Ok(generation)) {
            layered.stop(&Failure::Stopped(error.to_string()));
        }
        {
            // Set only now, so that the plan counts the caller's writes and not the layer's first.
            let mut state = layered.kv.write_state();
            state.plan = plan;
            state.writes = 0;
        }
        Self { layered }
    }
}

impl Engine for MemoryEngine {
    fn kind(&self) -> EngineKind {
        self.layered.kind()
    }

    fn path(&self) -> &Path {
        self.layered.path()
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.layered.get(tree, key)
    }

    fn scan(
        &self,
        tree: Tree,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        self.layered.scan(tree, start, end, direction, visitor)
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        self.layered.commit(batch)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.layered.checkpoint()
    }

    fn generation(&self) -> Generation {
        self.layered.generation()
    }

    fn size_on_disk(&self) -> Result<ByteCount, EngineError> {
        self.layered.size_on_disk()
    }

    fn compact(&self) -> Result<Compaction, EngineError> {
        self.layered.compact()
    }

    fn check(&self) -> Result<CheckReport, EngineError> {
        self.layered.check()
    }
}

/// Shared, so that a scan sees the state it started with while writers continue.
type Rows = Arc<BTreeMap<Arc<[u8]>, Arc<[u8]>>>;

#[derive(Debug, Default)]
pub(super) struct MemoryKv {
    state: RwLock<State>,
}

/// A key and its previous value.
type Undo = (Arc<[u8]>, Option<Arc<[u8]>>);

#[derive(Debug, Default)]
struct State {
    rows: Rows,
    /// Keys and values of `rows`.
    bytes: u64,
    /// The changes that a crash may undo, by commit, in the order of writing.
    unsynced: Vec<Vec<Undo>>,
    plan: FaultPlan,
    writes: u64,
    crashed: bool,
}

impl State {
    fn apply(&mut self, ops: &[KvOp<'_>]) {
        let mut undo = Vec::with_capacity(ops.len());
        // Copies the map only while a scan holds it.
        let rows = Arc::make_mut(&mut self.rows);
        for op in ops {
            let key: Arc<[u8]> = op.key.into();
            let before = match op.value {
                Some(value) => {
                    self.bytes += row_bytes(op.key, value);
                    rows.insert(key.clone(), value.into())
                }
                None => rows.remove(op.key),
            };
            if let Some(before) = &before {
                self.bytes -= row_bytes(op.key, before);
            }
            undo.push((key, before));
        }
        self.unsynced.push(undo);
    }

    fn crash(&mut self, unsynced: UnsyncedContent) {
        if self.crashed {
            return;
        }
        self.crashed = true;
        let commits = std::mem::take(&mut self.unsynced);
        let kept = match unsynced {
            UnsyncedContent::Kept => commits.len(),
            UnsyncedContent::Lost => 0,
            UnsyncedContent::HalfLost => commits.len() / 2,
        };
        let rows = Arc::make_mut(&mut self.rows);
        // Backwards, so that a key written twice returns to its first value.
        for (key, before) in commits.into_iter().skip(kept).flatten().rev() {
            match before {
                Some(before) => rows.insert(key, before),
                None => rows.remove(&key),
            };
        }
    }

    /// Counts a write, and returns its planned fault.
    fn begin_write(&mut self, needed: u64) -> Result<Option<FaultKind>, Failure> {
        if self.crashed {
            return Err(crashed());
        }
        self.writes += 1;
        let mut faults = self.plan.faults.iter();
        let fault = faults.find(|fault| fault.write == self.writes);
        let fault = fault.map(|fault| fault.kind);
        let planned = fault == Some(FaultKind::NoSpace);
        let capacity = self.plan.capacity.map_or(u64::MAX, ByteCount::get);
        let free = if planned {
            0
        } else {
            capacity.saturating_sub(self.bytes)
        };
        if planned || needed > free {
            return Err(Failure::NoRoom {
                free: ByteCount(free),
                needed: ByteCount(needed),
            });
        }
        if fault == Some(FaultKind::Fail) {
            return Err(Failure::Io(std::io::Error::other(format!(
                "planned failure of write {}",
                self.writes
            ))));
        }
        Ok(fault)
    }
}

impl MemoryKv {
    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> Result<Rows, Failure> {
        let state = self.read_state();
        if state.crashed {
            Err(crashed())
        } else {
            Ok(state.rows.clone())
        }
    }
}

impl Kv for MemoryKv {
    const KIND: EngineKind = EngineKind::Memory;

    /// As sled's, so that tests over this engine split the same values.
    const MAX_ROW_BYTES: usize = 7_000;

    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let state = self.read_state();
        if state.crashed {
            return Err(crashed());
        }
        Ok(state.rows.get(key).map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        range: KeyRange<'_>,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<(), Failure> {
        let rows = self.rows()?;
        let mut range = rows.range::<[u8], _>(range);
        loop {
            let row = match direction {
                Direction::Forward => range.next(),
                Direction::Reverse => range.next_back(),
            };
            let Some((key, value)) = row else { return Ok(()) };
            if let ControlFlow::Break(()) = visit(key, value) {
                return Ok(());
            }
        }
    }

    fn commit(&self, ops: &[KvOp<'_>]) -> Result<(), Failure> {
        let mut state = self.write_state();
        let needed = ops
            .iter()
            .map(|op| row_bytes(op.key, op.value.unwrap_or_default()));
        match state.begin_write(needed.sum())? {
            Some(FaultKind::Tear(unsynced)) => {
                state.crash(unsynced);
                Err(crashed())
            }
            Some(FaultKind::CrashAfter(unsynced)) => {
                state.apply(ops);
                state.crash(unsynced);
                Err(crashed())
            }
            _ => {
                state.apply(ops);
                Ok(())
            }
        }
    }

    fn checkpoint(&self) -> Result<(), Failure> {
        let mut state = self.write_state();
        match state.begin_write(0)? {
            Some(FaultKind::Tear(unsynced)) => {
                state.crash(unsynced);
                Err(crashed())
            }
            Some(FaultKind::CrashAfter(_)) => {
                state.crash(UnsyncedContent::Kept);
                Err(crashed())
            }
            _ => {
                state.unsynced.clear();
                Ok(())
            }
        }
    }

    /// Does nothing: the write itself finds a lack of room, so that it counts once.
    fn check_room(&self, _bytes: usize) -> Result<(), Failure> {
        Ok(())
    }

    fn size_on_disk(&self) -> Result<ByteCount, Failure> {
        Ok(ByteCount(self.read_state().bytes))
    }

    fn compact(&self) -> Result<Compaction, Failure> {
        let size = self.size_on_disk()?;
        Ok(Compaction::Done {
            before: size,
            after: size,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

fn row_bytes(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

fn crashed() -> Failure {
    Failure::Stopped("planned loss of power".to_owned())
}
