//! Files for the log and the packs: read and written at offsets, grown, cut, synced, renamed.
//!
//! One small trait, so that the same code runs on a folder ([`FolderDisk`]) and in memory ([`MemoryDisk`]),
//! where writes can fail, be cut short or be lost with the power, as planned. Paths are relative, with `/`
//! between folder and file name, and never leave the disk's own folder.

mod folder;
mod memory;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub use self::folder::{FolderDisk, open_file, refuse_pipe, refuse_what_is_no_file};
pub use self::memory::{DiskFault, DiskFaultKind, DiskPlan, MemoryDisk, UnsyncedBytes};

/// The treatment of a missing or existing file by [`Disk::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFile {
    /// Opens a file that exists, to read only.
    Read,
    /// Opens a file that exists, to read and write.
    Write,
    /// Creates the file and opens it to read and write; fails if it exists.
    Create,
}

/// A folder of files.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file. A new file's name is durable after [`sync_folder`](Self::sync_folder).
    ///
    /// # Errors
    /// Fails with `NotFound` or `AlreadyExists` according to `how`, or as the system does.
    fn open(&self, path: &str, how: OpenFile) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a folder and its parents, durably. An existing folder is not an error.
    ///
    /// # Errors
    /// As the system does.
    fn create_folder(&self, path: &str) -> io::Result<()>;

    /// Returns the names of the files in a folder, sorted; an empty list if the folder is missing.
    ///
    /// # Errors
    /// As the system does.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Renames a file or a folder, replacing a file that has the new name.
    ///
    /// # Errors
    /// As the system does.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Readers that have it open keep it.
    ///
    /// # Errors
    /// As the system does, `NotFound` included.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a folder durable: files created, renamed, removed.
    ///
    /// # Errors
    /// As the system does.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Returns the bytes that can still be written, or `None` if the disk has no bound.
    ///
    /// # Errors
    /// As the system does.
    fn free_bytes(&self) -> io::Result<Option<u64>>;

    /// Returns the folder in the file system, for messages; `None` for a disk in memory.
    fn path(&self) -> Option<&std::path::Path> {
        None
    }
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// Fails with `UnexpectedEof` if the file ends before, or as the system does.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may be in the file.
    ///
    /// # Errors
    /// As the system does; `StorageFull` if there is no room.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes contents and length durable.
    ///
    /// # Errors
    /// As the system does. After a failure the content of the disk is unknown, and a second, successful call
    /// does not change that.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros, to a length.
    ///
    /// # Errors
    /// As the system does.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// As the system does.
    fn len(&self) -> io::Result<u64>;

    /// Returns true if the file is empty.
    ///
    /// # Errors
    /// As the system does.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

#[cfg(test)]
mod tests;
