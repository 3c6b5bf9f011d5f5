//! The choice between two branches of a log when a certificate names one of them.

use starling_protocol::{ClaimNumber, Delta, DeltaHash, LaneResume, Succession, VerifiedDelta};

use super::log::Surroundings;
use super::replica::ModelReplica;
use crate::LogKey;
use crate::replica::AppendProblem;

impl ModelReplica {
    /// Gives up the held branch if `delta` is on the one that the newest certificate names, and the two part just before
    /// it. Returns the claim after which it was given up.
    ///
    /// # Errors
    /// Why the delta is not taken, if it is of another branch than the held one.
    pub(super) fn choose_branch(&mut self, delta: &Delta<'_>) -> Result<Option<ClaimNumber>, AppendProblem> {
        let header = *delta.header();
        let (site, lane, epoch) = (header.site, header.lane, header.epoch);
        let Some(chain) = self.chains.get(&site).cloned() else {
            return Ok(None);
        };
        let Ok(verified) = delta.verify(&chain) else {
            return Ok(None);
        };
        let log = self.log(&site, lane);
        let is_other = match log.overlapping(header.first, header.last()) {
            Some(kept) => kept.hash != verified.hash(),
            None => match log.tip.place(&header, &chain) {
                Succession::OtherBranch => true,
                Succession::Gap { .. } => log.vouched.is_some_and(|(_, at)| names(at, &verified)),
                _ => false,
            },
        };
        let newest = chain.epoch();
        let named = chain.epoch_start(newest, lane);
        let Some(named) = named.filter(|_| is_other && epoch.min(log.tip.epoch) < newest) else {
            return Ok(None);
        };
        if site == self.own || self.holds_end((site, lane), named) {
            return Err(if epoch < newest {
                AppendProblem::Closed { site, lane, epoch }
            } else {
                AppendProblem::Diverges { site, lane }
            });
        }
        if self.is_frozen(&(site, lane)) {
            return Err(AppendProblem::Frozen { site, lane });
        }
        let vouched = log.vouched.filter(|(since, _)| *since == newest);
        let vouched = vouched.map_or(named, |(_, at)| at);
        let before = LaneResume {
            lane,
            number: ClaimNumber(header.first.0.saturating_sub(1)),
            header: header.previous,
        };
        if !names(vouched, &verified) {
            self.logs.entry((site, lane)).or_default().vouched = Some((newest, vouched));
            let next = vouched.number;
            return Err(AppendProblem::OtherBranch { site, lane, next });
        }
        if self.holds_end((site, lane), before) {
            let around = Surroundings {
                bodies: &self.bodies,
                scope: self.scope.as_deref(),
            };
            let mut log = self.log(&site, lane).up_to(before.number, &chain, &around);
            log.witnessed = named.number;
            log.accept();
            self.logs.insert((site, lane), log);
            return Ok(Some(before.number));
        }
        let next = before.number;
        if next == ClaimNumber::NONE {
            let reason = "its first delta names a delta before it".to_owned();
            return Err(AppendProblem::Refused { site, lane, reason });
        }
        self.logs.entry((site, lane)).or_default().vouched = Some((newest, before));
        Err(AppendProblem::OtherBranch { site, lane, next })
    }

    /// Returns true if the newest certificate names another delta than the last one held, for the same claim.
    pub(super) fn is_lost(&self, key: LogKey) -> bool {
        let chain = self.chains.get(&key.0).filter(|_| key.0 != self.own);
        let named = chain.and_then(|chain| chain.epoch_start(chain.epoch(), key.1));
        let log = self.log(&key.0, key.1);
        named.is_some_and(|at| at.number == log.held() && at.header != log.tip.header)
    }

    fn holds_end(&self, (site, lane): LogKey, at: LaneResume) -> bool {
        if at.number == ClaimNumber::NONE {
            return at.header == DeltaHash::ZERO;
        }
        let kept = self.log(&site, lane).overlapping(at.number, at.number);
        kept.is_some_and(|kept| (kept.last, kept.hash) == (at.number, at.header))
    }
}

fn names(at: LaneResume, delta: &VerifiedDelta) -> bool {
    (at.number, at.header) == (delta.header().last(), delta.hash())
}
