//! What is written of the scans, and where.

use std::path::Path;

use clap::ValueEnum;
use starling_api_types::Problem;
use starling_report::{Format, Report, Scan};

use super::report::{ScanOutcome, ScanReport, Scanned};
use crate::output::write_stream;
use crate::render;

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Text for people
    Table,
    /// The verdict in its envelope; of several SBOMs, a list of them
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for build servers
    Junit,
    /// CycloneDX 1.6 with vulnerabilities, for SBOM platforms
    Cyclonedx,
    /// CSV, for spreadsheets
    Csv,
    /// Markdown, for job summaries
    Markdown,
    /// One HTML page
    Html,
}

/// Writes the report to `target`, `-` being standard output; `explain` adds the rules behind each finding to
/// what people read. The other formats carry them anyway, as far as they have a place for them.
///
/// # Errors
/// `file_access`, `disk_full`.
pub(super) async fn write(
    report: &ScanReport,
    shape: Shape,
    explain: bool,
    target: &Path,
) -> Result<(), Problem> {
    let mut text = match shape {
        Shape::Table if explain => table(report) + &reasons(report),
        Shape::Table => table(report),
        Shape::Json => json(report)?,
        Shape::Sarif => render_as(Format::Sarif, report)?,
        Shape::Junit => render_as(Format::JUnit, report)?,
        Shape::Cyclonedx => render_as(Format::CycloneDx, report)?,
        Shape::Csv => render_as(Format::Csv, report)?,
        Shape::Markdown => render_as(Format::Markdown, report)?,
        Shape::Html => render_as(Format::Html, report)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let bytes = futures::stream::once(async move { Ok(text.into()) });
    write_stream(target, Box::pin(bytes)).await?;
    Ok(())
}

/// One SBOM is shown by itself, several as a list.
fn table(report: &ScanReport) -> String {
    match report.scans.as_slice() {
        [
            Scanned {
                outcome: ScanOutcome::Result(envelope),
                ..
            },
        ] => render::verdict(envelope),
        _ => render::scan_report(report),
    }
}

/// The rules behind the findings of each SBOM, under its name where there are several.
fn reasons(report: &ScanReport) -> String {
    let mut text = String::new();
    for Scanned { sbom, outcome } in &report.scans {
        if let ScanOutcome::Result(envelope) = outcome {
            if report.scans.len() > 1 {
                text.push_str(&format!("\n== {}\n", render::plain(sbom)));
            }
            text.push_str(&render::reasons(envelope));
        }
    }
    text
}

fn json(report: &ScanReport) -> Result<String, Problem> {
    match report.scans.as_slice() {
        [
            Scanned {
                outcome: ScanOutcome::Result(envelope),
                ..
            },
        ] => serde_json::to_string_pretty(envelope),
        _ => serde_json::to_string_pretty(report),
    }
    .map_err(|error| Problem::internal("writing JSON", error))
}

fn render_as(format: Format, report: &ScanReport) -> Result<String, Problem> {
    let scans = report
        .scans
        .iter()
        .map(|Scanned { sbom, outcome }| match outcome {
            ScanOutcome::Problem(problem) => Ok(Scan::refused(
                sbom,
                problem.to_string(),
                problem.exit_status().code(),
            )),
            ScanOutcome::Result(envelope) => Scan::judged(
                sbom,
                envelope.verdict_hash.to_string(),
                envelope.verdict.as_str(),
                envelope.exit_code,
            ),
        });
    let scans = scans
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::internal("reporting on the verdict", error))?;
    format
        .render(&Report { scans })
        .map_err(|error| Problem::internal(format!("writing the report as {format}"), error))
}
