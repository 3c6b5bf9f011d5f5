//! A site whose home was put back: peers are heard, and it goes on once nothing is missing.

use super::SyncTask;
use crate::clock::now;

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

    /// Notes what peers hold of this site's own log, while that matters.
    pub(super) fn hear_while_restored(&mut self) {
        if self.site.0.restore.is_held() {
            tokio::task::block_in_place(|| self.hear_peers());
        }
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
            let reaches = match peer.reaches {
                Some(number) => Some(number.0),
                None if is_silent => None,
                // It may be about to speak.
                None => continue,
            };
            match parts.restore.hear(parts.home.path(), &peer.site, reaches, now()) {
                Ok(true) => {
                    tracing::info!(site = %peer.site, ?reaches, "a peer told what it holds of this site");
                }
                Ok(false) => {}
                Err(problem) => tracing::warn!(%problem, "noting what a peer holds of this site"),
            }
        }
        news.is_settled || parts.is_outdated()
    }
}
