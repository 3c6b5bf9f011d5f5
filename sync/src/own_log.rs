//! What peers say of this site's own log: a home that was put back from a backup goes on only after it heard them.

use starling_protocol::{ClaimNumber, Lane, SiteId};

use crate::engine::SyncEngine;
use crate::replica::Replica;

/// What one connected peer says of this site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardPeer {
    /// The peer's site.
    pub site: SiteId,
    /// Up to where it holds the log, or knows a head of it; none if it did not speak of the log.
    pub reaches: Option<ClaimNumber>,
    /// Up to where it holds the log's claims themselves; none if it did not speak of the log.
    pub holds: Option<ClaimNumber>,
}

/// What all connected peers say of this site's own log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnLogNews {
    /// The peers that proved who they are.
    pub peers: Vec<HeardPeer>,
    /// Everything that they said they have of the log is here, and nothing of it is being asked for.
    pub is_settled: bool,
    /// Peers that hold the log were asked for its bodies, and none of them has those that are not here.
    pub bodies_in_vain: bool,
}

impl SyncEngine {
    /// Returns what connected peers say of this site's own log, and if all of it is here.
    #[must_use]
    pub fn own_log_news(&self, replica: &dyn Replica) -> OwnLogNews {
        let own = replica.site();
        let log = (own, Lane::Federation);
        let mut news = OwnLogNews {
            peers: Vec::new(),
            is_settled: !self.pulls.contains_key(&log),
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
            // A fact that was asked for and did not come yet may be a head, or a longer chain.
            news.is_settled &=
                !peer.facts_open && !peer.wanted.heads.contains(&log) && !peer.wanted.chains.contains(&own);
        }
        // A log that was repaired may be known to go further than anybody has it: only a head says what there is.
        let held = replica.position(&own, Lane::Federation);
        let held = held.map_or(ClaimNumber::NONE, |at| at.held);
        let head = replica.head(&own, Lane::Federation);
        news.is_settled &= head.is_none_or(|head| head.head().number <= held);
        news
    }
}
