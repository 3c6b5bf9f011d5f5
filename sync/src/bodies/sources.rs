//! Chooses the peers to ask for the bodies of a log.
//!
//! Claims are requested in rising order, and each peer is asked for each claim once in a pass. So one number
//! per peer and log records how far it was asked, however many bodies it lacks. A relay is complete in its own
//! scope, which may be narrower than this site's: bodies that it lacks are requested from the others, and from
//! the relay itself only in a later pass or when it states that it has more.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use starling_protocol::{ClaimNumber, ContentHash, Lane, PublicKey, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::engine::{Context, SyncEngine};
use crate::notice::Violation;
use crate::peer::Peer;
use crate::replica::MissingBody;

/// The next action for the bodies of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Ask this peer for the claims that suit it.
    Ask(Offer),
    /// Give these claims up for this pass: everyone who holds them was asked.
    GiveUp(Vec<ClaimNumber>),
    /// Nothing can be requested before this time, whatever else happens.
    Wait(UnixMillis),
    /// All peers that could be asked are busy.
    Later,
}

/// The part of a log's bodies that a peer can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) peer: PublicKey,
    /// The claim up to which it was asked for everything.
    asked_to: ClaimNumber,
    /// The claim up to which it has all bodies in its scope, as it states; the author has every body.
    complete_to: ClaimNumber,
    /// The claim up to which it holds the claims, and may have their bodies.
    held_to: ClaimNumber,
    /// The last claim to request from it now.
    pub(super) ask_to: ClaimNumber,
    free: bool,
    rank: ((u32, usize), u32),
}

/// Logs for which a peer gave the body of another claim: the length of the author's chain then, and the time.
#[derive(Debug, Default)]
pub(crate) struct OtherBodies(BTreeMap<LogKey, (usize, UnixMillis)>);

/// The pause when no connected peer holds the claims. A peer that connects is asked at once.
const NOBODY_HAS_IT: Duration = Duration::from_secs(2);

impl Offer {
    /// Returns the first wanted claim that the peer was not asked for.
    fn next(&self, queue: &BTreeMap<ClaimNumber, MissingBody>) -> Option<ClaimNumber> {
        let rest = (Bound::Excluded(self.asked_to), Bound::Unbounded);
        queue.range(rest).next().map(|(number, _)| *number)
    }

    fn may_have(&self, number: ClaimNumber) -> bool {
        self.asked_to < number && number <= self.held_to
    }

    fn should_have(&self, number: ClaimNumber) -> bool {
        self.asked_to < number && number <= self.complete_to
    }

    /// Returns the claims of a queue to request from the peer, in order.
    pub(crate) fn suits<'a>(
        &self,
        queue: &'a BTreeMap<ClaimNumber, MissingBody>,
    ) -> impl Iterator<Item = &'a MissingBody> {
        let suits = (Bound::Excluded(self.asked_to), Bound::Included(self.ask_to));
        queue.range(suits).map(|(_, missing)| missing)
    }
}

impl SyncEngine {
    /// Plans the next request for bodies of a log with a non-empty queue.
    ///
    /// A peer that should have a body is asked before one that may have it. The latter is asked only when no
    /// other is left, or none has come for a while.
    pub(super) fn plan_bodies(&mut self, now: UnixMillis, log: LogKey) -> Plan {
        let offers = self.offers(now, log);
        let settings = &self.settings;
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return Plan::Later;
        };
        let Some(first) = bodies.queue.keys().next().copied() else {
            return Plan::Later;
        };
        if !offers.iter().any(|offer| offer.held_to >= first) {
            return Plan::Wait(later(now, NOBODY_HAS_IT));
        }
        let free = || offers.iter().filter(|offer| offer.free);
        let sure = free().filter(|offer| {
            let next = offer.next(&bodies.queue);
            next.is_some_and(|next| offer.should_have(next))
        });
        if let Some(best) = sure.min_by_key(|offer| offer.rank) {
            let ask_to = best.complete_to;
            return Plan::Ask(Offer { ask_to, ..*best });
        }
        let asked_in_vain = |number: &ClaimNumber| {
            let holders = || offers.iter().filter(|offer| offer.held_to >= *number);
            holders().next().is_some() && !holders().any(|offer| offer.may_have(*number))
        };
        let in_vain: Vec<ClaimNumber> = bodies.queue.keys().copied().filter(asked_in_vain).collect();
        if !in_vain.is_empty() {
            return Plan::GiveUp(in_vain);
        }
        if offers.iter().any(|offer| offer.complete_to >= first) {
            bodies.incomplete_since = None;
        } else {
            let since = *bodies.incomplete_since.get_or_insert(now);
            let until = later(since, settings.completeness_patience);
            if until > now {
                return Plan::Wait(until);
            }
        }
        // Up to the first claim whose body another peer should have and was not asked for yet.
        let better = |number: &ClaimNumber| offers.iter().any(|offer| offer.should_have(*number));
        let limit = bodies.queue.keys().copied().find(better);
        let maybe = free().filter(|offer| {
            let next = offer.next(&bodies.queue);
            next.is_some_and(|next| offer.may_have(next) && limit.is_none_or(|limit| next < limit))
        });
        match maybe.min_by_key(|offer| offer.rank) {
            Some(best) => {
                let before = limit.map_or(best.held_to, |limit| ClaimNumber(limit.0.saturating_sub(1)));
                let ask_to = best.held_to.min(before);
                Plan::Ask(Offer { ask_to, ..*best })
            }
            None => Plan::Later,
        }
    }

    /// Handles the body of another claim from a peer. Bodies are requested by number, and a number may belong to two
    /// claims: a certificate gave it to another one, and the peer may know that certificate and this site not, or the
    /// reverse; or the author signed two histories, and each of the two sites holds one. It is a violation if it happens
    /// again after their chains were compared, when there was time to learn of a second history, and none is known.
    pub(crate) fn other_body(
        &mut self,
        cx: &Context<'_>,
        key: PublicKey,
        log: LogKey,
        asked_at: UnixMillis,
        hash: ContentHash,
    ) -> Option<Violation> {
        self.bodies.not_in_this_pass(log, key);
        let ours = cx
            .replica
            .chain(&log.0)
            .map_or(0, |chain| chain.certificates().len());
        let peer = self.peers.get_mut(&key)?;
        let theirs = peer.knows.get(&log).map_or(0, |note| note.chain_length as usize);
        let is_forked = cx
            .replica
            .position(&log.0, log.1)
            .is_some_and(|position| position.forked || position.frozen);
        let differs = peer.comparisons.differs_in_history(log);
        if theirs < ours || is_forked || differs {
            // The peer lags behind and is sent the chain, or it holds the other history.
            return None;
        }
        // A second history shows with the next deltas, or when the two compare what they hold.
        let is_settled = |at: UnixMillis| later(at, self.settings.request_timeout) <= asked_at;
        match peer.other_bodies.0.get(&log) {
            Some((length, at)) if *length == ours && is_settled(*at) => {
                let (object, reason) = ("body", format!("it is not {hash}"));
                Some(Violation::Unverifiable { object, reason })
            }
            Some((length, _)) if *length == ours => None,
            _ => {
                peer.other_bodies.0.insert(log, (ours, cx.now));
                peer.wanted.chain(log.0);
                None
            }
        }
    }

    fn offers(&mut self, now: UnixMillis, log: LogKey) -> Vec<Offer> {
        let Some(bodies) = self.bodies.logs.get(&log) else {
            return Vec::new();
        };
        let (rng, settings) = (&mut self.rng, &self.settings);
        let offers = self.peers.iter().filter_map(|(key, peer)| {
            let (complete_to, held_to) = holds(peer, log)?;
            Some(Offer {
                peer: *key,
                asked_to: bodies.asked_to.get(key).copied().unwrap_or_default(),
                complete_to,
                held_to,
                ask_to: ClaimNumber::NONE,
                free: peer.pace.has_room_for_bodies(now, settings),
                rank: (peer.pace.rank_for_bodies(), rng.u32(..)),
            })
        });
        offers.collect()
    }
}

/// Returns the claim up to which a peer states that it has all bodies of a log, and the claim up to which it
/// holds the log. The author writes no claim without its body.
fn holds(peer: &Peer, (site, lane): LogKey) -> Option<(ClaimNumber, ClaimNumber)> {
    let author = peer.site() == Some(site);
    peer.site().filter(|_| lane == Lane::Federation || author)?;
    let note = peer.knows.get(&(site, lane))?;
    let complete = if author { note.held } else { note.body_complete };
    Some((complete, note.held))
}
