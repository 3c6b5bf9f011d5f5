//! Writes the scans' results to their outputs.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use starling_api_types::Problem;
use starling_report::{Format, Report, Scan};

use super::report::{ScanOutcome, ScanReport, Scanned};
use crate::output::{STANDARD, write_stream};
use crate::{render, terminal};

/// The formats.
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

impl Shape {
    /// Returns true if a report of this form can say that there is no verdict. A verdict in JSON is the input of later
    /// scans, and a list of vulnerabilities without any would read as clean.
    pub(super) const fn can_say_failed(self) -> bool {
        !matches!(self, Self::Json | Self::Cyclonedx)
    }
}

/// A format and its output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) shape: Shape,
    /// `None` for the format that goes to `--output`.
    pub(super) file: Option<PathBuf>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name, Some(file)),
            None => (text, None),
        };
        if file.is_some_and(str::is_empty) {
            return Err(format!("{text:?} has no file after `=`"));
        }
        let shape = Shape::from_str(name, false).map_err(|_| {
            let names = Shape::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
            format!("{name:?} is not a format: expected one of {}", names.join(", "))
        })?;
        Ok(Self {
            shape,
            file: file.map(PathBuf::from),
        })
    }
}

/// Writes the report to `target`; `-` is standard output. `details` only concern formats for people: the others always
/// include what they can hold.
///
/// # Errors
/// `file_access`, `disk_full`.
pub(super) async fn write(
    report: &ScanReport,
    shape: Shape,
    details: render::Details,
    target: &Path,
) -> Result<(), Problem> {
    let mut text = match shape {
        Shape::Table if target.as_os_str() == STANDARD => table(report, details),
        Shape::Table => terminal::into_file(|| table(report, details)),
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

/// Renders one SBOM alone, several as a list.
fn table(report: &ScanReport, details: render::Details) -> String {
    match report.scans.as_slice() {
        [
            Scanned {
                outcome: ScanOutcome::Result(envelope),
                ..
            },
        ] => render::verdict(envelope, details),
        _ => render::scan_report(report, details),
    }
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
        .map(|scanned @ Scanned { sbom, outcome, .. }| match outcome {
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
            )
            .map(|scan| scan.with_notes(scanned.notes())),
        });
    let scans = scans
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::internal("reporting on the verdict", error))?;
    format
        .render(&Report { scans })
        .map_err(|error| Problem::internal(format!("writing the report as {format}"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failed_scan_is_in_its_reports() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Problem::new(
            starling_api_types::ErrorCode::SbomUnreadable,
            "a.json: not an SBOM",
        );
        let (report, _) = ScanReport::of(vec![Scanned::of(Path::new("a.json"), Err(refused))]).unwrap();
        for (shape, told) in [
            (
                Shape::Junit,
                "<error message=\"SBOM not readable: a.json: not an SBOM\"",
            ),
            (Shape::Sarif, "\"executionSuccessful\": false"),
            (Shape::Html, "not an SBOM"),
            (Shape::Table, "REFUSED: SBOM not readable"),
        ] {
            assert!(shape.can_say_failed());
            let file = folder.path().join("report");
            write(&report, shape, render::Details::default(), &file)
                .await
                .unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains(told), "{shape:?}: {text}");
        }
        assert!(!Shape::Json.can_say_failed() && !Shape::Cyclonedx.can_say_failed());
    }

    #[test]
    fn format_option_is_parsed_with_its_file() {
        let wanted = |shape, file: Option<&str>| Wanted {
            shape,
            file: file.map(PathBuf::from),
        };
        assert_eq!("sarif".parse(), Ok(wanted(Shape::Sarif, None)));
        assert_eq!("html=a=b.html".parse(), Ok(wanted(Shape::Html, Some("a=b.html"))));
        let refused = "pdf".parse::<Wanted>().unwrap_err();
        assert!(refused.contains("table, json, sarif"), "{refused}");
        assert!("sarif=".parse::<Wanted>().is_err());
    }
}
