//! The requirements for a key-value library: the only trait that an engine's own file implements.
//!
//! One ordered key space of bytes. Trees are its first byte, large values are several rows. Limits and
//! poisoning are handled above, in `layered.rs`, once for all engines.

use std::cell::Cell;
use std::fmt::Debug;
use std::ops::Bound;
use std::path::Path;
use std::sync::Once;

use super::error::Failure;
use super::options::{ByteCount, EngineKind};
use super::{Compaction, Direction, Visitor};

/// One stored row to write or, without a value, to remove.
#[derive(Clone, Copy, Debug)]
pub(super) struct KvOp<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
}

/// A range of stored keys. The layer never passes an inverted or an empty one.
pub(super) type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// An ordered, transactional key-value store. Writers are serialised by the layer above.
pub(super) trait Kv: Send + Sync + Debug {
    const KIND: EngineKind;

    /// The most that a row (key and value) may hold: larger values are split.
    const MAX_ROW_BYTES: usize;

    /// Returns the files' folder; empty for an engine without files.
    fn path(&self) -> &Path;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    fn scan(&self, range: KeyRange<'_>, direction: Direction, visit: &mut Visitor<'_>)
    -> Result<(), Failure>;

    /// Writes rows, which are sorted and unique: atomic, visible on return, durable after the next
    /// `checkpoint`.
    fn commit(&self, ops: &[KvOp<'_>]) -> Result<(), Failure>;

    /// Makes every commit so far durable.
    fn checkpoint(&self) -> Result<(), Failure>;

    /// Refuses a write of `bytes` bytes that the disk has no room for, before it starts.
    fn check_room(&self, bytes: usize) -> Result<(), Failure>;

    fn size_on_disk(&self) -> Result<ByteCount, Failure>;

    fn compact(&self) -> Result<Compaction, Failure>;

    /// Checks the library's own structures beyond what reading every row shows.
    fn check(&self) -> Result<(), Failure>;
}

/// Refuses a write that would leave less than `reserve` free in the file system of `path`.
///
/// `bytes` counts four times, because both libraries rewrite whole pages for a changed row. This is a margin,
/// not a bound: if the disk still runs full, the write itself fails.
pub(super) fn check_disk_room(path: &Path, reserve: ByteCount, bytes: usize) -> Result<(), Failure> {
    const WRITE_AMPLIFICATION: u64 = 4;
    if reserve == ByteCount(0) {
        return Ok(());
    }
    let stat = rustix::fs::statvfs(path).map_err(|errno| Failure::Io(errno.into()))?;
    let free = ByteCount(stat.f_bavail.saturating_mul(stat.f_frsize));
    let needed = (bytes as u64)
        .saturating_mul(WRITE_AMPLIFICATION)
        .saturating_add(reserve.get());
    if free.get() < needed {
        return Err(Failure::NoRoom {
            free,
            needed: ByteCount(needed),
        });
    }
    Ok(())
}

/// Runs a library's code and turns a panic in it into [`Failure::Panicked`] with the panic's text.
///
/// Both libraries assert on data from disk, so damage can surface as a panic. The panic's remains in memory are
/// not trusted: the layer stops the engine.
pub(super) fn contain<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let outer = CONTAINED.replace(true);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    CONTAINED.set(outer);
    match outcome {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(Failure::Panicked(
                text.chars().take(MAX_PANIC_TEXT_CHARS).collect(),
            ))
        }
    }
}

thread_local! {
    /// True if this thread runs a library's code whose panics are caught and reported as errors.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of the libraries from being printed: they are caught and reported as damage. All other panics
/// are printed as before. Must be called by a program at its start, not by a library.
pub fn quiet_contained_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                print(panic);
            }
        }));
    });
}

/// Enough to recognise a panic; sled's can print whole pages.
const MAX_PANIC_TEXT_CHARS: usize = 300;
