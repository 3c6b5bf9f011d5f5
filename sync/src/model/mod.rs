//! A replica in memory: what tests and simulations drive the engine with.
//!
//! It keeps every rule of [`Replica`](crate::Replica) and nothing else: no scope but a list of sources, no
//! policy, no disk. Two models that hold the same logs are equal in all that they report.

mod author;
mod log;
mod replica;

pub use author::ModelKeys;
pub use replica::ModelReplica;
