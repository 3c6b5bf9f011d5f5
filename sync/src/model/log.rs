//! One log of the model: its deltas, its live claims, and its missing bodies.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_protocol::{
    CertificateChain, Claim, ClaimKey, ClaimNumber, ContentHash, Delta, DeltaHash, DeltaHeader, Lane,
    LaneResume, LogState, LogTip, Source, VerifiedDelta,
};

use crate::replica::MissingBody;

/// A live claim.
#[derive(Debug, Clone)]
struct Live {
    number: ClaimNumber,
    frame: Vec<u8>,
    content: Option<ContentHash>,
}

/// A delta as kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) first: ClaimNumber,
    pub(super) last: ClaimNumber,
    pub(super) hash: DeltaHash,
    pub(super) bytes: Arc<[u8]>,
}

/// One author's log in one lane.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelLog {
    pub(super) tip: LogTip,
    pub(super) state: LogState,
    /// The last claim that entered the view.
    pub(super) accepted: ClaimNumber,
    pub(super) accepted_state: LogState,
    pub(super) body_complete: ClaimNumber,
    pub(super) missing: BTreeMap<ClaimNumber, MissingBody>,
    /// The claim up to which the log is known to go, because its held branch was given up.
    pub(super) witnessed: ClaimNumber,
    /// The earliest delta known to be on the branch that the certificate of an epoch names, while the held one is another.
    pub(super) vouched: Option<(u32, LaneResume)>,
    deltas: Vec<Kept>,
    live: BTreeMap<ClaimKey, Live>,
}

/// Answers of the rest of the store while a delta is applied.
pub(super) struct Surroundings<'a> {
    pub(super) bodies: &'a BTreeMap<ContentHash, Arc<[u8]>>,
    /// The sources in scope; `None` means all.
    pub(super) scope: Option<&'a [Source]>,
}

impl ModelLog {
    pub(super) fn held(&self) -> ClaimNumber {
        self.tip.cursor.number
    }

    /// Returns the header of the last delta.
    pub(super) fn last_header(&self) -> Option<DeltaHeader> {
        let last = Delta::decode(&self.deltas.last()?.bytes).ok()?;
        Some(*last.header())
    }

    /// Deltas that end after `after`.
    pub(super) fn after(&self, after: ClaimNumber) -> &[Kept] {
        let start = self.deltas.partition_point(|kept| kept.last <= after);
        &self.deltas[start..]
    }

    /// Returns the kept delta that holds any claim of a range.
    pub(super) fn overlapping(&self, first: ClaimNumber, last: ClaimNumber) -> Option<&Kept> {
        let mut kept = self.after(ClaimNumber(first.0.saturating_sub(1))).iter();
        kept.next().filter(|kept| kept.first <= last)
    }

    /// Applies the next delta. Returns an error and changes nothing if its state root is wrong.
    pub(super) fn apply(&mut self, delta: &VerifiedDelta, around: &Surroundings<'_>) -> Result<(), String> {
        let mut state = self.state.clone();
        for (_, claim) in delta.claims() {
            let prior = self.live.get(claim.key()).map(|live| &live.frame[..]);
            state.apply(claim, prior);
        }
        let header = delta.header();
        if state.root() != header.state_root || state.live() != header.live_entries {
            return Err(format!("the state root of delta {} is wrong", delta.hash()));
        }
        self.state = state;
        self.tip = LogTip {
            cursor: header.cursor(),
            header: delta.hash(),
            epoch: header.epoch,
        };
        self.deltas.push(Kept {
            first: header.first,
            last: header.last(),
            hash: delta.hash(),
            bytes: delta.as_bytes().into(),
        });
        for (number, claim) in delta.claims() {
            self.enter(number, claim, around);
        }
        Ok(())
    }

    fn enter(&mut self, number: ClaimNumber, claim: &Claim, around: &Surroundings<'_>) {
        let prior = self.live.remove(claim.key());
        if let Some(prior) = &prior {
            self.missing.remove(&prior.number);
        }
        if claim.is_tombstone() {
            return;
        }
        let in_scope = match (around.scope, claim.key().source()) {
            (Some(scope), Some(source)) => scope.contains(&source),
            _ => true,
        };
        if let Some((hash, size)) = claim.content()
            && in_scope
            && !around.bodies.contains_key(&hash)
        {
            let held = |hash: &ContentHash| around.bodies.contains_key(hash);
            let base = prior.and_then(|prior| prior.content).filter(held);
            let wanted = MissingBody {
                hash,
                size,
                number,
                base,
            };
            self.missing.insert(number, wanted);
        }
        let live = Live {
            number,
            frame: claim.encode(),
            content: claim.content().map(|(hash, _)| hash),
        };
        self.live.insert(claim.key().clone(), live);
    }

    /// Moves the positions if every live body in scope is here.
    pub(super) fn accept(&mut self) -> Option<ClaimNumber> {
        if !self.missing.is_empty() || self.accepted == self.held() {
            return None;
        }
        self.body_complete = self.held();
        self.accepted = self.held();
        self.accepted_state = self.state.clone();
        Some(self.accepted)
    }

    /// Returns the log up to the newest held position that a certificate names: what remains when an epoch
    /// closes the rest.
    pub(super) fn cut(&self, chain: &CertificateChain, lane: Lane, around: &Surroundings<'_>) -> Self {
        let starts = (0..=chain.epoch()).filter_map(|epoch| chain.epoch_start(epoch, lane));
        let is_held = |start: &LaneResume| {
            let kept = self.deltas.iter().find(|kept| kept.last == start.number);
            kept.is_some_and(|kept| kept.hash == start.header)
        };
        let keep = starts
            .rev()
            .find(is_held)
            .map_or(ClaimNumber::NONE, |start| start.number);
        self.up_to(keep, chain, around)
    }

    /// Returns the log without the deltas after `keep`.
    pub(super) fn up_to(
        &self,
        keep: ClaimNumber,
        chain: &CertificateChain,
        around: &Surroundings<'_>,
    ) -> Self {
        let mut log = Self::default();
        for kept in self.deltas.iter().filter(|kept| kept.last <= keep) {
            let delta = Delta::decode(&kept.bytes).and_then(|delta| delta.verify(chain));
            // Each delta was applied before, in this order.
            let Ok(()) = delta
                .map_err(|error| error.to_string())
                .and_then(|delta| log.apply(&delta, around))
            else {
                break;
            };
        }
        log
    }

    /// Returns the content that each live claim names, for checkers.
    pub(super) fn live_contents(&self) -> impl Iterator<Item = (&ClaimKey, ContentHash)> {
        let live = self.live.iter();
        live.filter_map(|(key, live)| live.content.map(|content| (key, content)))
    }

    /// Returns the state after `claims`, for an author that is about to make them.
    pub(super) fn state_after<'a>(&self, claims: impl Iterator<Item = &'a Claim>) -> LogState {
        let mut state = self.state.clone();
        for claim in claims {
            state.apply(claim, self.live.get(claim.key()).map(|live| &live.frame[..]));
        }
        state
    }

    /// Returns true if a certificate of `chain` resolves a fork in `epoch`: a later epoch names the branch.
    pub(super) fn resolved_by(chain: &CertificateChain, epoch: u32) -> bool {
        chain.epoch() > epoch
    }
}
