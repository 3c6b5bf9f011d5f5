//! Total, canonical readers and writers for all binary layouts.
//!
//! Integers are little-endian, or LEB128 varints in their shortest form. A reader refuses bytes that a writer
//! would not write: longer varints, trailing bytes, lengths above a named bound.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::varint::{self, VarintError};

/// The reason why bytes could not be decoded; the caller adds the object's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end too early.
    #[error("{field}: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// The field being read.
        field: &'static str,
        /// The bytes needed.
        wanted: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A length or count is past its bound.
    #[error("{field}: {found} is over the limit of {limit}")]
    OverLimit {
        /// The field being read.
        field: &'static str,
        /// The value found.
        found: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The first bytes are not those of this object.
    #[error("the magic bytes are {found}, not those of a {object}")]
    Magic {
        /// The expected value.
        object: &'static str,
        /// The bytes found, in hex.
        found: String,
    },
    /// The format version is not known here.
    #[error("format version {found} is not known; this build reads version {known}: upgrade it")]
    Version {
        /// The version found.
        found: u8,
        /// The version this build reads.
        known: u8,
    },
    /// A value that could have been written shorter or otherwise.
    #[error("{field} is not in canonical form")]
    NotCanonical {
        /// The field being read.
        field: &'static str,
    },
    /// Bytes follow the end.
    #[error("{count} bytes follow the end of the {object}")]
    Trailing {
        /// The object that ended.
        object: &'static str,
        /// The number of extra bytes.
        count: usize,
    },
    /// The structured part does not decode.
    #[error("{field}: {cause}")]
    Structure {
        /// The part being decoded.
        field: &'static str,
        /// The decoder's error.
        cause: String,
    },
}

/// Reads from the front of a byte slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let Some((head, tail)) = self.bytes.split_at_checked(count) else {
            return Err(WireError::Truncated {
                field,
                wanted: count,
                left: self.bytes.len(),
            });
        };
        self.bytes = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let taken = self.take(N, field)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Returns a u32 length, checked against its bound before anything is taken.
    pub(crate) fn length(&mut self, limit: usize, field: &'static str) -> Result<usize, WireError> {
        let found = self.u32(field)?;
        let length = usize::try_from(found).unwrap_or(usize::MAX);
        if length > limit {
            return Err(WireError::OverLimit {
                field,
                found: u64::from(found),
                limit: limit as u64,
            });
        }
        Ok(length)
    }

    /// Reads a varint. Refuses any form but the shortest.
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u64, WireError> {
        match varint::take(&mut self.bytes) {
            Ok(value) => Ok(value),
            Err(VarintError::NotShortest) => Err(WireError::NotCanonical { field }),
            // Nothing is left, so this reports what the number lacks.
            Err(VarintError::Cut) => self.u8(field).map(u64::from),
        }
    }

    pub(crate) fn varint_length(&mut self, limit: usize, field: &'static str) -> Result<usize, WireError> {
        let found = self.varint(field)?;
        match usize::try_from(found) {
            Ok(length) if length <= limit => Ok(length),
            _ => Err(WireError::OverLimit {
                field,
                found,
                limit: limit as u64,
            }),
        }
    }

    pub(crate) fn finish(self, object: &'static str) -> Result<(), WireError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing {
                object,
                count: self.bytes.len(),
            })
        }
    }

    /// Checks four magic bytes and a version byte.
    pub(crate) fn magic(
        &mut self,
        magic: [u8; 4],
        version: u8,
        object: &'static str,
    ) -> Result<(), WireError> {
        let found = self.array::<4>("magic")?;
        if found != magic {
            return Err(WireError::Magic {
                object,
                found: hex::encode(found),
            });
        }
        let found = self.u8("version")?;
        if found != version {
            return Err(WireError::Version {
                found,
                known: version,
            });
        }
        Ok(())
    }
}

/// Appends a u32 length. The writers' limits keep lengths far below 4 GiB.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Encodes a frozen struct. Never fails: frozen structs hold no map and no unsized sequence.
pub(crate) fn encode_struct<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Decodes a frozen struct and checks that encoding it again gives the same bytes.
pub(crate) fn decode_struct<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    field: &'static str,
) -> Result<T, WireError> {
    let (value, rest): (T, &[u8]) =
        postcard::take_from_bytes(bytes).map_err(|cause| WireError::Structure {
            field,
            cause: reason_of(&cause).to_owned(),
        })?;
    if !rest.is_empty() {
        return Err(WireError::Trailing {
            object: field,
            count: rest.len(),
        });
    }
    if encode_struct(&value) != bytes {
        return Err(WireError::NotCanonical { field });
    }
    Ok(value)
}

/// Returns the decoder's error in the words of `docs/formats/README.md`.
fn reason_of(cause: &postcard::Error) -> &'static str {
    use postcard::Error;
    match cause {
        Error::DeserializeUnexpectedEnd => "the bytes end too early",
        Error::DeserializeBadVarint => "a number is too large or not in its shortest form",
        Error::DeserializeBadBool | Error::DeserializeBadOption => "an option begins with neither 00 nor 01",
        Error::DeserializeBadUtf8 | Error::DeserializeBadChar => "a text is not UTF-8",
        Error::DeserializeBadEnum => "an unknown variant",
        _ => "a name, key, time or lane in it breaks its rule",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_have_one_form(value: u64) {
            let mut bytes = Vec::new();
            varint::put(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("v").unwrap(), value);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn accepted_varint_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint("v") {
                let read = bytes.len() - reader.remaining();
                let mut again = Vec::new();
                varint::put(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..read]);
            }
        }
    }
}
