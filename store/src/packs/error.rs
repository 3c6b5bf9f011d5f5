//! Errors of the packs, with advice for operators.

use std::fmt;
use std::io;

use starling_protocol::ContentHash;

use super::PackNumber;

/// The fault in the bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageKind {
    /// Both copies of the pack's header are damaged, or the file is shorter than a header.
    #[error("the file's header is damaged")]
    Header,
    /// One copy of the pack's header is damaged; the other is used.
    #[error("one copy of the file's header is damaged; the other copy is used")]
    HeaderCopy,
    /// The header is that of a pack with another number: the file was renamed or swapped.
    #[error("the file holds pack {found}: it was renamed or swapped")]
    OtherPack {
        /// The number in the header.
        found: PackNumber,
    },
    /// The file is missing although it was known to have content.
    #[error("the file is missing")]
    MissingFile,
    /// The file ends before something that was known.
    #[error("the file ends before")]
    Short,
    /// The disk cannot read the bytes.
    #[error("the disk cannot read it")]
    Unreadable,
    /// No frame begins here, or a frame with another length or kind.
    #[error("no such frame begins there")]
    NoFrame,
    /// The frame does not fit its hash: changed, misplaced, or of another pack.
    #[error("the frame does not match its hash: it was changed, or belongs to another place or file")]
    FrameHash,
    /// The frame is whole and holds another body.
    #[error("the frame holds another body")]
    OtherBody,
    /// The dictionary that the body needs cannot be read.
    #[error("its dictionary at {offset} cannot be read")]
    Dictionary {
        /// Offset of the dictionary's frame in the same pack.
        offset: u64,
    },
    /// The body does not decompress, or is larger than a record may be.
    #[error("the body does not decompress")]
    Compressed,
    /// The body's bytes have another hash.
    #[error("the body's bytes have another hash")]
    ContentHash,
}

/// A damaged part of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackDamage {
    /// The pack.
    pub pack: PackNumber,
    /// The start of the damage.
    pub offset: u64,
    /// The number of unusable bytes; 0 if nothing is lost.
    pub length: u64,
    /// The body, if known.
    pub hash: Option<ContentHash>,
    /// The fault.
    pub what: DamageKind,
}

impl fmt::Display for PackDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pack,
            offset,
            length,
            what,
            ..
        } = self;
        write!(f, "pack {pack} at {offset}, {length} bytes")?;
        if let Some(hash) = &self.hash {
            write!(f, " (body {hash})")?;
        }
        write!(f, ": {what}")
    }
}

/// The reason why the packs refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A body cannot be read any more.
    #[error(
        "reading body {hash} from pack {pack} at {offset}: {what}; it has to be fetched again from a peer or source"
    )]
    Damaged {
        /// The body.
        hash: ContentHash,
        /// The pack.
        pack: PackNumber,
        /// Offset of its frame.
        offset: u64,
        /// The fault.
        what: DamageKind,
    },
    /// The pack of a body is not in the folder.
    #[error(
        "reading body {hash}: pack {pack} is missing; restore the file, or fetch the body again from a peer or source"
    )]
    MissingPack {
        /// The body.
        hash: ContentHash,
        /// The pack.
        pack: PackNumber,
    },
    /// The disk is full. Nothing was written.
    #[error(
        "writing {needed} bytes to the packs: the disk is full up to the reserve of {reserve} bytes; free some space, then try again"
    )]
    NoRoom {
        /// Bytes to be written.
        needed: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// A sync, or the cut after a failed write, failed earlier: the content of the disk is unknown.
    #[error(
        "writing to the packs: an earlier sync failed, so the content of the disk is unknown; check the disk and restart"
    )]
    Stopped,
    /// The packs were opened to read only.
    #[error("writing to the packs: they were opened to read only")]
    ReadOnly,
    /// A body is larger than a record may be.
    #[error("writing body {hash}: it must have at most {limit} bytes, got {bytes}")]
    TooLarge {
        /// The body.
        hash: ContentHash,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Compression failed.
    #[error("compressing a record body: {cause}")]
    Compress {
        /// The error of the compressor.
        cause: String,
    },
    /// A file was written by a newer build.
    #[error(
        "opening {path}: it has version {found}, but this build supports versions up to {known}; upgrade starling"
    )]
    NewerVersion {
        /// The file.
        path: String,
        /// The version found.
        found: u8,
        /// The newest version that this build knows.
        known: u8,
    },
    /// A frame that must be understood is not.
    #[error(
        "reading pack {pack} at {offset}: a frame of the unknown kind {kind} is critical; upgrade starling"
    )]
    UnknownKind {
        /// The pack.
        pack: PackNumber,
        /// Offset of the frame.
        offset: u64,
        /// Its kind.
        kind: u8,
    },
    /// Every pack number is taken.
    #[error(
        "beginning a new pack: the last possible number, {last}, is used; rebuild the packs by copying the site"
    )]
    NoNumber {
        /// The highest number.
        last: u32,
    },
    /// The system failed.
    #[error("{attempt} {path}")]
    Io {
        /// The operation that failed.
        attempt: &'static str,
        /// The file or folder.
        path: String,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
}

impl PackError {
    pub(super) fn io(attempt: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { attempt, path, cause }
    }
}

/// Returns true if the disk reports that it cannot read the bytes. Other errors may be temporary.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Returns true if the system reports a full disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
