//! Requests pages of bodies from peers, as large as the memory bounds and the peer allow.

use std::collections::BTreeSet;

use starling_protocol::limits::MIB;
use starling_protocol::{ContentHash, UnixMillis};

use super::BodiesRequest;
use super::sources::{Offer, Plan};
use crate::LogKey;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::limits::{MAX_BASES, MAX_BODIES_PAGE_BYTES, MAX_PAGE_BODIES};
use crate::replica::MissingBody;
use crate::wire::{BodiesWanted, Capabilities, Request};

/// With more pages than this left to fetch, it is a bulk transfer, in which speed matters more than size.
const BULK_PAGES: u64 = 4;

/// The number of parts in which a smaller amount is fetched.
const PARTS: u64 = 3;

/// An amount up to this size is fetched at once: smaller parts compress worse.
const LEAST_PART_BYTES: u64 = 2 * MIB as u64;

/// Most bytes to request from a peer whose last request for bodies failed. Meanwhile no other peer is asked for
/// these bodies, they count as in flight, and a larger request has a later deadline.
const CAUTIOUS_PAGE_BYTES: u64 = MIB as u64;

impl SyncEngine {
    pub(crate) fn pull_bodies(&mut self, cx: &mut Context<'_>) {
        let logs: Vec<LogKey> = self.bodies.logs.keys().copied().collect();
        for log in logs {
            while self.bodies.in_flight_bytes + self.bodies.storing_bytes
                < self.settings.bodies_in_flight_bytes
            {
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
        let most = if peer.pace.has_failed() {
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

    /// Returns the time at which a log's bodies may be tried again, or at which a resting peer has some.
    pub(crate) fn bodies_wake(&self, now: UnixMillis) -> Option<UnixMillis> {
        let times = self.bodies.logs.iter().flat_map(|(log, bodies)| {
            let peers = self
                .peers
                .values()
                .filter(move |peer| peer.knows.contains_key(log));
            let rests = peers.map(|peer| peer.pace.rests_until().max(bodies.not_before));
            rests.chain([bodies.not_before]).chain(bodies.retry_at)
        });
        times.filter(|time| *time > now).min()
    }
}
