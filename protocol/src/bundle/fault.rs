//! Reasons for refusing one log's range. Each log of a bundle is judged separately.

use crate::claim::ClaimKey;
use crate::cursor::ClaimNumber;
use crate::delta::{DeltaError, DeltaHash};
use crate::fork::ForkProof;
use crate::hash::{ContentHash, StateRoot};
use crate::limits::MAX_LOG_SOURCES;

/// The first rule that one log's range breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// A delta does not verify against its author's chain, or its claims do not decode.
    #[error("the delta with claim {number} does not verify")]
    Delta {
        /// Its first claim.
        number: ClaimNumber,
        /// The fault.
        source: DeltaError,
    },
    /// A delta breaks a rule for deltas that follow each other.
    #[error("the delta with claim {number} breaks a rule of its log: {problem}")]
    Succession {
        /// Its first claim.
        number: ClaimNumber,
        /// The rule.
        problem: &'static str,
    },
    /// A delta states a wrong state root or live-entry count.
    #[error(
        "after claim {number} the log's state is {found} over {found_live} live entries; its author says {said} over \
         {said_live}"
    )]
    StateRoot {
        /// The last claim of the delta.
        number: ClaimNumber,
        /// The root over the live entries.
        found: StateRoot,
        /// The number of them.
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
        /// The difference.
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
    /// A delta contradicts a held delta, and both are signed.
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
    /// The range continues from a delta that is not the one held there.
    #[error(
        "the author signed two histories: the log is held as {held} at claim {number}, the bundle continues from {found}"
    )]
    Diverges {
        /// The claim after which the range begins.
        number: ClaimNumber,
        /// The delta that is held.
        held: DeltaHash,
        /// The delta from which the range continues.
        found: DeltaHash,
    },
    /// The range is of a branch that a later certificate gave up.
    #[error("claim {number} is of a branch that a later epoch certificate of its author gave up")]
    GivenUp {
        /// The first claim that differs from the held log.
        number: ClaimNumber,
    },
    /// The range and the held log are of two branches, one of which a later certificate names, and the range does not show
    /// that it is of that one: it ends before the named delta, or begins after the place where the two part.
    #[error(
        "at claim {number} the held log and the bundle are of two branches of their author, and the bundle does not show that \
         its own is the one that the author's newest epoch certificate names"
    )]
    OtherBranch {
        /// The first claim that differs, or the last one held.
        number: ClaimNumber,
    },
    /// The log has claims about too many sources.
    #[error("at claim {number} the log has more than {MAX_LOG_SOURCES} sources, the limit for one log")]
    TooManySources {
        /// The last claim of the delta.
        number: ClaimNumber,
    },
    /// A record is not canonical JSON, or not an object.
    #[error("the record of {key} ({hash}) is not canonical JSON of an object")]
    NotCanonical {
        /// The key of the claim.
        key: ClaimKey,
        /// The record.
        hash: ContentHash,
    },
    /// A claim states a wrong size of its record.
    #[error("the record of {key} ({hash}) has {found} bytes; its claim says {said}")]
    BodySize {
        /// The key of the claim.
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
