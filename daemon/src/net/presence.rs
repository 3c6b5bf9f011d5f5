//! Which peers are connected, as told: each comes once and goes once, however many connections it has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// What a new connection means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened<Connection = ConnectionId> {
    /// The peer was not connected.
    First,
    /// It was, by another connection: each side may have dialled.
    Further,
    /// It was, by connections that it does not know of any more: nobody dials whom it is connected to. It was started
    /// anew, or the link was cut. These are to be closed, and its session begins anew.
    Instead(Vec<Connection>),
    /// It is being disconnected: this one must go with the others. Left alone it would stand for ever and
    /// carry nothing: nobody would be told of a first connection, nor of a last one that closed.
    Unwanted,
}

/// How long after a connection another may still be of a dial that was under way: dials that cross end a round trip
/// apart.
const BOTH_DIALLED: Duration = Duration::from_secs(1);
/// As [`BOTH_DIALLED`], if the same side dialled both: it does so only where its addresses lead to one peer.
const DIALLED_TWICE: Duration = Duration::from_millis(500);

/// A connection that stands.
#[derive(Debug)]
struct Open<Connection> {
    connection: Connection,
    since: Instant,
    /// Whether this site dialled.
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
    /// All connections of a peer were told to close; at least one stands.
    pub(super) fn closing(&mut self, peer: Peer) {
        self.closing.insert(peer);
    }

    /// A connection to a peer stands; `dialled` says if this site dialled.
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

    /// A connection closed. Gives whether the peer is gone.
    pub(super) fn closed(&mut self, peer: &Peer, connection: &Connection) -> bool {
        let Some(open) = self.open.get_mut(peer) else {
            return false;
        };
        let before = open.len();
        open.retain(|one| one.connection != *connection);
        // One that another came instead of was not counted any more.
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
    fn a_connection_that_comes_up_while_its_peer_is_disconnected_goes_too() {
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
    fn peer_that_dials_again_takes_the_place_of_its_dead_connections() {
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
    fn peer_that_dials_twice_was_started_anew() {
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
