//! A site's chain of certificates: built by signing, checked link by link, merged with another chain.

use std::fmt;

use super::epoch::{CertificateHash, EpochCertificate, LaneResume, Reason, VerifiedCertificate};
use super::{CertificateError, OfferedChain};
use crate::cursor::ClaimNumber;
use crate::delta::DeltaHash;
use crate::hash::SiteId;
use crate::keys::{PublicKey, SigningKey};
use crate::limits::MAX_CHAIN_CERTIFICATES;
use crate::names::{Lane, SiteSlug};
use crate::time::UnixMillis;
use crate::wire::put_length;

/// A site's whole chain of certificates from its genesis, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateChain {
    pub(super) site: SiteId,
    pub(super) certificates: Vec<VerifiedCertificate>,
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
        // Any later certificate may name an earlier position; the epoch ends at the least of them. If several
        // name that position, the newest says which delta ends there.
        let later = self
            .certificates
            .get(usize::try_from(epoch).ok()?.checked_add(1)?..)?;
        later
            .iter()
            .rev()
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
pub(super) fn check_link(
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
