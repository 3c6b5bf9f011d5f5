//! The real router and listeners over a fake site: errors, limits, access, events, the local socket, the document.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy.toml means too, lie outside #[test] functions"
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
