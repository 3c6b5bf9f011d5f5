//! Reading a document back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;

use starling_feeds::input::{self, Found, Limits, Source};

use super::RawStore;
use super::entry::{RawEntry, RawHash};
use super::error::{RawError, disk};

impl RawStore {
    /// Returns the bytes of a document as it was fetched, at most `max_bytes`.
    ///
    /// # Errors
    /// If it is not kept here, is longer, or is damaged on this disk.
    pub fn read(&self, hash: &RawHash, max_bytes: u64) -> Result<Vec<u8>, RawError> {
        let entry = self.entry(hash)?;
        if entry.bytes > max_bytes {
            return Err(RawError::TooLong {
                hash: *hash,
                bytes: entry.bytes,
                limit: max_bytes,
            });
        }
        let mut bytes = Vec::new();
        self.copy(entry, &mut bytes)?;
        Ok(bytes)
    }

    /// Returns a part of a document: the member of an archive, or an item of a list, by the name that an import gives
    /// it, at most `max_bytes`. The name of the document itself gives the document.
    ///
    /// # Errors
    /// As [`Self::read`], and if there is no such part.
    pub fn read_part(&self, hash: &RawHash, name: &str, max_bytes: u64) -> Result<Vec<u8>, RawError> {
        let entry = self.entry(hash)?;
        if name == entry.name {
            return self.read(hash, max_bytes);
        }
        // Uses a separate folder, so that the parts get the same names as in the import.
        let folder = tempfile::tempdir_in(&self.root).map_err(|error| disk(&self.root, "written", error))?;
        let path = folder.path().join(&entry.name);
        let make = || -> io::Result<File> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            File::create(&path)
        };
        let mut file = make().map_err(|error| disk(&path, "written", error))?;
        self.copy(entry, &mut file)?;
        file.seek(SeekFrom::Start(0))
            .map_err(|error| disk(&path, "read", error))?;
        let mut found = None;
        let walk = input::read(
            Source::path(folder.path()),
            &Limits::default(),
            &mut |item| match item {
                Found::Document(document) if document.name == name => {
                    found = Some(document.bytes);
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            },
        );
        let no_part = || RawError::NoPart {
            hash: *hash,
            name: name.to_owned(),
        };
        match (found, walk) {
            (Some(bytes), _) if bytes.len() as u64 > max_bytes => Err(RawError::TooLong {
                hash: *hash,
                bytes: bytes.len() as u64,
                limit: max_bytes,
            }),
            (Some(bytes), _) => Ok(bytes),
            (None, _) => Err(no_part()),
        }
    }

    /// Writes a document to a file as it was fetched; the file's folders are made.
    ///
    /// # Errors
    /// If it is not kept here or is damaged on this disk, or the file cannot be written.
    pub fn unpack(&self, hash: &RawHash, path: &Path) -> Result<(), RawError> {
        let entry = self.entry(hash)?;
        let make = || -> io::Result<File> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            File::create(path)
        };
        let mut file = make().map_err(|error| disk(path, "written", error))?;
        self.copy(entry, &mut file)
    }

    fn entry(&self, hash: &RawHash) -> Result<&RawEntry, RawError> {
        self.entries
            .iter()
            .find(|entry| entry.hash == *hash)
            .ok_or(RawError::Unknown { hash: *hash })
    }

    /// Unpacks a document and checks that it is the one that was kept.
    fn copy(&self, entry: &RawEntry, to: &mut dyn Write) -> Result<(), RawError> {
        let path = self.object(entry.hash);
        let damaged = || RawError::Damaged { hash: entry.hash };
        let file = File::open(&path).map_err(|error| disk(&path, "read", error))?;
        let mut reader = zstd::Decoder::new(file).map_err(|error| disk(&path, "read", error))?;
        let mut hasher = blake3::Hasher::new();
        let mut left = entry.bytes;
        let mut buffer = vec![0; super::BUFFER_BYTES];
        loop {
            let read = reader.read(&mut buffer).map_err(|_| damaged())?;
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or_else(damaged)?;
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read])
                .map_err(|error| disk(&path, "copied", error))?;
        }
        match left == 0 && RawHash::of(hasher.finalize()) == entry.hash {
            true => Ok(()),
            false => Err(damaged()),
        }
    }
}
