//! A restored site: it listens to its peers, and continues when nothing is missing.

use starling_protocol::{ClaimNumber, SiteId};
use starling_sync::{Notice, OwnLogNews};

use super::SyncTask;
use crate::clock::now;
use crate::restore::{OwnLogWord, Search};

/// How long after its first message a peer that does not mention this site's log counts as having none of it. Its
/// knowledge arrives with the first messages, or right after them.
const SILENCE_MILLIS: u64 = 3_000;

impl SyncTask {
    /// Continues if nothing is missing any more.
    pub(super) fn look_at_restore(&mut self) {
        if !self.site.0.identity.restore.is_held() {
            return;
        }
        tokio::task::block_in_place(|| {
            if self.hear_peers() {
                self.site.0.go_on_as_far_as_known();
            }
        });
    }

    /// Holds the site back if others have unknown claims of it: nothing else shows that a snapshot of a whole machine
    /// was restored.
    pub(super) fn look_for_lost_claims(&self, notice: &Notice) {
        let parts = &self.site.0;
        let id = parts.own_log();
        let (number, came) = match notice {
            Notice::HeadLearned { site, lane, number } if (*site, *lane) == (id.site, id.lane) => {
                (*number, false)
            }
            Notice::Held {
                site, lane, number, ..
            } if (*site, *lane) == (id.site, id.lane) => (*number, true),
            _ => return,
        };
        if parts.identity.restore.is_held() || parts.data.store.is_read_only() || parts.is_outdated() {
            return;
        }
        let held = parts.data.store.log(id).ok().flatten();
        let held = held.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        // A repaired log gets back what it lost, which nobody else can have written.
        let is_known = number <= held && !came;
        if is_known || parts.data.store.was_repaired().unwrap_or(true) {
            return;
        }
        let why = format!("a peer has claims of this site up to {number}, which this home did not know");
        tracing::warn!(why, "this home was restored from a backup, or copied");
        if let Err(problem) = parts.take_for_restored(&why) {
            tracing::warn!(%problem, "holding the site back");
        }
    }

    /// Records what peers hold of this site's own log, while that matters.
    pub(super) fn hear_while_restored(&mut self) {
        if self.site.0.identity.restore.is_held() {
            tokio::task::block_in_place(|| self.hear_peers());
        }
    }

    /// Records the state of the search for bodies of this site's own claims. It ends in vain only if all heard
    /// holders of the claims are connected and none of them has the bodies.
    fn note_search(&self, news: &OwnLogNews) {
        let restore = &self.site.0.identity.restore;
        let Some(hold) = restore.held() else { return };
        let is_here = |site: SiteId| news.peers.iter().any(|peer| peer.site == site);
        let mut holders = hold.holders().peekable();
        let search = if holders.peek().is_none() || !holders.all(is_here) {
            Search::CutOff
        } else if news.bodies_in_vain {
            let lacked = self.store.lacked_own_bodies().unwrap_or_default();
            Search::InVain(lacked.count)
        } else {
            Search::GoesOn
        };
        restore.note_search(search, now());
    }

    /// Records what connected peers hold of this site's own log; returns true if all of it is here, or none of it can
    /// be requested.
    fn hear_peers(&mut self) -> bool {
        let parts = &self.site.0;
        let news = self.engine.own_log_news(&self.replica);
        let at = self.clock.now();
        for peer in &news.peers {
            let since = self
                .sessions
                .values()
                .filter(|(site, _)| *site == peer.site)
                .map(|(_, since)| *since)
                .max();
            let is_silent = since.is_some_and(|since| since.plus_millis(SILENCE_MILLIS) <= at);
            if peer.reaches.is_none() && !is_silent {
                // It may be about to send its statement.
                continue;
            }
            let word = OwnLogWord {
                reaches: peer.reaches.map(|number| number.0),
                holds: peer.holds.map(|number| number.0),
            };
            match parts
                .identity
                .restore
                .hear(parts.identity.home.path(), &peer.site, word, now())
            {
                Ok(true) => {
                    let (reaches, holds) = (word.reaches, word.holds);
                    tracing::info!(site = %peer.site, reaches, holds, "a peer reported what it holds of this site");
                }
                Ok(false) => {}
                Err(problem) => tracing::warn!(%problem, "recording what a peer holds of this site"),
            }
        }
        self.note_search(&news);
        news.is_settled || parts.is_outdated()
    }
}
