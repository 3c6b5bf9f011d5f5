//! Replication between sites: sessions, trust, gossip, deltas, bodies, acceptance.
//!
//! A state machine without I/O. Feed [`SyncEngine::handle`] with [`Event`]s and the time, carry out the
//! [`Effect`]s that come back, and give it the site's store as a [`Replica`]. Sockets, clock and tasks are
//! the daemon's; verifying and keeping are the replica's; folding claims into advisories is the view's.

mod bodies;
mod clock;
mod conduct;
mod engine;
mod event;
mod givers;
mod gossip;
pub mod limits;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod news;
mod notice;
mod old_key;
mod own_log;
mod peer;
mod pull;
mod replica;
mod serve;
mod session;
mod settings;
mod telling;
mod tips;
pub mod wire;

pub use engine::SyncEngine;
pub use event::{Effect, Event, FailureReason, GossipVerdict, RequestId};
pub use notice::{DisconnectReason, Notice, Offence, TipDifference};
pub use own_log::{HeardPeer, OwnLogNews};
pub use replica::{
    AppendOutcome, AppendProblem, DeltaPage, HeldTip, Learned, LogPosition, MissingBody, Replica,
    ReplicaError,
};
pub use settings::{CompressionLevels, Settings};

/// Names a log: author and lane.
pub type LogKey = (starling_protocol::SiteId, starling_protocol::Lane);
