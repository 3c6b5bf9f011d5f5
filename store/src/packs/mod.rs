//! Packs: the files that hold record bodies by content hash, compressed with dictionaries trained from them.
//!
//! A pack is written from start to end and then stays unchanged. Only the last one is appended to. The hash of
//! every frame covers its file and its place, so damage and misplaced data are detected; and every body that is
//! read is hashed again. The caller keeps track of the needed bodies and their places: it gets a place for
//! every body, and [`Packs::scan`] finds the places again.
//!
//! The layout is described in `docs/formats/packs.md`.

mod batch;
mod check;
mod compact;
mod compress;
mod dictionary;
mod error;
mod files;
mod frame;
mod place;
mod read;
mod scan;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::compact::CompactedPacks;
pub use self::error::{DamageKind, PackDamage, PackError};
pub use self::place::{BodyPlace, PackId, PackNumber, PackPosition};
pub use self::scan::{PackScan, TornTail};

use self::dictionary::DecoderCache;
use self::files::PackFiles;
use self::read::Context;
use self::write::Writer;
use crate::disk::Disk;

/// Size at which a new pack begins, by default.
pub const PACK_BYTES: u64 = 64 << 20;
/// Bytes that writes leave free on the disk, by default.
pub const PACK_RESERVE_BYTES: u64 = 8 << 20;
/// Largest size at which a new pack may begin: with one further batch, offsets still fit u32.
const MAX_PACK_BYTES: u64 = 1 << 30;

/// The access to the packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackAccess {
    /// Everything. One process only: the caller holds the lock of the folder.
    Write,
    /// Reading only; nothing in the folder is changed.
    Read,
}

/// Options for packs.
#[derive(Clone)]
pub struct PackOptions {
    /// zstd level of bodies.
    pub level: i32,
    /// Bytes that stay free on the disk.
    pub reserve: u64,
    /// Size at which a new pack begins; at most 1 GiB.
    pub pack_bytes: u64,
    /// The access.
    pub access: PackAccess,
    /// Returns a random id for a new pack.
    pub new_id: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
}

impl PackOptions {
    /// Returns options with the default sizes.
    pub fn new(
        level: i32,
        access: PackAccess,
        new_id: impl Fn() -> [u8; 16] + Send + Sync + 'static,
    ) -> Self {
        Self {
            level,
            reserve: PACK_RESERVE_BYTES,
            pack_bytes: PACK_BYTES,
            access,
            new_id: Arc::new(new_id),
        }
    }
}

impl fmt::Debug for PackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackOptions")
            .field("level", &self.level)
            .field("reserve", &self.reserve)
            .field("pack_bytes", &self.pack_bytes)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// A pack and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackUsage {
    /// The pack.
    pub pack: PackNumber,
    /// Its id; `None` if its header is damaged.
    pub id: Option<PackId>,
    /// Bytes of its file.
    pub bytes: u64,
}

/// The packs of one folder. Shared by threads: reads run beside each other and beside a write.
pub struct Packs {
    files: PackFiles,
    options: PackOptions,
    writer: Mutex<Writer>,
    /// The ends of the written and of the synced part; apart from the writer, so that readers never wait.
    ends: Mutex<Ends>,
    /// A sync failed: nothing is written any more.
    stopped: AtomicBool,
    /// One sync at a time: the system reports a failure once, and every caller must get it. Holds the number of
    /// the last durable change.
    syncing: Mutex<u64>,
    /// One compaction at a time.
    compacting: Mutex<()>,
    decoders: DecoderCache,
    contexts: Mutex<Vec<Context>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    written: PackPosition,
    synced: PackPosition,
}

impl fmt::Debug for Packs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packs")
            .field("options", &self.options)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Packs {
    /// Opens the packs of a folder, which is created if it is missing. Reads only the header of each.
    ///
    /// The last pack's tail is checked by the first [`scan`](Self::scan) or [`put`](Self::put), whichever comes
    /// first. Call `scan` first, from the known position, so that only bytes beyond it can be cut.
    ///
    /// # Errors
    /// [`PackError::NewerVersion`], or [`PackError::Io`]. A damaged pack is not an error: scans report it.
    pub fn open(disk: Arc<dyn Disk>, folder: &str, options: &PackOptions) -> Result<Self, PackError> {
        let mut options = options.clone();
        options.pack_bytes = options.pack_bytes.min(MAX_PACK_BYTES);
        let files = PackFiles::open(disk, folder, options.access)?;
        let mut written = PackPosition::START;
        let mut last = None;
        if let Some(pack) = files.last() {
            written = pack.end();
            let file = files.file(&pack).map_err(PackError::io("opening", &pack.path))?;
            last = Some((pack, file));
        }
        Ok(Self {
            writer: Mutex::new(Writer::new(last)),
            files,
            options,
            ends: Mutex::new(Ends {
                written,
                synced: PackPosition::START,
            }),
            stopped: AtomicBool::new(false),
            syncing: Mutex::new(0),
            compacting: Mutex::new(()),
            decoders: DecoderCache::default(),
            contexts: Mutex::default(),
        })
    }

    /// Returns the end of the written part. Before the first scan or put it is the end of the last file.
    #[must_use]
    pub fn end(&self) -> PackPosition {
        self.ends().written
    }

    /// Returns the end of the part that [`sync`](Self::sync) made durable since the packs were opened.
    #[must_use]
    pub fn synced_end(&self) -> PackPosition {
        self.ends().synced
    }

    /// Returns every pack with its size, in the order of their numbers.
    #[must_use]
    pub fn usage(&self) -> Vec<PackUsage> {
        let packs = self.files.all();
        let usage = packs.iter().map(|pack| PackUsage {
            pack: pack.number,
            id: pack.id(),
            bytes: pack.bytes(),
        });
        usage.collect()
    }

    /// Returns the packs whose files are in the folder now, whatever was there when it was opened.
    ///
    /// # Errors
    /// [`PackError::Io`].
    pub fn in_folder(&self) -> Result<BTreeSet<PackNumber>, PackError> {
        self.files.in_folder()
    }

    /// Returns true if the pack is in the folder.
    #[must_use]
    pub fn contains(&self, pack: PackNumber) -> bool {
        self.files.get(pack).is_some()
    }

    /// Returns the bytes of all packs.
    #[must_use]
    pub fn size_on_disk(&self) -> u64 {
        self.files.all().iter().map(|pack| pack.bytes()).sum()
    }

    fn ends(&self) -> Ends {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_written(&self, written: PackPosition) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.written = written;
        ends.synced = ends.synced.min(written);
    }

    fn set_synced(&self, synced: PackPosition) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.synced = ends.synced.max(synced);
    }

    fn ensure_writable(&self) -> Result<(), PackError> {
        if self.options.access == PackAccess::Read {
            return Err(PackError::ReadOnly);
        }
        if self.stopped.load(Ordering::Acquire) {
            return Err(PackError::Stopped);
        }
        Ok(())
    }

    /// Stops all writing for good.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
