//! Shared documents: what every site may write and all sites read as one, without a site in the middle.
//!
//! A document is an Automerge document. Each of its changes is one claim in its author's own log
//! (`protocol::Claim::document_change`), so it is signed, chained, relayed, carried by bundles and counted by
//! the state root like any other claim. This crate is pure: change bytes come in, what they say comes out.
//!
//! - [`actor`]: under which Automerge actor a site writes, so that nobody can write in another's name;
//! - [`change`]: the bytes of one change, read strictly and within bounds;
//! - [`graph`]: which changes count, which wait for others, which are refused, whatever the order they came in;
//! - [`mutes`]: the document `mutes`.
//!
//! Layout: `docs/formats/documents.md`.

pub mod actor;
pub mod change;
pub mod graph;
pub mod mutes;

mod column;
