//! Heads: signed statements in which authors give the current end of their logs.
//!
//! A head expires, so that a disconnected site knows that its knowledge is stale. It also lists the time of
//! each source's last check, so that "nothing new" differs from "nobody looked". Layout:
//! `docs/formats/head.md`.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateChain;
use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::DeltaHash;
use crate::hash::{SiteId, StateRoot};
use crate::keys::{KeyError, Signature, SigningKey};
use crate::limits::{MAX_HEAD_BYTES, MAX_HEAD_SOURCES};
use crate::names::{Lane, Source};
use crate::time::UnixMillis;
use crate::wire::{Reader, WireError, decode_struct, encode_struct, put_length};

const MAGIC: [u8; 4] = *b"STHD";
const VERSION: u8 = 1;
const SIGNATURE_CONTEXT: &str = "starling 2026-11 v1 head signature";

/// A head that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The bytes are not a head.
    #[error("decoding a head")]
    Decode(#[from] WireError),
    /// The head's author is not the chain's site.
    #[error("verifying a head: it is by {found}, the certificate chain is of {expected}")]
    OtherAuthor {
        /// The chain's site.
        expected: SiteId,
        /// The head's site.
        found: SiteId,
    },
    /// No certificate for its epoch is known.
    #[error(
        "verifying a head of {site}: epoch {epoch} has no certificate here; get the author's newest certificate chain"
    )]
    UnknownEpoch {
        /// The author.
        site: SiteId,
        /// The head's epoch.
        epoch: u32,
    },
    /// A later epoch closed the part of the log that the head names.
    #[error("verifying a head of {site}: claim {number} lies past the end of epoch {epoch}")]
    OutsideEpoch {
        /// The author.
        site: SiteId,
        /// The head's epoch.
        epoch: u32,
        /// Its claim number.
        number: ClaimNumber,
    },
    /// The signature does not fit.
    #[error("verifying a head of {site}")]
    Signature {
        /// The author.
        site: SiteId,
        /// The error, which names the key.
        source: KeyError,
    },
}

/// The time at which the author last checked a source, whether or not anything was new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCheck {
    /// The source.
    pub source: Source,
    /// The time of the last full read.
    pub checked_at: UnixMillis,
}

/// The signed part of a head, version 1 (frozen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The author.
    pub site: SiteId,
    /// The author's epoch.
    pub epoch: u32,
    /// The log.
    pub lane: Lane,
    /// Time of the last delta.
    pub time: UnixMillis,
    /// Number of the last claim; 0 for an empty log.
    pub number: ClaimNumber,
    /// Hash of the last delta; zero for an empty log.
    pub header: DeltaHash,
    /// Live entries.
    pub live_entries: u64,
    /// State root.
    pub state_root: StateRoot,
    /// The time of signing, by the author's clock.
    pub issued_at: UnixMillis,
    /// The time after which the head proves nothing about the present.
    pub expires_at: UnixMillis,
    /// For each source, the time of its last check. Sorted by source, at most one per source.
    pub checks: Vec<SourceCheck>,
}

impl Head {
    /// Returns the position it names.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            time: self.time,
            number: self.number,
        }
    }

    /// Signs the head.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> VerifiedHead {
        let signed = encode_struct(&self);
        let mut bytes = Vec::with_capacity(signed.len() + 80);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        put_length(&mut bytes, signed.len());
        bytes.extend_from_slice(&signed);
        bytes.extend_from_slice(&key.sign(SIGNATURE_CONTEXT, &signed).to_bytes());
        VerifiedHead {
            bytes: bytes.into(),
            head: self,
        }
    }

    /// Decodes a head without verifying it, so that the caller can find the chain to verify it against.
    ///
    /// # Errors
    /// [`HeadError::Decode`].
    pub fn peek(bytes: &[u8]) -> Result<Self, HeadError> {
        Ok(read(bytes)?.0)
    }
}

/// A head whose signature is verified against its author's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    bytes: Box<[u8]>,
    head: Head,
}

impl VerifiedHead {
    /// Decodes and verifies a head.
    ///
    /// # Errors
    /// [`HeadError`]. The caller, which has a clock, checks the expiry.
    pub fn verify(bytes: &[u8], chain: &CertificateChain) -> Result<Self, HeadError> {
        let (head, signed, signature) = read(bytes)?;
        if head.site != chain.site() {
            return Err(HeadError::OtherAuthor {
                expected: chain.site(),
                found: head.site,
            });
        }
        let Some(certificate) = chain.of_epoch(head.epoch) else {
            return Err(HeadError::UnknownEpoch {
                site: head.site,
                epoch: head.epoch,
            });
        };
        certificate
            .body()
            .operating_key
            .verify(SIGNATURE_CONTEXT, signed, &signature, "head")
            .map_err(|source| HeadError::Signature {
                site: head.site,
                source,
            })?;
        if chain
            .epoch_end(head.epoch, head.lane)
            .is_some_and(|end| head.number > end.number)
        {
            let (site, epoch, number) = (head.site, head.epoch, head.number);
            return Err(HeadError::OutsideEpoch { site, epoch, number });
        }
        Ok(Self {
            bytes: bytes.into(),
            head,
        })
    }

    /// Returns the exact bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the signed content.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns true if this head is newer than `other` of the same log.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let rank = |head: &Head| (head.epoch, head.number, head.issued_at);
        rank(&self.head) > rank(&other.head)
    }
}

fn read(bytes: &[u8]) -> Result<(Head, &[u8], Signature), HeadError> {
    let mut reader = Reader::new(bytes);
    reader.magic(MAGIC, VERSION, "head")?;
    let length = reader.length(MAX_HEAD_BYTES, "head length")?;
    let signed = reader.take(length, "head")?;
    let signature = Signature::from_bytes(&reader.array("head signature")?);
    reader.finish("head")?;
    let head: Head = decode_struct(signed, "head")?;
    if head.number > ClaimNumber::MAX {
        return Err(WireError::OverLimit {
            field: "head number",
            found: head.number.0,
            limit: ClaimNumber::MAX.0,
        }
        .into());
    }
    if head.checks.len() > MAX_HEAD_SOURCES {
        let (found, limit) = (head.checks.len() as u64, MAX_HEAD_SOURCES as u64);
        return Err(WireError::OverLimit {
            field: "head sources",
            found,
            limit,
        }
        .into());
    }
    let sorted = head.checks.windows(2).all(|pair| pair[0].source < pair[1].source);
    if !sorted || (head.number == ClaimNumber::NONE) != (head.header == DeltaHash::ZERO) {
        return Err(WireError::NotCanonical { field: "head" }.into());
    }
    Ok((head, signed, signature))
}
