//! The bodies to fetch, as state: a queue per log, what is in flight, and what goes back into a queue.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{ClaimNumber, ContentHash, PublicKey, SiteId, UnixMillis};

use crate::LogKey;
use crate::replica::MissingBody;

/// All bodies to fetch.
#[derive(Debug, Default)]
pub(crate) struct BodyPulls {
    pub(super) logs: BTreeMap<LogKey, LogBodies>,
    pub(super) in_flight: BTreeSet<ContentHash>,
    pub(super) in_flight_bytes: u64,
    /// Bytes of bodies that came and are not stored yet.
    pub(super) storing_bytes: u64,
    /// The number of times that the list of a log was restarted.
    pub(super) generations: u64,
    /// Bodies that were reported as unavailable: each is reported once, and none past the bound.
    pub(super) named: BTreeSet<ContentHash>,
}

/// The bodies to fetch of one log; the replica lists them page by page, from `listed_to` on.
#[derive(Debug, Default)]
pub(super) struct LogBodies {
    /// Grows when the list is restarted: requests made from an earlier list may no longer be wanted.
    pub(super) generation: u64,
    /// The length of the author's chain at the last listing.
    pub(super) chain_length: usize,
    pub(super) listed_to: ClaimNumber,
    pub(super) listed_all: bool,
    /// Listed and not requested, or requested from a peer without success.
    pub(super) queue: BTreeMap<ClaimNumber, MissingBody>,
    /// For each peer, the claim up to which it was asked in this pass.
    pub(super) asked_to: BTreeMap<PublicKey, ClaimNumber>,
    pub(super) open: usize,
    /// The time since which no connected peer claims to have everything.
    pub(super) incomplete_since: Option<UnixMillis>,
    pub(super) not_before: UnixMillis,
    /// True if every listed body was requested from everyone who could have it.
    pub(super) pass_done: bool,
    /// The time at which bodies that nobody could give are tried again.
    pub(super) retry_at: Option<UnixMillis>,
    /// Consecutive passes that brought nothing; each doubles the wait for the next.
    pub(super) vain_passes: u32,
}

/// An open request for bodies.
#[derive(Debug)]
pub(crate) struct BodiesRequest {
    pub(super) log: LogKey,
    pub(super) wanted: Vec<MissingBody>,
    pub(super) bases: Vec<ContentHash>,
    pub(super) bytes: u64,
    pub(super) asked_at: UnixMillis,
    /// The generation of the list that the request was made from.
    pub(super) generation: u64,
}

/// Bodies that came and are being stored, or wait for it. They count as in flight.
#[derive(Debug)]
pub(crate) struct BodiesToStore {
    pub(super) peer: PublicKey,
    pub(super) log: LogKey,
    pub(super) generation: u64,
    pub(super) bodies: Vec<MissingBody>,
    bytes: u64,
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
    pub(super) fn close(&mut self, ask: &BodiesRequest) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(ask.bytes);
        for wanted in &ask.wanted {
            self.in_flight.remove(&wanted.hash);
        }
        if let Some(log) = self.logs.get_mut(&ask.log) {
            log.open = log.open.saturating_sub(1);
        }
    }

    /// Keeps bodies of an answered request in flight until they are stored.
    pub(super) fn begin_to_store(
        &mut self,
        peer: PublicKey,
        log: LogKey,
        generation: u64,
        bodies: Vec<MissingBody>,
    ) -> BodiesToStore {
        let bytes = bodies.iter().map(|missing| u64::from(missing.size)).sum();
        self.storing_bytes += bytes;
        self.in_flight.extend(bodies.iter().map(|missing| missing.hash));
        self.logs.entry(log).or_default().open += 1;
        BodiesToStore {
            peer,
            log,
            generation,
            bodies,
            bytes,
        }
    }

    /// Takes bodies out of flight, stored or not. The caller must requeue those that are still wanted.
    pub(super) fn end_storing(&mut self, stored: &BodiesToStore) {
        self.storing_bytes = self.storing_bytes.saturating_sub(stored.bytes);
        for missing in &stored.bodies {
            self.in_flight.remove(&missing.hash);
        }
        if let Some(log) = self.logs.get_mut(&stored.log) {
            log.open = log.open.saturating_sub(1);
            if log.generation != stored.generation {
                // The new list skipped them.
                log.start_over(ClaimNumber::NONE);
            }
        }
    }

    /// Requeues bodies that a peer did not give. `unanswered` is the first of them that may be requested from
    /// that peer again, because it did not answer for it; `None` if it answered for all.
    ///
    /// Bodies requested from an earlier list are dropped, because their numbers may belong to other claims now.
    /// Then everything is listed again, because the listing skipped the bodies that were in flight.
    pub(super) fn put_back(
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
    pub(super) fn put_all_back(
        &mut self,
        key: PublicKey,
        log: LogKey,
        generation: u64,
        wanted: Vec<MissingBody>,
    ) {
        let first = wanted.first().map(|missing| missing.number);
        self.put_back(log, generation, key, wanted, first);
    }
}

impl LogBodies {
    /// Restarts the listing after a claim. Bodies that are queued are not queued twice, and bodies in flight
    /// are skipped.
    pub(super) fn start_over(&mut self, after: ClaimNumber) {
        self.listed_to = self.listed_to.min(after);
        (self.listed_all, self.pass_done) = (false, false);
        self.not_before = UnixMillis::EPOCH;
    }
}
