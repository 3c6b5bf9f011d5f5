//! What a user sees of the view: advisories by every name, fields with their losers, and events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first surprise"
)]

mod fold;
mod identity;
mod rows;
mod site;
mod statements;
