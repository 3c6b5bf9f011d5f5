//! Renders bundles.

use std::fmt::Write as _;

use starling_api_types::{
    ArrivedMutes, BundleInfo, BundleValidation, ExportSummary, ImportLog, ImportReport, Problem,
};

use super::table::Table;
use super::{Lines, author, count, counted, cut, on_screen, or_dash, plain, section, short, size};
use crate::terminal::{self, Tone};

/// Widest conflict value shown.
const VALUE_WIDTH: usize = 40;

/// Renders `starling bundle export`.
pub(crate) fn export(summary: &ExportSummary) -> String {
    let text = format!(
        "{}: {}, {}, {}, {}",
        summary.bundle_hash,
        counted(summary.deltas, "delta", "deltas"),
        counted(summary.claims, "claim", "claims"),
        counted(summary.bodies, "record", "records"),
        or_dash(summary.size_bytes.map(size))
    );
    if summary.deltas > 0 {
        return text;
    }
    format!(
        "{text}\nThe bundle has no deltas: as far as is known here, its reader has all that this site holds."
    )
}

/// Renders a bundle of which all is here: nothing failed.
pub(crate) fn nothing_new(problem: &Problem) -> String {
    let detail = problem.detail.strip_prefix("importing a bundle: ");
    let mut text = terminal::wrapped("", 0, &plain(detail.unwrap_or(&problem.detail)));
    let hint = problem.hint.as_deref().unwrap_or("nothing was changed");
    let code = problem.exit_status().code();
    text.push_str(&terminal::wrapped(
        "",
        0,
        &plain(&format!("{hint} (exit code {code}: nothing was imported)")),
    ));
    text
}

/// Returns the outcome of a log in a word, which says if some of its claims, or all, are held and not used.
fn outcome(log: &ImportLog) -> String {
    let word = log.outcome.as_str();
    match (log.not_used.is_empty(), log.other_claims) {
        (true, _) => word.to_owned(),
        (false, Some(0)) => "held, not used".to_owned(),
        (false, _) => format!("{word}, in part not used"),
    }
}

/// Returns how many mutes arrived, and how many of them count here.
fn arrived(mutes: &ArrivedMutes) -> String {
    let number = counted(mutes.arrived, "mute", "mutes");
    let which = match (mutes.counting, mutes.arrived) {
        (0, 1) => "and does not count here",
        (0, _) => "and none of them counts here",
        (counting, arrived) if counting == arrived => return format!("{number} arrived, in force here"),
        _ => "and not all of them count here",
    };
    match &mutes.remark {
        Some(remark) => format!("{number} arrived, {which}: {}", plain(remark)),
        None => format!("{number} arrived, {which}"),
    }
}

/// Renders `starling bundle import`.
pub(crate) fn import_report(report: &ImportReport) -> String {
    let counts = &report.counts;
    let mut text = String::new();
    if report.dry_run {
        text.push_str("Dry run: nothing was changed. An import would have this result:\n\n");
    }
    let mut logs = Table::new(["AUTHOR", "LANE", "OUTCOME", "CURSOR"]).never_cuts("CURSOR");
    for log in &report.logs {
        logs.row([
            author(log.site_id.as_ref(), &log.site),
            log.lane.to_string(),
            outcome(log),
            or_dash(log.cursor.as_ref()),
        ]);
    }
    section(&mut text, "Logs", &logs);
    for log in &report.logs {
        if let Some(reason) = &log.reason {
            let first = format!("{}: ", author(log.site_id.as_ref(), &log.site));
            text.push_str(&terminal::wrapped(&first, 2, &plain(reason)));
            if let Some(hint) = &log.hint {
                text.push_str(&terminal::wrapped("  ", 2, &plain(hint)));
            }
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
    // The lines above already say what is not used, and why.
    let hints: Vec<&str> = report
        .logs
        .iter()
        .filter(|log| !log.not_used.is_empty())
        .filter_map(|log| log.hint.as_deref())
        .collect();
    let is_new = |warning: &&String| !hints.iter().any(|hint| warning.ends_with(hint));
    for warning in report.warnings.iter().filter(is_new) {
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
        .add("signed heads", count(report.heads))
        .add("conflicts", count(report.conflicts.len() as u64));
    let lines = match &report.mutes {
        Some(mutes) => lines.add("mutes", arrived(mutes)),
        None => lines,
    };
    let _ = write!(text, "{lines}");
    text
}

/// Renders `starling bundle inspect`.
pub(crate) fn bundle_info(info: &BundleInfo) -> String {
    let name = info.exporter_site_id.as_ref().map(ToString::to_string);
    let mut lines = Lines::default()
        .add("bundle", info.bundle_hash)
        .add("format", info.format_version)
        .add_if(name.is_some(), "sealed by", name.unwrap_or_default())
        .add(
            if info.exporter_site_id.is_some() {
                "identity"
            } else {
                "sealed by"
            },
            info.exporter,
        )
        .add("size", size(info.size_bytes))
        .add("frames", count(info.frames))
        .add("certificates", count(info.certificates))
        .add_if(info.deltas > 0, "deltas", count(info.deltas))
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
        .never_cuts("CURSOR")
        .leaves_out(&["EPOCH", "DELTAS", "FIRST"]);
    if info.logs.iter().all(|log| log.deltas.is_none()) {
        logs = logs.without("DELTAS");
    }
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
    if info.logs.is_empty() {
        text.push_str("\nIt has no logs: the bundle is empty.\n");
    }
    text.push_str("\nNone of this was verified: use `starling bundle validate`.\n");
    text
}

/// The check that fails if everything in the bundle is here already.
const NEWS: &str = "news";
/// The beginning of the names of checks that only this site can make.
const HERE: &str = "here: ";

/// Renders `starling bundle validate`.
pub(crate) fn bundle_validation(validation: &BundleValidation) -> String {
    let mut text = String::new();
    let label_width = validation.checks.iter().map(|check| check.name.len()).max();
    let label_width = label_width.unwrap_or_default();
    for check in &validation.checks {
        let (tone, ok) = if check.ok {
            (Tone::Good, "yes")
        } else {
            (Tone::Bad, "NO ")
        };
        let first = format!("{:label_width$}  {}  ", check.name, tone.paint(ok));
        text.push_str(&terminal::wrapped(&first, label_width + 7, &plain(&check.found)));
    }
    let hash = validation
        .bundle_hash
        .map_or_else(String::new, |hash| format!(" {}", on_screen(&hash.to_string())));
    let failed: Vec<_> = validation.checks.iter().filter(|check| !check.ok).collect();
    let verdict = match failed.as_slice() {
        // The check's line, above, says why.
        [only] if only.name == NEWS => "is sound, and an import here would take nothing".to_owned(),
        _ if validation.valid => "is valid".to_owned(),
        failed => {
            // Their lines, above, say why.
            let names: Vec<_> = failed.iter().map(|check| check.name.as_str()).collect();
            let names = names.join(", ");
            let has_news = validation
                .checks
                .iter()
                .any(|check| check.name == NEWS && check.ok);
            if has_news && failed.iter().all(|check| check.name.starts_with(HERE)) {
                format!("is sound, and an import here would take a part of it: NO for {names}")
            } else {
                format!("is NOT valid: NO for {names}")
            }
        }
    };
    text.push('\n');
    text.push_str(&terminal::wrapped(&format!("bundle{hash} "), 2, &plain(&verdict)));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn validation(checks: &[(&str, bool, &str)]) -> String {
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, ok, found)| json!({"name": name, "ok": ok, "found": found}))
            .collect();
        let valid = checks
            .iter()
            .all(|check| check["ok"] == true || check["name"] == NEWS);
        let found = json!({"valid": valid, "checks": checks, "duration_ms": 1,
            "bundle_hash": format!("blake3:{}", "a".repeat(64))});
        let found: BundleValidation = serde_json::from_value(found).unwrap();
        terminal::at_width(80, || bundle_validation(&found))
    }

    #[test]
    fn report_says_if_arrived_mutes_apply() {
        let mutes = |arrived, counting, remark: Option<&str>| {
            super::arrived(&ArrivedMutes {
                arrived,
                counting,
                remark: remark.map(str::to_owned),
            })
        };
        assert_eq!(mutes(2, 2, None), "2 mutes arrived, in force here");
        assert_eq!(
            mutes(1, 0, Some("site-b may not mute here")),
            "1 mute arrived, and does not count here: site-b may not mute here"
        );
        assert!(mutes(3, 1, None).contains("not all of them count here"));
    }

    #[test]
    fn bundle_without_news_is_sound() {
        let text = validation(&[
            ("seal", true, "good"),
            ("news", false, "everything in it is here"),
        ]);
        assert!(
            text.contains("is sound, and an import here would take nothing"),
            "{text}"
        );
        assert!(!text.contains("NOT valid"), "{text}");
        assert_eq!(text.matches("everything in it is here").count(), 1, "{text}");
    }

    #[test]
    fn bundle_without_news_is_not_an_error() {
        let problem = Problem::new(
            starling_api_types::ErrorCode::CursorNotAfterCurrent,
            "importing a bundle: nothing new: all 3 deltas are here, up to 2025-01-15T10:30:00.000Z#0042",
        );
        let text = terminal::at_width(200, || {
            nothing_new(&problem.hint("nothing was changed; use --force"))
        });
        assert_eq!(
            text,
            "nothing new: all 3 deltas are here, up to 2025-01-15T10:30:00.000Z#0042\n\
             nothing was changed; use --force (exit code 3: nothing was imported)\n"
        );
    }

    #[test]
    fn empty_bundle_says_that_it_is_empty() {
        let hash = format!("blake3:{}", "a".repeat(64));
        let summary = |deltas: u64| {
            let summary = json!({"bundle_hash": hash, "deltas": deltas, "claims": deltas, "bodies": 0, "size_bytes": 403});
            export(&serde_json::from_value(summary).unwrap())
        };
        assert!(summary(0).contains("has no deltas"), "{}", summary(0));
        assert!(!summary(1).contains("has no deltas"), "{}", summary(1));
        let info = json!({"bundle_hash": hash, "format_version": 1, "exporter": hash, "exporter_site_id": "site-b",
            "size_bytes": 403, "frames": 2, "certificates": 1, "bodies": 0, "bodies_bytes": 0, "logs": []});
        let text = bundle_info(&serde_json::from_value(info).unwrap());
        assert!(text.contains("the bundle is empty"), "{text}");
    }

    #[test]
    fn claims_of_disallowed_sources_are_not_shown_as_taken() {
        let log = |others: Option<u64>| {
            json!({"site": format!("blake3:{}", "1".repeat(64)), "site_id": "site-b", "lane": "federation", "outcome": "taken",
                "cursor": "2025-01-15T10:30:00.000Z#0042", "reason": "2 claims are held, not used: nvd is not allowed",
                "hint": "`starling sites set site-b --allowed-sources ghsa,nvd`",
                "not_used": [{"source": "nvd", "claims": 2}], "other_claims": others})
        };
        let report = json!({"success": true, "bundle_hash": format!("blake3:{}", "a".repeat(64)), "imported_cursor": null,
            "counts": {"canonical_created": 0, "canonical_updated": 0, "canonical_skipped": 0, "edges_added": 0,
                "deletions_processed": 0},
            "conflicts": [], "duration_ms": 1, "logs": [log(Some(0)), log(Some(3))]});
        let report: ImportReport = serde_json::from_value(report).unwrap();
        let text = terminal::at_width(140, || import_report(&report));
        assert!(text.contains("site-b  federation  held, not used  "), "{text}");
        assert!(
            text.contains("site-b  federation  taken, in part not used  "),
            "{text}"
        );
        for line in [
            "site-b: 2 claims are held, not used: nvd",
            "  `starling sites set site-b --allowed-sources ghsa,nvd`",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn reason_of_a_refusal_is_never_cut() {
        let why = "the delta that begins at claim 7 does not follow the one that is held here, which ends at claim 5";
        let text = validation(&[("seal", true, "good"), ("logs", false, why)]);
        let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("is NOT valid: NO for logs"), "{text}");
        assert_eq!(told.matches(why).count(), 1, "{text}");
        for line in text.lines() {
            assert!(console::measure_text_width(line) <= 80, "{line}");
        }
    }

    #[test]
    fn partly_imported_bundle_is_not_shown_as_invalid() {
        let part = "here: site-b federation";
        let text = validation(&[
            ("seal", true, "good"),
            (part, false, "not listed"),
            (NEWS, true, "news"),
        ]);
        let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("is sound, and an import here would take a part of it"),
            "{text}"
        );
        let text = validation(&[
            ("seal", false, "bad"),
            (part, false, "not listed"),
            (NEWS, true, "news"),
        ]);
        assert!(text.contains("NOT valid"), "{text}");
    }
}
