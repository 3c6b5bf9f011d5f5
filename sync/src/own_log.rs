//! Peers' statements about this site's own log: a restored home continues only after it has heard them.

use starling_protocol::{ClaimNumber, Lane, SiteId};

use crate::engine::SyncEngine;
use crate::replica::Replica;

/// One connected peer's statement about this site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardPeer {
    /// The peer's site.
    pub site: SiteId,
    /// The claim up to which it holds the log or knows a head; `None` if it did not mention the log.
    pub reaches: Option<ClaimNumber>,
    /// The claim up to which it holds the log's claims themselves; `None` if it did not mention the log.
    pub holds: Option<ClaimNumber>,
}

/// The statements of all connected peers about this site's own log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnLogNews {
    /// The peers that proved their identity.
    pub peers: Vec<HeardPeer>,
    /// True if everything that they claim to have of the log is here, and none of it is being requested.
    pub is_settled: bool,
    /// True if peers that hold the log were asked for its bodies and none has the missing ones.
    pub bodies_in_vain: bool,
}

impl SyncEngine {
    /// Returns the statements of connected peers about this site's own log, and whether everything they mention
    /// is here.
    #[must_use]
    pub fn own_log_news(&self, replica: &dyn Replica) -> OwnLogNews {
        let own = replica.site();
        let log = (own, Lane::Federation);
        let mut news = OwnLogNews {
            peers: Vec::new(),
            is_settled: !self.pulls.contains(log) && self.inbox.is_empty(),
            bodies_in_vain: self.bodies.is_in_vain(own),
        };
        for peer in self.peers.values() {
            let Some(site) = peer.site() else { continue };
            let note = peer.knows.get(&log);
            news.peers.push(HeardPeer {
                site,
                reaches: note.map(|note| note.held.max(note.head_number)),
                holds: note.map(|note| note.held),
            });
            // A requested fact that has not come yet may be a head, or a longer chain.
            news.is_settled &= peer.wanted.has_all_of(log);
        }
        // A repaired log may be known to go further than anybody has it: only a head shows what exists.
        let held = replica.position(&own, Lane::Federation);
        let held = held.map_or(ClaimNumber::NONE, |at| at.held);
        let head = replica.head(&own, Lane::Federation);
        news.is_settled &= head.is_none_or(|head| head.head().number <= held);
        news
    }
}
