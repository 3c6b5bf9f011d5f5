//! Takes deltas from outside: verifies, places and commits them.

use starling_protocol::{
    CertificateChain, Delta, DeltaError, ForkProof, Succession, VerifiedDelta, VerifiedHead,
};
use starling_sync::{AppendOutcome, AppendProblem};

use crate::SiteStore;
use crate::deltas::FrozenBy;
use crate::deltas::branch::Choice;
use crate::deltas::extend::{Entering, PlacedDelta};
use crate::engine::{ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::sites;
use crate::rows::txn::Txn;
use crate::site::state::{Log, LogId, State};

/// Most bodies that may be wanted at once, over all logs. Above it no delta is taken until bodies arrive. This
/// bounds the memory that a listed but hostile author can use at this site.
const MAX_WANTED: usize = 1 << 20;

impl SiteStore {
    /// Verifies and appends the consecutive deltas in `page`. Replays are no-ops.
    ///
    /// # Errors
    /// [`StoreError`] of the engine. A fault in the bytes is reported in the outcome.
    pub fn append(&self, page: &[u8]) -> Result<AppendOutcome, StoreError> {
        let (deltas, mut problem) = self.verify_page(page)?;
        let mut appended = 0;
        let mut gave_up_after = None;
        self.change(|state| {
            let mut txn = self.txn();
            let mut pending = 0;
            for delta in &deltas {
                let mut placed = self.place(&mut txn, state, delta)?;
                if let Placed::OtherBranch(id) = placed {
                    // The branches are compared in what is committed.
                    if !txn.is_empty() {
                        self.bodies.make_durable()?;
                        txn.commit()?;
                    }
                    appended += std::mem::take(&mut pending);
                    let choice = self.choose_branch(state, id, delta)?;
                    txn = self.txn();
                    placed = match choice {
                        Choice::Refused(found) => Placed::Problem(Box::new(found)),
                        Choice::GivesWay { keep, named } => {
                            let replaced = self.replace_branch(state, (id, keep, named), delta)?;
                            if let Placed::Replaced = replaced {
                                gave_up_after = Some(keep);
                                appended += 1;
                            }
                            replaced
                        }
                    };
                }
                match placed {
                    Placed::Appended => pending += 1,
                    Placed::Replay | Placed::Replaced => {}
                    // The branch was chosen above, and the delta follows what is held.
                    Placed::OtherBranch(LogId { site, lane }) => {
                        problem = Some(AppendProblem::Diverges { site, lane });
                        break;
                    }
                    Placed::Problem(found) => {
                        problem = Some(*found);
                        break;
                    }
                }
                if txn.len() >= ROWS_PER_COMMIT {
                    self.bodies.make_durable()?;
                    std::mem::replace(&mut txn, self.txn()).commit()?;
                    appended += std::mem::take(&mut pending);
                }
            }
            if !txn.is_empty() {
                // A body that a feed has just stored counts as present.
                self.bodies.make_durable()?;
                txn.commit()?;
            }
            appended += pending;
            Ok(())
        })?;
        Ok(AppendOutcome {
            appended,
            problem,
            gave_up_after,
        })
    }

    /// Verifies signatures and opens claims without holding the state: the slow part of an append.
    fn verify_page(&self, page: &[u8]) -> Result<(Vec<VerifiedDelta>, Option<AppendProblem>), StoreError> {
        let mut verified = Vec::new();
        let mut chain: Option<CertificateChain> = None;
        let mut rest = page;
        while !rest.is_empty() {
            let (delta, tail) = match Delta::decode_first(rest) {
                Ok(split) => split,
                Err(error) => return Ok((verified, Some(invalid(&error)))),
            };
            rest = tail;
            let (site, lane, epoch) = (delta.header().site, delta.header().lane, delta.header().epoch);
            if chain.as_ref().is_none_or(|chain| chain.site() != site) {
                let state = self.read()?;
                if state.rival_chains.contains_key(&site) {
                    return Ok((verified, Some(AppendProblem::Distrusted { site })));
                }
                chain = state.chains.get(&site).filter(|_| state.may_hold(&site)).cloned();
            }
            let Some(chain) = &chain else {
                return Ok((verified, Some(AppendProblem::UnknownSite { site })));
            };
            match delta.verify(chain) {
                Ok(delta) => verified.push(delta),
                Err(DeltaError::UnknownEpoch { site, epoch, .. }) => {
                    return Ok((verified, Some(AppendProblem::UnknownEpoch { site, epoch })));
                }
                Err(error) if error.was_true_once(chain) => {
                    return Ok((verified, Some(AppendProblem::Closed { site, lane, epoch })));
                }
                Err(error) => return Ok((verified, Some(invalid(&error)))),
            }
        }
        Ok((verified, None))
    }

    pub(super) fn place(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        delta: &VerifiedDelta,
    ) -> Result<Placed, StoreError> {
        let header = delta.header();
        let id = LogId {
            site: header.site,
            lane: header.lane,
        };
        let (site, lane) = (id.site, id.lane);
        let problem = |problem| Ok(Placed::Problem(Box::new(problem)));
        self.ensure_log(txn, state, id)?;
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&site)) else {
            return problem(AppendProblem::UnknownSite { site });
        };
        let succession = log.tip.place(header, chain);
        if let Succession::AtOrBefore | Succession::OtherBranch = succession {
            return match self.held_overlap(txn, log.number, header)? {
                Some(held) if held == delta.as_bytes() => Ok(Placed::Replay),
                // A later certificate closed the epoch of one of the two, and named the valid branch: history, not
                // a fork.
                _ if header.epoch.min(log.tip.epoch) < chain.epoch() => Ok(Placed::OtherBranch(id)),
                Some(held) => self.contradiction(txn, state, id, &held, delta),
                None => problem(AppendProblem::Diverges { site, lane }),
            };
        }
        if let Succession::Gap { .. } = succession
            && log.vouched.is_some_and(|vouched| vouched.names(delta))
        {
            return Ok(Placed::OtherBranch(id));
        }
        if log.is_frozen() {
            return problem(AppendProblem::Frozen { site, lane });
        }
        if let Some(rival) = contradicting_head(log, delta, chain.epoch()) {
            self.note_rival_head(txn, state, &rival)?;
            return problem(AppendProblem::Frozen { site, lane });
        }
        match succession {
            Succession::Gap { missing_from } => problem(AppendProblem::Gap {
                site,
                lane,
                missing_from,
                found: header.first,
            }),
            Succession::Refused(reason) => problem(AppendProblem::Refused {
                site,
                lane,
                reason: reason.to_owned(),
            }),
            _ if id.site == state.site && header.last() > log.high_water() && !self.is_held_back() => {
                problem(AppendProblem::Refused {
                    site,
                    lane,
                    reason: "it extends this site's own log, which only this site writes; was this home copied or \
                             restored from a backup? `starling restore` says so"
                        .to_owned(),
                })
            }
            _ if state.wanted_count() >= MAX_WANTED => problem(AppendProblem::Refused {
                site,
                lane,
                reason: format!("{MAX_WANTED} bodies are already missing, the limit; they must arrive first"),
            }),
            _ => match self.extend(
                txn,
                state,
                id,
                &PlacedDelta::verified(delta),
                Entering::Foreign,
                None,
            )? {
                None => Ok(Placed::Appended),
                Some(reason) => problem(AppendProblem::Refused { site, lane, reason }),
            },
        }
    }

    /// Writes the proof that two verified deltas claim the same numbers, and freezes the log.
    fn contradiction(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        held: &[u8],
        delta: &VerifiedDelta,
    ) -> Result<Placed, StoreError> {
        let (site, lane) = (id.site, id.lane);
        let (Some(chain), Ok(held), Ok(other)) = (
            state.chains.get(&site),
            Delta::decode(held),
            Delta::decode(delta.as_bytes()),
        ) else {
            return Ok(Placed::Problem(Box::new(AppendProblem::UnknownSite { site })));
        };
        let proof = match ForkProof::of(&held, &other, chain) {
            Ok(proof) => proof,
            Err(error) => {
                return Ok(Placed::Problem(Box::new(AppendProblem::Refused {
                    site,
                    lane,
                    reason: format!("it contradicts the held delta but does not prove a fork: {error}"),
                })));
            }
        };
        if let Some(log) = state.logs.get_mut(&id)
            && log.fork.is_none()
        {
            let bytes = proof.to_bytes();
            txn.put(
                Tree::Sites,
                &sites::by_log(sites::FORK, log.number),
                bytes.clone(),
            );
            txn.log(Entry::Fork { log: id, bytes });
            log.fork = Some(proof.clone());
            let epoch = proof.epoch();
            self.tell_frozen(txn, state, id, FrozenBy::Fork { epoch })?;
        }
        Ok(Placed::Problem(Box::new(AppendProblem::Fork {
            proof: Box::new(proof),
        })))
    }
}

/// Returns the kept head if the next delta shows that the head belongs to another history.
pub(super) fn contradicting_head(log: &Log, delta: &VerifiedDelta, newest: u32) -> Option<VerifiedHead> {
    let (header, kept) = (delta.header(), log.head.as_ref()?);
    let head = kept.head();
    let is_within = head.number >= header.first && head.number <= header.last();
    let is_same = head.number == header.last() && head.header == delta.hash();
    (is_within && !is_same && head.epoch == newest).then(|| kept.clone())
}

pub(super) enum Placed {
    Appended,
    Replay,
    /// It is committed, in place of the held branch.
    Replaced,
    /// It is of another branch than the held deltas, and a later certificate names one of the two.
    OtherBranch(LogId),
    Problem(Box<AppendProblem>),
}

fn invalid(error: &DeltaError) -> AppendProblem {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason.push_str(": ");
        reason.push_str(&error.to_string());
        cause = error.source();
    }
    AppendProblem::Invalid { reason }
}
