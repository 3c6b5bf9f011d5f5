//! State machines for sessions, gossip, trust and acceptance: event and now in, effects out.

pub mod limits;
mod replica;
mod settings;
pub mod wire;

pub use replica::{
    AppendOutcome, AppendProblem, DeltaPage, Learned, LogPosition, MissingBody, Replica, ReplicaError,
};
pub use settings::{CompressionLevels, Settings};
