//! Streams into a file or standard output: a file appears whole or not at all.

use std::io::{ErrorKind, Write};
use std::path::Path;

use futures::StreamExt;
use starling_api::{ByteStream, file_problem};
use starling_api_types::{ErrorCode, Problem};
use tempfile::NamedTempFile;

/// The name that stands for standard input or output.
pub(crate) const STANDARD: &str = "-";

/// Writes `bytes` to `target`, `-` being standard output; returns how many there were.
///
/// A file is written beside its place, synced, and moved there at the end, over one of that name.
///
/// # Errors
/// The stream's own problem, `disk_full` or `file_access`; the file's old content is then untouched.
pub(crate) async fn write_stream(target: &Path, bytes: ByteStream) -> Result<u64, Problem> {
    if target.as_os_str() == STANDARD {
        return to_stdout(bytes).await;
    }
    let folder = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file =
        NamedTempFile::new_in(folder).map_err(|error| file_problem("creating a file in", folder, &error))?;
    let count = copy(bytes, |chunk| file.write_all(chunk), target).await?;
    file.as_file()
        .sync_all()
        .map_err(|error| file_problem("writing", target, &error))?;
    allow_readers(&file).map_err(|error| file_problem("writing", target, &error))?;
    file.persist(target)
        .map_err(|error| file_problem("writing", target, &error.error))?;
    Ok(count)
}

/// Gives the file the mode that a file made in the ordinary way has; a temporary one is for its owner alone.
fn allow_readers(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(umask);
    let mode = 0o666 & !umask.bits();
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
}

async fn to_stdout(bytes: ByteStream) -> Result<u64, Problem> {
    let mut gone = false;
    let count = copy(
        bytes,
        |chunk| match std::io::stdout().lock().write_all(chunk) {
            // A reader that has gone away has what it wanted.
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

/// An input named on the command line, `-` being standard input.
///
/// # Errors
/// `file_access` when there is nothing of that name.
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
    async fn a_stream_that_breaks_off_leaves_the_old_file_and_nothing_else() {
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
    async fn a_folder_that_is_not_there_is_named() {
        let problem = write_stream(Path::new("/nowhere/at/all/out"), stream(vec![]))
            .await
            .unwrap_err();
        assert!(problem.detail.contains("/nowhere/at/all"), "{problem}");
        assert!(open_input(Path::new("/nowhere")).is_err());
    }
}
