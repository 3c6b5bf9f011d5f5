//! Local files, asked for like documents on a server.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use tokio_util::sync::CancellationToken;

/// The metadata of a local file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    /// Length and time of change, used like an `ETag`.
    pub(crate) validator: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: Option<u64>,
}

/// Returns the metadata of a file; `None` if it does not exist.
pub(crate) fn look(path: &Path) -> io::Result<Option<FileState>> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = modified.map_or(0, |since| since.as_nanos());
    Ok(Some(FileState {
        validator: format!("\"{}-{nanos}\"", metadata.len()),
        bytes: metadata.len(),
        modified_ms: modified.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }))
}

/// Copies at most `limit` bytes and one more, unless it is stopped; returns how many.
pub(crate) fn copy(from: &Path, to: &Path, limit: u64, stop: &CancellationToken) -> io::Result<u64> {
    const BUFFER_BYTES: usize = 1 << 20;
    let mut source = std::fs::File::open(from)?.take(limit.saturating_add(1));
    let mut target = std::fs::File::create(to)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    while !stop.is_cancelled() {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        target.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
    Ok(bytes)
}
