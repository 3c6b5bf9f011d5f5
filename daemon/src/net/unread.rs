//! Limits the memory of answers that peers requested but have not read yet.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::request_response::InboundRequestId;
use starling_sync::limits::MAX_RESPONSE_BYTES;

/// Most bytes of unread answers of one peer: a few of the longest. A peer that follows its request window stays
/// below; a peer that sends requests without reading gets no more answers.
const MAX_UNREAD_BYTES: usize = 4 * MAX_RESPONSE_BYTES;

/// The unread bytes of each peer.
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
    /// Counts an answer of `bytes` bytes; returns false if there is no room for it.
    pub(super) fn admit(&mut self, peer: Peer, request: Request, bytes: usize) -> bool {
        let unread = self.peers.entry(peer).or_default();
        let before: usize = unread.values().sum();
        let fits = before.saturating_add(bytes) <= MAX_UNREAD_BYTES;
        if fits {
            unread.insert(request, bytes);
        }
        fits
    }

    /// Returns true if answers to a peer are being sent.
    pub(super) fn is_any_of(&self, peer: &Peer) -> bool {
        self.peers.get(peer).is_some_and(|unread| !unread.is_empty())
    }

    /// Records that an answer was read, or never will be.
    pub(super) fn settled(&mut self, peer: &Peer, request: &Request) {
        if let Some(unread) = self.peers.get_mut(peer) {
            unread.remove(request);
        }
    }

    /// Removes a peer that is gone.
    pub(super) fn forget(&mut self, peer: &Peer) {
        self.peers.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_that_does_not_read_gets_few_answers() {
        let mut unread = Unread::<u8, u32>::default();
        let taken = (0..100).filter(|request| unread.admit(1, *request, MAX_RESPONSE_BYTES));
        assert_eq!(taken.count(), 4);
        assert!(unread.admit(2, 0, MAX_RESPONSE_BYTES), "others are not concerned");
        assert!(!unread.admit(1, 7, 1));
        unread.settled(&1, &0);
        assert!(unread.admit(1, 8, MAX_RESPONSE_BYTES), "what was read makes room");
        assert!(unread.is_any_of(&1) && !unread.is_any_of(&3));
        unread.forget(&1);
        assert!(!unread.is_any_of(&1));
        assert!(unread.admit(1, 9, 4 * MAX_RESPONSE_BYTES));
    }
}
