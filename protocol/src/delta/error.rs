//! The reasons why a delta is refused.

use super::DeltaHash;
use crate::certificate::CertificateChain;
use crate::claim::ClaimError;
use crate::cursor::ClaimNumber;
use crate::hash::SiteId;
use crate::keys::KeyError;
use crate::names::Lane;
use crate::wire::WireError;

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
    /// The delta ends where a later certificate ends its epoch, and is not the one that the certificate names.
    #[error(
        "verifying delta {hash} of {site}: a later certificate closes epoch {epoch} of the {lane} lane at claim {number} with another delta, {named}"
    )]
    ClosedElsewhere {
        /// The delta.
        hash: DeltaHash,
        /// Its author.
        site: SiteId,
        /// Its epoch.
        epoch: u32,
        /// Its lane.
        lane: Lane,
        /// The last claim of the epoch.
        number: ClaimNumber,
        /// The delta that the certificate names.
        named: DeltaHash,
    },
    /// The signature does not fit.
    #[error("verifying delta {hash} of {site}")]
    Signature {
        /// The delta.
        hash: DeltaHash,
        /// Its author.
        site: SiteId,
        /// The error, which names the key.
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
            Self::ClosedElsewhere { .. } => true,
            _ => false,
        }
    }

    /// Returns true if the delta is signed by its author and lies outside its epoch, or ends it with another delta
    /// than a later certificate names.
    #[must_use]
    pub const fn is_outside_epoch(&self) -> bool {
        matches!(self, Self::OutsideEpoch { .. } | Self::ClosedElsewhere { .. })
    }
}
