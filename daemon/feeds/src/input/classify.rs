//! Decides which files of an input are meant to be records.
//!
//! All rules are here, and there are few, because "ignored" must never hide a record: a file named as JSON or YAML is
//! a record until [`osv`](crate::osv) says otherwise, and any other file is still examined if it begins like JSON.

/// How certain it is that a document is meant to be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The user or the file's name says so: if it is not valid, it is rejected.
    Stated,
    /// It only begins like JSON: if it is not a valid record, it is ignored.
    Guessed,
}

/// The reason why a file has no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARecord {
    /// A file or folder whose name begins with a dot, such as `.git` and its contents.
    #[error("hidden")]
    Hidden,
    /// Not named as JSON or YAML, and not beginning like JSON.
    #[error("neither JSON nor YAML, nor a document of another known kind")]
    OtherKind,
    /// Compressed in an unsupported way.
    #[error("packed as {0}, which is not supported; unpack it first")]
    OtherPacking(&'static str),
    /// A link, device or socket.
    #[error("not a regular file")]
    Special,
    /// A symbolic link that leads outside of the input, or to a folder.
    #[error("a symbolic link that is not followed")]
    Link,
    /// An archive inside an archive.
    #[error("an archive inside an archive; import it by itself")]
    NestedArchive,
    /// A bundle of Starling: its records are statements of other sites.
    #[error("a Starling bundle, which `starling bundle import` takes in")]
    Bundle,
    /// A document of another kind than the requested one.
    #[error("not a document of the kind {0}")]
    NotOfKind(&'static str),
}

impl NotARecord {
    /// Returns true if a file of this name may hold records all the same: it was not looked into.
    #[must_use]
    pub fn may_hold_records(self, name: &str) -> bool {
        match self {
            Self::OtherPacking(_) | Self::NestedArchive => true,
            Self::Link | Self::Special => is_named_as_record(name),
            _ => false,
        }
    }
}

/// Returns true for a name that a record's file has.
fn is_named_as_record(name: &str) -> bool {
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    matches!(
        extension.as_deref(),
        Some("json" | "yaml" | "yml" | "ndjson" | "jsonl")
    )
}

/// Classifies a file from its path in the input and its first bytes.
///
/// `head` may be as short as the first character that is not white space.
///
/// # Errors
/// The reason why it is not a record.
pub fn classify(name: &str, head: &[u8]) -> Result<Expectation, NotARecord> {
    if name.split('/').any(is_hidden) {
        return Err(NotARecord::Hidden);
    }
    if is_bundle(head) {
        return Err(NotARecord::Bundle);
    }
    if packing(head).is_some() {
        return Err(NotARecord::NestedArchive);
    }
    if let Some(packing) = other_packing(head) {
        return Err(NotARecord::OtherPacking(packing));
    }
    if is_named_as_record(name) {
        return Ok(Expectation::Stated);
    }
    match crate::osv::strip_byte_order_mark(head)
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
    {
        Some(b'{' | b'[') => Ok(Expectation::Guessed),
        _ => Err(NotARecord::OtherKind),
    }
}

/// Returns true if a path segment is hidden by convention.
pub(super) fn is_hidden(segment: &str) -> bool {
    segment.starts_with('.') && segment != "." && segment != ".."
}

/// The container formats of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zip,
    Zstd,
    Gzip,
    Tar,
}

/// Number of bytes that [`packing`] needs: the header of a tar member.
pub(super) const HEAD_BYTES: usize = 512;

/// Detects a container format from its first bytes.
pub(super) fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Packing::Zip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Packing::Zstd),
        // A skippable frame.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Packing::Zstd),
        [0x1F, 0x8B, ..] => Some(Packing::Gzip),
        _ if is_tar(head) => Some(Packing::Tar),
        _ => None,
    }
}

/// Returns true for a bundle, which begins with a skippable frame that holds its seal.
pub(super) fn is_bundle(head: &[u8]) -> bool {
    matches!(
        head,
        [
            0x50..=0x5F,
            0x2A,
            0x4D,
            0x18,
            _,
            _,
            _,
            _,
            b'S',
            b'T',
            b'S',
            b'L',
            ..
        ]
    )
}

/// Returns the name of a known but unsupported container format.
pub(super) fn other_packing(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some("bzip2"),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        _ => None,
    }
}

/// Returns true for a tar member's header: with the `ustar` mark or, in the oldest form, only a matching checksum.
fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..HEAD_BYTES) else {
        return false;
    };
    if &header[257..262] == b"ustar" {
        return true;
    }
    let Some(stated) = header[148..156]
        .split(|&byte| byte == 0 || byte == b' ')
        .find(|part| !part.is_empty())
    else {
        return false;
    };
    let stated = std::str::from_utf8(stated)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 8).ok());
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    header[0] != 0 && stated == Some(sum(&header[..148]) + 8 * u32::from(b' ') + sum(&header[156..]))
}
