//! Which files of an input are meant as records.
//!
//! The rules are deliberately few and all here, because "ignored" must never hide a record: what is
//! called JSON or YAML is a record until [`osv`](crate::osv) says otherwise, and what is called
//! something else is still looked into when it begins as JSON does.

/// How sure it is that a document is meant as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The user or the file's name says so: if it cannot be one, that is a rejection.
    Stated,
    /// It only begins like JSON: if it cannot be a record, it was none.
    Guessed,
}

/// Why a file is known to hold no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARecord {
    /// A file or folder whose name begins with a dot, such as `.git` and what is in it.
    #[error("hidden")]
    Hidden,
    /// Neither called JSON or YAML nor beginning as JSON does.
    #[error("neither JSON nor YAML, nor a document of another known kind")]
    OtherKind,
    /// Packed in a way that is not read.
    #[error("packed as {0}, which is not supported; unpack it first")]
    OtherPacking(&'static str),
    /// A link, device or socket.
    #[error("not a regular file")]
    Special,
    /// A symbolic link that leads out of the input, or to a folder.
    #[error("a symbolic link that is not followed")]
    Link,
    /// An archive inside an archive.
    #[error("an archive inside an archive; import it by itself")]
    NestedArchive,
    /// Another kind of document than the one that was asked for.
    #[error("not a document of the kind {0}")]
    NotOfKind(&'static str),
}

/// Says from a file's path inside the input and its first bytes whether it is meant as a record.
///
/// `head` may be as short as the first character that is not white space.
///
/// # Errors
/// The reason why it is none.
pub fn classify(name: &str, head: &[u8]) -> Result<Expectation, NotARecord> {
    if name.split('/').any(is_hidden) {
        return Err(NotARecord::Hidden);
    }
    if packing(head).is_some() {
        return Err(NotARecord::NestedArchive);
    }
    if let Some(packing) = other_packing(head) {
        return Err(NotARecord::OtherPacking(packing));
    }
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    if let Some("json" | "yaml" | "yml" | "ndjson" | "jsonl") = extension.as_deref() {
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

/// Tells whether one segment of a path is hidden by custom.
pub(super) fn is_hidden(segment: &str) -> bool {
    segment.starts_with('.') && segment != "." && segment != ".."
}

/// The forms that wrap documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zip,
    Zstd,
    Gzip,
    Tar,
}

/// Bytes that [`packing`] wants to see: the header of a tar member.
pub(super) const HEAD_BYTES: usize = 512;

/// Knows a packed form by its first bytes.
pub(super) fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Packing::Zip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Packing::Zstd),
        // A skippable frame, as a bundle begins with.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Packing::Zstd),
        [0x1F, 0x8B, ..] => Some(Packing::Gzip),
        _ if is_tar(head) => Some(Packing::Tar),
        _ => None,
    }
}

/// Names a packed form that is known and not read.
pub(super) fn other_packing(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some("bzip2"),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        _ => None,
    }
}

/// A tar member's header: the `ustar` mark, or (in the oldest form) only a sum that fits.
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
