//! Collects claims until a delta is full, then compresses and signs it.

use super::frame::{CLAIMS_CONTEXT, MAGIC, VERSION};
use super::header::{SIGNATURE_CONTEXT, hash_of};
use super::{DeltaError, DeltaHash, DeltaHeader, VerifiedDelta, VerifiedHeader};
use crate::claim::Claim;
use crate::cursor::ClaimNumber;
use crate::hash::{SiteId, StateRoot, derive};
use crate::keys::SigningKey;
use crate::limits::{
    MAX_CLAIM_BYTES, MAX_CLAIMS_BLOCK_BYTES, MAX_CLAIMS_STORED_BYTES, MAX_DELTA_BODIES_BYTES,
    MAX_DELTA_CLAIMS,
};
use crate::names::Lane;
use crate::time::UnixMillis;
use crate::varint;
use crate::wire::{encode_struct, put_length};

/// Collects claims until a delta is full.
#[derive(Debug, Default)]
pub struct DeltaBuilder {
    claims: Vec<Claim>,
    block: Vec<u8>,
    bodies_size: u64,
}

/// The place of a new delta in its log.
#[derive(Debug, Clone, Copy)]
pub struct DeltaPlace {
    /// The author.
    pub site: SiteId,
    /// The author's epoch.
    pub epoch: u32,
    /// The log.
    pub lane: Lane,
    /// Number of the first claim.
    pub first: ClaimNumber,
    /// The hash of the previous delta.
    pub previous: DeltaHash,
    /// Hybrid logical time.
    pub time: UnixMillis,
}

impl DeltaBuilder {
    /// Adds a claim, or returns it if the delta is full. The caller then finishes this delta and begins a new
    /// one.
    ///
    /// # Errors
    /// The claim, if it does not fit.
    pub fn push(&mut self, claim: Claim) -> Result<(), Claim> {
        let frame = claim.encode();
        let size = claim.content().map_or(0, |(_, size)| u64::from(size));
        if frame.len() > MAX_CLAIM_BYTES
            || self.claims.len() == MAX_DELTA_CLAIMS
            || self.block.len() + frame.len() + 10 > MAX_CLAIMS_BLOCK_BYTES
            || self.bodies_size + size > MAX_DELTA_BODIES_BYTES
        {
            return Err(claim);
        }
        varint::put(&mut self.block, frame.len() as u64);
        self.block.extend_from_slice(&frame);
        self.bodies_size += size;
        self.claims.push(claim);
        Ok(())
    }

    /// Claims collected so far.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Returns true if nothing was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Compresses the claims at zstd `level` and signs the delta.
    ///
    /// # Errors
    /// [`DeltaError::TooMuch`] if it is empty or compression failed.
    pub fn finish(
        self,
        place: DeltaPlace,
        live_entries: u64,
        state_root: StateRoot,
        level: i32,
        key: &SigningKey,
    ) -> Result<VerifiedDelta, DeltaError> {
        let too_much = |what, found: usize, limit: usize| DeltaError::TooMuch {
            what,
            found: found as u64,
            limit: limit as u64,
        };
        let stored = zstd::bulk::compress(&self.block, level)
            .map_err(|_| too_much("claims block", self.block.len(), MAX_CLAIMS_BLOCK_BYTES))?;
        let count = self.claims.len();
        if count == 0 || count > MAX_DELTA_CLAIMS {
            return Err(too_much("claim count", count, MAX_DELTA_CLAIMS));
        }
        let narrow = |size: usize| {
            u32::try_from(size).map_err(|_| too_much("claims block", size, MAX_CLAIMS_STORED_BYTES))
        };
        let header = DeltaHeader {
            site: place.site,
            epoch: place.epoch,
            lane: place.lane,
            first: place.first,
            count: narrow(count)?,
            previous: place.previous,
            time: place.time,
            claims_hash: derive(CLAIMS_CONTEXT, &[&stored]),
            claims_stored_size: narrow(stored.len())?,
            claims_size: narrow(self.block.len())?,
            bodies_size: self.bodies_size,
            live_entries,
            state_root,
        };
        let header_bytes = encode_struct(&header);
        let mut bytes = Vec::with_capacity(header_bytes.len() + stored.len() + 80);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        put_length(&mut bytes, header_bytes.len());
        put_length(&mut bytes, stored.len());
        bytes.extend_from_slice(&header_bytes);
        bytes.extend_from_slice(&key.sign(SIGNATURE_CONTEXT, &header_bytes).to_bytes());
        bytes.extend_from_slice(&stored);
        let hash = hash_of(&header_bytes);
        Ok(VerifiedDelta {
            bytes: bytes.into(),
            header: VerifiedHeader { header, hash },
            claims: self.claims,
        })
    }
}
