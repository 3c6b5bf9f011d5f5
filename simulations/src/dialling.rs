//! Connections: who dials whom, and what a session's beginning and end mean for the next dial.
//!
//! The rules are those of the daemon ([`starling_sync::Dials`]); this file is its driver, as the daemon's task is. A dial
//! connects at once, if the link is not cut and the other site is up.

use std::collections::BTreeSet;

use starling_protocol::{PublicKey, SiteId};
use starling_sync::{Event, Notice};

use crate::network::{Pair, pair};
use crate::world::{PlannedEvent, World};

/// Time between two looks at the dials of a site, in milliseconds: that of the daemon.
pub(crate) const DIAL_MILLIS: u64 = 500;

impl World {
    /// Dials the listed sites of a site that are not connected, and plans the next look.
    pub(crate) fn dial_due(&mut self, site: usize, start: u64) {
        let at = &self.sites[site];
        let (true, Some(engine)) = (at.starts == start, &at.engine) else {
            return;
        };
        let stall = at.stalled_until.as_millis().saturating_sub(self.now.as_millis());
        let connected: BTreeSet<SiteId> = engine.ready_peers().map(|(_, site)| site).collect();
        self.plan(stall.max(DIAL_MILLIS), PlannedEvent::Dial(site, start));
        if stall > 0 {
            return;
        }
        for other in self.network.neighbours(site).to_vec() {
            // The other site may have dialled meanwhile: a connection with a starting session needs no second one.
            let is_up = self.network.generation(site, other).is_some();
            let (id, at) = (self.sites[other].id, &mut self.sites[site]);
            if is_up || connected.contains(&id) || !at.lists.contains(&other) {
                continue;
            }
            let chain = at.store.as_ref().and_then(|store| store.chain(&id));
            let key = chain.map(|chain| chain.current().body().operating_key);
            let dials = at.dials.due(self.now, id, key, &[other]);
            for dial in dials {
                for to in dial.addresses {
                    self.dial(site, to, dial.peer);
                }
            }
        }
    }

    /// Dials one site, for a key or for any.
    fn dial(&mut self, from: usize, to: usize, key: Option<PublicKey>) {
        let both_up = self.sites[from].is_up() && self.sites[to].is_up();
        let links = &mut self.network.links;
        let Some(state) = links
            .get_mut(&pair(from, to))
            .filter(|state| both_up && !state.up && !state.cut)
        else {
            return;
        };
        let (own, found, id) = (self.sites[from].key, self.sites[to].key, self.sites[to].id);
        if key.is_some_and(|key| key != found) {
            return self.sites[from].dials.other_key(id, to);
        }
        state.up = true;
        state.generation += 1;
        let at = &mut self.sites[from];
        let known = at.store.as_ref().and_then(|store| store.authorised(&found));
        at.dials.answered(found, known, &[id]);
        self.feed(from, Event::Connected { peer: found });
        // The first site may have disconnected at once.
        if self.network.generation(from, to).is_some() {
            self.feed(to, Event::Connected { peer: own });
        }
    }

    /// Takes a link down, and notifies both ends.
    pub(crate) fn disconnect(&mut self, link: Pair) {
        let Some(state) = self.network.links.get_mut(&link).filter(|state| state.up) else {
            return;
        };
        state.up = false;
        let (one, other) = (self.sites[link.0].key, self.sites[link.1].key);
        for (site, peer) in [(link.0, other), (link.1, one)] {
            self.give_up_unproved(site, &peer);
            self.feed(site, Event::Disconnected { peer });
        }
    }

    /// Notes that the connection to a key of an unknown owner ended, if it is one.
    pub(crate) fn give_up_unproved(&mut self, site: usize, peer: &PublicKey) {
        let dials = &mut self.sites[site].dials;
        if let Some(dialled) = dials.hung_up(peer) {
            dials.refused(dialled);
        }
    }

    /// Notes the beginning or end of a session.
    pub(crate) fn note_session(&mut self, site: usize, notice: &Notice) {
        let (now, at) = (self.now, &mut self.sites[site]);
        match notice {
            Notice::PeerReady { peer, site } => {
                if let Some(dialled) = at.dials.proved(peer).filter(|dialled| dialled != site) {
                    at.dials.refused(dialled);
                }
                at.sessions.insert(*peer, (*site, now));
            }
            Notice::PeerLeft { peer } => {
                if let Some((site, since)) = at.sessions.remove(peer) {
                    at.dials.session_ended(site, since, now);
                }
            }
            _ => {}
        }
    }
}
