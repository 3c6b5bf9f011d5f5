//! Local files, asked for like documents on a server.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What is known of a local file before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    /// Length and time of change, in place of an `ETag`.
    pub(crate) validator: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: Option<u64>,
}

/// Looks at a file. None: it is not there.
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

/// Copies at most `limit` bytes and one more; returns how many.
pub(crate) fn copy(from: &Path, to: &Path, limit: u64) -> io::Result<u64> {
    let source = std::fs::File::open(from)?;
    let mut target = std::fs::File::create(to)?;
    let bytes = io::copy(&mut source.take(limit.saturating_add(1)), &mut target)?;
    target.flush()?;
    Ok(bytes)
}
