//! Replication between sites: sessions, trust, gossip, deltas, bodies, acceptance.
//!
//! A state machine without I/O. Feed [`SyncEngine::handle`] with [`Event`]s and the time, carry out the
//! [`Effect`]s that come back, and let it read the site's store as a [`Replica`]. The daemon owns sockets, clock and
//! tasks. The replica verifies and keeps. The view folds claims into advisories.
//!
//! A step never writes. It asks for a [`Write`] with [`Effect::Write`]; the driver carries that out on a
//! [`WritableReplica`] and reports [`Event::Written`]. Other events may come in between. [`drive`] does both at once,
//! for tests and simulations; the daemon writes in a thread of its own and answers peers meanwhile.
//!
//! # How a claim reaches a peer
//!
//! Each event goes to one module. Then the engine starts everything that became possible (`engine::go_on`): expired
//! requests, sessions, the examination of a store that failed, pulls, requests for facts, comparisons, news, gossip,
//! the next write, and the next wake-up. The steps, with their modules, their writes and their state:
//!
//! 1. **hello** (`session`, `old_key`). A connection opens, and the transport has proved the peer's key. One side
//!    sends its certificate chain, its capabilities and, if the key is a listed site's, its first news. The other
//!    side checks that the chain makes this key the current key of a listed site, and answers with its own hello. A
//!    chain longer than the known one is written first ([`Write::LearnChain`]). A replaced key is sent the proof
//!    instead. State: `peer::Peer` holds the stage, the deadlines and the capabilities; `inbox` holds a hello that
//!    waits for its write.
//! 2. **news** (`telling` out; `inbox` and `news` in; `gossip`). Each site sends its neighbours notes: its positions in
//!    each log, and the rank of its newest head. Chains, heads and fork proofs come along, or the peer requests them.
//!    Each new one is verified and written before the next is looked at ([`Write::LearnHead`], [`Write::LearnFork`]);
//!    then the notes are taken, and the message is answered. News is sent again until it is confirmed. Authors also
//!    gossip their own head and chain to everyone. State: `Peer` holds what the peer has, what it was sent, and what
//!    to request from it; `inbox` holds the messages that wait.
//! 3. **deltas** (`pull`; the other side answers in `serve`). A note shows that a peer holds more of a log. The
//!    engine requests one page at a time, from the peer that fails least, and has it written ([`Write::Append`]): the
//!    replica verifies each delta against its author's chain and appends it. No further page of that log is requested
//!    before the outcome. A contradiction becomes a fork proof, which spreads by step 2. State: `pulls::Pulls`
//!    holds for each log its step, pauses, and a fork to prove.
//! 4. **bodies** (`bodies`; `bodies/sources.rs` chooses the peer; the other side answers in `serve`). The replica lists the
//!    bodies that are live, in scope and not here. The engine requests them in pages, by claim number. The peer
//!    compresses a page against older bodies that this site offers. Bodies that match their hashes are written
//!    ([`Write::StoreBodies`]), and count as in flight until then. A body that no peer has is reported, and tried
//!    again later. State: `bodies::BodyPulls` holds a queue per log, and the bodies in flight.
//! 5. **accept** (`pull::accepted`, [`Write::Accept`]). After each page the replica accepts every source whose live
//!    bodies are here. The engine reports the new positions to its neighbours, which is step 2 for the next site.
//!    State: only in the replica.
//!
//! `writes` holds the writes: they are carried out in the order in which they became possible, one at a time, and each
//! with what its module needs to go on. If one fails, nobody is blamed, pulling pauses, and the store is examined
//! before it goes on (`engine::StoreHealth`).
//!
//! Beside these steps, `tips` compares what two sites hold at equal positions, `own_log` collects what peers state
//! about this site's own log for a restored home, `offers` decides which site fetches a source, and `peer_score` counts
//! violations and limits message rates. [`Dials`] decides when a driver dials which site; it is beside the engine,
//! because the engine knows no addresses.
//!
//! # What to read first
//!
//! 1. [`Replica`]: the store's contract, and with it the words *held*, *accepted*, *body-complete*.
//! 2. [`Event`], [`Effect`] and [`Write`]: everything that goes in and comes out.
//! 3. `engine`: dispatch, open requests, timeouts.
//! 4. `session`, `inbox`, `news`, `pull`, `bodies`, `writes`, in the order of the steps. The states and their
//!    transitions are at the heads of `session`, `inbox`, `pulls`, `bodies`, `writes`, `gossip` and `engine`.
//! 5. [`wire`]: the messages; `docs/formats/wire.md` describes their bytes.
//!
//! `model` (feature `model`) is a replica in memory. `tests/engine` runs several engines over it.

mod bodies;
mod clock;
mod dials;
mod engine;
mod event;
mod gossip;
mod inbox;
pub mod limits;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod news;
mod notice;
mod offers;
mod old_key;
mod own_log;
mod peer;
mod peer_score;
mod pull;
mod pulls;
mod replica;
mod serve;
mod session;
mod settings;
mod telling;
mod tips;
pub mod wire;
mod write;
mod writes;

pub use dials::{Dial, Dials, SHORT_SESSION_MILLIS};
pub use engine::SyncEngine;
pub use event::{Effect, Event, FailureReason, GossipVerdict, RequestId};
pub use notice::{DisconnectReason, Notice, TipDifference, Violation};
pub use offers::{
    Candidate, INTERVALS, LifeSign, OfferSeen, OwnFeed, PROBE_INTERVALS, Reason, Role, Waited, Watch, elect,
    is_healthy,
};
pub use own_log::{HeardPeer, OwnLogNews};
pub use replica::{
    AppendOutcome, AppendProblem, DeltaPage, HeldTip, Learned, LearnedHead, LogPosition, MissingBody,
    Replica, ReplicaError, WritableReplica,
};
pub use settings::{CompressionLevels, Settings};
pub use write::{StoreFailure, Write, WriteId, Written, drive};

/// Names a log: author and lane.
pub type LogKey = (starling_protocol::SiteId, starling_protocol::Lane);
