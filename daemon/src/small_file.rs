//! Reads small files completely, and refuses files that are not small.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

use starling_store::disk::refuse_pipe;

/// Largest configuration file, in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
/// Largest key or token file, in bytes.
pub(crate) const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// Largest certificate chain, in bytes: 1,024 certificates of at most 2 KiB, and their framing.
pub(crate) const MAX_CHAIN_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a complete file of at most `limit` bytes; stops at the limit for an endless device, and refuses a pipe.
///
/// # Errors
/// If the file cannot be read, or exceeds the limit.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    refuse_pipe(path)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("expected at most {limit} bytes: check that this is the right file");
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Reads a complete UTF-8 text file of at most `limit` bytes.
///
/// # Errors
/// Same as [`read`], and if the text is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_file_is_refused_at_the_limit() {
        let error = read(Path::new("/dev/zero"), 100).unwrap_err();
        assert!(error.to_string().contains("at most 100 bytes"), "{error}");
    }

    #[test]
    fn pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let error = read(&path, 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("it is a pipe"), "{error}");
    }

    #[test]
    fn file_of_exactly_the_limit_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3).unwrap(), "abc");
        assert!(read_text(&path, 2).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 3).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
