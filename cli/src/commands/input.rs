//! Documents named on the command line, read whole within the bounds that the daemon sets too.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use starling_api::{Upload, file_problem};
use starling_api_types::{ErrorCode, Problem};

use crate::output::open_input;

/// Reads a file, or standard input for `-`; `what` names it in problems.
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
            "an open file is no input of the command line",
        )),
    }
}

/// Reads a file, a pipe or a device no further than shows that it is too large.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_file(path: &Path, what: &str, max_bytes: u64) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|error| file_problem("opening", path, &error))?;
    // What is no file says no size, and a file may grow while it is read.
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
        None => format!("goes on after {max_bytes} bytes"),
    };
    Problem::new(
        ErrorCode::BodyTooLarge,
        format!(
            "reading {what}: {} {found}, and at most {max_bytes} are allowed",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_and_a_file_over_the_bound_are_refused_and_named_with_what_is_allowed() {
        let problem = read_file(Path::new("/dev/zero"), "the policy", 100).unwrap_err();
        assert_eq!(problem.code, ErrorCode::BodyTooLarge);
        let told = "reading the policy: /dev/zero goes on after 100 bytes, and at most 100 are allowed";
        assert_eq!(problem.detail, told);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, [b'x'; 101]).unwrap();
        let problem = read_file(&file, "the policy", 100).unwrap_err();
        assert!(
            problem.detail.contains("file has 101 bytes, and at most 100"),
            "{problem}"
        );
        std::fs::write(&file, [b'x'; 100]).unwrap();
        assert_eq!(read_file(&file, "the policy", 100).unwrap().len(), 100);
    }

    #[tokio::test]
    async fn a_pipe_is_read_to_its_end() {
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
