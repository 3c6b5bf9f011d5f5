//! Fork proofs: two signed headers of one log that cannot both be true.
//!
//! A fork means that an operating key signed twice for the same claim numbers: a bug, a restored backup or a
//! thief. The proof is kept and gossiped; the author is frozen until an epoch certificate names the valid
//! branch. Layout: `docs/formats/fork.md`.

use crate::certificate::CertificateChain;
use crate::delta::{Delta, DeltaError, VerifiedHeader};
use crate::hash::SiteId;
use crate::keys::Signature;
use crate::limits::MAX_DELTA_HEADER_BYTES;
use crate::names::Lane;
use crate::wire::{Reader, WireError, put_length};

const MAGIC: [u8; 4] = *b"STFK";
/// Two deltas that share claim numbers.
const VERSION: u8 = 1;
/// Two neighbouring deltas: one begins after the other ends, but names a different delta as its predecessor.
const VERSION_NEIGHBOURS: u8 = 2;

/// The check of one header: with the bounds of its epoch, or of the signature alone.
type VerifyHeader = fn(&[u8], &Signature, &CertificateChain) -> Result<VerifiedHeader, DeltaError>;

/// The reason why a fork proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// The bytes are not a fork proof.
    #[error("decoding a fork proof")]
    Decode(#[from] WireError),
    /// One of the headers does not verify.
    #[error("verifying a header of a fork proof")]
    Header(#[from] DeltaError),
    /// Both headers can be true.
    #[error("verifying a fork proof of {site}: the two headers do not contradict each other")]
    NoContradiction {
        /// The accused.
        site: SiteId,
    },
}

/// Proof that a site signed two histories. The two headers are ordered by their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    headers: [(Box<[u8]>, Signature); 2],
    are_neighbours: bool,
    verified: [VerifiedHeader; 2],
}

impl ForkProof {
    /// Builds a proof from two deltas if they contradict each other.
    ///
    /// # Errors
    /// [`ForkError`] if a header does not verify, or if both can be true.
    pub fn of(one: &Delta<'_>, other: &Delta<'_>, chain: &CertificateChain) -> Result<Self, ForkError> {
        Self::check(
            [one.signed_header(), other.signed_header()],
            chain,
            VerifiedHeader::verify,
        )
    }

    fn check(
        parts: [(&[u8], Signature); 2],
        chain: &CertificateChain,
        verify: VerifyHeader,
    ) -> Result<Self, ForkError> {
        let verify = |(bytes, signature): &(&[u8], Signature)| verify(bytes, signature, chain);
        let (one, other) = match (verify(&parts[0]), verify(&parts[1])) {
            (Ok(one), Ok(other)) => (one, other),
            // A header that its author never signed is the graver error than one of a closed epoch.
            (Err(outside), Err(error)) if outside.is_outside_epoch() => return Err(error.into()),
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        let mut pairs = [(parts[0], one), (parts[1], other)];
        pairs.sort_by_key(|(_, header)| header.hash());
        let [(first, one), (second, other)] = pairs;
        let (a, b) = (one.header(), other.header());
        let overlap = a.first <= b.last() && b.first <= a.last();
        // True if `after` has the next number, but names another predecessor than `before`.
        let contradicts_predecessor = |before: &VerifiedHeader, after: &VerifiedHeader| {
            let (number, after) = (before.header().last().0.checked_add(1), after.header());
            number == Some(after.first.0) && after.previous != before.hash()
        };
        let are_neighbours = contradicts_predecessor(&one, &other) || contradicts_predecessor(&other, &one);
        let contradict = overlap && one.hash() != other.hash() || are_neighbours;
        if a.site != b.site || a.lane != b.lane || a.epoch != b.epoch || !contradict {
            return Err(ForkError::NoContradiction { site: a.site });
        }
        let keep = |(bytes, signature): (&[u8], Signature)| (bytes.into(), signature);
        Ok(Self {
            headers: [keep(first), keep(second)],
            are_neighbours,
            verified: [one, other],
        })
    }

    /// Returns the accused.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.verified[0].header().site
    }

    /// Returns the forked log's lane.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.verified[0].header().lane
    }

    /// Returns the epoch in which it forked.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.verified[0].header().epoch
    }

    /// Returns true if the two deltas share no claim number: one follows the other by number but names another
    /// predecessor. Such a proof is of version 2.
    #[must_use]
    pub const fn is_of_neighbours(&self) -> bool {
        self.are_neighbours
    }

    /// Returns the two headers that contradict each other.
    #[must_use]
    pub fn headers(&self) -> &[VerifiedHeader; 2] {
        &self.verified
    }

    /// Returns the proof as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.push(if self.are_neighbours {
            VERSION_NEIGHBOURS
        } else {
            VERSION
        });
        for (header, signature) in &self.headers {
            put_length(&mut out, header.len());
            out.extend_from_slice(header);
            out.extend_from_slice(&signature.to_bytes());
        }
        out
    }

    /// Reads and verifies a proof.
    ///
    /// # Errors
    /// Any [`ForkError`].
    pub fn verify(bytes: &[u8], chain: &CertificateChain) -> Result<Self, ForkError> {
        Self::read(bytes, chain, VerifiedHeader::verify)
    }

    /// Reads a proof that was verified when it was kept. A certificate may have closed its epoch since: it stays
    /// proof that the author signed both headers.
    ///
    /// # Errors
    /// Any [`ForkError`].
    pub fn verify_kept(bytes: &[u8], chain: &CertificateChain) -> Result<Self, ForkError> {
        Self::read(bytes, chain, VerifiedHeader::verify_signed)
    }

    fn read(bytes: &[u8], chain: &CertificateChain, verify: VerifyHeader) -> Result<Self, ForkError> {
        let mut reader = Reader::new(bytes);
        let version = match bytes.get(MAGIC.len()) {
            Some(&VERSION_NEIGHBOURS) => VERSION_NEIGHBOURS,
            _ => VERSION,
        };
        reader.magic(MAGIC, version, "fork proof")?;
        let mut part = || -> Result<(&[u8], Signature), WireError> {
            let length = reader.length(MAX_DELTA_HEADER_BYTES, "header length")?;
            let header = reader.take(length, "header")?;
            Ok((header, Signature::from_bytes(&reader.array("signature")?)))
        };
        let parts = [part()?, part()?];
        reader.finish("fork proof")?;
        let proof = Self::check(parts, chain, verify)?;
        if proof.to_bytes() != bytes {
            return Err(WireError::NotCanonical {
                field: "fork proof order",
            }
            .into());
        }
        Ok(proof)
    }
}
