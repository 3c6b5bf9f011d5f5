//! Reports of work done: feeds, doctor, conversion, compaction.

use std::fmt::Write as _;

use starling_api_types::{CompactReport, ConvertReport, DoctorReport, FeedImportReport, FeedOutcome};

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
        .add("warnings", count(report.warning_count))
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
    let mut unmet = Table::new(["RECORDS", "SUCH AS", "NO SCAN CAN FIND THEM, AS A RECORD"]);
    for reason in &report.out_of_reach {
        unmet.row([
            count(reason.records),
            reason.example.clone(),
            reason.reason.clone(),
        ]);
    }
    section(&mut text, "Records that no scan can find", &unmet);
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

/// `starling store compact`
pub(crate) fn compacted(report: &CompactReport) -> String {
    let changed = |after, before| format!("{}, was {}", size(after), size(before));
    let (before, after) = (&report.before, &report.after);
    let engine = if report.engine_rebuilt {
        "rebuilt"
    } else {
        "left as it is"
    };
    Lines::default()
        .add("log", changed(after.log_bytes, before.log_bytes))
        .add(
            "packs",
            format!(
                "{}; {} rewritten, {} bodies moved",
                changed(after.pack_bytes, before.pack_bytes),
                count(report.packs_rewritten),
                count(report.bodies_moved)
            ),
        )
        .add(
            "engine",
            format!("{}; {engine}", changed(after.engine_bytes, before.engine_bytes)),
        )
        .add("total", changed(after.total(), before.total()))
        .add("took", duration(report.duration_ms))
        .to_string()
}

#[cfg(test)]
mod tests {
    use starling_api_types::StoreSizes;

    use super::*;

    #[test]
    fn compaction_shows_each_part_before_and_after() {
        let report = CompactReport {
            before: StoreSizes {
                log_bytes: 1_000_000,
                pack_bytes: 80_000_000,
                engine_bytes: 300_000_000,
            },
            after: StoreSizes {
                log_bytes: 1_000_000,
                pack_bytes: 20_000_000,
                engine_bytes: 90_000_000,
            },
            packs_rewritten: 3,
            bodies_moved: 4_000,
            engine_rebuilt: true,
            duration_ms: 1_500,
        };
        assert_eq!(
            compacted(&report),
            "log     1.0 MB, was 1.0 MB\n\
             packs   20.0 MB, was 80.0 MB; 3 rewritten, 4,000 bodies moved\n\
             engine  90.0 MB, was 300.0 MB; rebuilt\n\
             total   111.0 MB, was 381.0 MB\n\
             took    1.5 s\n"
        );
    }
}
