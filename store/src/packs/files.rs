//! The files of the packs: lists, opens, creates and removes them. Of their content it knows only headers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::error::{DamageKind, PackError};
use super::frame::{FRAMES_START, FrameKey, decode_header, encode_header};
use super::{PackAccess, PackId, PackNumber, PackPosition};
use crate::disk::{Disk, DiskFile, OpenFile};

/// Most files that are kept open: well below a process's usual limit.
const MAX_OPEN_FILES: usize = 256;
/// Suffix of a file that is not complete yet.
const UNFINISHED: &str = ".tmp";

/// One pack.
pub(super) struct PackFile {
    pub(super) number: PackNumber,
    /// Relative to the disk.
    pub(super) path: String,
    /// The content of its header, or its damage.
    pub(super) header: Result<(PackId, FrameKey), DamageKind>,
    /// True if a redundant part of the header is damaged.
    pub(super) is_header_damaged: bool,
    bytes: AtomicU64,
    file: Mutex<Option<Arc<dyn DiskFile>>>,
}

impl PackFile {
    pub(super) fn id(&self) -> Option<PackId> {
        self.header.as_ref().ok().map(|(id, _)| *id)
    }

    pub(super) fn key(&self) -> Result<&FrameKey, DamageKind> {
        self.header.as_ref().map(|(_, key)| key).map_err(|damage| *damage)
    }

    /// Returns the number of written bytes; the file may have more during a write.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Returns the position after all of it.
    pub(super) fn end(&self) -> PackPosition {
        PackPosition {
            pack: self.number.get(),
            offset: self.bytes(),
        }
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }
}

/// The packs of a folder.
pub(super) struct PackFiles {
    disk: Arc<dyn Disk>,
    folder: String,
    access: PackAccess,
    packs: RwLock<BTreeMap<PackNumber, Arc<PackFile>>>,
    /// The packs with an open file, the longest open first.
    open: Mutex<Vec<Arc<PackFile>>>,
}

impl PackFiles {
    pub(super) fn open(disk: Arc<dyn Disk>, folder: &str, access: PackAccess) -> Result<Self, PackError> {
        if access == PackAccess::Write {
            disk.create_folder(folder)
                .map_err(PackError::io("creating folder", folder))?;
        }
        let files = Self {
            disk,
            folder: folder.to_owned(),
            access,
            packs: RwLock::default(),
            open: Mutex::default(),
        };
        for name in files.refresh()? {
            if access == PackAccess::Write
                && let Some(rest) = name.strip_suffix(UNFINISHED)
                && PackNumber::of_file(rest).is_some()
            {
                // Not finished when the last process ended: nothing in it was ever promised.
                let path = format!("{folder}/{name}");
                files
                    .disk
                    .remove(&path)
                    .map_err(PackError::io("removing", &path))?;
            }
        }
        Ok(files)
    }

    /// Returns the numbers of the files in the folder, without opening them.
    pub(super) fn in_folder(&self) -> Result<BTreeSet<PackNumber>, PackError> {
        let names = self.disk.list(&self.folder);
        let names = names.map_err(PackError::io("listing folder", &self.folder))?;
        Ok(names
            .iter()
            .filter_map(|name| PackNumber::of_file(name))
            .collect())
    }

    /// Adds unknown packs in the folder, and measures all again. Returns the names of all files.
    pub(super) fn refresh(&self) -> Result<Vec<String>, PackError> {
        let names = self.disk.list(&self.folder);
        let names = names.map_err(PackError::io("listing folder", &self.folder))?;
        for number in names.iter().filter_map(|name| PackNumber::of_file(name)) {
            let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
            let known = packs.get(&number).cloned();
            drop(packs);
            if let Some(pack) = known {
                let measured = self.file(&pack).and_then(|file| file.len());
                pack.set_bytes(measured.map_err(PackError::io("measuring", &pack.path))?);
                continue;
            }
            match self.load(number) {
                Ok(_) => {}
                // Removed by the writer meanwhile.
                Err(PackError::Io { cause, .. })
                    if cause.kind() == std::io::ErrorKind::NotFound && self.access == PackAccess::Read => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }

    /// Reads a pack's header and adds it.
    fn load(&self, number: PackNumber) -> Result<Arc<PackFile>, PackError> {
        let path = self.path(number);
        let how = match self.access {
            PackAccess::Write => OpenFile::Write,
            PackAccess::Read => OpenFile::Read,
        };
        let file = self
            .disk
            .open(&path, how)
            .map_err(PackError::io("opening", &path))?;
        let bytes = file.len().map_err(PackError::io("measuring", &path))?;
        let mut start = vec![0; usize::try_from(bytes.min(FRAMES_START)).unwrap_or(0)];
        file.read_exact_at(&mut start, 0)
            .map_err(PackError::io("reading", &path))?;
        let header = decode_header(number, &path, &start)?;
        let pack = PackFile {
            number,
            path,
            is_header_damaged: header.as_ref().is_ok_and(|header| header.is_damaged),
            header: header.map(|header| (header.id, FrameKey::new(number, &header.id))),
            bytes: AtomicU64::new(bytes),
            file: Mutex::new(None),
        };
        Ok(self.add(pack, file))
    }

    fn add(&self, pack: PackFile, file: Arc<dyn DiskFile>) -> Arc<PackFile> {
        let pack = Arc::new(pack);
        self.keep_open(&pack, file);
        let mut packs = self.packs.write().unwrap_or_else(PoisonError::into_inner);
        packs.insert(pack.number, pack.clone());
        pack
    }

    fn path(&self, number: PackNumber) -> String {
        format!("{}/{}", self.folder, number.file_name())
    }

    /// Returns a pack. A reader looks in the folder again, because a writer may have begun the pack meanwhile.
    pub(super) fn get(&self, number: PackNumber) -> Option<Arc<PackFile>> {
        let known = {
            let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
            packs.get(&number).cloned()
        };
        match known {
            None if self.access == PackAccess::Read => self.load(number).ok(),
            known => known,
        }
    }

    /// Returns every pack, in the order of their numbers.
    pub(super) fn all(&self) -> Vec<Arc<PackFile>> {
        let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
        packs.values().cloned().collect()
    }

    pub(super) fn last(&self) -> Option<Arc<PackFile>> {
        let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
        packs.last_key_value().map(|(_, pack)| pack.clone())
    }

    /// Returns a pack's file, opening it if necessary.
    pub(super) fn file(&self, pack: &Arc<PackFile>) -> std::io::Result<Arc<dyn DiskFile>> {
        let open = pack.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(file) = open {
            return Ok(file);
        }
        let how = match self.access {
            PackAccess::Write => OpenFile::Write,
            PackAccess::Read => OpenFile::Read,
        };
        let file = self.disk.open(&pack.path, how)?;
        self.keep_open(pack, file.clone());
        Ok(file)
    }

    fn keep_open(&self, pack: &Arc<PackFile>, file: Arc<dyn DiskFile>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *pack.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        open.retain(|other| other.number != pack.number);
        if open.len() >= MAX_OPEN_FILES {
            let closed = open.remove(0);
            *closed.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        open.push(pack.clone());
    }

    pub(super) fn free_bytes(&self) -> Option<u64> {
        // A disk that cannot report its free space fails when it is full.
        self.disk.free_bytes().ok().flatten()
    }

    /// Begins a pack under a temporary name.
    pub(super) fn begin(&self, number: PackNumber, id: PackId) -> Result<NewPack, PackError> {
        let path = format!("{}{UNFINISHED}", self.path(number));
        let create = || self.disk.open(&path, OpenFile::Create);
        let file = create().or_else(|error| match error.kind() {
            // Left by a failed attempt.
            std::io::ErrorKind::AlreadyExists => self.disk.remove(&path).and_then(|()| create()),
            _ => Err(error),
        });
        let file = file.map_err(PackError::io("creating", &path))?;
        Ok(NewPack {
            number,
            id,
            key: FrameKey::new(number, &id),
            bytes: encode_header(number, &id),
            written: 0,
            path,
            file,
        })
    }

    /// Gives a pack its name when all of it is synced. The name is not durable yet.
    pub(super) fn rename(&self, new: NewPack) -> Result<Arc<PackFile>, PackError> {
        let path = self.path(new.number);
        self.disk
            .rename(&new.path, &path)
            .map_err(PackError::io("renaming", &new.path))?;
        let pack = PackFile {
            number: new.number,
            path,
            header: Ok((new.id, new.key)),
            is_header_damaged: false,
            bytes: AtomicU64::new(new.written),
            file: Mutex::new(None),
        };
        Ok(self.add(pack, new.file))
    }

    pub(super) fn sync_folder(&self) -> Result<(), PackError> {
        self.disk
            .sync_folder(&self.folder)
            .map_err(PackError::io("syncing folder", &self.folder))
    }

    /// Removes an unfinished pack, if possible; the next opening tries again.
    pub(super) fn abandon(&self, new: &NewPack) {
        let _ = self.disk.remove(&new.path);
    }

    /// Removes a pack. The removal is not durable yet.
    pub(super) fn remove(&self, number: PackNumber) -> Result<(), PackError> {
        let Some(pack) = self.get(number) else {
            return Ok(());
        };
        match self.disk.remove(&pack.path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(PackError::io("removing", &pack.path)(error)),
        }
        let mut packs = self.packs.write().unwrap_or_else(PoisonError::into_inner);
        packs.remove(&number);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| other.number != number);
        Ok(())
    }
}

/// A pack that has no name yet.
pub(super) struct NewPack {
    pub(super) number: PackNumber,
    id: PackId,
    pub(super) key: FrameKey,
    /// Not written yet.
    pub(super) bytes: Vec<u8>,
    written: u64,
    path: String,
    file: Arc<dyn DiskFile>,
}

impl NewPack {
    /// Returns the offset of the next frame.
    pub(super) fn end(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    pub(super) fn write(&mut self) -> Result<(), PackError> {
        self.file
            .write_all_at(&self.bytes, self.written)
            .map_err(PackError::io("writing", &self.path))?;
        self.written = self.end();
        self.bytes.clear();
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), PackError> {
        self.file
            .sync_data()
            .map_err(PackError::io("syncing", &self.path))
    }
}
