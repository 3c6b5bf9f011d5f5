//! Writes streams to a file or standard output. A file appears complete or not at all.

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures::StreamExt;
use starling_api::{ByteStream, file_problem};
use starling_api_types::{ErrorCode, Problem};

/// The name of standard input and output.
pub(crate) const STANDARD: &str = "-";

/// Returns the name of an input for people.
pub(crate) fn input_name(path: &Path) -> String {
    if path.as_os_str() == STANDARD {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Mode of a new file, before the user's umask.
const NEW_FILE_MODE: u32 = 0o666;

/// Writes `bytes` to `target` (`-` is standard output) and returns their number.
///
/// A file is written under a temporary name in the same folder, synced, and then renamed. A target that is not a
/// regular file (a pipe, a device) is written to directly.
///
/// # Errors
/// The stream's own problem, `disk_full` or `file_access`. The old content of the file then stays.
pub(crate) async fn write_stream(target: &Path, bytes: ByteStream) -> Result<u64, Problem> {
    if target.as_os_str() == STANDARD {
        return to_stdout(bytes).await;
    }
    let failed = |error: std::io::Error| file_problem("writing", target, &error);
    match std::fs::metadata(target) {
        Ok(found) if !found.is_file() => {
            let mut open = std::fs::OpenOptions::new()
                .write(true)
                .open(target)
                .map_err(failed)?;
            copy(bytes, |chunk| open.write_all(chunk), target).await
        }
        // If the target is a link, its destination is replaced and the link stays.
        Ok(_) => replace(&target.canonicalize().map_err(failed)?, bytes).await,
        Err(_) => replace(target, bytes).await,
    }
}

async fn replace(target: &Path, bytes: ByteStream) -> Result<u64, Problem> {
    let folder = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| file_problem("writing", target, &error);
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(NEW_FILE_MODE))
        .tempfile_in(folder)
        .map_err(|error| file_problem("creating a file in", folder, &error))?;
    let count = copy(bytes, |chunk| file.write_all(chunk), target).await?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(target).map_err(|error| failed(error.error))?;
    Ok(count)
}

async fn to_stdout(bytes: ByteStream) -> Result<u64, Problem> {
    let mut gone = false;
    let count = copy(
        bytes,
        |chunk| match std::io::stdout().lock().write_all(chunk) {
            // A reader that closed the pipe has all it wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                gone = true;
                Ok(())
            }
            other => other,
        },
        Path::new("standard output"),
    )
    .await?;
    if !gone {
        std::io::stdout()
            .lock()
            .flush()
            .map_err(|error| file_problem("writing", Path::new("standard output"), &error))?;
    }
    Ok(count)
}

async fn copy(
    mut bytes: ByteStream,
    mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
    target: &Path,
) -> Result<u64, Problem> {
    let mut count = 0;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        write(&chunk).map_err(|error| file_problem("writing", target, &error))?;
        count += chunk.len() as u64;
    }
    Ok(count)
}

/// Opens an input named on the command line; `-` is standard input.
///
/// # Errors
/// `file_access` if it does not exist.
pub(crate) fn open_input(source: &Path) -> Result<starling_api::Upload, Problem> {
    if source.as_os_str() == STANDARD {
        let stream = tokio_util::io::ReaderStream::new(tokio::io::stdin()).map(|chunk| {
            chunk.map_err(|error| {
                Problem::new(ErrorCode::FileAccess, format!("reading standard input: {error}"))
            })
        });
        return Ok(starling_api::Upload::Stream(Box::pin(stream)));
    }
    match std::fs::metadata(source) {
        Ok(_) => Ok(starling_api::Upload::Path(source.to_owned())),
        Err(error) => Err(file_problem("opening", source, &error)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stream(items: Vec<Result<&'static str, Problem>>) -> ByteStream {
        let items = items
            .into_iter()
            .map(|item| item.map(|text| Bytes::from_static(text.as_bytes())));
        Box::pin(futures::stream::iter(items))
    }

    #[tokio::test]
    async fn interrupted_stream_leaves_only_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        assert_eq!(
            write_stream(&target, stream(vec![Ok("ab"), Ok("c")])).await,
            Ok(3)
        );
        let broken = stream(vec![Ok("x"), Err(Problem::new(ErrorCode::Unreachable, "cut"))]);
        assert_eq!(
            write_stream(&target, broken).await.unwrap_err().code,
            ErrorCode::Unreachable
        );
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "abc");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn pipe_is_written_to_and_link_stays_a_link() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file, link) = (
            folder.path().join("pipe"),
            folder.path().join("file"),
            folder.path().join("link"),
        );
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe).unwrap()
        });
        assert_eq!(write_stream(&pipe, stream(vec![Ok("abc")])).await, Ok(3));
        assert_eq!(reader.join().unwrap(), "abc");
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert_eq!(write_stream(&link, stream(vec![Ok("new")])).await, Ok(3));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(
            write_stream(folder.path(), stream(vec![])).await.is_err(),
            "a folder is not a file"
        );
    }

    #[tokio::test]
    async fn new_file_mode_follows_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, usual) = (folder.path().join("ours"), folder.path().join("usual"));
        write_stream(&ours, stream(vec![Ok("x")])).await.unwrap();
        std::fs::write(&usual, "x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }

    #[tokio::test]
    async fn missing_folder_is_named_in_the_error() {
        let problem = write_stream(Path::new("/nowhere/at/all/out"), stream(vec![]))
            .await
            .unwrap_err();
        assert!(problem.detail.contains("/nowhere/at/all"), "{problem}");
        assert!(open_input(Path::new("/nowhere")).is_err());
    }
}
