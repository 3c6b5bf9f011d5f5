//! The results of requests.

use std::path::PathBuf;

use super::headers::Links;
use crate::position::Seen;

/// The answer to a request, after redirects.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The document is the one that the position knows.
    NotModified,
    /// The document does not exist: 404 or 410.
    Missing,
    /// A document, on the disk and verified.
    Body(Body),
}

/// A document on the disk.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its path: a hidden file in the folder of the run.
    pub(crate) path: PathBuf,
    /// The change of its name because it was unpacked or packed again; `None` if the name stays.
    pub(crate) renamed: Option<Renamed>,
    /// Its length on the disk, in bytes.
    pub(crate) bytes: u64,
    /// The time when it was complete.
    pub(crate) at_ms: u64,
    /// The data to remember for the next run.
    pub(crate) seen: Seen,
    /// The links to other pages in the `Link` headers.
    pub(crate) links: Links,
    /// True if a truncated body would have been noticed, whatever its form.
    pub(crate) is_bounded: bool,
    /// `Last-Modified` in milliseconds since 1970.
    pub(crate) last_modified_ms: Option<u64>,
}

/// The change of a document's name after it was unpacked or packed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renamed {
    /// `.bz2` is removed.
    Unpacked,
    /// `.bz2` becomes `.zst`.
    Zstd,
}

impl Renamed {
    /// Returns the new name of the document `name`.
    pub(crate) fn apply(self, name: &str) -> String {
        let stem = name.strip_suffix(".bz2").unwrap_or(name);
        match self {
            Self::Unpacked => stem.to_owned(),
            Self::Zstd => format!("{stem}.zst"),
        }
    }
}

impl Body {
    /// Returns the server's name for this version.
    pub(crate) fn validator(&self) -> Option<String> {
        self.seen.etag.clone().or_else(|| self.seen.last_modified.clone())
    }
}
