//! A chain that a peer offers, decoded but not verified.
//!
//! Checking signatures is the expensive part of a chain, and anybody may offer one. So everything else is
//! checked first: the site that the chain names, the operating key that it would give the site, and that its
//! certificates follow one another. A forger can write all of that, but checking ends at the first signature he
//! cannot make. Certificates that are already known, byte for byte, are not checked again.

use super::chain::check_link;
use super::epoch::Parsed;
use super::{CertificateChain, CertificateError, VerifiedCertificate};
use crate::hash::SiteId;
use crate::keys::PublicKey;
use crate::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN_CERTIFICATES};
use crate::wire::Reader;

/// A decoded chain whose certificates follow one another. **Its signatures are not checked.**
#[derive(Debug, Clone)]
pub struct OfferedChain<'a> {
    site: SiteId,
    operating_key: PublicKey,
    certificates: Vec<Parsed<'a>>,
}

impl<'a> OfferedChain<'a> {
    /// Decodes the single-blob form of a chain ([`CertificateChain::to_bytes`]).
    ///
    /// # Errors
    /// [`CertificateError::Decode`], [`CertificateError::Count`] or [`CertificateError::Chain`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        let count = reader.length(MAX_CHAIN_CERTIFICATES, "certificate count")?;
        let mut certificates: Vec<Parsed<'a>> = Vec::new();
        let mut site = None;
        for position in 0..count {
            let length = reader.length(MAX_CERTIFICATE_BYTES + 137, "certificate length")?;
            let certificate = Parsed::decode(reader.take(length, "certificate")?)?;
            let site = *site.get_or_insert_with(|| certificate.body.site_if_genesis());
            let previous = certificates
                .last()
                .map(|previous| (&previous.body, previous.hash));
            check_link(site, previous, &certificate.body)
                .map_err(|problem| CertificateError::Chain { position, problem })?;
            certificates.push(certificate);
        }
        reader.finish("certificate chain")?;
        let (Some(site), Some(last)) = (site, certificates.last()) else {
            return Err(CertificateError::Count { count: 0 });
        };
        Ok(Self {
            site,
            operating_key: last.body.operating_key,
            certificates,
        })
    }

    /// Returns the site that the chain names: the hash of its first certificate.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.site
    }

    /// Returns the operating key of its newest epoch, valid only if its signatures hold.
    #[must_use]
    pub fn operating_key(&self) -> &PublicKey {
        &self.operating_key
    }

    /// Returns true if all of its certificates are in `known`, byte for byte.
    #[must_use]
    pub fn is_part_of(&self, known: &CertificateChain) -> bool {
        self.certificates.len() <= known.certificates.len() && self.known_in(known) == self.certificates.len()
    }

    /// Checks the signatures, oldest first, of the certificates that `known` does not hold yet.
    ///
    /// # Errors
    /// [`CertificateError::Signature`] at the first signature that does not hold; then no part of the chain is
    /// trusted.
    pub fn verify(&self, known: Option<&CertificateChain>) -> Result<CertificateChain, CertificateError> {
        let skip = known.map_or(0, |known| self.known_in(known));
        let mut certificates: Vec<VerifiedCertificate> = known
            .map(|known| known.certificates[..skip].to_vec())
            .unwrap_or_default();
        for certificate in &self.certificates[skip..] {
            certificates.push(certificate.verify()?);
        }
        Ok(CertificateChain {
            site: self.site,
            certificates,
        })
    }

    /// Returns the number of leading certificates that `known` begins with too.
    fn known_in(&self, known: &CertificateChain) -> usize {
        let pairs = self.certificates.iter().zip(&known.certificates);
        pairs
            .take_while(|(ours, known)| *ours.bytes == *known.bytes)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Reason;
    use crate::keys::SigningKey;
    use crate::time::UnixMillis;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn genesis() -> CertificateChain {
        CertificateChain::genesis("site-a".parse().unwrap(), &key(1), &key(2), UnixMillis::EPOCH)
    }

    fn longer(chain: &CertificateChain, operating: u8) -> CertificateChain {
        chain
            .next_epoch(
                &key(1),
                &key(operating),
                Vec::new(),
                Reason::Rotation,
                UnixMillis::EPOCH,
            )
            .unwrap()
    }

    /// Returns the bytes of a chain with one certificate's signatures overwritten.
    fn unsigned(chain: &CertificateChain, position: usize) -> Vec<u8> {
        let mut chain = chain.clone();
        let bytes = &mut chain.certificates[position].bytes;
        let signatures = bytes.len() - 128;
        bytes[signatures..].fill(0);
        chain.to_bytes()
    }

    #[test]
    fn offered_site_and_key_are_read_without_signature_check() {
        let chain = longer(&genesis(), 3);
        let bytes = unsigned(&chain, 1);
        let offered = OfferedChain::decode(&bytes).unwrap();
        assert_eq!(offered.site(), chain.site());
        assert_eq!(*offered.operating_key(), key(3).public());
        assert!(matches!(
            offered.verify(None),
            Err(CertificateError::Signature { .. })
        ));
    }

    #[test]
    fn only_unknown_certificates_are_verified() {
        let known = longer(&genesis(), 3);
        let chain = longer(&known, 4);
        let bytes = chain.to_bytes();
        let offered = OfferedChain::decode(&bytes).unwrap();
        assert_eq!(offered.verify(Some(&known)).unwrap(), chain);
        assert!(!offered.is_part_of(&known) && offered.is_part_of(&chain));
        // Certificates whose bytes differ from the known ones are checked.
        let altered = unsigned(&chain, 0);
        let offered = OfferedChain::decode(&altered).unwrap();
        assert!(matches!(
            offered.verify(Some(&known)),
            Err(CertificateError::Signature { .. })
        ));
        let altered = unsigned(&chain, 2);
        let offered = OfferedChain::decode(&altered).unwrap();
        assert!(matches!(
            offered.verify(Some(&known)),
            Err(CertificateError::Signature { .. })
        ));
    }

    #[test]
    fn disconnected_chain_is_refused_before_signature_check() {
        // A chain whose later certificates are signed by the forger's own root key.
        let mut forged = longer(&genesis(), 3);
        let thief = CertificateChain::genesis("site-a".parse().unwrap(), &key(8), &key(9), UnixMillis::EPOCH);
        forged.certificates[1] = thief.certificates[0].clone();
        let bytes = unsigned(&forged, 0);
        assert!(matches!(
            OfferedChain::decode(&bytes),
            Err(CertificateError::Chain { position: 1, .. })
        ));
        assert!(matches!(
            OfferedChain::decode(&0_u32.to_le_bytes()),
            Err(CertificateError::Count { count: 0 })
        ));
    }
}
