//! What a request brings.

use std::path::PathBuf;

use super::headers::Links;
use crate::position::Seen;

/// The answer to a request, after redirects.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The document is the one that the position knows.
    NotModified,
    /// Nothing is there: 404 or 410.
    Missing,
    /// A document, on the disk and verified.
    Body(Body),
}

/// A document on the disk.
#[derive(Debug)]
pub(crate) struct Body {
    /// Where it is: a hidden file in the folder of the run.
    pub(crate) path: PathBuf,
    /// What was put behind its name while it was unpacked; `None` leaves the name as it is.
    pub(crate) renamed: Option<Renamed>,
    /// Its length on the disk, in bytes.
    pub(crate) bytes: u64,
    /// When it was complete.
    pub(crate) at_ms: u64,
    /// What to remember of it.
    pub(crate) seen: Seen,
    /// What the `Link` headers say of other pages.
    pub(crate) links: Links,
    /// True if a body that is cut off would have been noticed, whatever its form.
    pub(crate) is_bounded: bool,
    /// `Last-Modified` in milliseconds since 1970.
    pub(crate) last_modified_ms: Option<u64>,
}

/// How the name of a document changes because it was packed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renamed {
    /// `.bz2` is taken away.
    Unpacked,
    /// `.bz2` becomes `.zst`.
    Zstd,
}

impl Renamed {
    /// The name of a document that was called `name`.
    pub(crate) fn apply(self, name: &str) -> String {
        let stem = name.strip_suffix(".bz2").unwrap_or(name);
        match self {
            Self::Unpacked => stem.to_owned(),
            Self::Zstd => format!("{stem}.zst"),
        }
    }
}

impl Body {
    /// What the server calls this version.
    pub(crate) fn validator(&self) -> Option<String> {
        self.seen.etag.clone().or_else(|| self.seen.last_modified.clone())
    }
}
