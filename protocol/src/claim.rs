//! Claims: the only objects that a site authors.
//!
//! A claim is framed so that a reader that does not know its kind can still chain it, relay it and count it in
//! the state root. Its key alone decides which claim it replaces, and its tombstone flag alone decides whether
//! it leaves a live entry. Layout: `docs/formats/delta.md`.

mod key;

use std::fmt;

use self::key::MAX_KEY_BYTES;
pub use self::key::{ClaimKey, KeyRef};
use crate::hash::ContentHash;
use crate::limits::{MAX_CLAIM_BYTES, MAX_RECORD_BYTES};
use crate::names::{RecordId, Source};
use crate::time::UnixMillis;
use crate::varint;
use crate::wire::{Reader, WireError};

const FLAG_CRITICAL: u8 = 1;
const FLAG_CONTENT: u8 = 2;
const FLAG_TOMBSTONE: u8 = 4;
const KNOWN_FLAGS: u8 = FLAG_CRITICAL | FLAG_CONTENT | FLAG_TOMBSTONE;

/// A claim that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The frame does not decode.
    #[error("decoding a claim")]
    Decode(#[from] WireError),
    /// A claim of a known kind lacks a required part, or has one that its kind forbids.
    #[error("checking a {kind} claim on {key}: it {problem}")]
    Shape {
        /// The kind.
        kind: ClaimKind,
        /// The key, for people.
        key: String,
        /// The fault.
        problem: &'static str,
    },
}

/// The kind of a claim. Numbers are frozen; claims of unknown kinds are kept and relayed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKind(pub u16);

impl ClaimKind {
    /// Record K of source X has content H.
    pub const SET: Self = Self(1);
    /// The source dropped K.
    pub const ABSENT: Self = Self(2);
    /// The author retracts its own statement about K.
    pub const DELETE: Self = Self(3);
    /// A change to a shared document; never superseded, each under its own key.
    pub const DOCUMENT_CHANGE: Self = Self(4);
    /// The author can fetch a source: [`crate::FeedOffer`]. Its shape is never a reason to refuse a delta, because
    /// sites of earlier releases take it as an unknown kind.
    pub const FEED_OFFER: Self = Self(6);

    /// Returns true if this build checks the shape of the kind.
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self.0, 1..=4)
    }
}

impl fmt::Display for ClaimKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SET => f.write_str("set"),
            Self::ABSENT => f.write_str("absent"),
            Self::DELETE => f.write_str("delete"),
            Self::DOCUMENT_CHANGE => f.write_str("document-change"),
            Self::FEED_OFFER => f.write_str("feed-offer"),
            Self(number) => write!(f, "kind-{number}"),
        }
    }
}

impl fmt::Debug for ClaimKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    kind: ClaimKind,
    critical: bool,
    tombstone: bool,
    key: ClaimKey,
    content: Option<(ContentHash, u32)>,
    time: UnixMillis,
    payload: Box<[u8]>,
}

impl Claim {
    /// Builds the claim that record `id` of `source` has this content of `size` bytes.
    #[must_use]
    pub fn set(source: &Source, id: &RecordId, content: ContentHash, size: u32, time: UnixMillis) -> Self {
        Self {
            content: Some((content, size)),
            ..Self::bare(ClaimKind::SET, ClaimKey::record(source, id), time)
        }
    }

    /// Builds the claim that the source dropped `id`.
    #[must_use]
    pub fn absent(source: &Source, id: &RecordId, time: UnixMillis) -> Self {
        Self::bare(ClaimKind::ABSENT, ClaimKey::record(source, id), time)
    }

    /// Builds the claim with which this site retracts its statement about `key`.
    #[must_use]
    pub fn delete(key: ClaimKey, time: UnixMillis) -> Self {
        Self {
            tombstone: true,
            ..Self::bare(ClaimKind::DELETE, key, time)
        }
    }

    /// Builds a change of a shared document; `change` is at most 60,000 bytes.
    ///
    /// # Errors
    /// If the name or the change is too long.
    pub fn document_change(
        document: &str,
        hash: [u8; 32],
        change: &[u8],
        time: UnixMillis,
    ) -> Result<Self, ClaimError> {
        let key = ClaimKey::document(document, &hash)?;
        let claim = Self {
            payload: change.into(),
            ..Self::bare(ClaimKind::DOCUMENT_CHANGE, key, time)
        };
        claim.check_shape()?;
        let length = claim.encode().len();
        if length > MAX_CLAIM_BYTES {
            let (found, limit) = (length as u64, MAX_CLAIM_BYTES as u64);
            return Err(WireError::OverLimit {
                field: "document change",
                found,
                limit,
            }
            .into());
        }
        Ok(claim)
    }

    /// Builds the author's offer to fetch a source, from the bytes of a [`crate::FeedOffer`].
    pub(crate) fn feed_offer(source: &Source, payload: &[u8], time: UnixMillis) -> Self {
        Self {
            payload: payload.into(),
            ..Self::bare(ClaimKind::FEED_OFFER, ClaimKey::offer(source), time)
        }
    }

    fn bare(kind: ClaimKind, key: ClaimKey, time: UnixMillis) -> Self {
        Self {
            kind,
            critical: false,
            tombstone: false,
            key,
            content: None,
            time,
            payload: Box::default(),
        }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ClaimKind {
        self.kind
    }

    /// Returns true if a site that does not know the kind must not accept the delta.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.critical
    }

    /// Returns true if it leaves no live entry.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.tombstone
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &ClaimKey {
        &self.key
    }

    /// Returns the record body that it names, and that body's size in bytes.
    #[must_use]
    pub fn content(&self) -> Option<(ContentHash, u32)> {
        self.content
    }

    /// Returns the time at which the author made it, by the author's clock; for people.
    #[must_use]
    pub fn time(&self) -> UnixMillis {
        self.time
    }

    /// Returns the rest of its content.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the frame without its length prefix: the element that enters the state root.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.key.as_bytes().len() + self.payload.len() + 48);
        varint::put(&mut out, u64::from(self.kind.0));
        let mut flags = 0;
        flags |= if self.critical { FLAG_CRITICAL } else { 0 };
        flags |= if self.content.is_some() { FLAG_CONTENT } else { 0 };
        flags |= if self.tombstone { FLAG_TOMBSTONE } else { 0 };
        out.push(flags);
        varint::put(&mut out, self.key.as_bytes().len() as u64);
        out.extend_from_slice(self.key.as_bytes());
        if let Some((hash, size)) = self.content {
            out.extend_from_slice(hash.as_bytes());
            varint::put(&mut out, u64::from(size));
        }
        varint::put(&mut out, self.time.as_millis());
        out.extend_from_slice(&self.payload);
        out
    }

    /// Reads one frame without its length prefix.
    ///
    /// # Errors
    /// [`ClaimError`]. A claim of an unknown kind is not an error.
    pub fn decode(frame: &[u8]) -> Result<Self, ClaimError> {
        let mut reader = Reader::new(frame);
        let kind = reader.varint("claim kind")?;
        let kind = u16::try_from(kind)
            .map(ClaimKind)
            .map_err(|_| WireError::OverLimit {
                field: "claim kind",
                found: kind,
                limit: u64::from(u16::MAX),
            })?;
        let flags = reader.u8("claim flags")?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(WireError::NotCanonical { field: "claim flags" }.into());
        }
        let length = reader.varint_length(MAX_KEY_BYTES, "claim key")?;
        let key = ClaimKey::from_bytes(reader.take(length, "claim key")?)?;
        let content = if flags & FLAG_CONTENT == 0 {
            None
        } else {
            let hash = ContentHash::from_bytes(reader.array("content hash")?);
            let size = reader.varint_length(MAX_RECORD_BYTES, "body size")?;
            Some((hash, u32::try_from(size).unwrap_or(u32::MAX)))
        };
        let time = reader.varint("claim time")?;
        let time = UnixMillis::new(time).map_err(|_| WireError::OverLimit {
            field: "claim time",
            found: time,
            limit: UnixMillis::MAX.as_millis(),
        })?;
        let claim = Self {
            kind,
            critical: flags & FLAG_CRITICAL != 0,
            tombstone: flags & FLAG_TOMBSTONE != 0,
            key,
            content,
            time,
            payload: reader.rest().into(),
        };
        claim.check_shape()?;
        Ok(claim)
    }

    /// Checks that a claim of a known kind has exactly the parts that the kind needs.
    fn check_shape(&self) -> Result<(), ClaimError> {
        let refuse = |problem| {
            Err(ClaimError::Shape {
                kind: self.kind,
                key: self.key.to_string(),
                problem,
            })
        };
        if !self.kind.is_known() {
            return Ok(());
        }
        if self.critical {
            return refuse("is marked critical, but known kinds never are");
        }
        if self.tombstone != (self.kind == ClaimKind::DELETE) {
            return refuse("has the wrong tombstone flag: deletes are tombstones, other kinds are not");
        }
        if self.content.is_some() != (self.kind == ClaimKind::SET) {
            return refuse("has the wrong body reference: sets name a body, other kinds do not");
        }
        if !self.payload.is_empty() && self.kind != ClaimKind::DOCUMENT_CHANGE {
            return refuse("carries a payload, but only document changes may");
        }
        match (self.kind, self.key.parse()) {
            (ClaimKind::SET | ClaimKind::ABSENT, KeyRef::Record(..))
            | (ClaimKind::DELETE, _)
            | (ClaimKind::DOCUMENT_CHANGE, KeyRef::Document(..)) => Ok(()),
            _ => refuse("has a key of another kind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> (Source, RecordId) {
        ("pypa".parse().unwrap(), "PYSEC-2021-1".parse().unwrap())
    }

    #[test]
    fn known_claims_round_trip() {
        let (source, id) = names();
        let time = UnixMillis::saturating(1_700_000_000_000);
        let claims = [
            Claim::set(&source, &id, ContentHash::of(b"{}"), 2, time),
            Claim::absent(&source, &id, time),
            Claim::delete(ClaimKey::record(&source, &id), time),
            Claim::document_change("mutes", [3; 32], b"change", time).unwrap(),
        ];
        for claim in claims {
            assert_eq!(Claim::decode(&claim.encode()).unwrap(), claim);
        }
    }

    #[test]
    fn unknown_kinds_are_kept_byte_for_byte() {
        let (source, id) = names();
        let key = ClaimKey::record(&source, &id);
        for (critical, tombstone) in [(false, false), (true, false), (false, true)] {
            let claim = Claim {
                critical,
                tombstone,
                payload: (*b"later").into(),
                ..Claim::bare(ClaimKind(900), key.clone(), UnixMillis::EPOCH)
            };
            let again = Claim::decode(&claim.encode()).unwrap();
            assert_eq!(again.encode(), claim.encode());
            assert!(!again.kind().is_known());
        }
    }

    #[test]
    fn set_without_a_body_is_refused() {
        let (source, id) = names();
        let claim = Claim::bare(ClaimKind::SET, ClaimKey::record(&source, &id), UnixMillis::EPOCH);
        assert!(matches!(
            Claim::decode(&claim.encode()),
            Err(ClaimError::Shape { .. })
        ));
    }

    #[test]
    fn reserved_flags_are_refused() {
        let (source, id) = names();
        let mut frame = Claim::absent(&source, &id, UnixMillis::EPOCH).encode();
        frame[1] |= 0x80;
        assert!(Claim::decode(&frame).is_err());
    }

    proptest! {
        #[test]
        fn decoding_is_total_and_canonical(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(claim) = Claim::decode(&frame) {
                prop_assert_eq!(claim.encode(), frame);
            }
        }
    }
}
