//! The formats, and the function that writes each.

use std::fmt;
use std::str::FromStr;

use crate::model::Report;
use crate::{csv, cyclonedx, html, junit, markdown, sarif};

/// A format that other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for build servers.
    JUnit,
    /// CycloneDX 1.6 with vulnerabilities, for SBOM platforms.
    CycloneDx,
    /// CSV, for spreadsheets.
    Csv,
    /// Markdown, for job summaries and merge requests.
    Markdown,
    /// One HTML page without external resources.
    Html,
}

/// An unknown format name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a report format: expected sarif, junit, cyclonedx, csv, markdown or html")]
pub struct FormatError(String);

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report as {format}")]
pub struct RenderError {
    pub(crate) format: Format,
    #[source]
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [
        Self::Sarif,
        Self::JUnit,
        Self::CycloneDx,
        Self::Csv,
        Self::Markdown,
        Self::Html,
    ];

    /// Returns the format's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::JUnit => "junit",
            Self::CycloneDx => "cyclonedx",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// Writes a report, which ends with a line end.
    ///
    /// # Errors
    /// If the format's writer fails; no foreign text is known to cause that.
    pub fn render(self, report: &Report) -> Result<String, RenderError> {
        match self {
            Self::Sarif => sarif::render(report),
            Self::JUnit => junit::render(report),
            Self::CycloneDx => cyclonedx::render(report),
            Self::Csv => Ok(csv::render(report)),
            Self::Markdown => Ok(markdown::render(report)),
            Self::Html => Ok(html::render(report)),
        }
    }

    pub(crate) fn failed(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RenderError {
        RenderError {
            format: self,
            source: source.into(),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| FormatError(text.chars().take(40).collect()))
    }
}
