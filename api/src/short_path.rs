//! Finds a short path to a socket whose own path is longer than the system allows.
//!
//! A Unix socket's address has at most 107 bytes. This opens the socket's folder and names the socket through the
//! open folder, whose name in `/proc` is short however deep it is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, in bytes: `sun_path` on Linux, without its final zero.
pub(crate) const SOCKET_PATH_MAX_BYTES: usize = 107;
/// Longest suffix that a temporary name beside the socket adds to its path.
const MARGIN_BYTES: usize = 16;

/// A path to a socket that is short enough, valid while this is held.
#[derive(Debug)]
pub struct ShortPath {
    path: PathBuf,
    /// The open folder of the path.
    _folder: Option<File>,
}

impl ShortPath {
    /// Returns a short path to `path`: the path itself if it is short enough.
    ///
    /// # Errors
    /// If its folder cannot be opened.
    pub fn to(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() + MARGIN_BYTES <= SOCKET_PATH_MAX_BYTES {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let folder = File::open(parent)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        Ok(Self {
            path: short.join(path.file_name().unwrap_or_default()),
            _folder: Some(folder),
        })
    }

    /// Returns the path to bind or to connect to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
