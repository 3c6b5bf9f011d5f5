//! Damage by name, and the errors of the log.

use std::fmt;
use std::io;

use super::segment::segment_name;

/// Describes the fault of bytes that should be part of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The bytes do not begin with the magic of a frame.
    #[error("no frame begins here")]
    Magic,
    /// The file ends within the frame or the group.
    #[error("the file ends after {left} of {needed} bytes")]
    Cut {
        /// Bytes that the frame or group needs.
        needed: u64,
        /// Bytes that are left in the file.
        left: u64,
    },
    /// A length or a count is above its limit.
    #[error("a length or count is {found}, the limit is {limit}")]
    TooLong {
        /// The value found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The frame has flags that this version does not know.
    #[error("unknown flags {0:#04x}")]
    Flags(u8),
    /// The hash does not match: the bytes changed, or they belong to another place or journal.
    #[error("the hash does not match")]
    Hash,
    /// A group frame was expected here, or is not allowed here.
    #[error("a frame of kind {0} in the place of another kind")]
    Kind(u16),
    /// The group frame or the segment has a version that this program does not support.
    #[error("version {0} is not known")]
    Version(u8),
    /// The frame has another sequence number than the one expected.
    #[error("frame {found} in the place of frame {expected}")]
    Sequence {
        /// The sequence number expected.
        expected: u64,
        /// The sequence number found.
        found: u64,
    },
    /// The parts of a group contradict each other.
    #[error("the group's {0} is inconsistent")]
    Group(&'static str),
    /// The group, or the segment, does not follow its predecessor.
    #[error("it does not follow the group before it: a file was replaced by another version")]
    Chain,
    /// The segment's header is not a header, or its hash does not match.
    #[error("the segment's header is damaged")]
    Header,
    /// The header is of another segment: files were swapped or renamed.
    #[error("the file holds segment {0}")]
    OtherSegment(u32),
    /// The header is of another journal.
    #[error("the file belongs to another journal")]
    OtherJournal,
    /// Segment files are missing, up to and including this one.
    #[error("the segment files up to {} are missing", segment_name(*.last))]
    Missing {
        /// The last segment of the gap.
        last: u32,
    },
    /// The segment ends before the groups that the next segment follows.
    #[error("the file ends before groups that were in it")]
    Truncated,
    /// The system could not read the bytes.
    #[error("the bytes cannot be read: {0}")]
    Unreadable(String),
}

impl Flaw {
    pub(super) fn from_io(error: &io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Names one damaged stretch of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: u32,
    /// The offset of the first byte of the damaged group or header.
    pub from: u64,
    /// The offset after the stretch: the next valid group, or the end of the file.
    pub to: u64,
    /// The offset of the faulty frame within the stretch.
    pub at: u64,
    /// The fault.
    pub flaw: Flaw,
    /// The number of the group that should be here.
    pub first_group: u64,
    /// The next group that can be read or that later bytes name; `None` if nothing follows.
    pub next_group: Option<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = segment_name(self.segment);
        write!(f, "{name}, bytes {} to {}", self.from, self.to)?;
        if self.at != self.from {
            write!(f, ", at {}", self.at)?;
        }
        write!(f, ": {}", self.flaw)?;
        match self.next_group {
            None => write!(f, " (group {} and later)", self.first_group),
            Some(next) if next <= self.first_group => f.write_str(" (no group is lost)"),
            Some(next) if next == self.first_group + 1 => write!(f, " (group {})", self.first_group),
            Some(next) => write!(f, " (groups {} to {})", self.first_group, next - 1),
        }
    }
}

/// Names the limit that an append exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLimit {
    /// Bytes of one payload.
    Payload,
    /// Frames in one group.
    Frames,
    /// Bytes of one group.
    Group,
    /// The number of segments.
    Segments,
}

impl fmt::Display for LogLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Payload => "a frame's payload in bytes",
            Self::Frames => "the number of frames in a group",
            Self::Group => "a group in bytes",
            Self::Segments => "the number of segments",
        })
    }
}

/// The reason why a call of the log failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The folder has no log.
    #[error("there is no log in {folder}; was the folder moved, or its disk not mounted?")]
    Missing {
        /// The folder that was looked at.
        folder: String,
    },
    /// The folder already has a log.
    #[error("could not create a log in {folder}: it already has one; open it, or choose an empty folder")]
    Exists {
        /// The folder.
        folder: String,
    },
    /// The log was written by a later version of this program.
    #[error("{path} has log format {found}, but this program supports {known}; use a newer program")]
    Newer {
        /// The segment file.
        path: String,
        /// The format version found.
        found: u8,
        /// The format version known.
        known: u8,
    },
    /// The system refused a read or a write. No part of a group to be appended is stored.
    #[error("could not {attempted} {path}; check the disk and the folder's permissions")]
    Io {
        /// The operation that failed.
        attempted: &'static str,
        /// The file or folder.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The disk is full. No part of the group is stored; the same append can succeed later.
    #[error("could not write {path}: no space left ({found}); free space, then try again")]
    NoRoom {
        /// The segment file.
        path: String,
        /// The system's report, or the free and the needed bytes.
        found: String,
    },
    /// The log stopped for good, because the content of the disk is unknown.
    #[error("the log stopped after a failure ({reason}); check the disk, then restart")]
    Stopped {
        /// The failure.
        reason: String,
    },
    /// The log was opened to read only.
    #[error("could not append to the log: it is open to read only")]
    ReadOnly,
    /// A payload or a group exceeds its limit. No part of it is stored.
    #[error("could not append to the log: {what} must be at most {limit}, got {found}")]
    TooLarge {
        /// The part that is too large.
        what: LogLimit,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The caller used the kind of the log's own frames.
    #[error("could not append to the log: frame kind 0 belongs to the log itself")]
    ReservedKind,
    /// Bytes of the log are not those that were written.
    #[error("the log is damaged: {0}")]
    Damaged(Damage),
}

impl LogError {
    /// Returns true if the same call can succeed later without a restart.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }
}
