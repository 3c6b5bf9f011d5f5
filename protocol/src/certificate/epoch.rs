//! One epoch certificate: its signed part, its signatures, and its exact bytes.

use serde::{Deserialize, Serialize};

use super::CertificateError;
use crate::cursor::ClaimNumber;
use crate::delta::DeltaHash;
use crate::hash::{SiteId, derive, hash_type};
use crate::keys::{PublicKey, Signature, SigningKey};
use crate::limits::MAX_CERTIFICATE_BYTES;
use crate::names::{Lane, SiteSlug};
use crate::time::UnixMillis;
use crate::wire::{Reader, decode_struct, encode_struct, put_length};

const MAGIC: [u8; 4] = *b"STCT";

const VERSION: u8 = 1;

const SITE_CONTEXT: &str = "starling 2026-11 v1 site id";

const HASH_CONTEXT: &str = "starling 2026-11 v1 certificate hash";

const ROOT_CONTEXT: &str = "starling 2026-11 v1 certificate root signature";

const OPERATING_CONTEXT: &str = "starling 2026-11 v1 certificate operating signature";

hash_type!(
    /// Names an epoch certificate: the domain-separated BLAKE3 of its signed part.
    CertificateHash,
    "certificate hash"
);

/// The reason for an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Reason {
    /// The site's first certificate.
    Genesis,
    /// A planned change of the operating key.
    Rotation,
    /// The operating key is no longer to be trusted.
    Revocation,
    /// The site came back from a backup and may have lost claims.
    Restore,
    /// Two branches of a log exist; this names the one that counts.
    ForkResolution,
}

/// The position from which a lane continues in a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneResume {
    /// The lane.
    pub lane: Lane,
    /// The last claim of the earlier epochs that counts.
    pub number: ClaimNumber,
    /// The hash of the delta header that ends with it.
    pub header: DeltaHash,
}

/// The signed part of an epoch certificate, version 1 (frozen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochCertificate {
    /// The site; `None` in a genesis certificate, whose hash is the site id.
    pub site: Option<SiteId>,
    /// The epoch; genesis is 0.
    pub epoch: u32,
    /// The site's human name.
    pub slug: SiteSlug,
    /// The key that signs certificates; the same in the whole chain.
    pub root_key: PublicKey,
    /// The key that signs deltas and heads in this epoch.
    pub operating_key: PublicKey,
    /// The time of signing, by the signer's clock; for people.
    pub issued_at: UnixMillis,
    /// For each lane with claims, the position from which it continues. Sorted by lane, at most one per lane.
    pub lanes: Vec<LaneResume>,
    /// The hash of the previous certificate.
    pub previous: Option<CertificateHash>,
    /// The reason for the epoch.
    pub reason: Reason,
}

/// One certificate with its exact bytes, its signatures checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate {
    pub(super) bytes: Box<[u8]>,
    pub(super) body: EpochCertificate,
    pub(super) hash: CertificateHash,
}

impl VerifiedCertificate {
    /// Returns the exact bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the signed content.
    #[must_use]
    pub fn body(&self) -> &EpochCertificate {
        &self.body
    }

    /// Returns its name.
    #[must_use]
    pub fn hash(&self) -> CertificateHash {
        self.hash
    }

    /// Decodes one certificate and checks both signatures.
    ///
    /// # Errors
    /// [`CertificateError::Decode`] or [`CertificateError::Signature`].
    pub fn verify(bytes: &[u8]) -> Result<Self, CertificateError> {
        Parsed::decode(bytes)?.verify()
    }

    /// Signs a certificate with both keys.
    pub(super) fn sign(body: EpochCertificate, root: &SigningKey, operating: &SigningKey) -> Self {
        let signed = encode_struct(&body);
        let mut bytes = Vec::with_capacity(signed.len() + 137);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        put_length(&mut bytes, signed.len());
        bytes.extend_from_slice(&signed);
        bytes.extend_from_slice(&root.sign(ROOT_CONTEXT, &signed).to_bytes());
        bytes.extend_from_slice(&operating.sign(OPERATING_CONTEXT, &signed).to_bytes());
        let hash = CertificateHash::from_bytes(derive(HASH_CONTEXT, &[&signed]));
        Self {
            bytes: bytes.into(),
            body,
            hash,
        }
    }
}

impl EpochCertificate {
    /// Returns the site that begins with this certificate.
    pub(super) fn site_if_genesis(&self) -> SiteId {
        SiteId::from_bytes(derive(SITE_CONTEXT, &[&encode_struct(self)]))
    }
}

/// One certificate as it was sent. Its signatures are not checked.
#[derive(Debug, Clone)]
pub(super) struct Parsed<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) signed: &'a [u8],
    pub(super) body: EpochCertificate,
    pub(super) hash: CertificateHash,
    pub(super) root_signature: Signature,
    pub(super) operating_signature: Signature,
}

impl<'a> Parsed<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC, VERSION, "epoch certificate")?;
        let length = reader.length(MAX_CERTIFICATE_BYTES, "certificate length")?;
        let signed = reader.take(length, "certificate")?;
        let root_signature = Signature::from_bytes(&reader.array("root signature")?);
        let operating_signature = Signature::from_bytes(&reader.array("operating signature")?);
        reader.finish("certificate")?;
        Ok(Self {
            bytes,
            signed,
            body: decode_struct(signed, "certificate")?,
            hash: CertificateHash::from_bytes(derive(HASH_CONTEXT, &[signed])),
            root_signature,
            operating_signature,
        })
    }

    pub(super) fn verify(&self) -> Result<VerifiedCertificate, CertificateError> {
        let check = |key: &PublicKey, context, signature, object| {
            key.verify(context, self.signed, signature, object)
                .map_err(|source| CertificateError::Signature {
                    slug: self.body.slug.clone(),
                    source,
                })
        };
        check(
            &self.body.root_key,
            ROOT_CONTEXT,
            &self.root_signature,
            "certificate (root)",
        )?;
        check(
            &self.body.operating_key,
            OPERATING_CONTEXT,
            &self.operating_signature,
            "certificate (operating)",
        )?;
        Ok(VerifiedCertificate {
            bytes: self.bytes.into(),
            body: self.body.clone(),
            hash: self.hash,
        })
    }
}
