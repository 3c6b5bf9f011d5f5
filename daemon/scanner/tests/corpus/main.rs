//! Conformance suites and documents of other projects, from the corpus in `STARLING_CORPUS`. Without it every test
//! here prints that it is skipped, and passes.
//!
//! A suite's case is only excluded by name, with the reason.

// The corpus is outside of the crate, so these tests read the environment and the disk.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod cpe;
mod ecosystems;
mod osv;
mod sboms;
mod suites;
mod support;
