//! Verdicts in the formats that other tools read; pure.
//!
//! A [`Report`] is built from verdicts as the site wrote them; [`Format`] is the output format. Only a verdict's body
//! is used, so equal verdicts give equal bytes: no clock, no host, no random ids. Names and summaries come from SBOMs
//! and advisories, so they are foreign text: [`text::clean`] removes all control characters, and each format escapes
//! the rest by its own rules.

mod csv;
mod cyclonedx;
mod finding;
pub mod fix;
mod format;
mod html;
mod junit;
mod markdown;
mod model;
pub mod remarks;
mod sarif;
pub mod text;
pub mod unjudged;
pub mod upgrade;

pub use format::{Format, FormatError, RenderError};
pub use model::{Report, ReportError, Scan};

#[cfg(test)]
mod tests;
