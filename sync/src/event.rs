//! The events that enter the engine and the effects that leave it.

use starling_protocol::{PublicKey, UnixMillis};

use crate::notice::{DisconnectReason, Notice};
use crate::write::{StoreFailure, Write, WriteId, Written};

/// The name of a request. The engine numbers its own requests; the driver numbers those of peers separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The reason why a request of this site got no answer.
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
    /// A connection is open. The transport has proved the key, nothing else.
    Connected {
        /// The peer's operating key.
        peer: PublicKey,
    },
    /// The last connection to the peer is gone.
    Disconnected {
        /// The peer.
        peer: PublicKey,
    },
    /// A peer sends a request, which exactly one [`Effect::Respond`] or an [`Effect::Disconnect`] answers.
    Request {
        /// The peer.
        peer: PublicKey,
        /// The driver's number for the request.
        id: RequestId,
        /// The encoded request.
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
    /// Gossip arrived; one [`Effect::GossipChecked`] tells the driver how to treat it, perhaps after other events.
    Gossip {
        /// The peer that forwarded it; not necessarily its author.
        peer: PublicKey,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A write was carried out, or failed. An engine ignores the outcomes of writes that it did not ask for.
    Written {
        /// The engine's number of the write.
        id: WriteId,
        /// The result.
        outcome: Result<Written, StoreFailure>,
    },
    /// Something other than the engine changed the replica: own claims, a renewed head, a bundle, the
    /// allow-list, the scope.
    LocalChanged,
    /// Time passed. Sent at the latest when [`Effect::WakeAt`] asked for it.
    Tick,
}

/// The treatment of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GossipVerdict {
    /// News with proof: forward it.
    Accept,
    /// Nothing new, or about sites that are not listed here: drop it.
    Ignore,
    /// Invalid: drop it and count it against the peer that forwarded it.
    Reject,
}

/// Something the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a request; a response, a failure or a disconnect must follow.
    Request {
        /// The receiver.
        peer: PublicKey,
        /// The engine's number.
        id: RequestId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Answer a peer's request.
    Respond {
        /// The receiver.
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
    /// The treatment of gossip.
    GossipChecked {
        /// The peer that forwarded it.
        peer: PublicKey,
        /// The message.
        bytes: Vec<u8>,
        /// The treatment.
        verdict: GossipVerdict,
    },
    /// Write to the store, after the writes before; one [`Event::Written`] must follow. Other events may be handled
    /// meanwhile.
    Write {
        /// The engine's number.
        id: WriteId,
        /// The write.
        write: Write,
    },
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
