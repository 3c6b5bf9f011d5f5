//! What the engine reports: logged, counted in the table of peers, written to the ledger.

use starling_protocol::{PublicKey, SiteId, UnixMillis};
use starling_store::LedgerEntry;
use starling_sync::Notice;

use super::SyncTask;
use crate::clock::now;

impl SyncTask {
    pub(super) fn notice(&mut self, notice: Notice) {
        self.look_for_lost_claims(&notice);
        match notice {
            Notice::PeerReady { peer, site } => self.peer_ready(peer, site),
            Notice::Unlisted { peer, site } => {
                let address = self.addresses.get(&peer).map(ToString::to_string);
                if self.peer_status.stranger(site, address.clone(), now()) {
                    tracing::warn!(%site, address = address.as_ref().map(tracing::field::display), "a site that is not on the allow-list asks to sync");
                }
            }
            Notice::PeerLeft { peer } => self.peer_left(&peer),
            Notice::Held {
                site,
                lane,
                number,
                deltas,
                claims,
            } => {
                tracing::debug!(%site, %lane, %number, deltas, "holding deltas");
                self.note_held(starling_store::LogId { site, lane }, claims);
            }
            Notice::ChainLearned { site, epoch } if site == self.site.0.own_log().site => {
                self.own_chain_learned(epoch);
            }
            Notice::BodiesStored { .. } => self.peer_status.bodies_came(),
            Notice::SyncedTo { site, lane, number } => {
                tracing::info!(%site, %lane, %number, "accepted");
                self.shown.send_modify(|count| *count += 1);
            }
            Notice::Silent { peer } => tracing::info!(%peer, "a peer did not answer in time"),
            Notice::Violation { peer, violation } => {
                tracing::warn!(%peer, %violation, "a peer violated a rule");
            }
            Notice::Forked { site, lane } => {
                tracing::error!(%site, %lane, "an author signed two histories; its log is frozen");
            }
            Notice::Diverges { site, lane, number } => {
                tracing::error!(%site, %lane, %number, "an author's head names another history than the one held");
            }
            Notice::TipCompared {
                peer,
                site,
                lane,
                number,
                difference,
            } => self.tip_compared(&peer, (site, lane), number, difference),
            Notice::GivenUp {
                site,
                held,
                resumed_after,
                ..
            } => {
                tracing::warn!(
                    %site, %held, %resumed_after,
                    "the author's newest certificate gave up the claims after that which were held here; what only they said \
                     must be imported there again"
                );
            }
            Notice::AuthorRefused { site, lane, reason } => {
                tracing::error!(%site, %lane, reason, "an author broke a rule; nothing more of its log is accepted");
            }
            Notice::StoreFailed { reason, retry_at } => {
                tracing::error!(reason, %retry_at, "the store failed");
            }
            Notice::BodyUnavailable {
                site,
                lane,
                number,
                hash,
            } => {
                tracing::warn!(%site, %lane, %number, %hash, "no connected peer has a body that is needed");
            }
            Notice::Stale {
                site,
                lane,
                expired_at,
            } => {
                tracing::warn!(%site, %lane, %expired_at, "the newest head has expired: knowledge may be old");
            }
            other => tracing::debug!(notice = ?other, "sync"),
        }
    }

    /// Records that a session with a listed site began.
    fn peer_ready(&mut self, peer: PublicKey, site: SiteId) {
        if let Some(address) = self.addresses.get(&peer) {
            self.seen.note(site, address);
        }
        let from = self.addresses.get(&peer);
        let is_there = from.is_some_and(|from| self.sites_at(std::slice::from_ref(from)).contains(&site));
        let address = from.map(ToString::to_string);
        tracing::info!(%site, address = address.as_ref().map(tracing::field::display), "connected to a listed site");
        let dialled_for = self.dials.proved(&peer);
        if let Some(other) = dialled_for.filter(|other| *other != site) {
            self.not_the_site(other, &peer, "it is another listed site");
        }
        let at = now();
        self.sessions.insert(peer, (site, self.clock.now()));
        // The error of the last session stays visible until this session has lasted. An error about the site's
        // address does not.
        self.peer_status.update(site, |state| {
            if dialled_for == Some(site) || is_there {
                state.last_error = None;
            }
            state.connected = true;
            state.address = address;
            state.last_seen_at = Some(at);
        });
    }

    fn peer_left(&mut self, peer: &PublicKey) {
        if let Some((site, since)) = self.sessions.remove(peer) {
            tracing::info!(%site, "disconnected");
            self.session_ended(site, since);
        }
    }

    /// Writes to the ledger that claims of a log came.
    fn note_held(&self, id: starling_store::LogId, claims: u64) {
        let cursor = self.store.log(id).ok().flatten().map(|log| log.tip.cursor);
        let entry = LedgerEntry::Synced {
            at: now(),
            peer: id.site,
            items: claims,
            cursor,
        };
        if let Err(error) = self.store.record(&entry) {
            tracing::warn!(error = %crate::home::error_chain(&error), "writing to the ledger");
        }
    }

    /// Records that a peer knows a newer epoch of this very site.
    fn own_chain_learned(&self, epoch: u32) {
        let parts = &self.site.0;
        if parts.is_outdated() && !parts.identity.restore.is_held() {
            tracing::error!(
                epoch,
                "another copy of this home continues with a new epoch: this one does not sign"
            );
            let why = format!("another copy of this home started epoch {epoch}");
            parts.tell_restored(starling_store::RestoreStep::Superseded, &why);
        }
    }

    pub(super) fn session_ended(&mut self, site: SiteId, since: UnixMillis) {
        let at = now();
        let brief = self.dials.session_ended(site, since, self.clock.now());
        // After a key change, a site may already be connected with the new key.
        let still_here = self.sessions.values().any(|(other, _)| *other == site);
        self.peer_status.update(site, |state| {
            // If this site ended the session, the reason is known.
            if state.connected && !still_here {
                // One may be a restart, or two dials that crossed.
                state.last_error = (brief > 1).then(|| {
                    "the peer ended the session at once: check that this site is on its allow-list".to_owned()
                });
            }
            state.connected = still_here;
            state.last_seen_at = Some(at);
        });
    }

    pub(super) fn site_of(&self, peer: &PublicKey) -> Option<SiteId> {
        starling_sync::Replica::authorised(&self.replica, peer)
    }

    pub(super) fn disconnecting(&mut self, peer: &PublicKey, reason: &str) {
        tracing::warn!(%peer, reason, "disconnecting a peer");
        if let Some(site) = self.dials.hung_up(peer) {
            self.not_the_site(site, peer, reason);
        }
        if let Some(site) = self.site_of(peer) {
            self.peer_status.update(site, |state| {
                state.connected = false;
                state.last_error = Some(reason.to_owned());
            });
        }
    }
}
