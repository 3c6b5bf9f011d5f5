//! A store of any engine in a temporary folder, and small helpers over it.

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use starling_store::engine::{
    Batch, ByteCount, Direction, Engine, EngineKind, EngineOptions, FaultPlan, KeyValue, MemoryEngine, Tree,
    open,
};
use tempfile::TempDir;

/// Returns the options of all tests: a small cache, so that pages are read back from disk too.
pub(crate) fn options() -> EngineOptions {
    EngineOptions::default()
        .with_cache(ByteCount::mebibytes(2))
        .with_reserve(ByteCount(0))
}

pub(crate) struct Bed {
    folder: TempDir,
    store: Store,
}

enum Store {
    Files {
        kind: EngineKind,
        engine: Option<Arc<dyn Engine>>,
    },
    Memory(Arc<MemoryEngine>),
}

impl Bed {
    pub(crate) fn new(kind: EngineKind) -> Self {
        let folder = TempDir::new().unwrap();
        let store = match kind {
            EngineKind::Memory => Store::Memory(Arc::new(MemoryEngine::new(FaultPlan::default()))),
            EngineKind::Sled | EngineKind::Redb => Store::Files {
                kind,
                engine: Some(open(kind, folder.path(), &options()).unwrap()),
            },
        };
        Self { folder, store }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        match &self.store {
            Store::Files { engine, .. } => engine.clone().unwrap(),
            Store::Memory(engine) => engine.clone(),
        }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(&mut self) -> Arc<dyn Engine> {
        match &mut self.store {
            Store::Files { kind, engine } => {
                // Dropped first: the lock is held as long as the engine lives.
                drop(engine.take());
                *engine = Some(open(*kind, self.folder.path(), &options()).unwrap());
            }
            Store::Memory(engine) => *engine = Arc::new(engine.reopen(FaultPlan::default())),
        }
        self.engine()
    }
}

pub(crate) fn put(engine: &dyn Engine, tree: Tree, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(tree, key, value);
    engine.commit(&batch).unwrap();
}

pub(crate) fn rows(
    engine: &dyn Engine,
    tree: Tree,
    start: Bound<&[u8]>,
    end: Bound<&[u8]>,
    direction: Direction,
) -> Vec<KeyValue> {
    let mut rows = Vec::new();
    engine
        .scan(tree, start, end, direction, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

pub(crate) fn all_rows(engine: &dyn Engine, tree: Tree) -> Vec<KeyValue> {
    rows(
        engine,
        tree,
        Bound::Unbounded,
        Bound::Unbounded,
        Direction::Forward,
    )
}

/// Bytes that look like compressed data and differ for every seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Defines each test once for every engine.
macro_rules! for_every_engine {
    ($( $(#[$attr:meta])* fn $name:ident($bed:ident) $body:block )+) => {
        for_every_engine!(@engine sled, Sled, $( $(#[$attr])* fn $name($bed) $body )+);
        for_every_engine!(@engine redb, Redb, $( $(#[$attr])* fn $name($bed) $body )+);
        for_every_engine!(@engine memory, Memory, $( $(#[$attr])* fn $name($bed) $body )+);
    };
    (@engine $module:ident, $kind:ident, $( $(#[$attr:meta])* fn $name:ident($bed:ident) $body:block )+) => {
        mod $module {
            #[allow(unused_imports, reason = "each file uses what it needs")]
            use super::*;
            $(
                $(#[$attr])*
                #[test]
                fn $name() {
                    #[allow(unused_mut, reason = "only some reopen")]
                    let mut $bed = $crate::engine::bed::Bed::new(starling_store::engine::EngineKind::$kind);
                    $body
                }
            )+
        }
    };
}
pub(crate) use for_every_engine;
