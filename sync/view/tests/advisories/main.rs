//! Tests of the view from a user's perspective: advisories by every name, fields with losing values, and
//! events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first surprise"
)]

mod fold;
mod identity;
mod many;
mod rows;
mod site;
mod statements;
