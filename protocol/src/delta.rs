//! Deltas: signed batches of claims with consecutive numbers, the unit of replication.
//!
//! The bytes of a delta are the same on the wire, in the store and in a file. The header alone can be verified
//! and chained; the claims block is opened only after its hash matches the signed header. Layout:
//! `docs/formats/delta.md`.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateChain;
use crate::claim::{Claim, ClaimError};
use crate::cursor::{ClaimNumber, Cursor};
use crate::hash::{SiteId, StateRoot, derive, hash_type};
use crate::keys::{KeyError, Signature, SigningKey};
use crate::limits::{
    MAX_CLAIM_BYTES, MAX_CLAIMS_BLOCK_BYTES, MAX_CLAIMS_STORED_BYTES, MAX_DELTA_BODIES_BYTES,
    MAX_DELTA_CLAIMS, MAX_DELTA_HEADER_BYTES,
};
use crate::names::Lane;
use crate::time::UnixMillis;
use crate::window::check_window;
use crate::wire::{Reader, WireError, decode_struct, encode_struct, put_length, put_varint};

const MAGIC: [u8; 4] = *b"STDL";
const VERSION: u8 = 1;
const HASH_CONTEXT: &str = "starling 2026-11 v1 delta hash";
const SIGNATURE_CONTEXT: &str = "starling 2026-11 v1 delta signature";
const CLAIMS_CONTEXT: &str = "starling 2026-11 v1 claims block";

hash_type!(
    /// Names a delta: the domain-separated BLAKE3 of its header's bytes.
    DeltaHash,
    "delta hash"
);

/// A delta that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// The bytes are not a delta.
    #[error("decoding a delta")]
    Decode(#[from] WireError),
    /// The delta names another author than the chain's site.
    #[error("verifying a delta: it is by {found}, the certificate chain is of {expected}")]
    OtherAuthor {
        /// The chain's site.
        expected: SiteId,
        /// The header's site.
        found: SiteId,
    },
    /// No certificate for its epoch is known.
    #[error(
        "verifying delta {hash} of {site}: epoch {epoch} has no certificate here; get the author's newest certificate chain"
    )]
    UnknownEpoch {
        /// The delta.
        hash: DeltaHash,
        /// Its author.
        site: SiteId,
        /// Its epoch.
        epoch: u32,
    },
    /// The delta lies outside its epoch's part of the log.
    #[error(
        "verifying delta {hash} of {site}: claims {first} to {last} lie outside epoch {epoch} of the {lane} lane, which later certificates closed or never opened"
    )]
    OutsideEpoch {
        /// The delta.
        hash: DeltaHash,
        /// Its author.
        site: SiteId,
        /// Its epoch.
        epoch: u32,
        /// Its lane.
        lane: Lane,
        /// First claim.
        first: ClaimNumber,
        /// Last claim.
        last: ClaimNumber,
    },
    /// The signature does not fit.
    #[error("verifying delta {hash} of {site}")]
    Signature {
        /// The delta.
        hash: DeltaHash,
        /// Its author.
        site: SiteId,
        /// Which key.
        source: KeyError,
    },
    /// The claims block is not the one that was signed.
    #[error("verifying delta {hash}: its claims block is not the one that the signed header names")]
    ClaimsHash {
        /// The delta.
        hash: DeltaHash,
    },
    /// The claims block does not decompress to the size that the header states.
    #[error("unpacking the claims of delta {hash}: {problem}")]
    Claims {
        /// The delta.
        hash: DeltaHash,
        /// The fault.
        problem: String,
    },
    /// A claim in the delta does not decode.
    #[error("reading claim {number} of delta {hash}")]
    Claim {
        /// The delta.
        hash: DeltaHash,
        /// The claim.
        number: ClaimNumber,
        /// The fault.
        source: ClaimError,
    },
    /// A writer was asked for more than a delta may hold.
    #[error("building a delta: {what} is {found}; the limit is {limit}")]
    TooMuch {
        /// The quantity that is over its limit.
        what: &'static str,
        /// The amount found.
        found: u64,
        /// The most.
        limit: u64,
    },
}

impl DeltaError {
    /// Returns true if the delta was valid until a later certificate closed its epoch before it.
    ///
    /// Its author signed it, and a site that does not know that certificate yet holds it in good faith: a peer
    /// that relays it lags behind but does not lie. `chain` is the chain that it was verified against.
    #[must_use]
    pub fn was_true_once(&self, chain: &CertificateChain) -> bool {
        match self {
            Self::OutsideEpoch {
                epoch,
                lane,
                first,
                last,
                ..
            } => {
                let start = chain.epoch_start(*epoch, *lane);
                let end = chain.epoch_end(*epoch, *lane);
                start.is_some_and(|start| *first > start.number) && end.is_some_and(|end| *last > end.number)
            }
            _ => false,
        }
    }
}

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
    fn check_bounds(&self) -> Result<(), WireError> {
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

/// A decoded delta. Its author is not verified yet.
#[derive(Clone)]
pub struct Delta<'a> {
    bytes: &'a [u8],
    header_bytes: &'a [u8],
    header: DeltaHeader,
    signature: Signature,
    claims_block: &'a [u8],
}

impl<'a> Delta<'a> {
    /// Decodes the frame and the header, and does not open the claims block.
    ///
    /// # Errors
    /// [`DeltaError::Decode`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DeltaError> {
        let mut reader = Reader::new(bytes);
        let delta = Self::read(&mut reader)?;
        reader.finish("delta")?;
        Ok(Self { bytes, ..delta })
    }

    /// Decodes the first of several consecutive deltas, and returns the rest of the bytes.
    ///
    /// # Errors
    /// [`DeltaError::Decode`].
    pub fn decode_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DeltaError> {
        let mut reader = Reader::new(bytes);
        let delta = Self::read(&mut reader)?;
        let own = &bytes[..bytes.len() - reader.remaining()];
        Ok((Self { bytes: own, ..delta }, reader.rest()))
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DeltaError> {
        reader.magic(MAGIC, VERSION, "delta")?;
        let header_length = reader.length(MAX_DELTA_HEADER_BYTES, "delta header length")?;
        let claims_length = reader.length(MAX_CLAIMS_STORED_BYTES, "claims block length")?;
        let header_bytes = reader.take(header_length, "delta header")?;
        let header: DeltaHeader = decode_struct(header_bytes, "delta header")?;
        header.check_bounds()?;
        if usize::try_from(header.claims_stored_size) != Ok(claims_length) {
            return Err(WireError::NotCanonical {
                field: "claims block length",
            }
            .into());
        }
        let signature = Signature::from_bytes(&reader.array("delta signature")?);
        let claims_block = reader.take(claims_length, "claims block")?;
        Ok(Self {
            bytes: &[],
            header_bytes,
            header,
            signature,
            claims_block,
        })
    }

    /// Returns the header, unverified.
    #[must_use]
    pub fn header(&self) -> &DeltaHeader {
        &self.header
    }

    /// Returns the exact bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the signed header's bytes and the signature, which a fork proof keeps.
    #[must_use]
    pub fn signed_header(&self) -> (&'a [u8], Signature) {
        (self.header_bytes, self.signature)
    }

    /// Opens the claims of a delta that was verified before it was stored. Checks the hash and the shape of the
    /// claims block again, but not the signature.
    ///
    /// # Errors
    /// [`DeltaError::ClaimsHash`] or an error in the claims: the stored bytes are damaged.
    pub fn reopen(&self) -> Result<Vec<(ClaimNumber, Claim)>, DeltaError> {
        let hash = hash_of(self.header_bytes);
        if derive(CLAIMS_CONTEXT, &[self.claims_block]) != self.header.claims_hash {
            return Err(DeltaError::ClaimsHash { hash });
        }
        let claims = open_claims(self.claims_block, &self.header, hash)?;
        Ok((self.header.first.0..).map(ClaimNumber).zip(claims).collect())
    }

    /// Verifies header and claims block against the author's chain, then opens the claims.
    ///
    /// # Errors
    /// Any [`DeltaError`]. The state root is checked later, when the delta is applied.
    pub fn verify(&self, chain: &CertificateChain) -> Result<VerifiedDelta, DeltaError> {
        let header = VerifiedHeader::verify(self.header_bytes, &self.signature, chain)?;
        let hash = header.hash();
        if derive(CLAIMS_CONTEXT, &[self.claims_block]) != header.header.claims_hash {
            return Err(DeltaError::ClaimsHash { hash });
        }
        let claims = open_claims(self.claims_block, &header.header, hash)?;
        Ok(VerifiedDelta {
            bytes: self.bytes.into(),
            header,
            claims,
        })
    }
}

/// A delta header whose signature is verified against its author's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHeader {
    header: DeltaHeader,
    hash: DeltaHash,
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
        let starts_late = chain
            .epoch_start(header.epoch, header.lane)
            .is_some_and(|start| header.first <= start.number);
        let ends_late = chain
            .epoch_end(header.epoch, header.lane)
            .is_some_and(|end| header.last() > end.number);
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
        Ok(Self { header, hash })
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

/// A delta with a verified author and open claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDelta {
    bytes: Box<[u8]>,
    header: VerifiedHeader,
    claims: Vec<Claim>,
}

impl VerifiedDelta {
    /// Returns the exact bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &DeltaHeader {
        &self.header.header
    }

    /// Returns its name.
    #[must_use]
    pub fn hash(&self) -> DeltaHash {
        self.header.hash
    }

    /// Returns the claims with their numbers, in order. No key is repeated.
    pub fn claims(&self) -> impl Iterator<Item = (ClaimNumber, &Claim)> {
        (self.header().first.0..).map(ClaimNumber).zip(&self.claims)
    }

    /// Returns the first claim that is marked critical and of an unknown kind.
    #[must_use]
    pub fn unknown_critical(&self) -> Option<(ClaimNumber, &Claim)> {
        self.claims()
            .find(|(_, claim)| claim.is_critical() && !claim.kind().is_known())
    }
}

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
        put_varint(&mut self.block, frame.len() as u64);
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

fn hash_of(header_bytes: &[u8]) -> DeltaHash {
    DeltaHash::from_bytes(derive(HASH_CONTEXT, &[header_bytes]))
}

fn open_claims(stored: &[u8], header: &DeltaHeader, hash: DeltaHash) -> Result<Vec<Claim>, DeltaError> {
    let refuse = |problem: String| DeltaError::Claims { hash, problem };
    let size = usize::try_from(header.claims_size).unwrap_or(usize::MAX);
    // Accept exactly one zstd frame: signed bytes must have one meaning only.
    match zstd::zstd_safe::find_frame_compressed_size(stored) {
        Ok(length) if length == stored.len() => {}
        Ok(length) => {
            return Err(refuse(format!(
                "{} bytes follow the zstd frame",
                stored.len() - length
            )));
        }
        Err(_) => return Err(refuse("it is not a zstd frame".to_owned())),
    }
    check_window(stored).map_err(refuse)?;
    let block = zstd::bulk::decompress(stored, size)
        .map_err(|cause| refuse(format!("the header states {size} bytes: {cause}")))?;
    if block.len() != size {
        return Err(refuse(format!(
            "the header states {size} bytes, it decompressed to {}",
            block.len()
        )));
    }
    let mut reader = Reader::new(&block);
    let mut claims: Vec<Claim> = Vec::with_capacity(header.count as usize);
    let mut bodies_size = 0_u64;
    for index in 0..u64::from(header.count) {
        let number = ClaimNumber(header.first.0 + index);
        let length = reader.varint_length(MAX_CLAIM_BYTES, "claim length")?;
        let claim = Claim::decode(reader.take(length, "claim")?).map_err(|source| DeltaError::Claim {
            hash,
            number,
            source,
        })?;
        bodies_size += claim.content().map_or(0, |(_, size)| u64::from(size));
        claims.push(claim);
    }
    if !reader.is_empty() {
        return Err(refuse(format!(
            "{} bytes follow the last claim",
            reader.remaining()
        )));
    }
    if bodies_size != header.bodies_size {
        return Err(refuse(format!(
            "the sizes of the bodies sum to {bodies_size} bytes, the header states {}",
            header.bodies_size
        )));
    }
    let mut keys: Vec<_> = claims.iter().map(Claim::key).collect();
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(refuse(format!("the key {} is repeated", pair[0])));
    }
    Ok(claims)
}
