//! Renders bundles.

use std::fmt::Write as _;

use starling_api_types::{BundleInfo, BundleValidation, ExportSummary, ImportReport};

use super::table::Table;
use super::{Lines, author, count, cut, list, or_dash, plain, section, short, size};
use crate::terminal::{self, Tone};

/// Widest conflict value shown.
const VALUE_WIDTH: usize = 40;

/// Renders `starling bundle export`.
pub(crate) fn export(summary: &ExportSummary) -> String {
    format!(
        "{}: {} deltas, {} claims, {} records, {}",
        summary.bundle_hash,
        count(summary.deltas),
        count(summary.claims),
        count(summary.bodies),
        or_dash(summary.size_bytes.map(size))
    )
}

/// Renders `starling bundle import`.
pub(crate) fn import_report(report: &ImportReport) -> String {
    let counts = &report.counts;
    let mut text = String::new();
    if report.dry_run {
        text.push_str("Dry run: nothing was changed. An import would have this result:\n\n");
    }
    let mut logs = Table::new(["AUTHOR", "LANE", "OUTCOME", "CURSOR"]);
    for log in &report.logs {
        logs.row([
            author(log.site_id.as_ref(), &log.site),
            log.lane.to_string(),
            log.outcome.as_str().to_owned(),
            or_dash(log.cursor.as_ref()),
        ]);
    }
    section(&mut text, "Logs", &logs);
    for log in &report.logs {
        let what = log.reason.as_deref();
        for line in what
            .into_iter()
            .chain(log.hint.as_deref().filter(|_| what.is_some()))
        {
            let _ = writeln!(text, "{}: {}", log.outcome.as_str(), plain(line));
        }
    }
    let mut conflicts = Table::new(["ADVISORY", "FIELD", "HERE", "IMPORTED", "RESOLUTION"]);
    for conflict in &report.conflicts {
        conflicts.row([
            short(&conflict.merge_hash.to_string()),
            conflict.field.clone(),
            cut(conflict.local_value.as_str(), VALUE_WIDTH),
            cut(conflict.remote_value.as_str(), VALUE_WIDTH),
            conflict.resolution.clone(),
        ]);
    }
    section(&mut text, "Conflicts", &conflicts);
    for warning in &report.warnings {
        let label = Tone::Warn.paint("warning:");
        text.push_str(&terminal::wrapped(&format!("{label} "), 2, &plain(warning)));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let lines = Lines::default()
        .add("bundle", report.bundle_hash)
        .add("cursor", or_dash(report.imported_cursor.as_ref()))
        .add("created", count(counts.canonical_created))
        .add("updated", count(counts.canonical_updated))
        .add("unchanged", count(counts.canonical_skipped))
        .add("edges added", count(counts.edges_added))
        .add("deletions", count(counts.deletions_processed))
        .add("certificates", count(report.certificates))
        .add("heads", count(report.heads))
        .add("conflicts", count(report.conflicts.len() as u64));
    let _ = write!(text, "{lines}");
    text
}

/// Renders `starling bundle inspect`.
pub(crate) fn bundle_info(info: &BundleInfo) -> String {
    let exporter = match &info.exporter_site_id {
        Some(name) => format!("{name} ({})", info.exporter),
        None => info.exporter.to_string(),
    };
    let mut lines = Lines::default()
        .add("bundle", info.bundle_hash)
        .add("format", info.format_version)
        .add("sealed by", exporter)
        .add("size", size(info.size_bytes))
        .add("frames", count(info.frames))
        .add("certificates", count(info.certificates))
        .add(
            "records",
            format!("{}, {} unpacked", count(info.bodies), size(info.bodies_bytes)),
        );
    if let Some(part) = &info.part {
        lines = lines.add("part", part);
    }
    let mut text = lines.to_string();
    let mut logs = Table::new(["AUTHOR", "LANE", "EPOCH", "FIRST", "CURSOR", "DELTAS", "CLAIMS"])
        .numbers(&["EPOCH", "FIRST", "DELTAS", "CLAIMS"])
        .leaves_out(&["EPOCH", "DELTAS", "FIRST"]);
    for log in &info.logs {
        logs.row([
            author(log.site_id.as_ref(), &log.site),
            log.lane.to_string(),
            log.epoch.to_string(),
            log.first.to_string(),
            log.cursor.to_string(),
            or_dash(log.deltas.map(count)),
            count(log.claims),
        ]);
    }
    section(&mut text, "Logs", &logs);
    text.push_str("\nNone of this was verified: use `starling bundle validate`.\n");
    text
}

/// Renders `starling bundle validate`.
pub(crate) fn bundle_validation(validation: &BundleValidation) -> String {
    let mut checks = Table::new(["CHECK", "OK", "FOUND"]).shrinks("FOUND", 24);
    for check in &validation.checks {
        checks.row([
            check.name.clone(),
            if check.ok { "yes" } else { "NO" }.to_owned(),
            check.found.clone(),
        ]);
    }
    let verdict = if validation.valid { "valid" } else { "NOT valid" };
    let hash = validation
        .bundle_hash
        .map_or_else(String::new, |hash| format!(" {hash}"));
    let failed: Vec<_> = validation
        .checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| check.name.as_str())
        .collect();
    let failed = if failed.is_empty() {
        String::new()
    } else {
        format!(": {}", list(&failed))
    };
    format!("{checks}\nbundle{hash} is {verdict}{failed}")
}
