//! Sites whose copies of a log differ up to the same claim.

use starling_protocol::{ClaimNumber, PublicKey};
use starling_sync::{LogKey, TipDifference};

use super::SyncTask;
use super::peer_status::Difference;
use crate::clock::now;

impl SyncTask {
    /// Records the comparison of a peer's log with this site's, and reports a new difference.
    pub(super) fn tip_compared(
        &self,
        peer: &PublicKey,
        log: LogKey,
        number: ClaimNumber,
        difference: Option<TipDifference>,
    ) {
        let Some(peer) = self.site_of(peer) else { return };
        let found = difference.map(|what| Difference {
            number,
            what,
            found_at: now(),
        });
        if !self.peer_status.compared(peer, log, found) {
            return;
        }
        let Some(found) = found else { return };
        let how = self.site.0.difference_text(&peer, &log, &found);
        tracing::error!(%peer, author = %log.0, how, "the copies of a log at two sites differ up to the same claim");
        let id = starling_store::LogId {
            site: log.0,
            lane: log.1,
        };
        if self.store.is_read_only() {
            return;
        }
        if let Err(error) = self.store.tell_differs(id, &how) {
            tracing::warn!(error = %crate::home::error_chain(&error), "reporting that two sites differ");
        }
        self.shown.send_modify(|count| *count += 1);
    }
}
