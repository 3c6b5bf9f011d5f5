//! A log's tip and state, which decide the next valid delta and its state root.

use std::collections::BTreeMap;

use crate::certificate::CertificateChain;
use crate::claim::Claim;
use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::{DeltaHash, DeltaHeader};
use crate::hash::StateRoot;
use crate::lthash::LtHash;
use crate::names::Source;
use crate::time::UnixMillis;

/// The end of a log: its last delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogTip {
    /// Position after the last delta.
    pub cursor: Cursor,
    /// Hash of the last delta; zero when there is none.
    pub header: DeltaHash,
    /// Epoch of the last delta.
    pub epoch: u32,
}

impl Default for DeltaHash {
    fn default() -> Self {
        Self::ZERO
    }
}

/// The relation of a verified header to a log's tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// The header is the next delta.
    Next,
    /// The header lies at or before the tip: a replay, or a fork if its hash is not the one held there.
    AtOrBefore,
    /// Claims are missing between the tip and the header.
    Gap {
        /// The first claim that is missing.
        missing_from: ClaimNumber,
    },
    /// The header has the next number but does not follow the tip's hash: a fork, or a branch that an epoch
    /// closed.
    OtherBranch,
    /// The header follows, but breaks a rule for authors.
    Refused(&'static str),
}

impl LogTip {
    /// Returns the number that the next delta begins with.
    #[must_use]
    pub fn next(&self) -> ClaimNumber {
        ClaimNumber(self.cursor.number.0 + 1)
    }

    /// Compares a header, whose signature was verified against `chain`, with the tip.
    #[must_use]
    pub fn place(&self, header: &DeltaHeader, chain: &CertificateChain) -> Succession {
        if header.last() <= self.cursor.number {
            return Succession::AtOrBefore;
        }
        if header.first > self.next() {
            return Succession::Gap {
                missing_from: self.next(),
            };
        }
        if header.first < self.next() || header.previous != self.header {
            return Succession::OtherBranch;
        }
        if header.epoch < self.epoch {
            return Succession::Refused("its epoch is older than that of the delta before it");
        }
        if header.epoch > self.epoch
            && chain
                .epoch_start(header.epoch, header.lane)
                .is_none_or(|start| start.number != self.cursor.number || start.header != self.header)
        {
            return Succession::Refused("its epoch does not resume from the delta before it");
        }
        if header.time < self.cursor.time {
            return Succession::Refused("its time is before that of the delta before it");
        }
        Succession::Next
    }
}

/// The live entries of one source in one log, as a hash and a count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceState {
    /// Live entries.
    pub live: u64,
    /// Hash over them.
    pub state: LtHash,
}

/// The state of a log, kept for each source because sites compare the sources that they share.
///
/// Keys that belong to no source (shared documents, unknown keys) are counted under `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogState {
    sources: BTreeMap<Option<Source>, SourceState>,
}

impl LogState {
    /// Restores a stored state.
    #[must_use]
    pub fn from_sources(sources: BTreeMap<Option<Source>, SourceState>) -> Self {
        Self { sources }
    }

    /// Returns the state of each source.
    #[must_use]
    pub fn sources(&self) -> &BTreeMap<Option<Source>, SourceState> {
        &self.sources
    }

    /// Adds a claim and removes the live entry `prior` that it replaces.
    ///
    /// `prior` is the frame of the live claim of this log on the same key, if any.
    pub fn apply(&mut self, claim: &Claim, prior: Option<&[u8]>) {
        let source = self.sources.entry(claim.key().source()).or_default();
        if let Some(prior) = prior {
            source.state.remove(prior);
            source.live = source.live.saturating_sub(1);
        }
        if !claim.is_tombstone() {
            source.state.add(&claim.encode());
            source.live += 1;
        }
    }

    /// Returns the number of live entries of all sources.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.sources.values().map(|source| source.live).sum()
    }

    /// Returns the root over the live entries of all sources.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        let mut sum = LtHash::default();
        for source in self.sources.values() {
            sum.combine(&source.state);
        }
        sum.root()
    }
}

/// Returns the hybrid logical time of a site's next delta: its clock, but never before its last delta.
#[must_use]
pub fn next_time(now: UnixMillis, last: UnixMillis) -> UnixMillis {
    now.max(last)
}
