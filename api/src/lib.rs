//! Routes (axum) over a service trait, and the OpenAPI document.
//!
//! [`SiteService`] is the contract, [`Api`] serves an implementation, [`Access`] is the trust of a listener. The
//! implementation gives the calls their meaning; this crate limits, admits, times and renders them. It depends
//! neither on the store nor on the network between sites.

mod access;
mod body;
mod connections;
mod examples;
mod guard;
pub mod limits;
mod linger;
mod openapi;
mod places;
mod refusals;
mod reply;
mod router;
mod routes;
mod scan_form;
mod scan_memory;
mod serve;
mod service;
mod short_path;
mod state;
mod unread;
mod upload;

pub use access::{Access, AdminToken, TOKEN_MIN_BYTES, TokenError};
pub use router::{BASE_PATH, document, document_json};
pub use routes::advisories::read_raw_header;
pub use routes::bundles::{BUNDLE_CONTENT_TYPE, read_summary};
pub use routes::events::{LAST_EVENT_ID, PROBLEM_EVENT};
pub use scan_form::ScanDocuments;
pub use serve::{ListenError, LocalSocket, bind_tcp, bind_unix, serve_tcp, serve_unix};
pub use service::{ByteStream, EventStream, ExportedBundle, RawAnswer, ServiceResult, SiteService};
pub use short_path::ShortPath;
pub use state::{Api, ApiOptions};
pub use upload::{Upload, file_problem};
