//! Why one log's range is refused. The other logs of the bundle are judged by themselves.

use crate::claim::ClaimKey;
use crate::cursor::ClaimNumber;
use crate::delta::{DeltaError, DeltaHash};
use crate::fork::ForkProof;
use crate::hash::{ContentHash, StateRoot};
use crate::limits::MAX_LOG_SOURCES;

/// The first rule that one log's range breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// A delta does not verify against its author's chain, or its claims do not read.
    #[error("the delta with claim {number} does not verify")]
    Delta {
        /// Its first claim.
        number: ClaimNumber,
        /// What is wrong.
        source: DeltaError,
    },
    /// A delta does not follow the one before it as its author must let it.
    #[error("the delta with claim {number} breaks a rule of its log: {problem}")]
    Succession {
        /// Its first claim.
        number: ClaimNumber,
        /// The rule.
        problem: &'static str,
    },
    /// A delta lies about the log's state after it.
    #[error(
        "after claim {number} the log's state is {found} over {found_live} live entries; its author says {said} over \
         {said_live}"
    )]
    StateRoot {
        /// The last claim of the delta.
        number: ClaimNumber,
        /// The root over the live entries.
        found: StateRoot,
        /// How many there are.
        found_live: u64,
        /// The root in the header.
        said: StateRoot,
        /// Their number in the header.
        said_live: u64,
    },
    /// The author's head in the seal contradicts the deltas.
    #[error("the author's head at claim {number} contradicts the log: {problem}")]
    Head {
        /// The head's claim.
        number: ClaimNumber,
        /// What differs.
        problem: &'static str,
    },
    /// Claims are missing before the range.
    #[error("claims are missing: held up to {held}, the bundle begins after {after}")]
    Gap {
        /// The last claim held.
        held: ClaimNumber,
        /// The claim after which the range begins.
        after: ClaimNumber,
    },
    /// A delta contradicts one that is held; both are signed.
    #[error("the author signed two histories: claim {number} is held as {held}, the bundle says {found}")]
    Fork {
        /// The first claim of the delta.
        number: ClaimNumber,
        /// The delta that is held.
        held: DeltaHash,
        /// The one in the bundle.
        found: DeltaHash,
        /// Both headers.
        proof: Box<ForkProof>,
    },
    /// The range goes on from a delta that is not the one held there.
    #[error(
        "the author signed two histories: the log is held as {held} at claim {number}, the bundle goes on from {found}"
    )]
    Diverges {
        /// The claim after which the range begins.
        number: ClaimNumber,
        /// The delta that is held.
        held: DeltaHash,
        /// The one that the range goes on from.
        found: DeltaHash,
    },
    /// The range is of a branch that a later certificate gave up.
    #[error("claim {number} is of a branch that a later epoch certificate of its author gave up")]
    GivenUp {
        /// The first claim that is not the held one.
        number: ClaimNumber,
    },
    /// The log speaks of too many sources.
    #[error("at claim {number} the log speaks of more than {MAX_LOG_SOURCES} sources, the most that one may")]
    TooManySources {
        /// The last claim of the delta.
        number: ClaimNumber,
    },
    /// A record is not canonical JSON, or not an object.
    #[error("the record of {key} ({hash}) is not canonical JSON of an object")]
    NotCanonical {
        /// What the claim is about.
        key: ClaimKey,
        /// The record.
        hash: ContentHash,
    },
    /// A claim lies about the size of its record.
    #[error("the record of {key} ({hash}) has {found} bytes; its claim says {said}")]
    BodySize {
        /// What the claim is about.
        key: ClaimKey,
        /// The record.
        hash: ContentHash,
        /// The size in the claim.
        said: u32,
        /// The record's size.
        found: u64,
    },
}

impl LogFault {
    /// Returns true if the author signed two histories.
    #[must_use]
    pub const fn is_fork(&self) -> bool {
        matches!(self, Self::Fork { .. } | Self::Diverges { .. })
    }
}
