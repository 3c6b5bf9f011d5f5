//! Sites that hold a log up to the same claim, and not alike.

use starling_protocol::{ClaimNumber, PublicKey};
use starling_sync::{LogKey, TipDifference};

use super::SyncTask;
use super::board::Difference;
use crate::clock::now;

impl SyncTask {
    /// Notes how a peer's log compares with this site's, and tells it if that is new.
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
        if !self.board.compared(peer, log, found) {
            return;
        }
        let Some(found) = found else { return };
        let how = self.site.0.difference_text(&peer, &log, &found);
        tracing::error!(%peer, author = %log.0, how, "two sites hold a log up to the same claim, and not alike");
        let id = starling_store::LogId {
            site: log.0,
            lane: log.1,
        };
        if self.store.is_read_only() {
            return;
        }
        if let Err(error) = self.store.tell_differs(id, &how) {
            tracing::warn!(error = %crate::home::error_chain(&error), "telling that two sites differ");
        }
        self.shown.send_modify(|count| *count += 1);
    }
}
