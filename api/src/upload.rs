//! Uploads: a path, a file, or a stream, and two ways to read them.
//!
//! An implementation that needs to seek (a zip, a bundle that is verified before it is applied) uses
//! [`Upload::into_file`]; one that reads once uses [`Upload::into_read`] on a blocking thread.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::Fuse;
use starling_api_types::{ErrorCode, Problem, wording};
use tokio::runtime::Handle;

use crate::body::too_large_problem;
use crate::service::ByteStream;

/// Input of an import.
pub enum Upload {
    /// A file or folder that this process can read. Never built from an API caller's input.
    Path(PathBuf),
    /// An open file, read from its start.
    File(File),
    /// Bytes as they arrive.
    Stream(ByteStream),
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::File(_) => f.write_str("File(..)"),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

impl Upload {
    /// Creates an upload of bytes that are in memory.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Stream(Box::pin(futures::stream::once(async move { Ok(bytes) })))
    }

    /// Returns a seekable file with the data, and its size in bytes.
    ///
    /// A stream is spooled to an unnamed file in `spool_dir`, which the operating system removes with the last
    /// handle, even after a crash.
    ///
    /// # Errors
    /// `too_large` if there are more than `max_bytes`; `disk_full`; `file_access`; the stream's own error.
    pub async fn into_file(
        self,
        spool_dir: &Path,
        max_bytes: u64,
        too_large: ErrorCode,
    ) -> Result<(File, u64), Problem> {
        match self {
            Self::Path(path) => {
                let file = File::open(&path).map_err(|error| file_problem("opening", &path, &error))?;
                sized(file, max_bytes, too_large)
            }
            Self::File(file) => sized(file, max_bytes, too_large),
            Self::Stream(stream) => spool(stream, spool_dir, max_bytes, too_large).await,
        }
    }

    /// Returns a blocking reader of the bytes; use it only on a thread that may block.
    ///
    /// A read after the stream's error returns an [`io::Error`] whose inner error is the [`Problem`].
    ///
    /// # Errors
    /// `file_access` if the path cannot be opened.
    pub fn into_read(self) -> Result<Box<dyn Read + Send>, Problem> {
        match self {
            Self::Path(path) => match File::open(&path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(file_problem("opening", &path, &error)),
            },
            Self::File(file) => Ok(Box::new(file)),
            Self::Stream(stream) => Ok(Box::new(StreamReader {
                // A reader may ask again after the end, which not every stream supports.
                stream: stream.fuse(),
                chunk: Bytes::new(),
                runtime: Handle::current(),
                failed: None,
            })),
        }
    }
}

/// Builds the problem of a file for which the `attempted` action failed.
pub fn file_problem(attempted: &str, path: &Path, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::StorageFull {
        return Problem::new(
            ErrorCode::DiskFull,
            format!("{attempted} {}: {}", path.display(), wording::io_error(error)),
        )
        .hint("free some space, or move the site's folder, and try again");
    }
    let why = wording::io_error(error);
    let is_address = path.to_str().is_some_and(|path| path.contains("://"));
    let hint = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if is_address => {
            "it is an address, and the command reads files: download it first; `starling feeds add` fetches advisories"
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check the path",
        io::ErrorKind::IsADirectory => "name a file",
        io::ErrorKind::PermissionDenied => "give this user access, or run the command as the user who has it",
        _ => "check that the path exists and that this user has access",
    };
    Problem::new(
        ErrorCode::FileAccess,
        format!("{attempted} {}: {why}", path.display()),
    )
    .hint(hint)
}

fn sized(mut file: File, max_bytes: u64, too_large: ErrorCode) -> Result<(File, u64), Problem> {
    let size = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.metadata())
        .map(|metadata| metadata.len())
        .map_err(|error| file_problem("reading", Path::new("the upload"), &error))?;
    if size > max_bytes {
        return Err(too_large_problem(
            too_large,
            &format!("it has {size} bytes"),
            max_bytes,
        ));
    }
    Ok((file, size))
}

async fn spool(
    mut stream: ByteStream,
    dir: &Path,
    max_bytes: u64,
    too_large: ErrorCode,
) -> Result<(File, u64), Problem> {
    let file =
        tempfile::tempfile_in(dir).map_err(|error| file_problem("creating a spool file in", dir, &error))?;
    let mut file = tokio::fs::File::from_std(file);
    let mut size = 0_u64;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size = size.saturating_add(chunk.len() as u64);
        if size > max_bytes {
            return Err(too_large_problem(too_large, "it has more bytes", max_bytes));
        }
        tokio::io::AsyncWriteExt::write_all(&mut file, &chunk)
            .await
            .map_err(|error| file_problem("spooling an upload to", dir, &error))?;
    }
    tokio::io::AsyncWriteExt::flush(&mut file)
        .await
        .map_err(|error| file_problem("spooling an upload to", dir, &error))?;
    let mut file = file.into_std().await;
    file.flush()
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .map_err(|error| file_problem("rewinding the spool file in", dir, &error))?;
    Ok((file, size))
}

/// A stream that a blocking thread reads.
struct StreamReader {
    stream: Fuse<ByteStream>,
    chunk: Bytes,
    runtime: Handle,
    /// The stream's error, returned by every later read too: an interrupted upload never looks complete.
    failed: Option<Problem>,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            if let Some(problem) = &self.failed {
                return Err(io::Error::other(problem.clone()));
            }
            match self.runtime.block_on(self.stream.next()) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(problem)) => self.failed = Some(problem),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(chunks: Vec<Result<&'static str, Problem>>) -> Upload {
        Upload::Stream(Box::pin(futures::stream::iter(
            chunks
                .into_iter()
                .map(|chunk| chunk.map(|text| Bytes::from_static(text.as_bytes()))),
        )))
    }

    #[tokio::test]
    async fn stream_is_spooled_to_a_file_without_name() {
        let dir = tempfile::tempdir().unwrap();
        let upload = stream(vec![Ok("ab"), Ok(""), Ok("cd")]);
        let (mut file, size) = upload
            .into_file(dir.path(), 4, ErrorCode::BundleTooLarge)
            .await
            .unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), size), ("abcd", 4));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn limit_holds_for_streams_files_and_paths() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle");
        std::fs::write(&path, "abcde").unwrap();
        let uploads = [
            stream(vec![Ok("abc"), Ok("de")]),
            Upload::File(File::open(&path).unwrap()),
            Upload::Path(path),
        ];
        for upload in uploads {
            let problem = upload
                .into_file(dir.path(), 4, ErrorCode::BundleTooLarge)
                .await
                .unwrap_err();
            assert_eq!(problem.code, ErrorCode::BundleTooLarge);
        }
    }

    #[tokio::test]
    async fn end_of_stream_may_be_read_repeatedly() {
        // `unfold` panics if it is polled after its end.
        let once = futures::stream::unfold(Some("ab"), async |text| Some((Ok(Bytes::from(text?)), None)));
        let mut reader = Upload::Stream(Box::pin(once)).into_read().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 8];
            assert_eq!(reader.read(&mut buffer).unwrap(), 2);
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
            assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn broken_stream_stays_an_error() {
        let broken = || {
            stream(vec![
                Ok("ab"),
                Err(Problem::new(ErrorCode::UploadInterrupted, "cut")),
            ])
        };
        let dir = tempfile::tempdir().unwrap();
        let problem = broken()
            .into_file(dir.path(), 9, ErrorCode::BundleTooLarge)
            .await
            .unwrap_err();
        assert_eq!(problem.code, ErrorCode::UploadInterrupted);
        let mut reader = broken().into_read().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 8];
            assert_eq!(reader.read(&mut buffer).unwrap(), 2);
            assert!(reader.read(&mut buffer).is_err());
            assert!(reader.read(&mut buffer).is_err());
        })
        .await
        .unwrap();
    }
}
