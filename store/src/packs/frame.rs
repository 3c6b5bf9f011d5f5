//! The bytes of a pack: its header and its frames. See `docs/formats/packs.md`.

use std::sync::LazyLock;

use starling_protocol::limits::{KIB, MAX_RECORD_BYTES, MAX_SOURCE_BYTES, MIB};
use starling_protocol::{ContentHash, Source};

use super::error::{DamageKind, PackError};
use super::{BodyPlace, PackId, PackNumber};

const HEADER_MAGIC: &[u8; 4] = b"STPK";
pub(super) const FRAME_MAGIC: &[u8; 4] = b"STPF";
const VERSION: u8 = 1;
const HEADER_CONTEXT: &str = "starling 2026-11 v1 pack header";
const KEY_CONTEXT: &str = "starling 2026-11 v1 pack frame";

/// Bytes of one copy of the header.
const HEADER_BYTES: usize = 64;
/// The offset of the second copy: in another block of the disk than the first.
const COPY_OFFSET: usize = 4 * KIB;
/// The offset of the first frame.
pub(super) const FRAMES_START: u64 = (COPY_OFFSET + HEADER_BYTES) as u64;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEADER_BYTES: usize = 26;
/// Bytes of a body's payload before its zstd frame.
pub(super) const BODY_HEADER_BYTES: usize = 36;
/// Most bytes of a dictionary. Those that are trained are smaller.
pub(super) const MAX_DICTIONARY_BYTES: usize = MIB;
/// Most bytes of a body's zstd frame: zstd needs slightly more than the input for incompressible bytes.
const MAX_PACKED_BYTES: usize = MAX_RECORD_BYTES + 128 * KIB;
/// Most bytes of any frame's payload.
pub(super) const MAX_PAYLOAD_BYTES: usize = BODY_HEADER_BYTES + MAX_PACKED_BYTES;
/// Flags of frames.
pub(super) mod flag {
    /// A reader that does not know the kind must stop.
    pub(in super::super) const CRITICAL: u8 = 1;
    /// A dictionary that was copied with its bodies and is not in use.
    pub(in super::super) const COPIED: u8 = 2;
}

/// The kind of a frame.
pub(super) mod kind {
    /// A dictionary: source, bytes.
    pub(in super::super) const DICTIONARY: u8 = 1;
    /// A body: content hash, offset of its dictionary, zstd frame.
    pub(in super::super) const BODY: u8 = 2;
    /// The places of dictionaries in use that are not in this pack.
    pub(in super::super) const ELSEWHERE: u8 = 3;
}

/// Returns the first bytes of a pack.
pub(super) fn encode_header(number: PackNumber, id: &PackId) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(HEADER_MAGIC);
    header.extend_from_slice(&[VERSION, 0, 0, 0]);
    header.extend_from_slice(&number.get().to_le_bytes());
    header.extend_from_slice(&id.0);
    header.extend_from_slice(&[0; 4]);
    let hash = blake3::derive_key(HEADER_CONTEXT, &header);
    header.extend_from_slice(&hash);
    let mut bytes = header.clone();
    bytes.resize(COPY_OFFSET, 0);
    bytes.extend_from_slice(&header);
    bytes
}

/// The content of a pack's first bytes.
pub(super) struct Header {
    pub(super) id: PackId,
    /// True if a redundant part of them is damaged.
    pub(super) is_damaged: bool,
}

/// Reads the bytes that a pack begins with, by whichever copy is whole.
pub(super) fn decode_header(
    number: PackNumber,
    path: &str,
    bytes: &[u8],
) -> Result<Result<Header, DamageKind>, PackError> {
    let copies = [bytes.get(..HEADER_BYTES), bytes.get(COPY_OFFSET..)];
    let whole = copies.into_iter().flatten().find_map(decode_copy);
    let Some((version, found, id)) = whole else {
        return Ok(Err(DamageKind::Header));
    };
    if version != VERSION {
        return Err(PackError::NewerVersion {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    if found != number {
        return Ok(Err(DamageKind::OtherPack { found }));
    }
    let is_damaged = bytes != encode_header(number, &id);
    Ok(Ok(Header { id, is_damaged }))
}

fn decode_copy(bytes: &[u8]) -> Option<(u8, PackNumber, PackId)> {
    let bytes: &[u8; HEADER_BYTES] = bytes.try_into().ok()?;
    let (signed, hash) = bytes.split_first_chunk::<32>()?;
    if !signed.starts_with(HEADER_MAGIC) || blake3::derive_key(HEADER_CONTEXT, signed) != *hash {
        return None;
    }
    let number = u32::from_le_bytes(*signed[8..].first_chunk()?);
    let id = PackId(*signed[12..].first_chunk()?);
    Some((signed[4], PackNumber::new(number)?, id))
}

/// Computes and checks the hashes of one pack's frames.
#[derive(Clone)]
pub(super) struct FrameKey(blake3::Hasher);

impl FrameKey {
    pub(super) fn new(number: PackNumber, id: &PackId) -> Self {
        static BASE: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key(KEY_CONTEXT));
        let mut key = BASE.clone();
        key.update(&id.0);
        key.update(&number.get().to_le_bytes());
        Self(blake3::Hasher::new_keyed(key.finalize().as_bytes()))
    }

    /// Hashes a frame: its place, then everything but magic and hash.
    fn hash(&self, offset: u64, head: &[u8; 6], payload: &[u8]) -> [u8; 16] {
        let mut start = [0; 14];
        start[..8].copy_from_slice(&offset.to_le_bytes());
        start[8..].copy_from_slice(head);
        let mut hasher = self.0.clone();
        hasher.update(&start);
        hasher.update(payload);
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        hash
    }

    /// Appends a frame that will be at `offset`. Its payload is the concatenated `parts`.
    pub(super) fn push(&self, out: &mut Vec<u8>, offset: u64, kind: u8, flags: u8, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut head = [kind, flags, 0, 0, 0, 0];
        // Every caller's payload is bounded by `MAX_PAYLOAD_BYTES`.
        head[2..].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(FRAME_MAGIC);
        out.extend_from_slice(&head);
        let hash_at = out.len();
        out.extend_from_slice(&[0; 16]);
        let payload_at = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        let hash = self.hash(offset, &head, &out[payload_at..]);
        out[hash_at..payload_at].copy_from_slice(&hash);
    }

    /// Checks a whole frame that was read at `offset`.
    pub(super) fn check<'a>(&self, bytes: &'a [u8], offset: u64) -> Result<Frame<'a>, DamageKind> {
        let head = FrameHead::decode(bytes).ok_or(DamageKind::NoFrame)?;
        let (start, payload) = bytes
            .split_at_checked(FRAME_HEADER_BYTES)
            .ok_or(DamageKind::NoFrame)?;
        if payload.len() != head.payload_bytes {
            return Err(DamageKind::NoFrame);
        }
        let hashed = start[4..].first_chunk::<6>().ok_or(DamageKind::NoFrame)?;
        if self.hash(offset, hashed, payload) != start[10..] {
            return Err(DamageKind::FrameHash);
        }
        Ok(Frame {
            kind: head.kind,
            flags: start[5],
            payload,
        })
    }
}

/// The fields of a frame before its payload. Its hash is not checked yet.
#[derive(Clone, Copy)]
pub(super) struct FrameHead {
    pub(super) kind: u8,
    pub(super) payload_bytes: usize,
}

impl FrameHead {
    /// Decodes the start of a frame; returns `None` if the bytes cannot be one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(FRAME_MAGIC)?;
        let kind = *bytes.first()?;
        let length = u32::from_le_bytes(*bytes.get(2..)?.first_chunk()?);
        let payload_bytes = usize::try_from(length).ok()?;
        let limit = match kind {
            kind::DICTIONARY => 1 + MAX_SOURCE_BYTES + MAX_DICTIONARY_BYTES,
            _ => MAX_PAYLOAD_BYTES,
        };
        (payload_bytes <= limit).then_some(Self { kind, payload_bytes })
    }

    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_bytes
    }
}

/// A frame with a valid hash.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) fn is_known(&self) -> bool {
        matches!(self.kind, kind::DICTIONARY | kind::BODY | kind::ELSEWHERE)
    }
}

/// A stored body.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) hash: ContentHash,
    /// Offset of its dictionary's frame; 0 for none.
    pub(super) dictionary: u32,
    /// One zstd frame.
    pub(super) packed: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        let (hash, rest) = payload.split_first_chunk::<32>()?;
        let (dictionary, packed) = rest.split_first_chunk::<4>()?;
        Some(Self {
            hash: ContentHash::from_bytes(*hash),
            dictionary: u32::from_le_bytes(*dictionary),
            packed,
        })
    }

    /// Appends the body's frame and returns its length.
    pub(super) fn push(&self, key: &FrameKey, out: &mut Vec<u8>, offset: u64) -> u32 {
        let before = out.len();
        let dictionary = self.dictionary.to_le_bytes();
        let parts = [&self.hash.as_bytes()[..], &dictionary, self.packed];
        key.push(out, offset, kind::BODY, flag::CRITICAL, &parts);
        u32::try_from(out.len() - before).unwrap_or(u32::MAX)
    }
}

/// A stored dictionary.
#[derive(Clone)]
pub(super) struct StoredDictionary<'a> {
    pub(super) source: Source,
    pub(super) bytes: &'a [u8],
}

impl<'a> StoredDictionary<'a> {
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        let (source, bytes) = split_source(payload)?;
        Some(Self { source, bytes })
    }

    pub(super) fn push(&self, key: &FrameKey, out: &mut Vec<u8>, offset: u64, flags: u8) {
        let name = self.source.as_str().as_bytes();
        let length = [u8::try_from(name.len()).unwrap_or(0)];
        let parts = [&length[..], name, self.bytes];
        key.push(out, offset, kind::DICTIONARY, flag::CRITICAL | flags, &parts);
    }
}

fn split_source(bytes: &[u8]) -> Option<(Source, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(name).ok()?.parse().ok()?, rest))
}

/// Returns the payload with the places of dictionaries that a new pack does not hold yet.
pub(super) fn encode_elsewhere<'a>(
    dictionaries: impl Iterator<Item = (&'a Source, PackNumber, u32)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for (source, pack, offset) in dictionaries {
        let name = source.as_str().as_bytes();
        out.push(u8::try_from(name.len()).unwrap_or(0));
        out.extend_from_slice(name);
        out.extend_from_slice(&pack.get().to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
    }
    out
}

pub(super) fn decode_elsewhere(mut payload: &[u8]) -> Option<Vec<(Source, PackNumber, u32)>> {
    let mut found = Vec::new();
    while !payload.is_empty() {
        let (source, rest) = split_source(payload)?;
        let (pack, rest) = rest.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<4>()?;
        found.push((
            source,
            PackNumber::new(u32::from_le_bytes(*pack))?,
            u32::from_le_bytes(*offset),
        ));
        payload = rest;
    }
    Some(found)
}

/// Returns true if a body's frame can have this place at all: checked before anything is allocated.
pub(super) fn is_possible(place: &BodyPlace) -> bool {
    let smallest = FRAME_HEADER_BYTES + BODY_HEADER_BYTES;
    let largest = FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES;
    usize::try_from(place.length).is_ok_and(|length| (smallest..=largest).contains(&length))
        && (FRAMES_START..=u64::from(u32::MAX)).contains(&place.offset)
}
