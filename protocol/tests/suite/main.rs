//! Tests of the protocol from the outside: bundles, golden files, hostile input.
//!
//! One binary, so that the crate is linked once. `world` makes honest sites, `forge` makes bundles that no
//! honest site would write.

// Forged bytes are small: no cast here can lose anything.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod bundle;
mod bundle_forged;
mod bundle_hostile;
mod bundle_known;
mod bundle_validate;
mod forge;
mod golden;
mod world;
