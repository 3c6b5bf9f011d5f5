//! Which peers are connected, as told: each comes once and goes once, however many connections it has.

use std::collections::BTreeSet;

use libp2p::PeerId;

/// What a new connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// The peer was not connected.
    First,
    /// It was, by another connection: each side may have dialled.
    Further,
    /// It is being disconnected: this one must go with the others. Left alone it would stand for ever and
    /// carry nothing: nobody would be told of a first connection, nor of a last one that closed.
    Unwanted,
}

/// The peers that are being disconnected.
#[derive(Debug)]
pub(super) struct Presence<Peer = PeerId> {
    closing: BTreeSet<Peer>,
}

impl<Peer> Default for Presence<Peer> {
    fn default() -> Self {
        Self {
            closing: BTreeSet::new(),
        }
    }
}

impl<Peer: Ord> Presence<Peer> {
    /// All connections of a peer were told to close; at least one stands.
    pub(super) fn closing(&mut self, peer: Peer) {
        self.closing.insert(peer);
    }

    /// A connection stands, with it so many to that peer.
    pub(super) fn opened(&self, peer: &Peer, connections: u32) -> Opened {
        match connections {
            _ if self.closing.contains(peer) => Opened::Unwanted,
            1 => Opened::First,
            _ => Opened::Further,
        }
    }

    /// A connection closed, and so many are left. Gives whether the peer is gone.
    pub(super) fn closed(&mut self, peer: &Peer, left: u32) -> bool {
        let gone = left == 0;
        if gone {
            self.closing.remove(peer);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_comes_up_while_its_peer_is_disconnected_goes_too() {
        let mut presence = Presence::<u8>::default();
        assert_eq!(presence.opened(&1, 1), Opened::First);
        assert_eq!(presence.opened(&1, 2), Opened::Further);
        assert!(!presence.closed(&1, 1));
        presence.closing(1);
        assert_eq!(presence.opened(&1, 2), Opened::Unwanted, "both sides dialled");
        assert_eq!(presence.opened(&2, 1), Opened::First, "others are not concerned");
        assert!(!presence.closed(&1, 1));
        assert!(presence.closed(&1, 0));
        assert_eq!(presence.opened(&1, 1), Opened::First, "it may come back");
    }
}
