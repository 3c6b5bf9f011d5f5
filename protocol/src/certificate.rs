//! Epoch certificates: who may sign for a site, and from where in its logs.
//!
//! One object serves genesis, rotation, revocation, restore and fork resolution. The root key signs it
//! (it can live offline), and the operating key countersigns to prove that its holder agreed.
//! Layout: `docs/formats/certificate.md`.

mod offered;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cursor::ClaimNumber;
use crate::delta::DeltaHash;
use crate::hash::{SiteId, derive, hash_type};
use crate::keys::{KeyError, PublicKey, Signature, SigningKey};
use crate::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN_CERTIFICATES};
use crate::names::{Lane, SiteSlug};
use crate::time::UnixMillis;
use crate::wire::{Reader, WireError, decode_struct, encode_struct, put_length};

pub use self::offered::OfferedChain;

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

/// A certificate or chain that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not a certificate.
    #[error("decoding an epoch certificate")]
    Decode(#[from] WireError),
    /// A signature does not fit.
    #[error("verifying an epoch certificate of {slug}")]
    Signature {
        /// The site name in the certificate.
        slug: SiteSlug,
        /// Which signature, against which key.
        source: KeyError,
    },
    /// A certificate does not follow its predecessor.
    #[error("verifying a certificate chain: certificate {position} {problem}")]
    Chain {
        /// Place in the chain; 0 is the genesis.
        position: usize,
        /// The fault.
        problem: &'static str,
    },
    /// The chain belongs to another site.
    #[error("verifying a certificate chain: it belongs to {found}, expected {expected}")]
    OtherSite {
        /// The site that was expected.
        expected: SiteId,
        /// The site to which the chain belongs.
        found: SiteId,
    },
    /// The chain holds no certificate, or more than the limit.
    #[error(
        "verifying a certificate chain: expected 1 to {MAX_CHAIN_CERTIFICATES} certificates, got {count}"
    )]
    Count {
        /// The number it holds.
        count: usize,
    },
    /// Two chains of one site disagree about an epoch: the root key signed twice.
    #[error(
        "extending the certificate chain of {site}: two certificates for epoch {epoch} exist, so its root key may be stolen; nothing new from this site is trusted until its operators explain it"
    )]
    Conflict {
        /// The site.
        site: SiteId,
        /// The epoch with two certificates.
        epoch: u32,
    },
}

/// Why an epoch began.
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
    /// Why the epoch began.
    pub reason: Reason,
}

/// One certificate with its exact bytes, its signatures checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate {
    bytes: Box<[u8]>,
    body: EpochCertificate,
    hash: CertificateHash,
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
    fn sign(body: EpochCertificate, root: &SigningKey, operating: &SigningKey) -> Self {
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
    fn site_if_genesis(&self) -> SiteId {
        SiteId::from_bytes(derive(SITE_CONTEXT, &[&encode_struct(self)]))
    }
}

/// One certificate as it was sent. Its signatures are not checked.
#[derive(Debug, Clone)]
struct Parsed<'a> {
    bytes: &'a [u8],
    signed: &'a [u8],
    body: EpochCertificate,
    hash: CertificateHash,
    root_signature: Signature,
    operating_signature: Signature,
}

impl<'a> Parsed<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, CertificateError> {
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

    fn verify(&self) -> Result<VerifiedCertificate, CertificateError> {
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

/// A site's whole chain of certificates from its genesis, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateChain {
    site: SiteId,
    certificates: Vec<VerifiedCertificate>,
}

impl CertificateChain {
    /// Creates a new site: a chain of one genesis certificate.
    #[must_use]
    pub fn genesis(slug: SiteSlug, root: &SigningKey, operating: &SigningKey, issued_at: UnixMillis) -> Self {
        let body = EpochCertificate {
            site: None,
            epoch: 0,
            slug,
            root_key: root.public(),
            operating_key: operating.public(),
            issued_at,
            lanes: Vec::new(),
            previous: None,
            reason: Reason::Genesis,
        };
        let certificate = VerifiedCertificate::sign(body, root, operating);
        Self {
            site: certificate.body.site_if_genesis(),
            certificates: vec![certificate],
        }
    }

    /// Returns the chain with one more epoch.
    ///
    /// # Errors
    /// If `root` is not this site's root key, the lanes are not sorted, or the chain is full.
    pub fn next_epoch(
        &self,
        root: &SigningKey,
        operating: &SigningKey,
        lanes: Vec<LaneResume>,
        reason: Reason,
        issued_at: UnixMillis,
    ) -> Result<Self, CertificateError> {
        let last = self.current();
        let body = EpochCertificate {
            site: Some(self.site),
            epoch: last.body.epoch.saturating_add(1),
            slug: last.body.slug.clone(),
            root_key: root.public(),
            operating_key: operating.public(),
            issued_at,
            lanes,
            previous: Some(last.hash),
            reason,
        };
        let mut certificates = self.certificates.clone();
        certificates.push(VerifiedCertificate::sign(body, root, operating));
        Self::from_certificates(certificates)
    }

    /// Verifies a chain from the bytes of its certificates, oldest first.
    ///
    /// # Errors
    /// Any [`CertificateError`]. If a chain breaks anywhere, no part of it is trusted.
    pub fn verify<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CertificateError> {
        let mut verified = Vec::new();
        for bytes in certificates {
            if verified.len() == MAX_CHAIN_CERTIFICATES {
                return Err(CertificateError::Count {
                    count: verified.len() + 1,
                });
            }
            verified.push(VerifiedCertificate::verify(bytes)?);
        }
        Self::from_certificates(verified)
    }

    /// Decodes and verifies a chain from its single-blob form ([`CertificateChain::to_bytes`]).
    ///
    /// # Errors
    /// Any [`CertificateError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        OfferedChain::decode(bytes)?.verify(None)
    }

    /// Returns the chain as one blob: a u32 count, then for each certificate a u32 length and its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_length(&mut out, self.certificates.len());
        for certificate in &self.certificates {
            put_length(&mut out, certificate.bytes.len());
            out.extend_from_slice(&certificate.bytes);
        }
        out
    }

    fn from_certificates(certificates: Vec<VerifiedCertificate>) -> Result<Self, CertificateError> {
        check_length(certificates.len())?;
        let mut site = None;
        let mut previous: Option<(&EpochCertificate, CertificateHash)> = None;
        for (position, certificate) in certificates.iter().enumerate() {
            let site = *site.get_or_insert_with(|| certificate.body.site_if_genesis());
            check_link(site, previous, &certificate.body)
                .map_err(|problem| CertificateError::Chain { position, problem })?;
            previous = Some((&certificate.body, certificate.hash));
        }
        match site {
            Some(site) => Ok(Self { site, certificates }),
            None => Err(CertificateError::Count { count: 0 }),
        }
    }

    /// Returns the site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.site
    }

    /// Returns the site's human name, by its newest certificate.
    #[must_use]
    pub fn slug(&self) -> &SiteSlug {
        &self.current().body.slug
    }

    /// Returns the newest certificate.
    #[must_use]
    pub fn current(&self) -> &VerifiedCertificate {
        // A chain is never empty: every constructor ends in `from_certificates` or `genesis`.
        &self.certificates[self.certificates.len() - 1]
    }

    /// Returns the newest epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.current().body.epoch
    }

    /// Returns all certificates, oldest first.
    #[must_use]
    pub fn certificates(&self) -> &[VerifiedCertificate] {
        &self.certificates
    }

    /// Returns the certificate of an epoch.
    #[must_use]
    pub fn of_epoch(&self, epoch: u32) -> Option<&VerifiedCertificate> {
        self.certificates.get(usize::try_from(epoch).ok()?)
    }

    /// Returns true if `key` is the operating key of the newest epoch.
    #[must_use]
    pub fn is_current_key(&self, key: &PublicKey) -> bool {
        self.current().body.operating_key == *key
    }

    /// Returns the last valid claim of `epoch` in `lane`, if a later epoch closed it.
    #[must_use]
    pub fn epoch_end(&self, epoch: u32, lane: Lane) -> Option<LaneResume> {
        // Any later certificate may name an earlier position; the epoch ends at the least of them.
        let later = self
            .certificates
            .get(usize::try_from(epoch).ok()?.checked_add(1)?..)?;
        later
            .iter()
            .map(|certificate| resume_of(&certificate.body, lane))
            .min_by_key(|resume| resume.number)
    }

    /// Returns the position from which `epoch` continues in `lane`.
    #[must_use]
    pub fn epoch_start(&self, epoch: u32, lane: Lane) -> Option<LaneResume> {
        Some(resume_of(&self.of_epoch(epoch)?.body, lane))
    }

    /// Returns the longer of two chains of one site.
    ///
    /// # Errors
    /// [`CertificateError::OtherSite`], or [`CertificateError::Conflict`] if the chains disagree.
    pub fn merge(&self, other: &Self) -> Result<Self, CertificateError> {
        if self.site != other.site {
            return Err(CertificateError::OtherSite {
                expected: self.site,
                found: other.site,
            });
        }
        for (ours, theirs) in self.certificates.iter().zip(&other.certificates) {
            if ours.hash != theirs.hash {
                return Err(CertificateError::Conflict {
                    site: self.site,
                    epoch: ours.body.epoch,
                });
            }
        }
        let longer = if other.certificates.len() > self.certificates.len() {
            other
        } else {
            self
        };
        Ok(longer.clone())
    }
}

impl fmt::Debug for CertificateChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CertificateChain({} {:?} epoch {})",
            self.slug(),
            self.site,
            self.epoch()
        )
    }
}

/// Returns the position from which a lane resumes; an unnamed lane resumes from nothing.
fn resume_of(body: &EpochCertificate, lane: Lane) -> LaneResume {
    let nothing = LaneResume {
        lane,
        number: ClaimNumber::NONE,
        header: DeltaHash::ZERO,
    };
    body.lanes
        .iter()
        .find(|resume| resume.lane == lane)
        .copied()
        .unwrap_or(nothing)
}

fn check_length(count: usize) -> Result<(), CertificateError> {
    if (1..=MAX_CHAIN_CERTIFICATES).contains(&count) {
        Ok(())
    } else {
        Err(CertificateError::Count { count })
    }
}

/// Checks that a certificate follows `previous`, which comes with its hash.
fn check_link(
    site: SiteId,
    previous: Option<(&EpochCertificate, CertificateHash)>,
    body: &EpochCertificate,
) -> Result<(), &'static str> {
    if !body.lanes.windows(2).all(|pair| pair[0].lane < pair[1].lane) {
        return Err("names its lanes out of order or twice");
    }
    if body.lanes.iter().any(|resume| resume.number > ClaimNumber::MAX) {
        return Err("resumes a lane past the greatest possible claim number");
    }
    let Some((previous, previous_hash)) = previous else {
        return if body.site.is_some()
            || body.epoch != 0
            || body.previous.is_some()
            || body.reason != Reason::Genesis
            || !body.lanes.is_empty()
        {
            Err("is not a genesis: epoch 0, no site, no previous, no lanes")
        } else {
            Ok(())
        };
    };
    if body.site != Some(site) {
        Err("belongs to another site")
    } else if body.root_key != previous.root_key {
        Err("is signed by another root key")
    } else if Some(body.epoch) != previous.epoch.checked_add(1) {
        Err("does not have the next epoch number")
    } else if body.previous != Some(previous_hash) {
        Err("does not name the certificate before it")
    } else if body.reason == Reason::Genesis {
        Err("has the reason genesis")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain() -> (CertificateChain, SigningKey) {
        let root = SigningKey::from_seed(&[1; 32]);
        let operating = SigningKey::from_seed(&[2; 32]);
        let slug = "site-a".parse().unwrap();
        (
            CertificateChain::genesis(slug, &root, &operating, UnixMillis::saturating(1_000)),
            root,
        )
    }

    #[test]
    fn chain_round_trips_and_keeps_its_site() {
        let (genesis, root) = chain();
        let next = SigningKey::from_seed(&[3; 32]);
        let lanes = vec![LaneResume {
            lane: Lane::Federation,
            number: ClaimNumber(7),
            header: DeltaHash::from_bytes([9; 32]),
        }];
        let longer = genesis
            .next_epoch(
                &root,
                &next,
                lanes,
                Reason::Rotation,
                UnixMillis::saturating(2_000),
            )
            .unwrap();
        let again = CertificateChain::from_bytes(&longer.to_bytes()).unwrap();
        assert_eq!(again, longer);
        assert_eq!(again.site(), genesis.site());
        assert_eq!(
            again.epoch_end(0, Lane::Federation).unwrap().number,
            ClaimNumber(7)
        );
        assert_eq!(again.epoch_end(1, Lane::Federation), None);
        assert_eq!(genesis.merge(&longer).unwrap(), longer);
        assert_eq!(longer.merge(&genesis).unwrap(), longer);
    }

    #[test]
    fn another_root_key_cannot_extend_a_chain() {
        let (genesis, _) = chain();
        let thief = SigningKey::from_seed(&[8; 32]);
        let refused = genesis.next_epoch(&thief, &thief, Vec::new(), Reason::Rotation, UnixMillis::EPOCH);
        assert!(matches!(
            refused,
            Err(CertificateError::Chain { position: 1, .. })
        ));
    }

    #[test]
    fn two_certificates_for_one_epoch_are_a_conflict() {
        let (genesis, root) = chain();
        let make = |seed| {
            let key = SigningKey::from_seed(&[seed; 32]);
            genesis
                .next_epoch(&root, &key, Vec::new(), Reason::Rotation, UnixMillis::EPOCH)
                .unwrap()
        };
        assert!(matches!(
            make(4).merge(&make(5)),
            Err(CertificateError::Conflict { epoch: 1, .. })
        ));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let (genesis, _) = chain();
        let bytes = genesis.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(CertificateChain::from_bytes(&bad).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(chain) = CertificateChain::from_bytes(&bytes) {
                prop_assert_eq!(chain.to_bytes(), bytes);
            }
        }
    }
}
