//! Pulls deltas: one page of one log from one peer at a time, several logs in parallel.
//!
//! A peer that announced a log may be asked for it; if it fails, the next peer is asked. The replica verifies
//! every delta against its author, so it does not matter which peer sent it.
//! The state is in `pulls`.

use starling_protocol::limits::MAX_DELTA_BYTES;
use starling_protocol::{ClaimNumber, Delta, Lane, PublicKey, SiteId, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::limits::MAX_DELTAS_PAGE_BYTES;
use crate::notice::{Notice, Violation};
use crate::peer_score::backoff;
use crate::replica::{AppendOutcome, AppendProblem, LogPosition};
use crate::wire::{DeltasPage, DeltasWanted, Request};
use crate::write::StoreFailure;
use crate::writes::{AfterAccept, QueuedWrite};

/// An open request for deltas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeltasRequest {
    pub(crate) log: LogKey,
    after: ClaimNumber,
    /// The position held when the request was made.
    held: ClaimNumber,
    max_bytes: usize,
    /// True if the request is for one delta, to prove a fork or to find where two branches part, not to continue the log.
    probe: bool,
    /// True if the held branch had lost when the request was made. The peer may be on the lost branch too, or just leave
    /// it: if its answer does not help, it is not to blame.
    lost: bool,
}

impl SyncEngine {
    /// Checks whether a log has to be pulled, after anything about it or about a peer's statement changed.
    pub(crate) fn reconsider(&mut self, cx: &Context<'_>, log: LogKey) {
        let position = cx.replica.position(&log.0, log.1);
        let possible =
            !position.is_some_and(|position| position.frozen) && cx.replica.chain(&log.0).is_some();
        let after = wanted_after(position);
        let behind = self.peers.values().any(|peer| peer.can_give_deltas(log, after));
        if possible && behind {
            self.pulls.begin(log);
        } else {
            self.pulls.end(log);
        }
    }

    /// Requests the peer's delta with a claim, which differs from the one held here. If the peer left while that was
    /// written, another peer or its next session shows the difference again.
    pub(crate) fn probe(&mut self, peer: PublicKey, log: LogKey, number: ClaimNumber) {
        if self.peers.contains_key(&peer) {
            self.pulls.diverges(log, peer, number);
        }
    }

    /// Requests the next page of every log that can continue.
    pub(crate) fn pull_deltas(&mut self, cx: &mut Context<'_>) {
        let mut active = self.pulls.active();
        let waiting: Vec<LogKey> = self.pulls.waiting().collect();
        for log in waiting {
            if active >= self.settings.delta_pulls {
                break;
            }
            let position = cx.replica.position(&log.0, log.1);
            let held = position.map_or(ClaimNumber::NONE, |position| position.held);
            let probe = self.pulls.probe(log);
            let probe = probe.filter(|(peer, _)| self.peers.contains_key(peer));
            if probe.is_none() {
                // The peer that could prove the fork is gone.
                self.pulls.end_probe(log);
            }
            // A peer that did not answer rests, longer each time: others may have the next deltas meanwhile.
            let probe = probe.filter(|(peer, _)| {
                let peer = self.peers.get(peer);
                peer.is_some_and(|peer| peer.pace.has_room(cx.now, &self.settings))
            });
            let asked = probe.and_then(|(peer, _)| self.peers.get(&peer));
            if asked.is_some_and(|peer| peer.pace.probe_due() > cx.now) {
                continue;
            }
            let frozen = position.is_some_and(|position| position.frozen);
            let lost = position.is_some_and(|position| position.lost);
            let next = wanted_after(position);
            let mut best = || self.best_for_deltas(cx.now, log, next, lost).filter(|_| !frozen);
            let Some((peer, after)) = probe
                .map(|(peer, number)| (peer, before(number)))
                .or_else(|| best().map(|peer| (peer, next)))
            else {
                continue;
            };
            // A probe needs one delta, and a page has at least one. If the held branch lost, the first one to ask for is
            // the one that the certificate names.
            let probe = probe.is_some() || lost;
            let max_bytes = if probe {
                1
            } else {
                self.settings.deltas_page_bytes.min(MAX_DELTAS_PAGE_BYTES)
            };
            if let Some(asked) = self.peers.get_mut(&peer).filter(|_| probe) {
                asked.pace.probed(cx.now);
            }
            let request = Request::Deltas(DeltasWanted {
                site: log.0,
                lane: log.1,
                after,
                max_bytes: u32::try_from(max_bytes).unwrap_or(u32::MAX),
            });
            let ask = DeltasRequest {
                log,
                after,
                held,
                max_bytes,
                probe,
                lost,
            };
            self.pulls.asks(log);
            self.ask(cx, peer, &request, RequestKind::Deltas(ask), max_bytes as u64);
            active += 1;
        }
    }

    /// Returns the peer to ask: the one with the fewest failures, then the least busy, then the author, then a
    /// random one.
    fn best_for_deltas(
        &mut self,
        now: UnixMillis,
        log: LogKey,
        after: ClaimNumber,
        is_probe: bool,
    ) -> Option<PublicKey> {
        let rng = &mut self.rng;
        let pulls = &self.pulls;
        let fit = self.peers.iter().filter(|(key, peer)| {
            peer.can_give_deltas(log, after)
                && (!is_probe || peer.pace.probe_due() <= now)
                && pulls.pause_of(log, key) <= now
                && peer.pace.has_room(now, &self.settings)
        });
        let ranked = fit.map(|(key, peer)| {
            let author = peer.site() == Some(log.0);
            ((peer.pace.rank(), !author, rng.u32(..)), *key)
        });
        ranked.min().map(|(_, key)| key)
    }

    /// Returns the time at which a log's pause and the rest of a peer that has the log are both over.
    pub(crate) fn pulls_wake(&self, now: UnixMillis) -> Option<UnixMillis> {
        let times = self.pulls.waiting().flat_map(|log| {
            let peers = self
                .peers
                .iter()
                .filter(move |(_, peer)| peer.can_give_deltas(log, ClaimNumber::NONE));
            peers.map(move |(key, peer)| peer.pace.probe_due().max(self.pulls.pause_of(log, key)))
        });
        let probed = self.pulls.waiting().filter_map(|log| self.pulls.probe(log));
        let probes = probed.filter_map(|(key, _)| Some(self.peers.get(&key)?.pace.probe_due()));
        let times = times.chain(probes);
        times.filter(|time| *time > now).min()
    }

    pub(crate) fn deltas_failed(&mut self, ask: &DeltasRequest) {
        self.pulls.waits(ask.log);
    }

    pub(crate) fn deltas_answered(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: DeltasRequest,
        page: DeltasPage,
        bytes: Vec<u8>,
    ) {
        self.deltas_failed(&ask);
        if let Err(violation) = fits(&ask, page, &bytes) {
            self.rest(cx.now, key);
            return self.record_violation(cx, key, violation);
        }
        if bytes.is_empty() && ask.lost {
            self.pause(cx, key, ask.log);
            return self.reconsider(cx, ask.log);
        }
        if bytes.is_empty() {
            self.has_no_more(key, &ask);
            self.record_violation(cx, key, Violation::BrokenPromise);
            return self.reconsider(cx, ask.log);
        }
        self.pulls.writes(ask.log);
        self.writes.push(QueuedWrite::Append(bytes, key, ask));
    }

    /// Withdraws a peer's statement that it holds more of a log: it is not asked until it states so again.
    fn has_no_more(&mut self, key: PublicKey, ask: &DeltasRequest) {
        let peer = self.peers.get_mut(&key);
        if let Some(note) = peer.and_then(|peer| peer.knows.get_mut(&ask.log)) {
            note.held = note.held.min(ask.held);
            note.body_complete = note.body_complete.min(ask.held);
        }
    }

    /// Handles an appended page. `before` is the position before it. If the log moved otherwise since the request, the
    /// answer may not match: a bundle brought the same deltas, or a certificate closed the held ones.
    pub(crate) fn appended(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: &DeltasRequest,
        outcome: AppendOutcome,
        before: ClaimNumber,
    ) {
        self.deltas_failed(ask);
        self.store_worked();
        let number = held(cx, ask.log);
        let moved = before != ask.held || (outcome.appended == 0 && number != before);
        let (site, lane) = ask.log;
        if outcome.appended > 0 {
            cx.notice(Notice::Held {
                site,
                lane,
                number,
                deltas: outcome.appended,
                claims: number.0.saturating_sub(before.0),
            });
            self.pulls.end_pause(ask.log, &key);
            // A page may go further than its peer stated; the peer need not state it again.
            let peer = self.peers.get_mut(&key);
            if let Some(note) = peer.and_then(|peer| peer.knows.get_mut(&ask.log)) {
                note.held = note.held.max(number);
            }
            self.bodies.look_at(ask.log);
            // Peers get the notes once, after the acceptance.
            self.writes.accept(AfterAccept {
                report: [ask.log].into(),
                ..AfterAccept::default()
            });
        }
        if let Some(resumed_after) = outcome.gave_up_after {
            cx.notice(Notice::GivenUp {
                site,
                lane,
                held: before,
                resumed_after,
            });
            self.pulls.end_pauses(ask.log);
            self.bodies.start_anew(ask.log);
            self.compare_again(ask.log);
        }
        if ask.probe {
            self.pulls.end_probe(ask.log);
        }
        match outcome.problem {
            None if moved || outcome.gave_up_after.is_some() => {}
            None if outcome.appended > 0 && !ask.probe => {}
            // The peer is on the lost branch too. Its notes look the same when it has left it, so it is asked again.
            None if ask.lost => self.pause(cx, key, ask.log),
            // An author may have closed its branch since; repeated failure is not bad luck.
            None if ask.probe => self.record_violation(cx, key, Violation::BrokenPromise),
            // The page goes further than what is held, but nothing was taken: all of it is of a closed branch.
            None => self.has_no_more(key, ask),
            Some(problem) => self.append_problem(cx, key, ask, problem, moved),
        }
        self.reconsider(cx, ask.log);
    }

    fn append_problem(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: &DeltasRequest,
        problem: AppendProblem,
        moved: bool,
    ) {
        let (site, lane) = ask.log;
        match problem {
            AppendProblem::Invalid { reason } => {
                let object = "delta";
                return self.record_violation(cx, key, Violation::Unverifiable { object, reason });
            }
            AppendProblem::UnknownSite { .. } | AppendProblem::UnknownEpoch { .. } => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.wanted.chain(site);
                }
            }
            // This is neither news nor a lie: the sender does not know the certificate yet. It will be sent the
            // longer chain like any other.
            AppendProblem::Closed { .. } if !ask.lost => return self.has_no_more(key, ask),
            // The peer is on the lost branch too, and may leave it.
            AppendProblem::Closed { .. } => {}
            AppendProblem::Gap { missing_from, .. } => {
                cx.notice(Notice::Gap {
                    site,
                    lane,
                    missing_from,
                });
                // A probe may ask for a delta beyond those held, and the peer may have changed its branch since.
                let is_beyond = ask.probe && ask.after >= ask.held;
                if !moved && !is_beyond {
                    let violation = Violation::WrongAnswer("deltas that do not follow those held");
                    self.record_violation(cx, key, violation);
                }
            }
            AppendProblem::Diverges { .. } if ask.probe => {
                if !moved {
                    self.record_violation(cx, key, Violation::WrongAnswer("deltas of two branches"));
                }
            }
            AppendProblem::Diverges { .. } => {
                // The counterpart of the last held delta.
                return self.probe(key, ask.log, ask.held);
            }
            AppendProblem::OtherBranch { next, .. } => {
                // Each answer leads to an earlier delta, which whoever sent the later one has. A peer that has neither is
                // not asked again at once.
                let leads_on = ask.probe && ask.after >= next;
                let peer = self.peers.get(&key);
                let note = peer.and_then(|peer| peer.knows.get(&ask.log));
                let has_it = !ask.probe && note.is_some_and(|note| note.held >= next);
                if leads_on || has_it {
                    return self.probe(key, ask.log, next);
                }
            }
            AppendProblem::Fork { proof } => return self.fork_learned(cx, &proof),
            AppendProblem::Frozen { .. } | AppendProblem::Distrusted { .. } => return,
            AppendProblem::Refused { reason, .. } => cx.notice(Notice::AuthorRefused { site, lane, reason }),
        }
        // Whichever site is at fault, the same request would get the same answer now.
        self.pause(cx, key, ask.log);
    }

    /// Pauses a peer for a log, longer each time.
    fn pause(&mut self, cx: &Context<'_>, key: PublicKey, log: LogKey) {
        if self.peers.contains_key(&key) {
            let (settings, rng) = (&self.settings, &mut self.rng);
            let until = |failures| later(cx.now, backoff(failures, settings, rng));
            self.pulls.pause(log, key, until);
        }
    }

    /// Reports what was accepted, and the logs that waited for that.
    pub(crate) fn accepted(
        &mut self,
        cx: &mut Context<'_>,
        after: AfterAccept,
        outcome: Result<Vec<(SiteId, Lane, ClaimNumber)>, StoreFailure>,
    ) {
        match outcome {
            Ok(moved) => {
                for (site, lane, number) in moved {
                    cx.notice(Notice::SyncedTo { site, lane, number });
                    self.log_changed(cx, (site, lane));
                }
            }
            Err(failure) => self.store_failed(cx, failure),
        }
        for log in after.report {
            self.log_changed(cx, log);
        }
        if after.examines {
            self.examine_logs(cx);
        }
    }
}

/// Returns the claim after which to ask for more of a log. If the held branch lost, that is the claim before its last one:
/// peers that hold as many claims may have the delta that the certificate names.
fn wanted_after(position: Option<LogPosition>) -> ClaimNumber {
    let Some(position) = position else {
        return ClaimNumber::NONE;
    };
    if position.lost {
        before(position.held)
    } else {
        position.held
    }
}

fn before(number: ClaimNumber) -> ClaimNumber {
    ClaimNumber(number.0.saturating_sub(1))
}

/// Returns the claim up to which a log is held.
pub(crate) fn held(cx: &Context<'_>, (site, lane): LogKey) -> ClaimNumber {
    let position = cx.replica.position(&site, lane);
    position.map_or(ClaimNumber::NONE, |at| at.held)
}

/// Checks that a page consists of whole deltas of the requested log, in order, and ends where it states.
fn fits(ask: &DeltasRequest, page: DeltasPage, bytes: &[u8]) -> Result<(), Violation> {
    if bytes.len() > ask.max_bytes.max(MAX_DELTA_BYTES) {
        return Err(Violation::WrongAnswer("a page larger than requested"));
    }
    let mut last = ask.after;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (delta, tail) = Delta::decode_first(rest).map_err(|error| Violation::Unverifiable {
            object: "delta",
            reason: error.to_string(),
        })?;
        let header = delta.header();
        if (header.site, header.lane) != ask.log {
            return Err(Violation::WrongAnswer("deltas of another log"));
        }
        if header.last() <= last {
            return Err(Violation::WrongAnswer("deltas out of order"));
        }
        last = header.last();
        rest = tail;
    }
    if last != page.last {
        return Err(Violation::WrongAnswer("a page that does not end where it states"));
    }
    Ok(())
}
