//! A site whose home was put back: peers are heard, and it goes on once nothing is missing.

use starling_protocol::{ClaimNumber, SiteId};
use starling_sync::{Notice, OwnLogNews};

use super::SyncTask;
use crate::clock::now;
use crate::restore::{OwnLogWord, Search};

/// How long after its first word a peer that does not speak of this site's log counts as having nothing of it. What it
/// knows comes with the first words, or right after them.
const SILENCE_MILLIS: u64 = 3_000;

impl SyncTask {
    /// Goes on if nothing is missing any more.
    pub(super) fn look_at_restore(&mut self) {
        if !self.site.0.restore.is_held() {
            return;
        }
        tokio::task::block_in_place(|| {
            if self.hear_peers() {
                self.site.0.go_on_as_far_as_known();
            }
        });
    }

    /// Holds the site back if others have claims of it that it does not know: a snapshot of a whole machine that was put
    /// back shows nothing else.
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
        if parts.restore.is_held() || parts.store.is_read_only() || parts.is_outdated() {
            return;
        }
        let held = parts.store.log(id).ok().flatten();
        let held = held.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        // A log that was repaired gets back what it lost, and nobody else can have written it.
        let is_known = number <= held && !came;
        if is_known || parts.store.was_repaired().unwrap_or(true) {
            return;
        }
        let why = format!("a peer has claims of this site up to {number}, which this home did not know");
        tracing::warn!(why, "this home was put back from a backup, or copied");
        if let Err(problem) = parts.take_for_restored(&why) {
            tracing::warn!(%problem, "holding the site back");
        }
    }

    /// Notes what peers hold of this site's own log, while that matters.
    pub(super) fn hear_while_restored(&mut self) {
        if self.site.0.restore.is_held() {
            tokio::task::block_in_place(|| self.hear_peers());
        }
    }

    /// Notes how the search for bodies of this site's own claims goes. Only when everybody who was heard and holds the
    /// claims is here and has none of them, nobody has.
    fn note_search(&self, news: &OwnLogNews) {
        let restore = &self.site.0.restore;
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

    /// Notes what connected peers hold of this site's own log; gives if all of it is here, or none of it can be
    /// asked for.
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
                // It may be about to speak.
                continue;
            }
            let word = OwnLogWord {
                reaches: peer.reaches.map(|number| number.0),
                holds: peer.holds.map(|number| number.0),
            };
            match parts.restore.hear(parts.home.path(), &peer.site, word, now()) {
                Ok(true) => {
                    tracing::info!(site = %peer.site, ?word, "a peer told what it holds of this site");
                }
                Ok(false) => {}
                Err(problem) => tracing::warn!(%problem, "noting what a peer holds of this site"),
            }
        }
        self.note_search(&news);
        news.is_settled || parts.is_outdated()
    }
}
