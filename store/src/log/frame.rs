//! Frames: the unit that is written, named and read. A frame's hash binds it to its place.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use serde::{Deserialize, Serialize};

use super::error::Flaw;

/// Most bytes of a frame's payload.
pub const MAX_PAYLOAD_BYTES: u32 = 64 << 20;
/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 36;
/// Bytes of a hash in the log: BLAKE3, cut to half its length.
pub const HASH_BYTES: usize = 16;

pub(super) const FRAME_MAGIC: [u8; 4] = *b"STLF";
const CRITICAL: u8 = 1;

static FRAME_CONTEXT: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("starling 2026-11 v1 log frame"));

/// A hash as the log stores it.
pub(super) type ShortHash = [u8; HASH_BYTES];

/// The meaning of a frame's payload. Kind 0 belongs to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKind(pub u16);

impl FrameKind {
    /// The first frame of each group.
    pub const GROUP: Self = Self(0);
}

/// A frame as the caller passes and receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The meaning of the payload.
    pub kind: FrameKind,
    /// The version of the payload's layout.
    pub version: u8,
    /// True if a reader that does not know the kind or version must stop.
    pub critical: bool,
    /// At most [`MAX_PAYLOAD_BYTES`].
    pub payload: Cow<'a, [u8]>,
}

/// A frame that owns its payload.
pub type OwnedFrame = Frame<'static>;

impl<'a> Frame<'a> {
    /// Builds a critical frame of version 1 that borrows its payload.
    pub fn new(kind: FrameKind, payload: &'a [u8]) -> Self {
        Self {
            kind,
            version: 1,
            critical: true,
            payload: Cow::Borrowed(payload),
        }
    }

    /// Copies the payload if it is borrowed.
    pub fn into_owned(self) -> OwnedFrame {
        Frame {
            payload: Cow::Owned(self.payload.into_owned()),
            ..self
        }
    }
}

/// The name of a journal. Random, so that files of two journals are never confused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JournalId(pub [u8; 16]);

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalId({self})")
    }
}

/// The place of one frame, with which it can be read without the frames before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FramePlace {
    /// The segment.
    pub segment: u32,
    /// The offset of the frame's header.
    pub offset: u32,
    /// Bytes of the payload.
    pub length: u32,
    /// The frame's sequence number.
    pub sequence: u64,
}

impl FramePlace {
    /// Encodes the place: four varints in the order of the fields, at most 25 bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Decodes a place; `None` if the bytes are not a place in its shortest encoding.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let place: Self = postcard::from_bytes(bytes).ok()?;
        (place.encode() == bytes).then_some(place)
    }
}

/// The place to which a frame's hash binds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) journal: JournalId,
    pub(super) segment: u32,
    pub(super) offset: u64,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: u16,
    pub(super) version: u8,
    pub(super) flags: u8,
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) hash: ShortHash,
}

impl FrameHeader {
    /// Builds the header of a frame for its place.
    pub(super) fn seal(frame: &Frame<'_>, length: u32, sequence: u64, binding: Binding) -> Self {
        let mut header = Self {
            kind: frame.kind.0,
            version: frame.version,
            flags: if frame.critical { CRITICAL } else { 0 },
            length,
            sequence,
            hash: [0; HASH_BYTES],
        };
        header.hash = header.hash_with(&frame.payload, binding);
        header
    }

    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&FRAME_MAGIC);
        writer.put(&self.kind.to_le_bytes());
        writer.put(&[self.version, self.flags]);
        writer.put(&self.length.to_le_bytes());
        writer.put(&self.sequence.to_le_bytes());
        writer.put(&self.hash);
        bytes
    }

    /// Reads a header. Its hash is not checked: that needs the payload.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self, Flaw> {
        let mut reader = Reader(bytes);
        if reader.take::<4>() != FRAME_MAGIC {
            return Err(Flaw::Magic);
        }
        let header = Self {
            kind: u16::from_le_bytes(reader.take()),
            version: reader.u8(),
            flags: reader.u8(),
            length: reader.u32(),
            sequence: reader.u64(),
            hash: reader.take(),
        };
        if header.flags & !CRITICAL != 0 {
            return Err(Flaw::Flags(header.flags));
        }
        if header.length > MAX_PAYLOAD_BYTES {
            return Err(Flaw::TooLong {
                found: header.length.into(),
                limit: MAX_PAYLOAD_BYTES.into(),
            });
        }
        Ok(header)
    }

    /// Checks the hash over place, header and payload.
    pub(super) fn verify(&self, payload: &[u8], binding: Binding) -> Result<(), Flaw> {
        if self.hash == self.hash_with(payload, binding) {
            Ok(())
        } else {
            Err(Flaw::Hash)
        }
    }

    pub(super) fn is_critical(&self) -> bool {
        self.flags & CRITICAL != 0
    }

    fn hash_with(&self, payload: &[u8], binding: Binding) -> ShortHash {
        let mut prefix = [0; 44];
        let mut writer = Writer(&mut prefix);
        writer.put(&binding.journal.0);
        writer.put(&binding.segment.to_le_bytes());
        writer.put(&binding.offset.to_le_bytes());
        writer.put(&self.sequence.to_le_bytes());
        writer.put(&self.kind.to_le_bytes());
        writer.put(&[self.version, self.flags]);
        writer.put(&self.length.to_le_bytes());
        let mut hasher = blake3::Hasher::new_from_context_key(&FRAME_CONTEXT);
        hasher.update(&prefix).update(payload);
        shorten(&hasher.finalize())
    }
}

/// Cuts a hash to the length that the log stores.
pub(super) fn shorten(hash: &blake3::Hash) -> ShortHash {
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&hash.as_bytes()[..HASH_BYTES]);
    short
}

/// Hashes bytes under a context string of their own.
pub(super) fn hash_under(context: &str, bytes: &[u8]) -> ShortHash {
    shorten(&blake3::Hash::from_bytes(blake3::derive_key(context, bytes)))
}

/// Fills a fixed buffer from its beginning; excess bytes are dropped.
pub(super) struct Writer<'a>(pub(super) &'a mut [u8]);

impl Writer<'_> {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.0);
        let (filled, rest) = rest.split_at_mut(bytes.len().min(rest.len()));
        filled.copy_from_slice(&bytes[..filled.len()]);
        self.0 = rest;
    }
}

/// Decodes fields from a buffer of known size; past its end it returns zeros.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((taken, rest)) => {
                self.0 = rest;
                *taken
            }
            None => [0; N],
        }
    }

    pub(super) fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
