//! axum routes over a service trait, and the OpenAPI document.

mod service;
mod upload;

pub use service::{ByteStream, EventStream, ExportedBundle, ServiceResult, SiteService};
pub use upload::{Upload, file_problem};
