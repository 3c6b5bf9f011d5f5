//! Runs the program as a user would, against a daemon that serves a fake site on a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows these in #[test] functions, but not in the helpers beside them"
)]

mod alone;
mod calls;
mod failures;
#[path = "../../../api/tests/api/fake_site.rs"]
#[allow(dead_code, reason = "the API's tests use the rest")]
mod fake_site;
mod files;
mod homes;
mod world;
