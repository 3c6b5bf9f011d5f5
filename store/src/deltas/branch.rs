//! Chooses between two branches of a log if a certificate names one of them, and gives up the held one if it lost.
//!
//! A certificate names one delta of the valid branch. Each delta names the one before it, so the valid branch is known
//! backwards from there, delta by delta, and no signature of the author can change it. A site that holds the other
//! branch gives up only what comes after the last delta of both.

use std::path::Path;
use std::sync::Arc;

use starling_protocol::{
    CertificateChain, ClaimNumber, DeltaHash, LaneResume, Source, VerifiedDelta, VerifiedHead,
};
use starling_sync::AppendProblem;

use crate::SiteStore;
use crate::deltas::append::{Placed, contradicting_head};
use crate::deltas::extend::{Entering, PlacedDelta};
use crate::engine::{self, EngineKind, EngineOptions};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::apply_position;
use crate::rows::DeltaRow;
use crate::site::state::{Log, LogId, State};

/// The earliest delta known to be on the branch that the newest certificate names. Kept in memory: after a restart the
/// search begins again at the certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vouched {
    /// The epoch of the certificate.
    epoch: u32,
    /// The last claim of the delta.
    number: ClaimNumber,
    header: DeltaHash,
}

impl Vouched {
    /// Returns true if `delta` is this one.
    pub(super) fn names(&self, delta: &VerifiedDelta) -> bool {
        (self.number, self.header) == (delta.header().last(), delta.hash())
    }
}

/// What becomes of a delta of another branch.
pub(super) enum Choice {
    /// It is not taken.
    Refused(AppendProblem),
    /// The held deltas after `keep` give way to it, if it is taken. The log is known to reach `named`.
    GivesWay { keep: ClaimNumber, named: ClaimNumber },
}

/// The accepted positions of a log's sources.
type Positions = Vec<(Option<Source>, ClaimNumber)>;

impl State {
    /// Returns true if the newest certificate of a log's author names another delta than the last one held, for the same
    /// claim: the held branch lost. A site's own log gives way only when its operator restores it.
    pub(crate) fn is_lost(&self, id: LogId, log: &Log) -> bool {
        let chain = self.chains.get(&id.site).filter(|_| id.site != self.site);
        let named = chain.and_then(|chain| chain.epoch_start(chain.epoch(), id.lane));
        named.is_some_and(|at| at.number == log.tip.cursor.number && at.header != log.tip.header)
    }
}

impl SiteStore {
    /// Notes that the delta `header`, which ends at `number`, is on the branch that the newest certificate names: a run of
    /// deltas was seen that leads from it to the named one. A held branch that lost gives way when that delta is appended.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn vouch(&self, id: LogId, number: ClaimNumber, header: DeltaHash) -> Result<(), StoreError> {
        self.change(|state| {
            let epoch = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
            if let Some(log) = state.logs.get_mut(&id) {
                log.vouched = Some(Vouched {
                    epoch,
                    number,
                    header,
                });
            }
            Ok(())
        })
    }

    /// Chooses between the held branch and that of `delta`. The transaction of the page is committed.
    pub(super) fn choose_branch(
        &self,
        state: &mut State,
        id: LogId,
        delta: &VerifiedDelta,
    ) -> Result<Choice, StoreError> {
        let LogId { site, lane } = id;
        let header = delta.header();
        let refused = |problem| Ok(Choice::Refused(problem));
        let epoch = header.epoch;
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&site)) else {
            return refused(AppendProblem::UnknownSite { site });
        };
        let newest = chain.epoch();
        let Some(named) = chain.epoch_start(newest, lane) else {
            return refused(AppendProblem::Diverges { site, lane });
        };
        // A site's own log gives way to a certificate only when its operator restores it.
        if site == state.site || self.holds_end(state, id, named)? {
            return refused(if epoch < newest {
                AppendProblem::Closed { site, lane, epoch }
            } else {
                AppendProblem::Diverges { site, lane }
            });
        }
        if log.is_frozen() {
            return refused(AppendProblem::Frozen { site, lane });
        }
        let at_certificate = Vouched {
            epoch: newest,
            number: named.number,
            header: named.header,
        };
        let vouched = log.vouched.filter(|vouched| vouched.epoch == newest);
        let vouched = vouched.unwrap_or(at_certificate);
        let look_for = |state: &mut State, earliest: Vouched| {
            if let Some(log) = state.logs.get_mut(&id) {
                log.vouched = Some(earliest);
            }
            let next = earliest.number;
            Ok(Choice::Refused(AppendProblem::OtherBranch { site, lane, next }))
        };
        if !vouched.names(delta) {
            return look_for(state, vouched);
        }
        let before = LaneResume {
            lane,
            number: ClaimNumber(header.first.0.saturating_sub(1)),
            header: header.previous,
        };
        if self.holds_end(state, id, before)? {
            return Ok(Choice::GivesWay {
                keep: before.number,
                named: named.number,
            });
        }
        if before.number == ClaimNumber::NONE {
            let reason = "its first delta names a delta before it".to_owned();
            return refused(AppendProblem::Refused { site, lane, reason });
        }
        look_for(
            state,
            Vouched {
                epoch: newest,
                number: before.number,
                header: before.header,
            },
        )
    }

    /// Returns true if the head that froze a log is the one that the newest certificate names, and contradicts only the branch
    /// that lost. Earlier versions took that for a second history.
    pub(crate) fn is_rival_named(&self, state: &State, id: LogId) -> Result<bool, StoreError> {
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&id.site)) else {
            return Ok(false);
        };
        let newest = chain.epoch();
        let (Some(rival), Some(named)) = (&log.rival, chain.epoch_start(newest, id.lane)) else {
            return Ok(false);
        };
        let rival = rival.head();
        let is_named = (rival.epoch, rival.number, rival.header) == (newest, named.number, named.header);
        let kept = log.head.as_ref().map(VerifiedHead::head);
        let other = kept.filter(|kept| (kept.epoch, kept.number) == (newest, rival.number));
        let is_alone = other.is_none_or(|other| other.header == rival.header);
        Ok(is_named && is_alone && !self.holds_end(state, id, named)?)
    }

    /// Returns true if a held delta ends at a position and is the one that the position names.
    fn holds_end(&self, state: &State, id: LogId, at: LaneResume) -> Result<bool, StoreError> {
        let held = self.position_in(state, id, at.number)?;
        Ok(held.is_some_and(|held| held.header == at.header))
    }

    /// Replaces the held deltas after `keep` by the first delta of the branch that the certificate names, in one group of
    /// the site's log. The log is known to reach `named`: its high-water does not fall.
    ///
    /// The delta is judged first, on a copy: if it is refused, nothing is given up for it.
    pub(super) fn replace_branch(
        &self,
        state: &mut State,
        (id, keep, named): (LogId, ClaimNumber, ClaimNumber),
        delta: &VerifiedDelta,
    ) -> Result<Placed, StoreError> {
        let (site, lane) = (id.site, id.lane);
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&site)) else {
            return Ok(Placed::Problem(Box::new(AppendProblem::UnknownSite { site })));
        };
        if let Some(rival) = contradicting_head(log, delta, chain.epoch()) {
            let mut txn = self.txn();
            self.note_rival_head(&mut txn, state, &rival)?;
            txn.commit()?;
            return Ok(Placed::Problem(Box::new(AppendProblem::Frozen { site, lane })));
        }
        let positions = match self.place_on_copy(state, id, keep, delta)? {
            (Placed::Appended, positions) => positions,
            (refused, _) => return Ok(refused),
        };
        // A body that a feed has just stored counts as present.
        self.bodies.make_durable()?;
        let mut txn = self.txn();
        let witnessed = log.witnessed;
        if log.high_water() < named || log.tip.cursor.number >= named {
            let number = named.max(witnessed);
            self.apply_witness(&mut txn, state, id, number)?;
            txn.log(Entry::Witnessed { log: id, number });
        }
        txn.log(Entry::Cut { log: id, keep });
        // What both branches have counts as before: it must not wait for the bodies of the delta.
        if !positions.is_empty() {
            let named = positions.iter();
            txn.log(Entry::Accepted {
                bundle: None,
                positions: named
                    .map(|(source, number)| (id, source.clone(), *number))
                    .collect(),
            });
        }
        let bytes = delta.as_bytes().to_vec();
        txn.log(Entry::Delta { own: false, bytes });
        let places = txn.store_entries()?;
        self.cut(&mut txn, state, id, keep)?;
        for (source, number) in positions {
            apply_position(&mut txn, state, id, source.as_ref(), number)?;
        }
        state.history.write(&mut txn);
        let placed = PlacedDelta::verified(delta);
        let count = placed.count();
        let row = match places.last() {
            Some(place) => DeltaRow::Placed { count, place: *place },
            // A copy of the store has no log of its own.
            None => DeltaRow::Inline {
                count,
                bytes: delta.as_bytes().to_vec(),
            },
        };
        self.extend(&mut txn, state, id, &placed, Entering::Foreign, Some(&row))?;
        txn.commit()?;
        self.follow_cut(state)?;
        Ok(Placed::Replaced)
    }

    /// Judges a delta after a cut, on a copy of the store. Returns the positions to which the rest is accepted, too.
    fn place_on_copy(
        &self,
        state: &State,
        id: LogId,
        keep: ClaimNumber,
        delta: &VerifiedDelta,
    ) -> Result<(Placed, Positions), StoreError> {
        let layer = engine::open(EngineKind::Memory, Path::new(""), &EngineOptions::default())?;
        let settings = Arc::clone(&*self.settings.read().map_err(|_| StoreError::Poisoned)?);
        let copy = self.copy_of(self.engine.clone(), layer, state, &settings)?;
        copy.change(|state| {
            let mut txn = copy.txn();
            copy.cut(&mut txn, state, id, keep)?;
            txn.commit()?;
            copy.find_wanted(state)?;
            copy.accept_whole(state)?;
            let sources = state.logs.get(&id).into_iter().flat_map(|log| &log.sources);
            let accepted = sources.filter(|(_, row)| row.accepted > ClaimNumber::NONE);
            let positions = accepted
                .map(|(source, row)| (source.clone(), row.accepted))
                .collect();
            let mut txn = copy.txn();
            Ok((copy.place(&mut txn, state, delta)?, positions))
        })
    }
}
