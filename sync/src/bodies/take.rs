//! Takes answers to requests for bodies: verifies, unpacks and stores them, and requeues what is missing. The
//! bodies stay in flight until they are stored, so that nobody else is asked for them meanwhile.

use starling_protocol::{ClaimNumber, ContentHash, PublicKey};

use super::{BodiesRequest, BodiesToStore};
use crate::engine::{Context, SyncEngine};
use crate::limits::MAX_BASES_BYTES;
use crate::notice::{Notice, Violation};
use crate::peer::Peer;
use crate::replica::MissingBody;
use crate::wire::{BodiesPage, bit, unpack};
use crate::writes::{AfterAccept, QueuedWrite};

impl SyncEngine {
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
        let unanswered = wanted.as_slice().first().map(|missing| missing.number);
        again.extend(wanted);
        let (kept, bytes): (Vec<MissingBody>, Vec<Vec<u8>>) = good.into_iter().unzip();
        let bodies = self.bodies.logs.get(&ask.log);
        let is_stale = bodies.is_none_or(|bodies| bodies.generation != ask.generation);
        self.bodies
            .put_back(ask.log, ask.generation, key, again, unanswered);
        if kept.is_empty() {
            self.writes.accept(AfterAccept::default());
        } else {
            let after = self.bodies.begin_to_store(key, ask.log, ask.generation, kept);
            self.writes.push(QueuedWrite::Bodies(bytes, after));
        }
        // A request from before a certificate may be answered after it.
        if let Some(hash) = other.filter(|_| !is_stale) {
            violation = self
                .other_body(cx, key, ask.log, ask.asked_at, hash)
                .or(violation);
        }
        if let Some(violation) = violation {
            self.record_violation(cx, key, violation);
        }
    }

    /// Handles stored bodies; `count` of them were wanted.
    pub(crate) fn bodies_stored(&mut self, cx: &mut Context<'_>, stored: &BodiesToStore, count: usize) {
        self.bodies.end_storing(stored);
        if count > 0 {
            self.store_worked();
            if let Some(bodies) = self.bodies.logs.get_mut(&stored.log) {
                bodies.vain_passes = 0;
            }
            for missing in &stored.bodies {
                self.bodies.named.remove(&missing.hash);
            }
            cx.notice(Notice::BodiesStored {
                peer: stored.peer,
                count,
            });
        }
        self.writes.accept(AfterAccept::default());
    }

    /// Requeues bodies that the store could not keep.
    pub(crate) fn bodies_not_stored(&mut self, stored: BodiesToStore) {
        self.bodies.end_storing(&stored);
        self.bodies
            .put_all_back(stored.peer, stored.log, stored.generation, stored.bodies);
    }
}
