//! Sends a folder as a tar stream, so that the daemon needs no access to the folder's files.
//!
//! Names are relative to the folder and sorted, without owners or times: equal folders give equal bytes. Hidden
//! folders are listed but not entered. Links are followed if they stay inside the folder. The daemon uses the same
//! rules when it reads a folder itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use starling_api::{ByteStream, file_problem};
use starling_api_types::{ErrorCode, Problem};
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

/// Number of chunks between the thread that reads files and the socket, enough to keep both busy.
const QUEUE_CHUNKS: usize = 8;
/// Size of a chunk, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// Deepest folder level, the same as when the daemon reads a folder.
const MAX_DEPTH: usize = 64;

type Item = Result<Bytes, Problem>;

/// Returns the files of `folder` as a tar stream.
///
/// # Errors
/// `file_access` if the folder cannot be opened. A later error ends the stream.
pub(super) fn as_tar(folder: &Path) -> Result<ByteStream, Problem> {
    let root = folder
        .canonicalize()
        .map_err(|error| file_problem("opening", folder, &error))?;
    let (sender, receiver) = mpsc::channel::<Item>(QUEUE_CHUNKS);
    tokio::task::spawn_blocking(move || {
        let mut walk = Walk {
            root: root.clone(),
            tar: Builder::new(Chunks {
                sender,
                chunk: BytesMut::new(),
            }),
        };
        let written = walk.folder(&root, "", 0).and_then(|()| {
            walk.tar
                .finish()
                .and_then(|()| walk.tar.get_mut().flush())
                .map_err(|error| closed(&error))
        });
        if let Err(problem) = written {
            // If the receiver is gone, there is nobody to notify.
            let _ = walk.tar.get_mut().sender.blocking_send(Err(problem));
        }
    });
    Ok(Box::pin(futures::stream::unfold(
        receiver,
        |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) },
    )))
}

fn closed(error: &io::Error) -> Problem {
    Problem::new(ErrorCode::UploadInterrupted, format!("sending a folder: {error}"))
}

struct Walk {
    root: PathBuf,
    tar: Builder<Chunks>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            let found = format!(
                "reading {}: folders may be at most {MAX_DEPTH} levels deep",
                folder.display()
            );
            return Err(Problem::new(ErrorCode::FeedUnreadable, found));
        }
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = listed.map_err(|error| file_problem("reading", folder, &error))?;
        entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            let name = format!("{prefix}{file_name}");
            let kind = entry
                .file_type()
                .map_err(|error| file_problem("reading", &path, &error))?;
            if kind.is_dir() {
                self.special(&format!("{name}/"), EntryType::Directory)?;
                if !file_name.starts_with('.') {
                    self.folder(&path, &format!("{name}/"), depth + 1)?;
                }
            } else if kind.is_file() {
                self.file(&name, &path)?;
            } else if kind.is_symlink() {
                match path.canonicalize() {
                    Ok(target) if target.starts_with(&self.root) && target.is_file() => {
                        self.file(&name, &target)?;
                    }
                    _ => self.special(&name, EntryType::Symlink)?,
                }
            } else {
                self.special(&name, EntryType::Fifo)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), Problem> {
        let open = || -> io::Result<_> {
            let file = std::fs::File::open(path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        let (file, size) = open().map_err(|error| file_problem("reading", path, &error))?;
        let mut header = header(EntryType::Regular, size);
        // The size is in the header: a file that grows meanwhile is cut at it, one that shrinks is an error.
        let exact = Exact { file, left: size };
        self.tar
            .append_data(&mut header, name, exact)
            .map_err(|error| file_problem("sending", path, &error))
    }

    /// Writes an entry without content, so that the report can list it.
    fn special(&mut self, name: &str, kind: EntryType) -> Result<(), Problem> {
        let mut header = header(kind, 0);
        let written = match kind {
            EntryType::Symlink => self.tar.append_link(&mut header, name, "not-followed"),
            _ => self.tar.append_data(&mut header, name, io::empty()),
        };
        written.map_err(|error| closed(&error))
    }
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

/// A file of which exactly the size in its header is read.
struct Exact {
    file: std::fs::File,
    left: u64,
}

impl io::Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..want])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Collects writes into chunks and sends them; blocks while the queue is full.
struct Chunks {
    sender: mpsc::Sender<Item>,
    chunk: BytesMut,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk.split().freeze();
        self.sender
            .blocking_send(Ok(chunk))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the call ended"))
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn tar_of(folder: &Path) -> Result<Vec<u8>, Problem> {
        as_tar(folder)?
            .try_fold(Vec::new(), async |mut all, chunk| {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    #[tokio::test]
    async fn folder_becomes_a_sorted_tar_without_owners_or_times() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        for (folder, order) in [(&one, ["b.json", "a/x.json"]), (&two, ["a/x.json", "b.json"])] {
            std::fs::create_dir(folder.path().join("a")).unwrap();
            std::fs::create_dir_all(folder.path().join(".git/objects")).unwrap();
            std::fs::write(folder.path().join(".git/objects/big"), "x").unwrap();
            for name in order {
                std::fs::write(folder.path().join(name), name).unwrap();
            }
            std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out.json")).unwrap();
            std::os::unix::fs::symlink("b.json", folder.path().join("in.json")).unwrap();
        }
        let bytes = tar_of(one.path()).await.unwrap();
        assert_eq!(bytes, tar_of(two.path()).await.unwrap());
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            io::Read::read_to_string(&mut entry, &mut text).unwrap();
            (
                entry.path().unwrap().to_string_lossy().into_owned(),
                entry.header().entry_type(),
                text,
            )
        });
        let found: Vec<_> = entries.collect();
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            [".git/", "a/", "a/x.json", "b.json", "in.json", "out.json"]
        );
        assert_eq!((found[4].1, found[4].2.as_str()), (EntryType::Regular, "b.json"));
        assert_eq!((found[5].1, found[5].2.as_str()), (EntryType::Symlink, ""));
    }

    #[tokio::test]
    async fn names_longer_than_a_tar_header_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{}.json", "n".repeat(200));
        std::fs::write(folder.path().join(&name), vec![b' '; 3 * CHUNK_BYTES]).unwrap();
        let bytes = tar_of(folder.path()).await.unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(
            (entry.path().unwrap().to_string_lossy().as_ref(), entry.size()),
            (name.as_str(), 3 * CHUNK_BYTES as u64)
        );
    }

    #[tokio::test]
    async fn missing_folder_is_reported_at_once() {
        let problem = tar_of(Path::new("/nowhere/at/all")).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::FileAccess);
    }
}
