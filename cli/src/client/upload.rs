//! Request bodies: bytes, a file, a stream, or a folder as a tar.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use starling_api::{ByteStream, Upload, file_problem};
use starling_api_types::{ErrorCode, Problem};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::folder;
use super::http::SentBody;
use crate::progress::Step;

/// Number of file bytes per read.
const CHUNK_BYTES: usize = 256 * 1024;

/// A body and its size, if known in advance, so that the daemon can reject a too large body without reading it.
pub(super) struct Sent {
    pub(super) body: SentBody,
    pub(super) size: Option<u64>,
}

impl Sent {
    /// Creates a body from bytes in memory.
    pub(super) fn bytes(bytes: Bytes) -> Self {
        let size = Some(bytes.len() as u64);
        Self {
            body: Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
            size,
        }
    }

    /// Creates a body from a file or stream.
    ///
    /// # Errors
    /// `file_access`.
    pub(super) async fn file(upload: Upload, step: &Step) -> Result<Self, Problem> {
        match upload {
            Upload::Path(path) => {
                let file = File::open(&path)
                    .await
                    .map_err(|error| file_problem("opening", &path, &error))?;
                Self::open_file(file, path, step).await
            }
            Upload::File(file) => {
                Self::open_file(File::from_std(file), PathBuf::from("the input"), step).await
            }
            Upload::Stream(stream) => Ok(Self::stream(stream, None, step)),
        }
    }

    /// Creates a body from a file or stream as it is, or from a folder as a tar; an empty folder has no bytes.
    ///
    /// # Errors
    /// `file_access`.
    pub(super) async fn file_or_folder(upload: Upload, step: &Step) -> Result<Self, Problem> {
        match upload {
            // A tar without members cannot be recognised as a tar.
            Upload::Path(path) if is_empty_folder(&path) => Ok(Self::bytes(Bytes::new())),
            Upload::Path(path) if path.is_dir() => Ok(Self::stream(folder::as_tar(&path)?, None, step)),
            other => Self::file(other, step).await,
        }
    }

    async fn open_file(file: File, path: PathBuf, step: &Step) -> Result<Self, Problem> {
        let metadata = file
            .metadata()
            .await
            .map_err(|error| file_problem("reading", &path, &error))?;
        // A pipe or device has no size.
        let size = metadata.is_file().then_some(metadata.len());
        let stream = ReaderStream::with_capacity(file, CHUNK_BYTES);
        Ok(Self::stream(
            Box::pin(stream.map_err(move |error| read_problem(&path, &error))),
            size,
            step,
        ))
    }

    fn stream(stream: ByteStream, size: Option<u64>, step: &Step) -> Self {
        step.expect(size);
        let step = step.clone();
        let frames = stream
            .inspect_ok(move |chunk| step.add(chunk.len() as u64))
            .map(|chunk| chunk.map(Frame::data));
        Self {
            body: StreamBody::new(frames).boxed_unsync(),
            size,
        }
    }
}

/// Refuses a folder without entries, of which an empty archive would tell less.
///
/// # Errors
/// `feed_empty`.
pub(super) fn ensure_not_empty(upload: &Upload) -> Result<(), Problem> {
    let Upload::Path(path) = upload else { return Ok(()) };
    if is_empty_folder(path) {
        let detail = format!("importing {}: the folder holds no document", path.display());
        return Err(Problem::new(ErrorCode::FeedEmpty, detail).hint("nothing was changed; check the path"));
    }
    Ok(())
}

fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn read_problem(path: &Path, error: &std::io::Error) -> Problem {
    file_problem("reading", path, error)
}
