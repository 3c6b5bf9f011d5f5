//! Hash newtypes: one type for each kind of hashed object, so that they cannot be mixed up.
//!
//! Record bodies are addressed by plain BLAKE3 (as `b3sum` prints it). Everything else uses BLAKE3 in
//! key-derivation mode with its own context string, so that two kinds of object never share a hash.

use std::fmt;

/// A hash text that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading a {kind}: expected `blake3:` and 64 hex digits, found {found:?}")]
pub struct HashTextError {
    /// The kind of value that was expected.
    pub kind: &'static str,
    /// The text found, shortened to 80 characters.
    pub found: String,
}

/// Defines a 32-byte hash type: text form `blake3:<hex>` (JSON), raw bytes elsewhere (postcard).
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All zero: means "nothing before this".
            pub const ZERO: Self = Self([0; 32]);

            /// Wraps bytes that already are this kind of hash.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the raw 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Returns the first 12 hex digits, for people; never for comparison.
            #[must_use]
            pub fn short(&self) -> String {
                hex::encode(&self.0[..6])
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "blake3:{}", hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::hash::HashTextError;

            /// Reads `blake3:` and 64 hex digits; the prefix may be left out.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hash::parse_hash(text, $kind).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serde::Serialize::serialize(&self.0, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32] as serde::Deserialize>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}
pub(crate) use hash_type;

hash_type!(
    /// Names a record body: the plain BLAKE3 of its canonical bytes.
    ContentHash,
    "content hash"
);
hash_type!(
    /// A site's identity: the domain-separated BLAKE3 of its genesis certificate's signed part.
    SiteId,
    "site id"
);
hash_type!(
    /// The hash of the LtHash state over a log's live entries.
    StateRoot,
    "state root"
);
hash_type!(
    /// The hash of everything a site has accepted: equal roots mean equal knowledge.
    KnowledgeRoot,
    "knowledge root"
);
hash_type!(
    /// Names a canonical advisory: the hash of one vulnerability in one package.
    MergeHash,
    "merge hash"
);

impl ContentHash {
    /// Hashes canonical record bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }
}

impl MergeHash {
    /// Hashes a vulnerability identity and a package identity, each given as a list of parts.
    ///
    /// Every part is length-prefixed (u64 LE), and each list by its number of parts, so that no two
    /// different inputs share an encoding. See `docs/formats/view.md`.
    #[must_use]
    pub fn of(vulnerability: &[&str], package: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 merge hash");
        for parts in [vulnerability, package] {
            hasher.update(&(parts.len() as u64).to_le_bytes());
            for part in parts {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// Computes BLAKE3 in key-derivation mode; `context` separates the domains.
pub(crate) fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

pub(crate) fn parse_hash(text: &str, kind: &'static str) -> Result<[u8; 32], HashTextError> {
    let digits = text.strip_prefix("blake3:").unwrap_or(text);
    let mut bytes = [0; 32];
    match hex::decode_to_slice(digits, &mut bytes) {
        Ok(()) if digits.bytes().all(|b| !b.is_ascii_uppercase()) => Ok(bytes),
        _ => Err(HashTextError {
            kind,
            found: shorten(text),
        }),
    }
}

/// Shortens hostile text for an error message.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Renders bytes as lower-case hex through `Display`.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
