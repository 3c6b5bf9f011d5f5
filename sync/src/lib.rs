//! State machines for sessions, gossip, trust and acceptance: event and `now` in, effects out.

mod replica;

pub use replica::{
    AppendOutcome, AppendProblem, DeltaPage, Learned, LogPosition, MissingBody, Replica, ReplicaError,
};
