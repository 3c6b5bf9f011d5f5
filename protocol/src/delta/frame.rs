//! The frame of a delta: decoded, verified against the author's chain, and its claims opened.

use super::header::hash_of;
use super::{DeltaError, DeltaHash, DeltaHeader, VerifiedHeader};
use crate::certificate::CertificateChain;
use crate::claim::Claim;
use crate::cursor::ClaimNumber;
use crate::hash::derive;
use crate::keys::Signature;
use crate::limits::{MAX_CLAIM_BYTES, MAX_CLAIMS_STORED_BYTES, MAX_DELTA_HEADER_BYTES};
use crate::window::check_window;
use crate::wire::{Reader, WireError, decode_struct};

pub(super) const MAGIC: [u8; 4] = *b"STDL";

pub(super) const VERSION: u8 = 1;

pub(super) const CLAIMS_CONTEXT: &str = "starling 2026-11 v1 claims block";

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

/// A delta with a verified author and open claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDelta {
    pub(super) bytes: Box<[u8]>,
    pub(super) header: VerifiedHeader,
    pub(super) claims: Vec<Claim>,
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
