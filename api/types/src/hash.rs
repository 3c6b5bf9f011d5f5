//! Hashes as text: `blake3:` and 64 lower-case hex digits, one type for each kind of hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Prefix of every hash in text.
const PREFIX: &str = "blake3:";
/// Length of a BLAKE3 hash in bytes.
const HASH_BYTES: usize = 32;

/// A text that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading `{found}` as a {what}: expected `blake3:` and 64 lower-case hex digits")]
pub struct HashTextError {
    /// The expected kind of hash.
    pub what: &'static str,
    /// The text, cut to 80 characters.
    pub found: String,
}

fn parse_hash(what: &'static str, text: &str) -> Result<[u8; HASH_BYTES], HashTextError> {
    let refuse = || HashTextError {
        what,
        found: text.chars().take(80).collect(),
    };
    let digits = text.strip_prefix(PREFIX).ok_or_else(refuse)?.as_bytes();
    if digits.len() != HASH_BYTES * 2 {
        return Err(refuse());
    }
    let mut bytes = [0_u8; HASH_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (
            hex_digit(pair[0]).ok_or_else(refuse)?,
            hex_digit(pair[1]).ok_or_else(refuse)?,
        );
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// In text and JSON: `blake3:` and 64 lower-case hex digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; HASH_BYTES]);

        impl $name {
            /// Wraps the 32 bytes of a BLAKE3 hash.
            pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 bytes of the hash.
            pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
                &self.0
            }
        }

        impl From<[u8; HASH_BYTES]> for $name {
            fn from(bytes: [u8; HASH_BYTES]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PREFIX)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = HashTextError;

            fn from_str(text: &str) -> Result<Self, HashTextError> {
                parse_hash($what, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::Type(Type::String))
                    .description(Some(concat!("Hash: ", $what)))
                    .pattern(Some("^blake3:[0-9a-f]{64}$"))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

hash_type!(
    /// A site's identity: the hash of its genesis certificate.
    SiteId,
    "site identity"
);
hash_type!(
    /// The name of a canonical advisory: the hash of its vulnerability and package identity.
    MergeHash,
    "merge hash"
);
hash_type!(
    /// The name of a bundle: the hash of its manifest, equal for every exporter of the same range.
    BundleHash,
    "bundle hash"
);
hash_type!(
    /// Hash of the accepted (or held) states of all logs: equal roots mean equal knowledge.
    KnowledgeRoot,
    "knowledge root"
);
hash_type!(
    /// Hash of a verdict's body: equal inputs give equal hashes at every site.
    VerdictHash,
    "verdict hash"
);
hash_type!(
    /// Hash of a record's canonical bytes.
    ContentHash,
    "content hash"
);
hash_type!(
    /// Hash of a stored VEX document's bytes.
    VexHash,
    "VEX document's hash"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 32]) {
            let hash = MergeHash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse::<MergeHash>().unwrap(), hash);
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,100}") {
            let _ = text.parse::<SiteId>();
        }
    }

    #[test]
    fn malformed_hashes_are_refused() {
        let good = SiteId::from_bytes([0xab; 32]).to_string();
        for bad in [
            good.to_uppercase(),
            good[7..].to_owned(),
            format!("{good}0"),
            format!("sha256:{}", &good[7..]),
        ] {
            assert!(bad.parse::<SiteId>().is_err(), "{bad}");
        }
        assert!(good.parse::<SiteId>().is_ok());
    }
}
