//! Deltas: signed batches of claims with consecutive numbers, the unit of replication.
//!
//! The bytes of a delta are the same on the wire, in the store and in a file. The header alone can be verified
//! and chained; the claims block is opened only after its hash matches the signed header. Layout:
//! `docs/formats/delta.md`.

mod build;
mod error;
mod frame;
mod header;

pub use self::build::{DeltaBuilder, DeltaPlace};
pub use self::error::DeltaError;
pub use self::frame::{Delta, VerifiedDelta};
pub use self::header::{DeltaHash, DeltaHeader, VerifiedHeader};
