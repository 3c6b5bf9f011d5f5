//! The entries of the index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names a raw document: the BLAKE3 of its bytes as they were fetched. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawHash([u8; 32]);

impl RawHash {
    pub(super) fn of(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for RawHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RawHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawHash({self})")
    }
}

/// The error for a text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a raw document: expected 64 hexadecimal digits")]
pub struct NotARawHash;

impl FromStr for RawHash {
    type Err = NotARawHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotARawHash)?;
        Ok(Self(bytes))
    }
}

impl Serialize for RawHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RawHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A document to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// Its feed.
    pub feed: String,
    /// Its name in an import: its path below the folder of the run, with `/`.
    pub name: String,
    /// The address that it came from.
    pub address: String,
    /// When it was received, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The server's name for this version.
    pub validator: Option<String>,
}

/// A document of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RawEntry {
    /// Its feed.
    pub feed: String,
    /// Its name in an import.
    pub name: String,
    /// The address that it came from.
    pub address: String,
    /// When it was received, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The server's name for this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<String>,
    /// Names its bytes.
    pub hash: RawHash,
    /// Its length as it was fetched.
    pub bytes: u64,
}

impl RawEntry {
    pub(super) fn new(document: NewDocument, hash: RawHash, bytes: u64) -> Self {
        let NewDocument {
            feed,
            name,
            address,
            at_ms,
            validator,
        } = document;
        Self {
            feed,
            name,
            address,
            at_ms,
            validator,
            hash,
            bytes,
        }
    }
}
