//! Ed25519 keys and signatures over domain-separated BLAKE3 digests.
//!
//! Raw bytes are never signed, only `BLAKE3-derive-key(context, bytes)` with one context for each kind of
//! object, so that a signature over one kind is never valid for another. Verification is strict (RFC 8032 with
//! canonical encodings; no small-order keys).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::{derive, shorten};

/// The reason why a key or signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not a key.
    #[error("reading a public key: expected `ed25519:` and 64 hex digits, found {found:?}")]
    Text {
        /// The text found, shortened.
        found: String,
    },
    /// The bytes are not a point on the curve, or one of small order.
    #[error("reading a public key: {key} is not a point of the curve, or a weak one")]
    NotAKey {
        /// The offered key.
        key: String,
    },
    /// The signature is not valid for these bytes and this key.
    #[error("checking the signature of a {object}: it does not fit key {key}")]
    BadSignature {
        /// The kind of object that was signed.
        object: &'static str,
        /// The key it was checked against.
        key: PublicKey,
    },
}

/// An Ed25519 public key: a point on the curve that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 32 bytes. Refuses bytes that are not on the curve or are of small order.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let refused = || KeyError::NotAKey {
            key: hex::encode(bytes),
        };
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| refused())?;
        if key.is_weak() {
            Err(refused())
        } else {
            Ok(Self(*bytes))
        }
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over `bytes` in the domain `context`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub(crate) fn verify(
        &self,
        context: &str,
        bytes: &[u8],
        signature: &Signature,
        object: &'static str,
    ) -> Result<(), KeyError> {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(&derive(context, &[bytes]), &signature.0))
            .map_err(|_| KeyError::BadSignature { object, key: *self })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("ed25519:").unwrap_or(text), &mut bytes)
            .map_err(|_| KeyError::Text { found: shorten(text) })?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            Serialize::serialize(self.as_bytes(), serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom)
        } else {
            Self::from_bytes(&<[u8; 32]>::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

/// An Ed25519 signature: 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(ed25519_dalek::Signature);

impl Signature {
    /// Bytes in a signature.
    pub const LENGTH: usize = 64;

    /// Wraps 64 bytes without checking them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(ed25519_dalek::Signature::from_bytes(bytes))
    }

    /// Returns the 64 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(&self.to_bytes()[..6]))
    }
}

/// A secret key. Wiped from memory when dropped; never shown.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Returns the key of a 32-byte seed (RFC 8032 §5.1.5). The caller provides the randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Returns the seed, which must be kept secret.
    #[must_use]
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `bytes` in the domain `context`.
    pub(crate) fn sign(&self, context: &str, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(&derive(context, &[bytes])))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_holds_only_in_its_own_domain() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign("starling test a", b"bytes");
        assert!(
            key.public()
                .verify("starling test a", b"bytes", &signature, "test")
                .is_ok()
        );
        assert!(
            key.public()
                .verify("starling test b", b"bytes", &signature, "test")
                .is_err()
        );
        assert!(
            key.public()
                .verify("starling test a", b"bytez", &signature, "test")
                .is_err()
        );
    }

    #[test]
    fn small_order_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey::from_bytes(&identity).is_err());
        assert!(PublicKey::from_bytes(&[0; 32]).is_err());
    }
}
