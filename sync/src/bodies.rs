//! Fetching record bodies: which are missing, from whom, in pages that the memory bounds allow.
//!
//! Bodies are wanted by claim number and known by hash, so a peer can give the right bytes or none. A body
//! that no peer can give is named and asked for again later; it holds up acceptance of its log and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{ClaimNumber, ContentHash, Lane, PublicKey, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::engine::{Ask, Cx, SyncEngine};
use crate::limits::{MAX_BASES, MAX_BASES_BYTES, MAX_BODIES_PAGE_BYTES, MAX_PAGE_BODIES, MAX_UNAVAILABLE};
use crate::notice::{Notice, Offence};
use crate::peer::Peer;
use crate::replica::MissingBody;
use crate::wire::{BodiesPage, BodiesWanted, Capabilities, Request, bit, unpack};

/// Missing bodies of one log that are listed ahead.
const LIST_AHEAD: usize = 2 * MAX_PAGE_BODIES;
/// More pages than this still to fetch: a bulk transfer, where speed matters more than size.
const BULK_PAGES: u64 = 4;

/// All that is to be fetched.
#[derive(Debug, Default)]
pub(crate) struct BodyPulls {
    logs: BTreeMap<LogKey, LogBodies>,
    in_flight: BTreeSet<ContentHash>,
    in_flight_bytes: u64,
    /// Which peers said that they do not have a body.
    absent: BTreeMap<ContentHash, BTreeSet<PublicKey>>,
    /// Bodies that were said to be unavailable: once is enough.
    named: BTreeSet<ContentHash>,
}

/// What is to be fetched of one log: listed by the replica page by page, from `listed_to` on.
#[derive(Debug, Default)]
struct LogBodies {
    listed_to: ClaimNumber,
    listed_all: bool,
    /// Listed and not asked for.
    queue: BTreeMap<ClaimNumber, MissingBody>,
    open: usize,
    /// Since when no connected peer has everything, and until when one is waited for.
    incomplete_since: Option<UnixMillis>,
    not_before: UnixMillis,
    /// When what nobody could give is tried again.
    retry_at: Option<UnixMillis>,
}

/// An open request for bodies.
#[derive(Debug)]
pub(crate) struct BodiesAsk {
    log: LogKey,
    wanted: Vec<MissingBody>,
    bases: Vec<ContentHash>,
    bytes: u64,
}

/// Whom a body can be asked of.
enum Giver {
    /// This peer, now. Whether it says that it has everything.
    Now(PublicKey, bool),
    /// Somebody, but later.
    Later,
    /// Nobody that is connected, though some hold the log.
    Nobody,
}

impl BodyPulls {
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.logs.values().all(|log| log.queue.is_empty())
    }

    /// More of a log is held: it may miss more bodies.
    pub(crate) fn look_at(&mut self, log: LogKey) {
        self.logs.entry(log).or_default().listed_all = false;
    }

    /// A peer has more bodies of a log than it had: what nobody could give is worth another try.
    pub(crate) fn peer_has_more(&mut self, log: LogKey, key: PublicKey) {
        self.absent.retain(|_, peers| {
            peers.remove(&key);
            !peers.is_empty()
        });
        if let Some(bodies) = self.logs.get_mut(&log) {
            bodies.start_over();
        }
    }

    fn is_absent_at(&self, hash: &ContentHash, key: &PublicKey) -> bool {
        self.absent.get(hash).is_some_and(|peers| peers.contains(key))
    }

    fn note_absent(&mut self, hash: ContentHash, key: PublicKey) {
        if self.absent.len() < MAX_UNAVAILABLE || self.absent.contains_key(&hash) {
            self.absent.entry(hash).or_default().insert(key);
        }
    }

    /// Takes an ask off the open ones. What of it is still wanted must be put back.
    fn close(&mut self, ask: &BodiesAsk) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(ask.bytes);
        for wanted in &ask.wanted {
            self.in_flight.remove(&wanted.hash);
        }
        if let Some(log) = self.logs.get_mut(&ask.log) {
            log.open = log.open.saturating_sub(1);
        }
    }

    fn put_back(&mut self, log: LogKey, wanted: impl IntoIterator<Item = MissingBody>) {
        let bodies = self.logs.entry(log).or_default();
        bodies
            .queue
            .extend(wanted.into_iter().map(|wanted| (wanted.number, wanted)));
    }
}

impl LogBodies {
    /// Lists from the beginning. What is queued is not queued twice, what is on its way is passed over.
    fn start_over(&mut self) {
        self.listed_to = ClaimNumber::NONE;
        self.listed_all = false;
        self.not_before = UnixMillis::EPOCH;
        self.retry_at = None;
    }
}

impl SyncEngine {
    pub(crate) fn pull_bodies(&mut self, cx: &mut Cx<'_>) {
        let logs: Vec<LogKey> = self.bodies.logs.keys().copied().collect();
        for log in logs {
            while self.bodies.in_flight_bytes < self.settings.bodies_in_flight_bytes {
                if !self.pull_page(cx, log) {
                    break;
                }
            }
        }
    }

    /// Asks for one page of a log; gives whether another may follow.
    fn pull_page(&mut self, cx: &mut Cx<'_>, log: LogKey) -> bool {
        if !self.list_bodies(cx, log) {
            return false;
        }
        let Some(bodies) = self.bodies.logs.get(&log) else {
            return false;
        };
        let Some(first) = bodies.queue.values().next().cloned() else {
            self.finish_pass(cx, log);
            return false;
        };
        match self.giver(cx.now, log, &first) {
            Giver::Now(peer, complete) => {
                self.ask_bodies(cx, log, peer, complete);
                true
            }
            Giver::Later => false,
            Giver::Nobody => {
                let (number, hash) = (first.number, first.hash);
                if let Some(bodies) = self.bodies.logs.get_mut(&log) {
                    bodies.queue.remove(&number);
                }
                let (site, lane) = log;
                // Past the bound a body may be named again; forgetting one may not.
                if self.bodies.named.len() >= MAX_UNAVAILABLE || self.bodies.named.insert(hash) {
                    cx.notice(Notice::BodyUnavailable {
                        site,
                        lane,
                        number,
                        hash,
                    });
                }
                true
            }
        }
    }

    /// Fills the queue of a log; gives whether there is something to do now.
    fn list_bodies(&mut self, cx: &mut Cx<'_>, log: LogKey) -> bool {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return false;
        };
        if bodies.retry_at.is_some_and(|time| time <= cx.now) {
            bodies.start_over();
            self.bodies.absent.clear();
        }
        if bodies.not_before > cx.now {
            return false;
        }
        if !bodies.listed_all && bodies.queue.len() < MAX_PAGE_BODIES {
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
        // What is on its way for another log needs no second asking; the next pass sees whether it came.
        let in_flight = &self.bodies.in_flight;
        if let Some(bodies) = self.bodies.logs.get_mut(&log) {
            bodies.queue.retain(|_, wanted| !in_flight.contains(&wanted.hash));
        }
        true
    }

    /// Nothing is queued: either all is here, or what is left is tried again later.
    fn finish_pass(&mut self, cx: &mut Cx<'_>, log: LogKey) {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return;
        };
        if bodies.open > 0 || !bodies.listed_all || bodies.retry_at.is_some() {
            return;
        }
        match cx.replica.missing_bodies(&log.0, log.1, ClaimNumber::NONE, 1) {
            Ok(left) if left.is_empty() => {
                self.bodies.logs.remove(&log);
            }
            Ok(_) => {
                bodies.retry_at = Some(later(cx.now, self.settings.body_retry));
            }
            Err(error) => self.store_failed(cx, &error),
        }
    }

    /// Whom to ask for a body: a peer that has everything up to it, else, after some patience, one that
    /// holds its claim.
    fn giver(&mut self, now: UnixMillis, log: LogKey, wanted: &MissingBody) -> Giver {
        let holders = self
            .peers
            .iter()
            .filter(|(_, peer)| holds(peer, log, wanted.number).is_some());
        let holders: Vec<(&PublicKey, &Peer)> = holders.collect();
        let complete = holders
            .iter()
            .any(|(_, peer)| holds(peer, log, wanted.number) == Some(true));
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return Giver::Later;
        };
        if complete {
            bodies.incomplete_since = None;
        } else {
            let since = *bodies.incomplete_since.get_or_insert(now);
            let until = later(since, self.settings.completeness_patience);
            if until > now {
                bodies.not_before = until;
                return Giver::Later;
            }
        }
        if holders.is_empty() {
            bodies.not_before = later(now, self.settings.body_retry);
            return Giver::Later;
        }
        let absent = self.bodies.absent.get(&wanted.hash);
        let mut candidates = holders.into_iter().filter(|(key, peer)| {
            holds(peer, log, wanted.number) == Some(complete) && !absent.is_some_and(|at| at.contains(key))
        });
        let mut best = None;
        let mut any = false;
        let rng = &mut self.rng;
        for (key, peer) in &mut candidates {
            any = true;
            let free = peer.rests_until <= now
                && peer.open_bodies < self.settings.body_pages_per_peer
                && peer.open < self.settings.requests_per_peer;
            let rank = (peer.failures, peer.open_bodies, rng.u32(..), *key);
            if free && best.is_none_or(|best| rank < best) {
                best = Some(rank);
            }
        }
        match best {
            Some((_, _, _, key)) => Giver::Now(key, complete),
            None if any => Giver::Later,
            None => Giver::Nobody,
        }
    }

    fn ask_bodies(&mut self, cx: &mut Cx<'_>, log: LogKey, key: PublicKey, complete: bool) {
        let Some(peer) = self.peers.get(&key) else { return };
        let Some(bodies) = self.bodies.logs.get(&log) else {
            return;
        };
        let most = (self.settings.bodies_page_bytes.min(MAX_BODIES_PAGE_BYTES)) as u64;
        let mut wanted: Vec<MissingBody> = Vec::new();
        let mut bytes = 0;
        let mut names = BTreeSet::new();
        for missing in bodies.queue.values() {
            let size = u64::from(missing.size);
            if wanted.len() == MAX_PAGE_BODIES || (!wanted.is_empty() && bytes + size > most) {
                break;
            }
            let suits = holds(peer, log, missing.number) == Some(complete)
                && !self.bodies.is_absent_at(&missing.hash, &key);
            if suits && names.insert(missing.hash) {
                bytes += size;
                wanted.push(missing.clone());
            }
        }
        let left: u64 = bodies.queue.values().map(|missing| u64::from(missing.size)).sum();
        let bulk = !bodies.listed_all || left > BULK_PAGES * most;
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
        self.bodies.in_flight.extend(names);
        if let Some(bodies) = self.bodies.logs.get_mut(&log) {
            bodies.open += 1;
            for missing in &wanted {
                bodies.queue.remove(&missing.number);
            }
        }
        let ask = BodiesAsk {
            log,
            wanted,
            bases,
            bytes,
        };
        self.ask(cx, key, &request, Ask::Bodies(ask), bytes);
    }

    pub(crate) fn bodies_failed(&mut self, ask: BodiesAsk) {
        self.bodies.close(&ask);
        self.bodies.put_back(ask.log, ask.wanted);
    }

    pub(crate) fn bodies_answered(
        &mut self,
        cx: &mut Cx<'_>,
        key: PublicKey,
        ask: BodiesAsk,
        page: &BodiesPage,
        frame: &[u8],
    ) {
        self.bodies.close(&ask);
        if page.sizes.is_empty() || page.sizes.len() > ask.wanted.len() {
            self.bodies.put_back(ask.log, ask.wanted);
            self.rest(cx.now, key);
            return self.offend(
                cx,
                key,
                Offence::WrongAnswer("a page of another number of bodies"),
            );
        }
        let bases = match self.bases_used(cx, &ask, page) {
            Ok(Some(bases)) => bases,
            Ok(None) => {
                // A base was dropped here in the meantime: ask again without.
                let without = ask
                    .wanted
                    .into_iter()
                    .map(|wanted| MissingBody { base: None, ..wanted });
                return self.bodies.put_back(ask.log, without);
            }
            Err(offence) => {
                self.bodies.put_back(ask.log, ask.wanted);
                return self.offend(cx, key, offence);
            }
        };
        let bodies = match unpack(&page.sizes, frame, &bases) {
            Ok(bodies) => bodies,
            Err(fault) => {
                self.bodies.put_back(ask.log, ask.wanted);
                let (object, reason) = ("page of bodies", fault.to_string());
                return self.offend(cx, key, Offence::Unverifiable { object, reason });
            }
        };
        self.take_bodies(cx, key, ask, bodies);
    }

    /// The bodies that the page was compressed against; `None` when one of them is not here any more.
    fn bases_used(
        &self,
        cx: &mut Cx<'_>,
        ask: &BodiesAsk,
        page: &BodiesPage,
    ) -> Result<Option<Vec<Vec<u8>>>, Offence> {
        let offered = ask.bases.len();
        let beyond = (offered..page.bases_used.len() * 8).any(|index| bit(&page.bases_used, index));
        if beyond || page.bases_used.len() > offered.div_ceil(8) {
            return Err(Offence::WrongAnswer("bases that were not offered"));
        }
        let used = (0..offered).filter(|&index| bit(&page.bases_used, index));
        let used: Vec<ContentHash> = used.map(|index| ask.bases[index]).collect();
        let bases = cx.replica.bodies(&used, MAX_BASES_BYTES).unwrap_or_default();
        let bases: Option<Vec<Vec<u8>>> = bases.into_iter().collect();
        Ok(bases.filter(|bases| bases.len() == used.len()))
    }

    fn take_bodies(&mut self, cx: &mut Cx<'_>, key: PublicKey, ask: BodiesAsk, bodies: Vec<Option<Vec<u8>>>) {
        let note = self.peers.get(&key).and_then(|peer| peer.knows.get(&ask.log));
        let promised = note.map_or(ClaimNumber::NONE, |note| note.body_complete);
        let is_author = self.peers.get(&key).and_then(Peer::site) == Some(ask.log.0);
        let mut good = Vec::new();
        let mut offence = None;
        let mut wanted = ask.wanted.into_iter();
        let mut again = Vec::new();
        for body in bodies {
            let Some(missing) = wanted.next() else { break };
            match body {
                Some(body) if ContentHash::of(&body) == missing.hash => good.push((missing, body)),
                Some(_) => {
                    let (object, reason) = ("body", format!("it is not {}", missing.hash));
                    offence = Some(Offence::Unverifiable { object, reason });
                    self.bodies.note_absent(missing.hash, key);
                    again.push(missing);
                }
                None => {
                    // Only the author owes every body: a relay is complete in its own scope, which may be
                    // narrower than this site's.
                    if missing.number <= promised && is_author {
                        offence.get_or_insert(Offence::BrokenPromise);
                    }
                    self.bodies.note_absent(missing.hash, key);
                    again.push(missing);
                }
            }
        }
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
                kept.iter().for_each(|missing| {
                    self.bodies.named.remove(&missing.hash);
                });
                cx.notice(Notice::BodiesStored { peer: key, count });
            }
            Err(error) => {
                again.extend(kept);
                self.store_failed(cx, &error);
            }
        }
        self.bodies.put_back(ask.log, again);
        if let Some(offence) = offence {
            self.offend(cx, key, offence);
        }
        self.accept(cx);
    }

    /// When a log's bodies may be tried again, or a resting peer has some.
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

/// Whether a peer can be asked for the body of a claim: `Some(true)` when it says that it has all bodies up
/// to it, or is the author, who writes no claim without its body; `Some(false)` when it holds the claim.
fn holds(peer: &Peer, (site, lane): LogKey, number: ClaimNumber) -> Option<bool> {
    let lane_allows = lane == Lane::Federation || peer.site() == Some(site);
    let note = peer
        .knows
        .get(&(site, lane))
        .filter(|_| lane_allows && peer.site().is_some())?;
    let complete = note.body_complete >= number || peer.site() == Some(site);
    (note.held >= number).then_some(complete)
}
