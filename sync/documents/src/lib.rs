//! Shared documents: every site may write them, and all sites read the same result without a central site.
//!
//! A document is an Automerge document. Each of its changes is one claim in its author's own log
//! (`protocol::Claim::document_change`), so it is signed, chained, relayed, carried by bundles and counted by
//! the state root like any other claim. This crate is pure: it takes the bytes of changes and returns their
//! content.
//!
//! - [`actor`]: the Automerge actor of a site, so that no site can write in another's name;
//! - [`change`]: the bytes of one change, decoded strictly and within bounds;
//! - [`graph`]: which changes apply, wait for others, or are refused, independent of their order;
//! - [`mutes`]: the document `mutes`.
//!
//! Layout: `docs/formats/documents.md`.

pub mod actor;
pub mod change;
pub mod graph;
pub mod mutes;

mod column;
