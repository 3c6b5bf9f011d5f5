//! Reads documents named on the command line, within the daemon's size limits.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use starling_api::{Upload, file_problem};
use starling_api_types::{ErrorCode, Problem};

use crate::output::{input_name, open_input};

/// Reads a file, or standard input for `-`; problems call it `what`.
///
/// # Errors
/// `file_access`, or `body_too_large` over `max_bytes`.
pub(crate) async fn read(source: &Path, what: &str, max_bytes: u64) -> Result<Bytes, Problem> {
    match open_input(source)? {
        Upload::Path(path) => Ok(read_file(&path, what, max_bytes)?.into()),
        Upload::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next().await {
                all.extend_from_slice(&chunk?);
                if all.len() as u64 > max_bytes {
                    return Err(too_large(source, what, None, max_bytes));
                }
            }
            Ok(all.into())
        }
        Upload::File(_) => Err(Problem::internal(
            format!("reading {what}"),
            "the command line gives paths and streams, got an open file",
        )),
    }
}

/// Reads a file, a pipe or a device. Stops as soon as it is too large.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_file(path: &Path, what: &str, max_bytes: u64) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|error| file_problem("opening", path, &error))?;
    // Only regular files have a size, and a file may grow while it is read.
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file);
    let size = size.map(|metadata| metadata.len());
    if size.is_some_and(|size| size > max_bytes) {
        return Err(too_large(path, what, size, max_bytes));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| file_problem("reading", path, &error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(path, what, None, max_bytes));
    }
    Ok(bytes)
}

fn too_large(path: &Path, what: &str, size: Option<u64>, max_bytes: u64) -> Problem {
    let found = match size {
        Some(size) => format!("has {size} bytes"),
        None => format!("has more than {max_bytes} bytes"),
    };
    Problem::new(
        ErrorCode::BodyTooLarge,
        format!(
            "reading {what}: {} {found}: expected at most {max_bytes}",
            input_name(path)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversized_device_and_file_are_refused_with_the_limit() {
        let problem = read_file(Path::new("/dev/zero"), "the policy", 100).unwrap_err();
        assert_eq!(problem.code, ErrorCode::BodyTooLarge);
        let told = "reading the policy: /dev/zero has more than 100 bytes: expected at most 100";
        assert_eq!(problem.detail, told);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, [b'x'; 101]).unwrap();
        let problem = read_file(&file, "the policy", 100).unwrap_err();
        assert!(
            problem
                .detail
                .contains("file has 101 bytes: expected at most 100"),
            "{problem}"
        );
        std::fs::write(&file, [b'x'; 100]).unwrap();
        assert_eq!(read_file(&file, "the policy", 100).unwrap().len(), 100);
    }

    #[tokio::test]
    async fn pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "abc").unwrap()
        });
        assert_eq!(read(&pipe, "the policy", 100).await.unwrap(), "abc");
        writer.join().unwrap();
    }
}
