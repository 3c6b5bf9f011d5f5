//! A replica in memory, used by tests and simulations to drive the engine.
//!
//! It keeps every rule of [`WritableReplica`](crate::WritableReplica) and nothing else: no scope except a list of sources, no
//! policy, no disk. Two models that hold the same logs are equal in all that they report.

mod author;
mod branch;
mod log;
mod port;
mod replica;

pub use author::ModelKeys;
pub use replica::ModelReplica;
