//! Reads a file with a key or a token, within a size and a time.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// Longest wait for a key from a pipe. Programs that manage secrets write a key into a pipe when it is opened.
const PIPE_WAIT: Duration = Duration::from_secs(10);

/// Reads a complete file of at most `limit` bytes, or the data that a pipe delivers within ten seconds.
///
/// # Errors
/// If it is neither a file nor a pipe, cannot be read, or is longer than the limit.
pub fn read_key_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_within(path, limit, PIPE_WAIT)
}

fn read_within(path: &Path, limit: u64, wait: Duration) -> Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() {
        return read_bounded(path, limit);
    }
    if !kind.is_fifo() {
        let what = if kind.is_dir() {
            "a folder"
        } else {
            "a device or a socket"
        };
        let problem = format!("it is {what}, expected a file");
        return Err(Error::new(ErrorKind::InvalidInput, problem));
    }
    // Opening a pipe waits for a writer. If none comes, only this thread keeps waiting.
    let (done, read) = mpsc::sync_channel(1);
    let path = path.to_owned();
    std::thread::Builder::new()
        .name("key-file".to_owned())
        .spawn(move || {
            let _ = done.send(read_bounded(&path, limit));
        })?;
    read.recv_timeout(wait).unwrap_or_else(|_| {
        let problem = format!(
            "it is a pipe, and nothing ended it within {} seconds",
            wait.as_secs()
        );
        Err(Error::new(ErrorKind::TimedOut, problem))
    })
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("it is longer than {limit} bytes: check that this is the right file");
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(folder: &Path, name: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        path
    }

    #[test]
    fn file_within_the_limit_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "abc").expect("a file");
        assert_eq!(read_key_file(&path, 3).expect("a key"), b"abc");
        assert_eq!(
            read_key_file(&path, 2).expect_err("too long").kind(),
            ErrorKind::FileTooLarge
        );
    }

    /// The wait for a pipe without a writer never ended.
    #[test]
    fn pipe_is_read_to_its_end_and_left_if_nobody_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = pipe(folder.path(), "silent");
        let error = read_within(&path, 100, Duration::from_millis(200)).expect_err("nobody writes");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // Releases the reader that still waits.
        drop(
            std::fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .expect("a writer"),
        );
        let path = pipe(folder.path(), "written");
        let written = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(written, "key\n"));
        assert_eq!(read_key_file(&path, 100).expect("a key"), b"key\n");
        writer.join().expect("a writer").expect("written");
    }

    #[test]
    fn device_and_folder_are_refused() {
        for path in ["/dev/zero", "/"] {
            let error = read_key_file(Path::new(path), 100).expect_err("not a file");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
    }
}
