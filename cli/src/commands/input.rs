//! Documents named on the command line, read whole within the bounds that the daemon sets too.

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
    let too_large = || {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!(
                "reading {what}: {} has more than {max_bytes} bytes",
                source.display()
            ),
        )
    };
    match open_input(source)? {
        Upload::Path(path) => {
            let size = std::fs::metadata(&path)
                .map_err(|error| file_problem("opening", &path, &error))?
                .len();
            if size > max_bytes {
                return Err(too_large());
            }
            let bytes = std::fs::read(&path).map_err(|error| file_problem("reading", &path, &error))?;
            // A pipe says no size, and a file may have grown.
            if bytes.len() as u64 > max_bytes {
                return Err(too_large());
            }
            Ok(bytes.into())
        }
        Upload::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next().await {
                all.extend_from_slice(&chunk?);
                if all.len() as u64 > max_bytes {
                    return Err(too_large());
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
