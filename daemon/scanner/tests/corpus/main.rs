//! Conformance suites and documents that others wrote, read from the corpus that `STARLING_CORPUS`
//! names. Without it every test here says that it is skipped, and passes.
//!
//! A suite's case is left out only by name, beside the reason.

// The corpus is outside of the crate, so these tests read the environment and the disk.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used
)]

mod ecosystems;
mod osv;
mod sboms;
mod suites;
mod support;
