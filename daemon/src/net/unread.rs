//! Answers that peers asked for and have not read yet: memory that is theirs to free, so that it is bounded.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::request_response::InboundRequestId;
use starling_sync::limits::MAX_RESPONSE_BYTES;

/// Most bytes of answers that one peer may leave unread: a few of the longest. A site that keeps to its
/// window of requests stays below; to one that asks on without reading no more is written.
const MAX_UNREAD_BYTES: usize = 4 * MAX_RESPONSE_BYTES;

/// What each peer has not read yet.
#[derive(Debug)]
pub(super) struct Unread<Peer = PeerId, Request = InboundRequestId> {
    peers: BTreeMap<Peer, BTreeMap<Request, usize>>,
}

impl<Peer, Request> Default for Unread<Peer, Request> {
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
        }
    }
}

impl<Peer: Ord, Request: Ord> Unread<Peer, Request> {
    /// Counts an answer of so many bytes, if there is room for it.
    pub(super) fn admit(&mut self, peer: Peer, request: Request, bytes: usize) -> bool {
        let unread = self.peers.entry(peer).or_default();
        let before: usize = unread.values().sum();
        let fits = before.saturating_add(bytes) <= MAX_UNREAD_BYTES;
        if fits {
            unread.insert(request, bytes);
        }
        fits
    }

    /// An answer was read, or never will be.
    pub(super) fn settled(&mut self, peer: &Peer, request: &Request) {
        if let Some(unread) = self.peers.get_mut(peer) {
            unread.remove(request);
        }
    }

    /// A peer is gone.
    pub(super) fn forget(&mut self, peer: &Peer) {
        self.peers.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_reads_nothing_is_written_a_few_answers_and_no_more() {
        let mut unread = Unread::<u8, u32>::default();
        let taken = (0..100).filter(|request| unread.admit(1, *request, MAX_RESPONSE_BYTES));
        assert_eq!(taken.count(), 4);
        assert!(unread.admit(2, 0, MAX_RESPONSE_BYTES), "others are not concerned");
        assert!(!unread.admit(1, 7, 1));
        unread.settled(&1, &0);
        assert!(unread.admit(1, 8, MAX_RESPONSE_BYTES), "what was read makes room");
        unread.forget(&1);
        assert!(unread.admit(1, 9, 4 * MAX_RESPONSE_BYTES));
    }
}
