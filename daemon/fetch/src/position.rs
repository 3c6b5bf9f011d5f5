//! The position of a feed: the data that lets the next run skip what was fetched before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format that this version writes.
const VERSION: u32 = 1;

/// The position at which the next run of one plan continues. Losing it costs a full fetch and nothing else.
///
/// A position belongs to one plan. A run of another plan, such as one with another address, ignores it and says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    version: u32,
    /// Fingerprint of the plan that it belongs to. Empty: of none yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) plan: String,
    /// The time of the last fetch of the complete source, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole_at_ms: Option<u64>,
    /// The known versions of single addresses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) documents: BTreeMap<String, Seen>,
    /// For each step: the time up to which its list or windows were read, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) until_ms: BTreeMap<String, u64>,
    /// Rows of lists, by step and document, with a fingerprint of the row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rows: BTreeMap<String, BTreeMap<String, String>>,
    /// The last of the times in `until_ms` that the server's own clock confirmed, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) confirmed_ms: BTreeMap<String, u64>,
    /// For each step: the number of rows of its list, or of entries in its windows since the beginning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counts: BTreeMap<String, u64>,
    /// For each lasting irregularity, by name: the time when it was first seen, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) odd_since_ms: BTreeMap<String, u64>,
}

/// The known version of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified: Option<String>,
    /// BLAKE3 of the bytes, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
}

/// The reason why a stored position cannot be read. Start with the default position, which costs a full fetch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// Not a position.
    #[error("the position of the feed cannot be read; the next run fetches everything")]
    Broken(#[from] serde_json::Error),
    /// Written by another version of this program.
    #[error(
        "the position of the feed has version {found}, expected {VERSION}; the next run fetches everything"
    )]
    Version {
        /// Its version.
        found: u32,
    },
}

impl Default for Position {
    fn default() -> Self {
        Self {
            version: VERSION,
            plan: String::new(),
            whole_at_ms: None,
            documents: BTreeMap::new(),
            until_ms: BTreeMap::new(),
            rows: BTreeMap::new(),
            confirmed_ms: BTreeMap::new(),
            counts: BTreeMap::new(),
            odd_since_ms: BTreeMap::new(),
        }
    }
}

impl Position {
    /// Reads a position that was stored as JSON.
    ///
    /// # Errors
    /// If it is not a position of this version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PositionError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(PositionError::Version { found: version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Returns true if nothing was fetched yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_position_is_read_again() {
        let mut position = Position::default();
        assert!(position.is_empty());
        position.plan = "p".to_owned();
        position.until_ms.insert("list".to_owned(), 7);
        let stored = serde_json::to_vec(&position).expect("written");
        assert_eq!(Position::from_json(&stored).expect("read"), position);
    }

    #[test]
    fn position_of_another_version_or_a_broken_one_is_named() {
        let newer = Position::from_json(br#"{"version":2,"new":true}"#).expect_err("newer");
        assert!(matches!(newer, PositionError::Version { found: 2 }), "{newer}");
        for broken in [&b""[..], b"{}", b"[]", br#"{"version":1,"unknown":1}"#] {
            let error = Position::from_json(broken).expect_err("broken");
            assert!(error.to_string().contains("fetches everything"), "{error}");
        }
    }
}
