//! Reports of work done: feeds, doctor, conversion.

use std::fmt::Write as _;

use starling_api_types::{ConvertReport, DoctorReport, FeedImportReport, FeedOutcome};

use super::table::Table;
use super::{Lines, count, duration, or_dash, plain, section, size};

/// Most files named in the text; `--json` names all.
const FILES_SHOWN: usize = 20;
/// Most damaged entries named per check.
const DAMAGED_SHOWN: usize = 10;

/// `starling feeds import`
pub(crate) fn feed_report(report: &FeedImportReport) -> String {
    let mut text = Lines::default()
        .add("source", &report.source)
        .add("stored", count(report.stored))
        .add("unchanged", count(report.unchanged))
        .add("duplicate", count(report.duplicate))
        .add("ignored", count(report.ignored))
        .add("rejected", count(report.rejected))
        .add("absent", count(report.absent))
        .add("deltas", count(report.deltas))
        .add("cursor", or_dash(report.cursor.as_ref()))
        .add(
            "took",
            format!(
                "{} for {}",
                duration(report.duration_ms),
                size(report.input_bytes)
            ),
        )
        .to_string();
    // Files without a record are many and of no interest; the counts have them.
    let told: Vec<_> = report
        .files
        .iter()
        .filter(|file| file.outcome != FeedOutcome::Ignored)
        .collect();
    let mut files = Table::new(["FILE", "OUTCOME", "REASON"]);
    for file in told.iter().take(FILES_SHOWN) {
        files.row([
            file.name.clone(),
            file.outcome.as_str().to_owned(),
            file.reason.clone(),
        ]);
    }
    section(&mut text, "Files", &files);
    if told.len() > FILES_SHOWN {
        let _ = writeln!(
            text,
            "… and {} more; --json names them",
            count((told.len() - FILES_SHOWN) as u64)
        );
    }
    if !report.warnings.is_empty() {
        let _ = writeln!(
            text,
            "\n{} warning(s), the first:",
            count(report.warnings.len() as u64)
        );
    }
    for warning in report.warnings.iter().take(FILES_SHOWN) {
        let _ = writeln!(text, "  {}", plain(warning));
    }
    text
}

/// `starling doctor`
pub(crate) fn doctor(report: &DoctorReport) -> String {
    let mut checks = Table::new(["CHECK", "OK", "REPAIRED", "FOUND"]);
    for check in &report.checks {
        checks.row([
            check.name.clone(),
            if check.ok { "yes" } else { "NO" }.to_owned(),
            count(check.repaired),
            check.found.clone(),
        ]);
    }
    let mut text = checks.to_string();
    for check in report.checks.iter().filter(|check| !check.damaged.is_empty()) {
        let _ = writeln!(text, "\nDamaged in {}:", plain(&check.name));
        for name in check.damaged.iter().take(DAMAGED_SHOWN) {
            let _ = writeln!(text, "  {}", plain(name));
        }
        if check.damaged.len() > DAMAGED_SHOWN {
            let _ = writeln!(
                text,
                "  … and {} more; --json names them",
                check.damaged.len() - DAMAGED_SHOWN
            );
        }
    }
    let end = if report.ok { "sound" } else { "DAMAGED" };
    let _ = writeln!(text, "\nthe store is {end} ({})", duration(report.duration_ms));
    text
}

/// `starling store convert`
pub(crate) fn converted(report: &ConvertReport) -> String {
    Lines::default()
        .add("engine", format!("{}, was {}", report.to, report.from))
        .add("entries", count(report.entries))
        .add(
            "size",
            format!(
                "{}, was {}",
                size(report.size_after_bytes),
                size(report.size_before_bytes)
            ),
        )
        .add("took", duration(report.duration_ms))
        .to_string()
}
