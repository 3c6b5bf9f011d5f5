//! A folder of the file system.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile, OpenFile};

/// Only the site's own user reads its files.
const FILE_MODE: u32 = 0o600;

/// Refuses a pipe: to open one waits for a writer, forever if none comes.
///
/// # Errors
/// `InvalidInput` for a pipe. Whatever else is wrong with the file, its opening reports.
pub fn refuse_pipe(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        let problem = "it is a pipe, expected a file: move it away, and restore the file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(())
}

/// Refuses whatever stands in place of a file: a folder, which opens and cannot be read, or a pipe, whose opening waits.
///
/// # Errors
/// `InvalidInput` that names what was found. Whatever else is wrong with the file, its opening reports.
pub fn refuse_what_is_no_file(path: &Path) -> io::Result<()> {
    std::fs::metadata(path).map_or(Ok(()), |metadata| check_is_file(&metadata))
}

/// Opens a file for reading, and never waits: not for the writer of a pipe that takes its place meanwhile either.
///
/// # Errors
/// `InvalidInput` that names what was found in place of a file, or an error of the opening.
pub fn open_file(path: &Path) -> io::Result<File> {
    // A socket cannot be opened; its error would not say what it is.
    refuse_what_is_no_file(path)?;
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    check_is_file(&file.metadata()?)?;
    Ok(file)
}

fn check_is_file(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let found = if metadata.is_dir() {
        "a folder"
    } else if metadata.file_type().is_fifo() {
        "a pipe"
    } else {
        "a device or a socket"
    };
    let problem = format!("it is {found}, expected a file: move it away, and restore the file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// A disk that is a folder of the file system.
#[derive(Debug)]
pub struct FolderDisk {
    root: PathBuf,
}

impl FolderDisk {
    /// Uses a folder, which must exist.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }
}

impl Disk for FolderDisk {
    fn open(&self, path: &str, how: OpenFile) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.root.join(path);
        if how != OpenFile::Create {
            refuse_what_is_no_file(&path)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match how {
            OpenFile::Read => {}
            OpenFile::Write => {
                options.write(true);
            }
            OpenFile::Create => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(FolderFile(options.open(path)?)))
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        let mut made = self.root.clone();
        for part in path.split('/') {
            let parent = made.clone();
            made.push(part);
            match std::fs::create_dir(&made) {
                Ok(()) => File::open(parent)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // Our file names are ASCII; other names are not ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(path))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.root.join(folder))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

#[derive(Debug)]
struct FolderFile(File);

impl DiskFile for FolderFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
