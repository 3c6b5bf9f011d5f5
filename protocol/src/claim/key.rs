//! Keys of claims: which object a claim is about, and so which earlier claim it replaces.

use std::fmt;

use crate::hash::Hex;
use crate::limits::{MAX_RECORD_ID_BYTES, MAX_SLUG_BYTES, MAX_SOURCE_BYTES};
use crate::names::{RecordId, Source};
use crate::wire::WireError;

const KEY_RECORD: u8 = b'r';
const KEY_DOCUMENT: u8 = b'd';
const KEY_OFFER: u8 = b'o';
/// Longest claim key in bytes: the class byte, a source, a separator and a record id.
pub(super) const MAX_KEY_BYTES: usize = 2 + MAX_SOURCE_BYTES + MAX_RECORD_ID_BYTES;

/// The subject of a claim, as bytes. A later claim of the same log on the same key replaces it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey(Box<[u8]>);

/// The object that a [`ClaimKey`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// One record of one source.
    Record(Source, RecordId),
    /// One change of a shared document: the document's name and the change's hash.
    Document(String, [u8; 32]),
    /// The author's offer to fetch a source.
    Offer(Source),
    /// Something that this build does not know.
    Other,
}

impl ClaimKey {
    /// Returns the key of a record.
    #[must_use]
    pub fn record(source: &Source, id: &RecordId) -> Self {
        let mut bytes = Vec::with_capacity(2 + source.as_str().len() + id.as_str().len());
        bytes.push(KEY_RECORD);
        bytes.extend_from_slice(source.as_str().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(id.as_str().as_bytes());
        Self(bytes.into())
    }

    /// Returns the bytes with which every record key of `source` begins.
    #[must_use]
    pub fn source_prefix(source: &Source) -> Vec<u8> {
        let mut bytes = vec![KEY_RECORD];
        bytes.extend_from_slice(source.as_str().as_bytes());
        bytes.push(0);
        bytes
    }

    /// Returns the key of a change of a shared document.
    ///
    /// # Errors
    /// If the document's name is too long for a key.
    pub(super) fn document(document: &str, change: &[u8; 32]) -> Result<Self, WireError> {
        let mut bytes = vec![KEY_DOCUMENT];
        bytes.extend_from_slice(document.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(change);
        Self::from_bytes(&bytes)
    }

    /// Returns the key of the author's offer to fetch a source.
    #[must_use]
    pub fn offer(source: &Source) -> Self {
        let mut bytes = Self::offers_prefix();
        bytes.extend_from_slice(source.as_str().as_bytes());
        bytes.push(0);
        Self(bytes.into())
    }

    /// Returns the bytes with which the key of every offer begins.
    #[must_use]
    pub fn offers_prefix() -> Vec<u8> {
        vec![KEY_OFFER]
    }

    /// Wraps bytes, at least one and at most 322.
    ///
    /// # Errors
    /// If there are no bytes or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.is_empty() {
            return Err(WireError::NotCanonical { field: "claim key" });
        }
        if bytes.len() > MAX_KEY_BYTES {
            let (found, limit) = (bytes.len() as u64, MAX_KEY_BYTES as u64);
            return Err(WireError::OverLimit {
                field: "claim key",
                found,
                limit,
            });
        }
        Ok(Self(bytes.into()))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the object that the key names.
    #[must_use]
    pub fn parse(&self) -> KeyRef {
        self.parse_known().unwrap_or(KeyRef::Other)
    }

    /// Returns the source whose state the key belongs to; `None` if it belongs to no source. An offer belongs to none,
    /// because it is not knowledge, and because sites of earlier releases do not know its source.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        match self.parse() {
            KeyRef::Record(source, _) => Some(source),
            KeyRef::Document(..) | KeyRef::Offer(_) | KeyRef::Other => None,
        }
    }

    fn parse_known(&self) -> Option<KeyRef> {
        let (&class, rest) = self.0.split_first()?;
        let middle = rest.iter().position(|&b| b == 0)?;
        let (name, tail) = (std::str::from_utf8(&rest[..middle]).ok()?, &rest[middle + 1..]);
        match class {
            KEY_RECORD => {
                let id = std::str::from_utf8(tail).ok()?;
                Some(KeyRef::Record(name.parse().ok()?, id.parse().ok()?))
            }
            KEY_DOCUMENT if !name.is_empty() && name.len() <= MAX_SLUG_BYTES => {
                Some(KeyRef::Document(name.to_owned(), tail.try_into().ok()?))
            }
            KEY_OFFER if tail.is_empty() => Some(KeyRef::Offer(name.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            KeyRef::Record(source, id) => write!(f, "{source}/{id}"),
            KeyRef::Document(name, change) => write!(f, "document {name} change {}", Hex(&change[..6])),
            KeyRef::Offer(source) => write!(f, "offer to fetch {source}"),
            KeyRef::Other => write!(f, "key {}", Hex(&self.0)),
        }
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
