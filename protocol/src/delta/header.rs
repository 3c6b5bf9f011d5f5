//! The signed header of a delta: its fields, its bounds, and its verification without the claims.

use serde::{Deserialize, Serialize};

use super::DeltaError;
use crate::certificate::CertificateChain;
use crate::cursor::{ClaimNumber, Cursor};
use crate::hash::{SiteId, StateRoot, derive, hash_type};
use crate::keys::Signature;
use crate::limits::{
    MAX_CLAIMS_BLOCK_BYTES, MAX_CLAIMS_STORED_BYTES, MAX_DELTA_BODIES_BYTES, MAX_DELTA_CLAIMS,
};
use crate::names::Lane;
use crate::time::UnixMillis;
use crate::wire::{WireError, decode_struct, encode_struct};

const HASH_CONTEXT: &str = "starling 2026-11 v1 delta hash";

pub(super) const SIGNATURE_CONTEXT: &str = "starling 2026-11 v1 delta signature";

hash_type!(
    /// Names a delta: the domain-separated BLAKE3 of its header's bytes.
    DeltaHash,
    "delta hash"
);

/// The signed part of a delta, version 1 (frozen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaHeader {
    /// The author.
    pub site: SiteId,
    /// The author's epoch, which names the key that signed.
    pub epoch: u32,
    /// The log.
    pub lane: Lane,
    /// Number of the first claim.
    pub first: ClaimNumber,
    /// The number of claims, at least one.
    pub count: u32,
    /// Hash of the previous delta; zero for the first.
    pub previous: DeltaHash,
    /// Hybrid logical time: never falls along a log.
    pub time: UnixMillis,
    /// Domain-separated BLAKE3 of the claims block as stored.
    pub claims_hash: [u8; 32],
    /// Bytes of the claims block as stored (compressed).
    pub claims_stored_size: u32,
    /// Bytes of the claims block when unpacked.
    pub claims_size: u32,
    /// Sum of the body sizes that the claims name.
    pub bodies_size: u64,
    /// Live entries of the log after this delta.
    pub live_entries: u64,
    /// State root of the log after this delta.
    pub state_root: StateRoot,
}

impl DeltaHeader {
    /// Returns the number of the last claim.
    #[must_use]
    pub fn last(&self) -> ClaimNumber {
        ClaimNumber(
            self.first
                .0
                .saturating_add(u64::from(self.count))
                .saturating_sub(1),
        )
    }

    /// Returns the position after this delta.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            time: self.time,
            number: self.last(),
        }
    }

    /// Returns the name of the delta.
    #[must_use]
    pub fn hash(&self) -> DeltaHash {
        hash_of(&encode_struct(self))
    }

    /// Bounds that need no key: checked before anything is allocated.
    pub(super) fn check_bounds(&self) -> Result<(), WireError> {
        let bounds = [
            ("claim count", u64::from(self.count), MAX_DELTA_CLAIMS as u64),
            (
                "claims block",
                u64::from(self.claims_stored_size),
                MAX_CLAIMS_STORED_BYTES as u64,
            ),
            (
                "unpacked claims block",
                u64::from(self.claims_size),
                MAX_CLAIMS_BLOCK_BYTES as u64,
            ),
            ("bodies", self.bodies_size, MAX_DELTA_BODIES_BYTES),
            (
                "last claim number",
                self.first
                    .0
                    .saturating_add(u64::from(self.count))
                    .saturating_sub(1),
                ClaimNumber::MAX.0,
            ),
        ];
        for (field, found, limit) in bounds {
            if found > limit {
                return Err(WireError::OverLimit { field, found, limit });
            }
        }
        if self.count == 0 || self.first.0 == 0 {
            return Err(WireError::NotCanonical {
                field: "claim numbers",
            });
        }
        Ok(())
    }
}

/// A delta header whose signature is verified against its author's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHeader {
    pub(super) header: DeltaHeader,
    pub(super) hash: DeltaHash,
}

impl VerifiedHeader {
    /// Verifies a header alone.
    ///
    /// # Errors
    /// [`DeltaError`] of decoding, authorship, epoch or signature.
    pub fn verify(
        header_bytes: &[u8],
        signature: &Signature,
        chain: &CertificateChain,
    ) -> Result<Self, DeltaError> {
        let verified = Self::verify_signed(header_bytes, signature, chain)?;
        verified.check_epoch(chain)?;
        Ok(verified)
    }

    /// Verifies that the author signed a header, even if a later certificate closed its epoch before it.
    ///
    /// # Errors
    /// [`DeltaError`] of decoding, authorship, an unknown epoch or the signature.
    pub(crate) fn verify_signed(
        header_bytes: &[u8],
        signature: &Signature,
        chain: &CertificateChain,
    ) -> Result<Self, DeltaError> {
        let header: DeltaHeader = decode_struct(header_bytes, "delta header")?;
        header.check_bounds()?;
        let hash = hash_of(header_bytes);
        if header.site != chain.site() {
            return Err(DeltaError::OtherAuthor {
                expected: chain.site(),
                found: header.site,
            });
        }
        let Some(certificate) = chain.of_epoch(header.epoch) else {
            return Err(DeltaError::UnknownEpoch {
                hash,
                site: header.site,
                epoch: header.epoch,
            });
        };
        certificate
            .body()
            .operating_key
            .verify(SIGNATURE_CONTEXT, header_bytes, signature, "delta")
            .map_err(|source| DeltaError::Signature {
                hash,
                site: header.site,
                source,
            })?;
        Ok(Self { header, hash })
    }

    /// Checks that the header lies in its epoch's part of the log, and ends it only as a later certificate says.
    fn check_epoch(&self, chain: &CertificateChain) -> Result<(), DeltaError> {
        let (header, hash) = (&self.header, self.hash);
        let end = chain.epoch_end(header.epoch, header.lane);
        let starts_late = chain
            .epoch_start(header.epoch, header.lane)
            .is_some_and(|start| header.first <= start.number);
        let ends_late = end.is_some_and(|end| header.last() > end.number);
        if starts_late || ends_late {
            return Err(DeltaError::OutsideEpoch {
                hash,
                site: header.site,
                epoch: header.epoch,
                lane: header.lane,
                first: header.first,
                last: header.last(),
            });
        }
        match end.filter(|end| header.last() == end.number && hash != end.header) {
            Some(end) => Err(DeltaError::ClosedElsewhere {
                hash,
                site: header.site,
                epoch: header.epoch,
                lane: header.lane,
                number: end.number,
                named: end.header,
            }),
            None => Ok(()),
        }
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &DeltaHeader {
        &self.header
    }

    /// Returns the delta's name.
    #[must_use]
    pub fn hash(&self) -> DeltaHash {
        self.hash
    }
}

pub(super) fn hash_of(header_bytes: &[u8]) -> DeltaHash {
    DeltaHash::from_bytes(derive(HASH_CONTEXT, &[header_bytes]))
}
