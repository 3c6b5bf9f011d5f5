//! Fetches record bodies in pages that the memory bounds allow.
//!
//! Bodies are requested by claim number and verified by hash, so a peer can give the right bytes or none. A
//! body that no peer can give is reported and requested again later; it delays only the acceptance of its log.
//! The choice of peers is in `body_sources`.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::limits::MIB;
use starling_protocol::{ClaimNumber, ContentHash, PublicKey, SiteId, UnixMillis};

use crate::LogKey;
use crate::body_sources::{Offer, Plan};
use crate::clock::later;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::limits::{MAX_BASES, MAX_BASES_BYTES, MAX_BODIES_PAGE_BYTES, MAX_PAGE_BODIES, MAX_UNAVAILABLE};
use crate::notice::{Notice, Violation};
use crate::peer::Peer;
use crate::replica::MissingBody;
use crate::wire::{BodiesPage, BodiesWanted, Capabilities, Request, bit, unpack};

/// Missing bodies of one log that are listed ahead.
const LIST_AHEAD: usize = 2 * MAX_PAGE_BODIES;
/// With more pages than this left to fetch, it is a bulk transfer, in which speed matters more than size.
const BULK_PAGES: u64 = 4;

/// The number of parts in which a smaller amount is fetched.
const PARTS: u64 = 3;
/// An amount up to this size is fetched at once: smaller parts compress worse.
const LEAST_PART_BYTES: u64 = 2 * MIB as u64;

/// All bodies to fetch.
#[derive(Debug, Default)]
pub(crate) struct BodyPulls {
    pub(crate) logs: BTreeMap<LogKey, LogBodies>,
    in_flight: BTreeSet<ContentHash>,
    in_flight_bytes: u64,
    /// The number of times that the list of a log was restarted.
    generations: u64,
    /// Bodies that were reported as unavailable: each is reported once, and none past the bound.
    named: BTreeSet<ContentHash>,
}

/// The bodies to fetch of one log; the replica lists them page by page, from `listed_to` on.
#[derive(Debug, Default)]
pub(crate) struct LogBodies {
    /// Grows when the list is restarted: requests made from an earlier list may no longer be wanted.
    generation: u64,
    /// The length of the author's chain at the last listing.
    chain_length: usize,
    listed_to: ClaimNumber,
    listed_all: bool,
    /// Listed and not asked for, or asked for in vain of somebody.
    pub(crate) queue: BTreeMap<ClaimNumber, MissingBody>,
    /// For each peer, the claim up to which it was asked in this pass.
    pub(crate) asked_to: BTreeMap<PublicKey, ClaimNumber>,
    open: usize,
    /// The time since which no connected peer claims to have everything.
    pub(crate) incomplete_since: Option<UnixMillis>,
    not_before: UnixMillis,
    /// True if every listed body was requested from everyone who could have it.
    pass_done: bool,
    /// The time at which bodies that nobody could give are tried again.
    retry_at: Option<UnixMillis>,
    /// Consecutive passes that brought nothing; each doubles the wait for the next.
    vain_passes: u32,
}

/// Most bytes to request from a peer whose last request for bodies failed. Meanwhile no other peer is asked for
/// these bodies, they count as in flight, and a larger request has a later deadline.
const CAUTIOUS_PAGE_BYTES: u64 = MIB as u64;

/// Fruitless passes after which the pause no longer doubles: 16 minutes, by default.
const MOST_DOUBLINGS: u32 = 4;

/// An open request for bodies.
#[derive(Debug)]
pub(crate) struct BodiesRequest {
    log: LogKey,
    wanted: Vec<MissingBody>,
    bases: Vec<ContentHash>,
    bytes: u64,
    asked_at: UnixMillis,
    /// The generation of the list that the request was made from.
    generation: u64,
}

impl BodyPulls {
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.logs.values().all(|log| log.queue.is_empty())
    }

    /// Returns true if a site's logs (in any lane) lack bodies that everyone who could have them was asked for
    /// and nobody has.
    pub(crate) fn is_in_vain(&self, site: SiteId) -> bool {
        let mut logs = self.logs.iter().filter(|((of, _), _)| *of == site).peekable();
        logs.peek().is_some() && logs.all(|(_, bodies)| bodies.pass_done && bodies.open == 0)
    }

    /// Notes that more of a log is held, so that more bodies may be missing.
    pub(crate) fn look_at(&mut self, log: LogKey) {
        let bodies = self.logs.entry(log).or_default();
        (bodies.listed_all, bodies.pass_done) = (false, false);
    }

    /// Notes that a peer has more bodies of a log than it stated before, so that the new ones are worth another
    /// try.
    pub(crate) fn peer_has_more(&mut self, log: LogKey, key: PublicKey, before: ClaimNumber) {
        if let Some(bodies) = self.logs.get_mut(&log) {
            bodies.asked_to.entry(key).and_modify(|to| *to = before.min(*to));
            bodies.start_over(before);
        }
    }

    /// Restarts the list of bodies that a log misses. A certificate may have given the listed numbers to other
    /// claims, and the claims it closed may have superseded claims that are live again.
    pub(crate) fn start_anew(&mut self, log: LogKey) {
        self.generations += 1;
        let bodies = self.logs.entry(log).or_default();
        bodies.generation = self.generations;
        bodies.queue.clear();
        bodies.asked_to.clear();
        bodies.start_over(ClaimNumber::NONE);
    }

    /// Excludes a peer from requests for the bodies of a log until the next pass.
    pub(crate) fn not_in_this_pass(&mut self, log: LogKey, key: PublicKey) {
        if let Some(bodies) = self.logs.get_mut(&log) {
            bodies.asked_to.insert(key, ClaimNumber(u64::MAX));
        }
    }

    /// Notes that a peer is gone; when it returns, it is asked like a new peer.
    pub(crate) fn peer_left(&mut self, key: &PublicKey) {
        for bodies in self.logs.values_mut() {
            bodies.asked_to.remove(key);
        }
    }

    /// Removes a request from the open ones. The caller must requeue what is still wanted.
    fn close(&mut self, ask: &BodiesRequest) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(ask.bytes);
        for wanted in &ask.wanted {
            self.in_flight.remove(&wanted.hash);
        }
        if let Some(log) = self.logs.get_mut(&ask.log) {
            log.open = log.open.saturating_sub(1);
        }
    }

    /// Requeues bodies that a peer did not give. `unanswered` is the first of them that may be requested from
    /// that peer again, because it did not answer for it; `None` if it answered for all.
    ///
    /// Bodies requested from an earlier list are dropped, because their numbers may belong to other claims now.
    /// Then everything is listed again, because the listing skipped the bodies that were in flight.
    fn put_back(
        &mut self,
        log: LogKey,
        generation: u64,
        key: PublicKey,
        wanted: impl IntoIterator<Item = MissingBody>,
        unanswered: Option<ClaimNumber>,
    ) {
        let bodies = self.logs.entry(log).or_default();
        if bodies.generation != generation {
            return bodies.start_over(ClaimNumber::NONE);
        }
        bodies
            .queue
            .extend(wanted.into_iter().map(|wanted| (wanted.number, wanted)));
        bodies.pass_done = false;
        if let (Some(first), Some(to)) = (unanswered, bodies.asked_to.get_mut(&key)) {
            *to = ClaimNumber(first.0.saturating_sub(1)).min(*to);
        }
    }

    /// Requeues all bodies of a request, to be requested from any peer.
    fn put_all_back(&mut self, key: PublicKey, log: LogKey, generation: u64, wanted: Vec<MissingBody>) {
        let first = wanted.first().map(|missing| missing.number);
        self.put_back(log, generation, key, wanted, first);
    }
}

fn chain_length(cx: &Context<'_>, site: &SiteId) -> usize {
    cx.replica
        .chain(site)
        .map_or(0, |chain| chain.certificates().len())
}

impl LogBodies {
    /// Restarts the listing after a claim. Bodies that are queued are not queued twice, and bodies in flight
    /// are skipped.
    fn start_over(&mut self, after: ClaimNumber) {
        self.listed_to = self.listed_to.min(after);
        (self.listed_all, self.pass_done) = (false, false);
        self.not_before = UnixMillis::EPOCH;
    }
}

impl SyncEngine {
    /// Notes that something else changed the held part of a log, so that other bodies may be missing.
    pub(crate) fn look_at_bodies(&mut self, cx: &Context<'_>, log: LogKey) {
        let listed = self.bodies.logs.get(&log).map(|bodies| bodies.chain_length);
        if listed.is_some_and(|length| length != chain_length(cx, &log.0)) {
            self.bodies.start_anew(log);
        } else {
            self.bodies.look_at(log);
        }
    }

    pub(crate) fn pull_bodies(&mut self, cx: &mut Context<'_>) {
        let logs: Vec<LogKey> = self.bodies.logs.keys().copied().collect();
        for log in logs {
            while self.bodies.in_flight_bytes < self.settings.bodies_in_flight_bytes {
                if !self.pull_page(cx, log) {
                    break;
                }
            }
        }
    }

    /// Requests one page of a log. Returns true if another page may follow.
    fn pull_page(&mut self, cx: &mut Context<'_>, log: LogKey) -> bool {
        if !self.list_bodies(cx, log) {
            return false;
        }
        let Some(bodies) = self.bodies.logs.get(&log) else {
            return false;
        };
        if bodies.queue.is_empty() {
            self.finish_pass(cx, log);
            return false;
        }
        match self.plan_bodies(cx.now, log) {
            Plan::Ask(offer) => self.ask_bodies(cx, log, offer),
            Plan::GiveUp(numbers) => {
                self.give_up(cx, log, &numbers);
                true
            }
            Plan::Wait(until) => {
                if let Some(bodies) = self.bodies.logs.get_mut(&log) {
                    bodies.not_before = until;
                }
                false
            }
            Plan::Later => false,
        }
    }

    /// Postpones bodies that nobody could give to the next pass, and reports them.
    fn give_up(&mut self, cx: &mut Context<'_>, (site, lane): LogKey, numbers: &[ClaimNumber]) {
        let Some(bodies) = self.bodies.logs.get_mut(&(site, lane)) else {
            return;
        };
        let given_up = numbers.iter().filter_map(|number| bodies.queue.remove(number));
        for MissingBody { number, hash, .. } in given_up {
            if self.bodies.named.len() < MAX_UNAVAILABLE && self.bodies.named.insert(hash) {
                cx.notice(Notice::BodyUnavailable {
                    site,
                    lane,
                    number,
                    hash,
                });
            }
        }
    }

    /// Fills the queue of a log. Returns true if there is something to do now.
    fn list_bodies(&mut self, cx: &mut Context<'_>, log: LogKey) -> bool {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return false;
        };
        if bodies.retry_at.is_some_and(|time| time <= cx.now) {
            bodies.start_over(ClaimNumber::NONE);
            bodies.asked_to.clear();
            bodies.retry_at = None;
        }
        if bodies.not_before > cx.now {
            return false;
        }
        if !bodies.listed_all && bodies.queue.len() < MAX_PAGE_BODIES {
            bodies.chain_length = chain_length(cx, &log.0);
            let listed = cx
                .replica
                .missing_bodies(&log.0, log.1, bodies.listed_to, LIST_AHEAD);
            match listed {
                Ok(listed) => {
                    bodies.listed_all = listed.len() < LIST_AHEAD;
                    bodies.listed_to = listed.last().map_or(bodies.listed_to, |last| last.number);
                    bodies
                        .queue
                        .extend(listed.into_iter().map(|wanted| (wanted.number, wanted)));
                }
                Err(error) => {
                    self.store_failed(cx, &error);
                    return false;
                }
            }
        }
        // Bodies in flight for another log need no second request; the next pass checks whether they came.
        let in_flight = &self.bodies.in_flight;
        if let Some(bodies) = self.bodies.logs.get_mut(&log) {
            bodies.queue.retain(|_, wanted| !in_flight.contains(&wanted.hash));
        }
        true
    }

    /// Ends a pass with an empty queue: either all bodies are here, or the rest is tried again later.
    fn finish_pass(&mut self, cx: &mut Context<'_>, log: LogKey) {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return;
        };
        if bodies.open > 0 || !bodies.listed_all || bodies.pass_done {
            return;
        }
        match cx.replica.missing_bodies(&log.0, log.1, ClaimNumber::NONE, 1) {
            Ok(left) if left.is_empty() => {
                self.bodies.logs.remove(&log);
                if self.bodies.logs.is_empty() {
                    // Reported bodies that never came were superseded.
                    self.bodies.named.clear();
                }
            }
            Ok(_) => {
                bodies.pass_done = true;
                // News of more bodies may begin an extra pass; the time of the next full pass stays.
                if bodies.retry_at.is_none() {
                    let pause = self.settings.body_retry * (1 << bodies.vain_passes.min(MOST_DOUBLINGS));
                    bodies.retry_at = Some(later(cx.now, pause));
                    bodies.vain_passes = bodies.vain_passes.saturating_add(1);
                }
            }
            Err(error) => self.store_failed(cx, &error),
        }
    }

    /// Requests a page from a peer. Returns true if there was anything to request.
    fn ask_bodies(&mut self, cx: &mut Context<'_>, log: LogKey, offer: Offer) -> bool {
        let key = offer.peer;
        let (Some(peer), Some(bodies)) = (self.peers.get(&key), self.bodies.logs.get(&log)) else {
            return false;
        };
        let most = self.settings.bodies_page_bytes.min(MAX_BODIES_PAGE_BYTES) as u64;
        let left: u64 = bodies.queue.values().map(|missing| u64::from(missing.size)).sum();
        let bulk = !bodies.listed_all || left > BULK_PAGES * most;
        // A day's change goes in a few parts: while this site stores one, the peer packs the next.
        let part = (left + self.bodies.in_flight_bytes)
            .div_ceil(PARTS)
            .max(LEAST_PART_BYTES);
        let most = if bulk { most } else { most.min(part) };
        let most = if peer.failures > 0 {
            most.min(CAUTIOUS_PAGE_BYTES)
        } else {
            most
        };
        let mut wanted: Vec<MissingBody> = Vec::new();
        let mut bytes = 0;
        let mut names = BTreeSet::new();
        for missing in offer.suits(&bodies.queue) {
            let size = u64::from(missing.size);
            if wanted.len() == MAX_PAGE_BODIES || (!wanted.is_empty() && bytes + size > most) {
                break;
            }
            // Two claims may name one body.
            if names.insert(missing.hash) {
                bytes += size;
                wanted.push(missing.clone());
            }
        }
        let Some(last) = wanted.last().map(|missing| missing.number) else {
            return false;
        };
        let generation = bodies.generation;
        let mut bases: Vec<ContentHash> = Vec::new();
        if peer.has(Capabilities::BASES) {
            let mut seen = BTreeSet::new();
            let offered = wanted
                .iter()
                .filter_map(|missing| missing.base)
                .filter(|base| seen.insert(*base));
            bases.extend(offered.take(MAX_BASES));
        }
        let request = Request::Bodies(BodiesWanted {
            site: log.0,
            lane: log.1,
            runs: BodiesWanted::runs_of(wanted.iter().map(|missing| missing.number)),
            bases: bases.clone(),
            bulk,
        });
        self.bodies.in_flight_bytes += bytes;
        if let Some(bodies) = self.bodies.logs.get_mut(&log) {
            bodies.open += 1;
            bodies.asked_to.insert(key, last);
            bodies.queue.retain(|_, missing| !names.contains(&missing.hash));
        }
        self.bodies.in_flight.extend(names);
        let ask = BodiesRequest {
            log,
            wanted,
            bases,
            bytes,
            asked_at: cx.now,
            generation,
        };
        self.ask(cx, key, &request, RequestKind::Bodies(ask), bytes);
        true
    }

    pub(crate) fn bodies_failed(&mut self, key: PublicKey, ask: BodiesRequest) {
        self.bodies.close(&ask);
        self.bodies.put_all_back(key, ask.log, ask.generation, ask.wanted);
    }

    pub(crate) fn bodies_answered(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: BodiesRequest,
        page: &BodiesPage,
        frame: &[u8],
    ) {
        self.bodies.close(&ask);
        if page.sizes.is_empty() || page.sizes.len() > ask.wanted.len() {
            self.bodies.put_all_back(key, ask.log, ask.generation, ask.wanted);
            self.rest(cx.now, key);
            return self.record_violation(
                cx,
                key,
                Violation::WrongAnswer("a page with a wrong number of bodies"),
            );
        }
        let bases = match self.bases_used(cx, &ask, page) {
            Ok(Some(bases)) => bases,
            Ok(None) => {
                // A base was dropped here in the meantime: request again without bases.
                let without = ask
                    .wanted
                    .into_iter()
                    .map(|wanted| MissingBody { base: None, ..wanted });
                return self
                    .bodies
                    .put_all_back(key, ask.log, ask.generation, without.collect());
            }
            Err(violation) => {
                self.bodies.put_all_back(key, ask.log, ask.generation, ask.wanted);
                return self.record_violation(cx, key, violation);
            }
        };
        let bodies = match unpack(&page.sizes, frame, &bases) {
            Ok(bodies) => bodies,
            Err(fault) => {
                self.bodies.put_all_back(key, ask.log, ask.generation, ask.wanted);
                let (object, reason) = ("page of bodies", fault.to_string());
                return self.record_violation(cx, key, Violation::Unverifiable { object, reason });
            }
        };
        self.take_bodies(cx, key, ask, bodies);
    }

    /// Returns the bodies that the page was compressed against, or `None` if one of them is no longer here.
    fn bases_used(
        &self,
        cx: &mut Context<'_>,
        ask: &BodiesRequest,
        page: &BodiesPage,
    ) -> Result<Option<Vec<Vec<u8>>>, Violation> {
        let offered = ask.bases.len();
        let beyond = (offered..page.bases_used.len() * 8).any(|index| bit(&page.bases_used, index));
        if beyond || page.bases_used.len() > offered.div_ceil(8) {
            return Err(Violation::WrongAnswer(
                "a page compressed against bodies that were not offered",
            ));
        }
        let used = (0..offered).filter(|&index| bit(&page.bases_used, index));
        let used: Vec<ContentHash> = used.map(|index| ask.bases[index]).collect();
        let bases = cx.replica.bodies(&used, MAX_BASES_BYTES).unwrap_or_default();
        let bases: Option<Vec<Vec<u8>>> = bases.into_iter().collect();
        Ok(bases.filter(|bases| bases.len() == used.len()))
    }

    fn take_bodies(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: BodiesRequest,
        bodies: Vec<Option<Vec<u8>>>,
    ) {
        let note = self.peers.get(&key).and_then(|peer| peer.knows.get(&ask.log));
        let promised = note.map_or(ClaimNumber::NONE, |note| note.body_complete);
        let is_author = self.peers.get(&key).and_then(Peer::site) == Some(ask.log.0);
        let mut good = Vec::new();
        let mut violation = None;
        let mut other = None;
        let mut wanted = ask.wanted.into_iter();
        let mut again = Vec::new();
        for body in bodies {
            let Some(missing) = wanted.next() else { break };
            match body {
                Some(body) if ContentHash::of(&body) == missing.hash => good.push((missing, body)),
                Some(_) => {
                    other = Some(missing.hash);
                    again.push(missing);
                }
                None => {
                    // Only the author must have every body. A relay is complete in its own scope, which may be
                    // narrower than this site's.
                    if missing.number <= promised && is_author {
                        violation.get_or_insert(Violation::BrokenPromise);
                    }
                    again.push(missing);
                }
            }
        }
        let mut unanswered = wanted.as_slice().first().map(|missing| missing.number);
        again.extend(wanted);
        let (kept, bytes): (Vec<MissingBody>, Vec<Vec<u8>>) = good.into_iter().unzip();
        let stored = if bytes.is_empty() {
            Ok(0)
        } else {
            cx.replica.store_bodies(bytes)
        };
        match stored {
            Ok(0) => {}
            Ok(count) => {
                self.store_worked();
                if let Some(bodies) = self.bodies.logs.get_mut(&ask.log) {
                    bodies.vain_passes = 0;
                }
                kept.iter().for_each(|missing| {
                    self.bodies.named.remove(&missing.hash);
                });
                cx.notice(Notice::BodiesStored { peer: key, count });
            }
            Err(error) => {
                unanswered = kept.iter().map(|missing| missing.number).chain(unanswered).min();
                again.extend(kept);
                self.store_failed(cx, &error);
            }
        }
        let bodies = self.bodies.logs.get(&ask.log);
        let is_stale = bodies.is_none_or(|bodies| bodies.generation != ask.generation);
        self.bodies
            .put_back(ask.log, ask.generation, key, again, unanswered);
        // A request from before a certificate may be answered after it.
        if let Some(hash) = other.filter(|_| !is_stale) {
            violation = self
                .other_body(cx, key, ask.log, ask.asked_at, hash)
                .or(violation);
        }
        if let Some(violation) = violation {
            self.record_violation(cx, key, violation);
        }
        self.accept(cx);
    }

    /// Returns the time at which a log's bodies may be tried again, or at which a resting peer has some.
    pub(crate) fn bodies_wake(&self, now: UnixMillis) -> Option<UnixMillis> {
        let times = self.bodies.logs.iter().flat_map(|(log, bodies)| {
            let peers = self
                .peers
                .values()
                .filter(move |peer| peer.knows.contains_key(log));
            let rests = peers.map(|peer| peer.rests_until.max(bodies.not_before));
            rests.chain([bodies.not_before]).chain(bodies.retry_at)
        });
        times.filter(|time| *time > now).min()
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{Lane, SigningKey};

    use super::*;

    #[test]
    fn requests_of_an_earlier_list_are_not_requeued() {
        let log = (SiteId::from_bytes([1; 32]), Lane::Federation);
        let key = SigningKey::from_seed(&[1; 32]).public();
        let missing = MissingBody {
            hash: ContentHash::of(b"of a branch that was closed"),
            size: 27,
            number: ClaimNumber(5),
            base: None,
        };
        let mut pulls = BodyPulls::default();
        pulls.look_at(log);
        let generation = pulls.logs[&log].generation;
        pulls.put_all_back(key, log, generation, vec![missing.clone()]);
        assert_eq!(pulls.logs[&log].queue.len(), 1);
        // A certificate gave number 5 to another claim, and only then the first request for it failed.
        pulls.start_anew(log);
        pulls.put_all_back(key, log, generation, vec![missing]);
        let bodies = &pulls.logs[&log];
        assert!(bodies.queue.is_empty() && !bodies.listed_all);
    }
}
