//! Files that are small by what they are: read whole, and refused where they are not small.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Most bytes of a configuration.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
/// Most bytes of a key or a token.
pub(crate) const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// Most bytes of a chain of certificates: 1,024 of at most 2 KiB, and what frames them.
pub(crate) const MAX_CHAIN_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a whole file of at most `limit` bytes; a device or a pipe without an end is not read on.
///
/// # Errors
/// The file cannot be read, or goes beyond the limit.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("it has more than {limit} bytes: is it the right file?");
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Does the same for a text.
///
/// # Errors
/// As [`read`], and what is no UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused_at_the_limit() {
        let error = read(Path::new("/dev/zero"), 100).unwrap_err();
        assert!(error.to_string().contains("more than 100 bytes"), "{error}");
    }

    #[test]
    fn the_limit_itself_is_allowed_and_texts_are_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3).unwrap(), "abc");
        assert!(read_text(&path, 2).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 3).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
