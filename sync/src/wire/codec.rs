//! Framing: `version ‖ kind ‖ header (postcard) ‖ payload`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::WIRE_VERSION;

/// The reason why bytes from a peer are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Longer than its kind may be.
    #[error("a message of {found} bytes; at most {limit} are allowed")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Shorter than a version and a kind.
    #[error("{found} bytes, too short for a message")]
    TooShort {
        /// Its length.
        found: usize,
    },
    /// Another wire version.
    #[error("wire version {found}, but this build speaks version {WIRE_VERSION}; upgrade the older site")]
    Version {
        /// The version found.
        found: u8,
    },
    /// A kind that this version does not have in this place.
    #[error("message kind {found} is not known here")]
    Kind {
        /// The kind found.
        found: u8,
    },
    /// The header does not decode.
    #[error("the header of message kind {kind} does not decode: {cause}")]
    Header {
        /// The message's kind.
        kind: u8,
        /// The decoder's error.
        cause: String,
    },
    /// The header has another encoding than the canonical one, or extra bytes follow.
    #[error("message kind {kind} is not in canonical form")]
    NotCanonical {
        /// The message's kind.
        kind: u8,
    },
    /// A count or size past its limit.
    #[error("{field} is {found}; at most {limit} are allowed")]
    OverLimit {
        /// The quantity that is too large.
        field: &'static str,
        /// The value found.
        found: u64,
        /// The limit.
        limit: u64,
    },
}

/// Refuses `found` over `limit`.
pub(super) fn check(field: &'static str, found: usize, limit: usize) -> Result<(), WireFault> {
    if found > limit {
        let (found, limit) = (found as u64, limit as u64);
        return Err(WireFault::OverLimit { field, found, limit });
    }
    Ok(())
}

/// Splits a message into kind and rest, after checking length and version.
pub(super) fn open(bytes: &[u8], limit: usize) -> Result<(u8, &[u8]), WireFault> {
    let found = bytes.len();
    if found > limit {
        return Err(WireFault::TooLong { found, limit });
    }
    match bytes {
        [WIRE_VERSION, kind, rest @ ..] => Ok((*kind, rest)),
        [version, _, ..] => Err(WireFault::Version { found: *version }),
        _ => Err(WireFault::TooShort { found }),
    }
}

/// Decodes a header and returns the bytes after it. Checks that encoding it again gives the same bytes.
pub(super) fn header<T: Serialize + DeserializeOwned>(
    kind: u8,
    bytes: &[u8],
) -> Result<(T, &[u8]), WireFault> {
    let (value, rest): (T, &[u8]) = postcard::take_from_bytes(bytes).map_err(|cause| WireFault::Header {
        kind,
        cause: cause.to_string(),
    })?;
    let taken = &bytes[..bytes.len() - rest.len()];
    if postcard::to_stdvec(&value).is_ok_and(|again| again == taken) {
        Ok((value, rest))
    } else {
        Err(WireFault::NotCanonical { kind })
    }
}

/// Decodes a header that nothing may follow.
pub(super) fn header_only<T: Serialize + DeserializeOwned>(kind: u8, bytes: &[u8]) -> Result<T, WireFault> {
    match header(kind, bytes)? {
        (value, []) => Ok(value),
        _ => Err(WireFault::NotCanonical { kind }),
    }
}

/// Encodes a message. Never fails: no wire struct holds a map or a sequence of unknown length.
pub(super) fn seal<T: Serialize>(kind: u8, header: &T, payload: &[u8]) -> Vec<u8> {
    let header = postcard::to_stdvec(header).unwrap_or_default();
    let mut bytes = Vec::with_capacity(2 + header.len() + payload.len());
    bytes.push(WIRE_VERSION);
    bytes.push(kind);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(payload);
    bytes
}
