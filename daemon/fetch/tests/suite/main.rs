//! Plans run against a small server, which behaves, and misbehaves in each way that sources do.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod checks;
mod clocks;
mod csaf;
mod kinds;
mod limits;
mod lists;
mod local;
mod manners;
mod pages;
mod server;
mod snapshots;
mod tls;
mod to_the_end;
mod windows;
mod world;
