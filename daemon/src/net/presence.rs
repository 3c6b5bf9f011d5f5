//! Tracks which peers are connected: each peer is reported once as connected and once as gone, for any number of
//! connections.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// The meaning of a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened<Connection = ConnectionId> {
    /// The peer was not connected before.
    First,
    /// The peer was connected already: both sides may have dialled.
    Further,
    /// The peer was connected, but does not know those connections any more, because nobody dials a connected peer.
    /// It was restarted, or the link was cut. The old connections must be closed, and its session starts again.
    Instead(Vec<Connection>),
    /// The peer is being disconnected: close this connection with the others. Otherwise it would stay without use:
    /// neither its start nor its end would be reported.
    Unwanted,
}

/// How long after a connection another one may come from a dial that was already running: crossing dials end one
/// round trip apart.
const BOTH_DIALLED: Duration = Duration::from_secs(1);
/// Same as [`BOTH_DIALLED`] if one side dialled twice, which only happens if its addresses lead to the same peer.
const DIALLED_TWICE: Duration = Duration::from_millis(500);

/// An open connection.
#[derive(Debug)]
struct Open<Connection> {
    connection: Connection,
    since: Instant,
    /// True if this site dialled.
    dialled: bool,
}

/// The connections of each peer, and the peers that are being disconnected.
#[derive(Debug)]
pub(super) struct Presence<Peer = PeerId, Connection = ConnectionId> {
    open: BTreeMap<Peer, Vec<Open<Connection>>>,
    closing: BTreeSet<Peer>,
}

impl<Peer, Connection> Default for Presence<Peer, Connection> {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            closing: BTreeSet::new(),
        }
    }
}

impl<Peer: Ord + Clone, Connection: PartialEq> Presence<Peer, Connection> {
    /// True if all connections of the peer were asked to close and at least one is still open.
    pub(super) fn closing(&mut self, peer: Peer) {
        self.closing.insert(peer);
    }

    /// Records an open connection to a peer; `dialled` is true if this site dialled.
    pub(super) fn opened(
        &mut self,
        peer: &Peer,
        connection: Connection,
        dialled: bool,
        now: Instant,
    ) -> Opened<Connection> {
        let open = self.open.entry(peer.clone()).or_default();
        let is_stale = |one: &Open<Connection>| {
            let least = if one.dialled == dialled {
                DIALLED_TWICE
            } else {
                BOTH_DIALLED
            };
            now.saturating_duration_since(one.since) >= least
        };
        let meaning = if self.closing.contains(peer) {
            Opened::Unwanted
        } else if open.is_empty() {
            Opened::First
        } else if open.iter().all(is_stale) {
            Opened::Instead(open.drain(..).map(|one| one.connection).collect())
        } else {
            Opened::Further
        };
        open.push(Open {
            connection,
            since: now,
            dialled,
        });
        meaning
    }

    /// Records a closed connection. Returns true if the peer is gone.
    pub(super) fn closed(&mut self, peer: &Peer, connection: &Connection) -> bool {
        let Some(open) = self.open.get_mut(peer) else {
            return false;
        };
        let before = open.len();
        open.retain(|one| one.connection != *connection);
        // A connection that was replaced by another one is not counted.
        let gone = open.is_empty() && before > 0;
        if gone {
            self.open.remove(peer);
            self.closing.remove(peer);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_during_a_disconnect_is_closed_too() {
        let mut presence = Presence::<u8, u8>::default();
        let now = Instant::now();
        assert_eq!(presence.opened(&1, 1, false, now), Opened::First);
        assert_eq!(presence.opened(&1, 2, true, now), Opened::Further);
        assert!(!presence.closed(&1, &1));
        presence.closing(1);
        assert_eq!(
            presence.opened(&1, 3, false, now),
            Opened::Unwanted,
            "both sides dialled"
        );
        assert_eq!(
            presence.opened(&2, 4, true, now),
            Opened::First,
            "others are not concerned"
        );
        assert!(!presence.closed(&1, &3));
        assert!(presence.closed(&1, &2));
        assert_eq!(
            presence.opened(&1, 5, false, now),
            Opened::First,
            "it may come back"
        );
    }

    #[test]
    fn new_dial_replaces_the_peers_dead_connections() {
        let mut presence = Presence::<u8, u8>::default();
        let now = Instant::now();
        assert_eq!(presence.opened(&1, 1, false, now), Opened::First);
        assert_eq!(
            presence.opened(&1, 2, true, now + BOTH_DIALLED / 2),
            Opened::Further
        );
        let later = now + BOTH_DIALLED * 2;
        assert_eq!(presence.opened(&1, 3, false, later), Opened::Instead(vec![1, 2]));
        assert!(!presence.closed(&1, &1), "nobody counts on it any more");
        assert!(!presence.closed(&1, &2));
        assert!(presence.closed(&1, &3));
    }

    #[test]
    fn peer_that_dials_twice_was_restarted() {
        let mut presence = Presence::<u8, u8>::default();
        let now = Instant::now();
        assert_eq!(presence.opened(&1, 1, false, now), Opened::First);
        let soon = now + DIALLED_TWICE;
        assert_eq!(
            presence.opened(&1, 2, true, soon),
            Opened::Further,
            "this site dialled"
        );
        let later = soon + BOTH_DIALLED;
        assert_eq!(presence.opened(&1, 3, false, later), Opened::Instead(vec![1, 2]));
        let soon = later + DIALLED_TWICE;
        assert_eq!(presence.opened(&1, 4, false, soon), Opened::Instead(vec![3]));
    }
}
