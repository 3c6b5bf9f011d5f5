//! Peers over QUIC: a libp2p swarm behind two bounded channels.
//!
//! The swarm moves bytes and knows keys. The sync engine decides whom to trust; it sees every peer by its operating
//! key. Heads are flooded over authorised sessions instead of gossipsub, which would pass them to anyone with a
//! connection. See `docs/adr/0007-flooded-heads.md`.

mod codec;
mod dial_error;
mod presence;
mod swarm;
mod unread;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use starling_protocol::{PublicKey, SigningKey};
use starling_sync::FailureReason;
use tokio::sync::mpsc;

pub(crate) use self::dial_error::undialable;
/// Most commands waiting for the swarm. The engine's own windows keep the number far lower.
const COMMAND_QUEUE: usize = 1_024;
/// Most events waiting for the engine; then the swarm stops reading from its sockets.
const EVENT_QUEUE: usize = 256;

/// The reason why the network could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// libp2p does not accept the key.
    #[error("starting the network: the operating key is not a valid peer key: {cause}")]
    Key {
        /// libp2p's error.
        cause: String,
    },
    /// The system refused to listen on an address.
    #[error("listening on {address}: {cause}. Set another address with network.listen")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// libp2p's error.
        cause: String,
    },
}

/// Identifies one request: ours to a peer, or a peer's to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestNumber(pub(crate) u64);

/// Commands to the swarm.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Connect to a peer at one of its addresses; its key may still be unknown.
    Dial {
        peer: Option<PublicKey>,
        addresses: Vec<Multiaddr>,
    },
    /// Send a request.
    Request {
        peer: PublicKey,
        number: RequestNumber,
        bytes: Vec<u8>,
    },
    /// Answer a request.
    Respond { number: RequestNumber, bytes: Vec<u8> },
    /// Send a message that needs no answer.
    Tell { peer: PublicKey, bytes: Vec<u8> },
    /// Close every connection to a peer.
    Disconnect { peer: PublicKey },
}

/// Events of the swarm.
#[derive(Debug)]
pub(crate) enum Event {
    /// The swarm listens on an address.
    Listening { address: Multiaddr },
    /// The first connection to a peer exists. Connected does not mean authorised.
    Connected {
        peer: PublicKey,
        /// The peer's address, without its key.
        address: Multiaddr,
        /// True if this site dialled.
        dialled: bool,
    },
    /// The last connection to a peer is closed.
    Disconnected { peer: PublicKey },
    /// A connected peer connected again: its earlier connections are dead, and its session has ended.
    Reconnected {
        peer: PublicKey,
        /// The peer's address, without its key.
        address: Multiaddr,
        /// True if this site dialled.
        dialled: bool,
    },
    /// A dial failed. The addresses are without keys.
    DialFailed {
        addresses: Vec<Multiaddr>,
        reason: String,
    },
    /// A dial for a certain key was answered by another key; that connection is closed.
    OtherKey { address: Multiaddr },
    /// A peer sent a request.
    Request {
        peer: PublicKey,
        number: RequestNumber,
        bytes: Vec<u8>,
    },
    /// A peer sent an answer.
    Response {
        peer: PublicKey,
        number: RequestNumber,
        bytes: Vec<u8>,
    },
    /// A request of ours will not be answered.
    RequestFailed {
        peer: PublicKey,
        number: RequestNumber,
        reason: FailureReason,
        /// The transport's description, for the log.
        said: String,
    },
    /// A peer sent a one-way message.
    Told { peer: PublicKey, bytes: Vec<u8> },
}

/// Bytes of messages transferred, without QUIC's overhead.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Returns the numbers of bytes sent and received.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (
            self.sent.load(Ordering::Relaxed),
            self.received.load(Ordering::Relaxed),
        )
    }

    fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A running swarm.
pub(crate) struct Net {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) traffic: Arc<Traffic>,
}

/// Starts a swarm that listens on `listen`; a peer may have `receive_window` unread bytes on the way to this site.
///
/// # Errors
/// [`NetError`].
pub(crate) fn start(key: &SigningKey, listen: &[Multiaddr], receive_window: u32) -> Result<Net, NetError> {
    let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE);
    let (event_queue, events) = mpsc::channel(EVENT_QUEUE);
    let traffic = Arc::new(Traffic::default());
    let swarm = swarm::build(key, listen, receive_window)?;
    // Ends with its channels, when the last sender of commands is dropped.
    tokio::spawn(swarm::drive(swarm, command_queue, event_queue, traffic.clone()));
    Ok(Net {
        commands,
        events,
        traffic,
    })
}

/// Returns the libp2p peer id of an operating key.
pub(crate) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

/// Returns an address without the key at its end: a site's key comes from its certificates.
pub(crate) fn without_key(mut address: Multiaddr) -> Multiaddr {
    match address.pop() {
        None | Some(Protocol::P2p(_)) => address,
        Some(other) => address.with(other),
    }
}

/// Returns the operating key in a libp2p peer id, which embeds it.
pub(crate) fn key_of(peer: &PeerId) -> Option<PublicKey> {
    // An Ed25519 peer id is an identity multihash of the protobuf of its public key.
    let multihash = libp2p::multihash::Multihash::<64>::from(*peer);
    if multihash.code() != 0 {
        return None;
    }
    let key = libp2p::identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    PublicKey::from_bytes(&key.try_into_ed25519().ok()?.to_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 128 << 10;

    #[tokio::test]
    async fn used_address_is_reported_with_its_cause() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let address: Multiaddr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap();
        let error = start(&SigningKey::from_seed(&[5; 32]), &[address], WINDOW)
            .err()
            .unwrap();
        assert!(error.to_string().contains("in use"), "{error}");
    }

    #[test]
    fn peer_id_embeds_its_key() {
        let key = SigningKey::from_seed(&[5; 32]).public();
        assert_eq!(key_of(&peer_id(&key).unwrap()), Some(key));
    }

    #[test]
    fn key_at_the_end_of_an_address_is_removed() {
        let peer = peer_id(&SigningKey::from_seed(&[5; 32]).public()).unwrap();
        let address: Multiaddr = "/ip4/192.0.2.1/udp/7/quic-v1".parse().unwrap();
        assert_eq!(without_key(address.clone().with_p2p(peer).unwrap()), address);
        assert_eq!(without_key(address.clone()), address);
        assert_eq!(without_key(Multiaddr::empty()), Multiaddr::empty());
    }

    #[tokio::test]
    async fn two_swarms_exchange_requests_and_messages() {
        let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let (key_a, key_b) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let mut a = start(&key_a, &listen, WINDOW).unwrap();
        let mut b = start(&key_b, &[], WINDOW).unwrap();
        let Some(Event::Listening { address }) = a.events.recv().await else {
            panic!("not listening")
        };
        b.commands
            .send(Command::Dial {
                peer: None,
                addresses: vec![address],
            })
            .await
            .unwrap();
        let Some(Event::Connected { peer, .. }) = b.events.recv().await else {
            panic!("not connected")
        };
        assert_eq!(peer, key_a.public());
        let Some(Event::Connected { peer, .. }) = a.events.recv().await else {
            panic!("not connected")
        };
        assert_eq!(peer, key_b.public());
        let number = RequestNumber(7);
        b.commands
            .send(Command::Request {
                peer: key_a.public(),
                number,
                bytes: b"ask".to_vec(),
            })
            .await
            .unwrap();
        let Some(Event::Request {
            number: theirs,
            bytes,
            ..
        }) = a.events.recv().await
        else {
            panic!("no request")
        };
        assert_eq!(bytes, b"ask");
        a.commands
            .send(Command::Respond {
                number: theirs,
                bytes: vec![9; 300_000],
            })
            .await
            .unwrap();
        let Some(Event::Response {
            number: ours, bytes, ..
        }) = b.events.recv().await
        else {
            panic!("no response")
        };
        assert_eq!((ours, bytes.len()), (number, 300_000));
        a.commands
            .send(Command::Tell {
                peer: key_b.public(),
                bytes: b"news".to_vec(),
            })
            .await
            .unwrap();
        let Some(Event::Told { bytes, .. }) = b.events.recv().await else {
            panic!("not told")
        };
        assert_eq!(bytes, b"news");
        assert!(b.traffic.totals().1 > 300_000);
        a.commands
            .send(Command::Disconnect { peer: key_b.public() })
            .await
            .unwrap();
        let Some(Event::Disconnected { peer }) = b.events.recv().await else {
            panic!("still connected")
        };
        assert_eq!(peer, key_a.public());
    }

    /// The connection ended before the refusal was on its way, and the refused site did not learn why.
    #[tokio::test]
    async fn answer_before_a_disconnect_arrives() {
        let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
        let (key_a, key_b) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let mut a = start(&key_a, &listen, WINDOW).unwrap();
        let mut b = start(&key_b, &[], WINDOW).unwrap();
        let Some(Event::Listening { address }) = a.events.recv().await else {
            panic!("not listening")
        };
        for number in (0..10).map(RequestNumber) {
            let addresses = vec![address.clone()];
            let dial = Command::Dial {
                peer: None,
                addresses,
            };
            b.commands.send(dial).await.unwrap();
            assert!(matches!(b.events.recv().await, Some(Event::Connected { .. })));
            assert!(matches!(a.events.recv().await, Some(Event::Connected { .. })));
            let ask = Command::Request {
                peer: key_a.public(),
                number,
                bytes: b"hello".to_vec(),
            };
            b.commands.send(ask).await.unwrap();
            let Some(Event::Request { number: theirs, .. }) = a.events.recv().await else {
                panic!("no request")
            };
            let bytes = b"refused".to_vec();
            let respond = Command::Respond {
                number: theirs,
                bytes,
            };
            a.commands.send(respond).await.unwrap();
            let end = Command::Disconnect { peer: key_b.public() };
            a.commands.send(end).await.unwrap();
            let answer = b.events.recv().await;
            assert!(
                matches!(&answer, Some(Event::Response { bytes, .. }) if bytes == b"refused"),
                "{answer:?}"
            );
            // The connection ends even if the peer keeps it.
            assert!(matches!(b.events.recv().await, Some(Event::Disconnected { .. })));
            assert!(matches!(a.events.recv().await, Some(Event::Disconnected { .. })));
        }
    }
}
