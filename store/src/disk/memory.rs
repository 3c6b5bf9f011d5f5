//! A disk in memory that fails as planned, for durability tests and simulations.
//!
//! It keeps each file as written, and the old bytes needed to return to the last sync. A crash returns to that
//! state or to a mixture, as planned. Names are durable after a sync of their folder.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, OpenFile};

/// The state after a crash of bytes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsyncedBytes {
    /// All of them, as after the end of a process.
    Kept,
    /// None are kept, as after a loss of power with nothing written back.
    Lost,
    /// The first half of each file's unsynced tail, at the full length: torn.
    Torn,
}

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFaultKind {
    /// The operation fails and does nothing.
    Fail,
    /// A write that stores half of its bytes and then fails for lack of space; a sync that fails.
    Short,
    /// Power is lost before the operation.
    CrashBefore(UnsyncedBytes),
    /// Power is lost after the operation but before the caller learns of it.
    CrashAfter(UnsyncedBytes),
}

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFault {
    /// The operation that fails, counted from 1 over writes, cuts, renames, removals and syncs.
    pub operation: u64,
    /// The kind of fault.
    pub kind: DiskFaultKind,
}

/// All planned faults of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskPlan {
    /// By operation.
    pub faults: Vec<DiskFault>,
    /// The capacity of the disk in bytes; a write beyond it stores what fits and fails.
    pub capacity: Option<u64>,
}

impl DiskPlan {
    /// Plans one fault.
    pub fn at(operation: u64, kind: DiskFaultKind) -> Self {
        Self {
            faults: vec![DiskFault { operation, kind }],
            capacity: None,
        }
    }
}

/// A disk in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// By path, as written.
    names: BTreeMap<String, u64>,
    /// By path, as durable.
    durable_names: BTreeMap<String, u64>,
    /// By file number, also of files without a name that are open.
    files: BTreeMap<u64, Content>,
    last_file: u64,
    plan: DiskPlan,
    operations: u64,
    crashed: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    written: Vec<u8>,
    /// Length as of the last sync.
    durable_length: usize,
    /// Durable bytes that were overwritten or cut off since the last sync, by offset, oldest first. The cost of
    /// a sync depends on the changes, not on the size of the file.
    replaced: Vec<(usize, Vec<u8>)>,
}

impl Content {
    fn durable_of(written: Vec<u8>) -> Self {
        Self {
            durable_length: written.len(),
            written,
            replaced: Vec::new(),
        }
    }

    fn write(&mut self, start: usize, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len());
        self.keep_replaced(start, end);
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[start..end].copy_from_slice(bytes);
    }

    fn set_len(&mut self, length: usize) {
        self.keep_replaced(length, usize::MAX);
        self.written.resize(length, 0);
    }

    fn sync(&mut self) {
        self.durable_length = self.written.len();
        self.replaced.clear();
    }

    /// Keeps the durable bytes of a range that is about to change.
    fn keep_replaced(&mut self, start: usize, end: usize) {
        let end = end.min(self.durable_length).min(self.written.len());
        if start < end {
            self.replaced.push((start, self.written[start..end].to_vec()));
        }
    }

    /// Returns the bytes as of the last sync.
    fn durable(&self) -> Vec<u8> {
        let mut durable = self.written.clone();
        durable.resize(self.durable_length, 0);
        // Backwards, so that a range that changed twice returns to its first content.
        for (start, bytes) in self.replaced.iter().rev() {
            durable[*start..start + bytes.len()].copy_from_slice(bytes);
        }
        durable
    }

    fn is_synced(&self) -> bool {
        self.replaced.is_empty() && self.durable_length == self.written.len()
    }

    fn crash(&mut self, unsynced: UnsyncedBytes) {
        if self.is_synced() {
            return;
        }
        match unsynced {
            UnsyncedBytes::Kept => {}
            UnsyncedBytes::Lost => self.written = self.durable(),
            UnsyncedBytes::Torn => {
                let durable = self.durable();
                let same = durable.iter().zip(&self.written);
                let same = same.take_while(|(durable, written)| durable == written).count();
                let half = same + (self.written.len() - same).div_ceil(2);
                self.written[half..].fill(0);
            }
        }
        self.sync();
    }
}

impl MemoryDisk {
    /// Creates an empty disk that fails as planned.
    pub fn new(plan: DiskPlan) -> Self {
        let disk = Self::default();
        disk.set_plan(plan);
        disk
    }

    /// Replaces the plan. Operations continue counting.
    pub fn set_plan(&self, plan: DiskPlan) {
        self.state().plan = plan;
    }

    /// Returns how many operations were begun.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Loses power now. Every later call fails until [`reopen`](Self::reopen).
    pub fn crash(&self, unsynced: UnsyncedBytes) {
        self.state().crash(unsynced);
    }

    /// Returns the disk as a restart finds it. Files that were open stay unusable.
    #[must_use]
    pub fn reopen(&self, plan: DiskPlan) -> Self {
        let mut state = self.state();
        state.crash(UnsyncedBytes::Kept);
        let mut fresh = State {
            plan,
            last_file: state.last_file,
            ..State::default()
        };
        for (path, number) in &state.durable_names {
            if let Some(content) = state.files.get(number) {
                fresh
                    .files
                    .insert(*number, Content::durable_of(content.written.clone()));
                fresh.names.insert(path.clone(), *number);
            }
        }
        fresh.durable_names = fresh.names.clone();
        Self {
            state: Arc::new(Mutex::new(fresh)),
        }
    }

    /// Returns an independent copy of the disk, like a backup or a cloned machine.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        let copy = State {
            names: state.names.clone(),
            durable_names: state.names.clone(),
            files: state.files.clone(),
            last_file: state.last_file,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    /// Changes the bytes of a file behind everybody's back: damage, for tests.
    pub fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let number = state.names.get(path).copied();
        if let Some(content) = number.and_then(|number| state.files.get_mut(&number)) {
            change(&mut content.written);
            *content = Content::durable_of(std::mem::take(&mut content.written));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn crash(&mut self, unsynced: UnsyncedBytes) {
        if self.crashed {
            return;
        }
        self.crashed = true;
        if unsynced == UnsyncedBytes::Kept {
            self.durable_names = self.names.clone();
        }
        for content in self.files.values_mut() {
            content.crash(unsynced);
        }
    }

    fn ensure_powered(&self) -> io::Result<()> {
        if self.crashed {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// Counts an operation and returns its planned fault. A planned crash happens first.
    fn begin(&mut self) -> io::Result<Option<DiskFaultKind>> {
        self.ensure_powered()?;
        self.operations += 1;
        let operation = self.operations;
        let planned = self.plan.faults.iter().find(|fault| fault.operation == operation);
        match planned.map(|fault| fault.kind) {
            Some(DiskFaultKind::Fail) => Err(io::Error::other(format!(
                "planned failure of operation {operation}"
            ))),
            Some(DiskFaultKind::CrashBefore(unsynced)) => {
                self.crash(unsynced);
                Err(io::Error::other("the power went off"))
            }
            other => Ok(other),
        }
    }

    fn end(&mut self, fault: Option<DiskFaultKind>) -> io::Result<()> {
        if let Some(DiskFaultKind::CrashAfter(unsynced)) = fault {
            self.crash(unsynced);
            return Err(io::Error::other("the power went off"));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.files
            .values()
            .map(|content| content.written.len() as u64)
            .sum()
    }
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.to_owned())
}

fn is_in(path: &str, folder: &str) -> bool {
    path.rsplit_once('/').map_or("", |(parent, _)| parent) == folder
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, how: OpenFile) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.ensure_powered()?;
        let number = match (state.names.get(path).copied(), how) {
            (Some(_), OpenFile::Create) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            (Some(number), _) => number,
            (None, OpenFile::Create) => {
                state.last_file += 1;
                let number = state.last_file;
                state.names.insert(path.to_owned(), number);
                state.files.insert(number, Content::default());
                number
            }
            (None, _) => return Err(not_found(path)),
        };
        Ok(Arc::new(MemoryFile {
            disk: self.clone(),
            number,
        }))
    }

    fn create_folder(&self, _: &str) -> io::Result<()> {
        self.state().ensure_powered()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.ensure_powered()?;
        let inside = state.names.keys().filter(|path| is_in(path, folder));
        let names = inside.filter_map(|path| path.rsplit('/').next());
        Ok(names.map(str::to_owned).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin()?;
        let below = format!("{from}/");
        let moved: Vec<String> = state
            .names
            .keys()
            .filter(|path| *path == from || path.starts_with(&below))
            .cloned()
            .collect();
        if moved.is_empty() {
            return Err(not_found(from));
        }
        for path in moved {
            let target = format!("{to}{}", &path[from.len()..]);
            if let Some(number) = state.names.remove(&path) {
                state.names.insert(target, number);
            }
        }
        state.end(fault)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin()?;
        state.names.remove(path).ok_or_else(|| not_found(path))?;
        state.end(fault)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin()?;
        if fault == Some(DiskFaultKind::Short) {
            return Err(io::Error::other("planned failure of a sync"));
        }
        // A renamed folder's files are durable with the folder above them.
        let names = state.names.clone();
        let durable = std::mem::take(&mut state.durable_names);
        let under = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
        state.durable_names = durable
            .into_iter()
            .filter(|(path, _)| !under(path))
            .chain(names.into_iter().filter(|(path, _)| under(path)))
            .collect();
        state.end(fault)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let state = self.state();
        state.ensure_powered()?;
        let used = state.used();
        Ok(state.plan.capacity.map(|capacity| capacity.saturating_sub(used)))
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    number: u64,
}

impl DiskFile for MemoryFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        state.ensure_powered()?;
        let content = state.files.get(&self.number).ok_or_else(|| not_found("a file"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let bytes = content
            .written
            .get(start..end)
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        let (used, capacity) = (state.used(), state.plan.capacity);
        let content = state
            .files
            .get_mut(&self.number)
            .ok_or_else(|| not_found("a file"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let grown = (start.saturating_add(bytes.len())).saturating_sub(content.written.len()) as u64;
        let room = capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
        let fits = if fault == Some(DiskFaultKind::Short) {
            bytes.len() / 2
        } else if grown > room {
            bytes
                .len()
                .saturating_sub(usize::try_from(grown - room).unwrap_or(usize::MAX))
        } else {
            bytes.len()
        };
        if fits > 0 {
            content.write(start, &bytes[..fits]);
        }
        if fits < bytes.len() {
            return Err(full());
        }
        state.end(fault)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        if fault == Some(DiskFaultKind::Short) {
            return Err(io::Error::other("planned failure of a sync"));
        }
        let content = state
            .files
            .get_mut(&self.number)
            .ok_or_else(|| not_found("a file"))?;
        content.sync();
        state.end(fault)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        let content = state
            .files
            .get_mut(&self.number)
            .ok_or_else(|| not_found("a file"))?;
        content.set_len(usize::try_from(length).unwrap_or(usize::MAX));
        state.end(fault)
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.ensure_powered()?;
        let content = state.files.get(&self.number).ok_or_else(|| not_found("a file"))?;
        Ok(content.written.len() as u64)
    }
}
