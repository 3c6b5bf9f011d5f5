//! The real router and listeners over a fake site: errors, limits, access, events, the local socket, the document.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows these in #[test] functions, but not in the helpers beside them"
)]

mod access;
mod errors;
mod events;
mod fake;
mod fake_site;
mod limits;
mod openapi;
mod reference;
mod routes;
mod socket;
mod troubleshooting;
