//! What goes into the engine and what comes out.

use starling_protocol::{PublicKey, UnixMillis};

use crate::notice::{DisconnectReason, Notice};

/// Names a request. The engine numbers its own; the driver numbers those of peers, apart from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why a request of this site got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureReason {
    /// The transport waited long enough.
    TimedOut,
    /// The connection broke.
    ConnectionLost,
    /// The peer does not speak the protocol.
    Unsupported,
    /// Anything else the transport reports.
    Transport,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection stands; the key is proved by the transport, nothing more.
    Connected {
        /// The peer's operating key.
        peer: PublicKey,
    },
    /// The last connection to the peer is gone.
    Disconnected {
        /// The peer.
        peer: PublicKey,
    },
    /// A peer asks; exactly one [`Effect::Respond`] or a [`Effect::Disconnect`] answers.
    Request {
        /// The peer.
        peer: PublicKey,
        /// The driver's number for it.
        id: RequestId,
        /// What it asks.
        bytes: Vec<u8>,
    },
    /// A peer answers a request of this site.
    Response {
        /// The peer.
        peer: PublicKey,
        /// The engine's number of the request.
        id: RequestId,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// A request of this site will not be answered.
    RequestFailed {
        /// The peer.
        peer: PublicKey,
        /// The engine's number of the request.
        id: RequestId,
        /// Why.
        reason: FailureReason,
    },
    /// Gossip arrived; [`Effect::GossipChecked`] says what to do with it.
    Gossip {
        /// The peer that forwarded it, who need not be its author.
        peer: PublicKey,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The replica changed by other hands: own claims, a renewed head, a bundle, the allow-list, the scope.
    LocalChanged,
    /// Time passed: at the latest when [`Effect::WakeAt`] asked for it.
    Tick,
}

/// What gossip is worth to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GossipVerdict {
    /// News that proved itself: pass it on.
    Accept,
    /// Nothing new, or of sites that are not listed here: drop it.
    Ignore,
    /// Junk: drop it and hold it against the peer that forwarded it.
    Reject,
}

/// Something the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a request; a response, a failure or a disconnect must follow.
    Request {
        /// To whom.
        peer: PublicKey,
        /// The engine's number.
        id: RequestId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Answer a peer's request.
    Respond {
        /// To whom.
        peer: PublicKey,
        /// The driver's number of the request.
        id: RequestId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Publish to all.
    Gossip {
        /// The message.
        bytes: Vec<u8>,
    },
    /// What to do with the gossip of this event.
    GossipChecked(GossipVerdict),
    /// Close every connection to a peer. The engine has forgotten it; [`Event::Disconnected`] may follow.
    Disconnect {
        /// The peer.
        peer: PublicKey,
        /// Why.
        reason: DisconnectReason,
    },
    /// Send [`Event::Tick`] at this time; replaces an earlier wish.
    WakeAt(UnixMillis),
    /// Something an operator or a metric may want to know.
    Notice(Notice),
}
