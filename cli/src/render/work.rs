//! Renders reports of work: feeds, doctor, conversion, compaction.

use std::fmt::Write as _;

use starling_api_types::{
    CompactReport, ConvertReport, DoctorCheck, DoctorReport, FeedImportReport, FeedOutcome, FeedRun,
    OutOfReach, SourceName,
};

use super::table::Table;
use super::{Lines, count, counted, duration, or_dash, plain, size};
use crate::healthy::HealthPoint;
use crate::local;
use crate::terminal::{self, Tone};

/// The source of the catalogue of exploited vulnerabilities.
const KEV_SOURCE: &str = "kev";
/// Most files listed in the text; `--json` lists all.
const FILES_SHOWN: usize = 20;
/// Most damaged entries listed per check.
const DAMAGED_SHOWN: usize = 10;

/// Renders `starling feeds import`: warnings first, grouped; the result last.
pub(crate) fn feed_report(report: &FeedImportReport) -> String {
    let mut text = String::new();
    // Files without a record are many and unimportant; the counts include them.
    let told: Vec<_> = report
        .files
        .iter()
        .filter(|file| file.outcome != FeedOutcome::Ignored)
        .collect();
    let mut files = Table::new(["FILE", "OUTCOME", "REASON"])
        .shrinks("REASON", 24)
        .shrinks("FILE", 24);
    for file in told.iter().take(FILES_SHOWN) {
        files.row([
            file.name.clone(),
            file.outcome.as_str().to_owned(),
            file.reason.clone(),
        ]);
    }
    if !files.is_empty() {
        let _ = writeln!(text, "{}\n{files}", Tone::Heading.paint("Files"));
    }
    if told.len() > FILES_SHOWN {
        let _ = writeln!(
            text,
            "… and {} more; --json names them\n",
            count((told.len() - FILES_SHOWN) as u64)
        );
    }
    let mut unmet =
        Table::new(["RECORDS", "SUCH AS", "NO SCAN CAN FIND THEM, AS A RECORD"]).shrinks("SUCH AS", 16);
    let (marks, others) = sorted_out(report);
    for reason in others {
        unmet.row([
            count(reason.records),
            reason.example.clone(),
            reason.reason.clone(),
        ]);
    }
    if !unmet.is_empty() {
        let title = Tone::Heading.paint("Records that no scan can find");
        let _ = writeln!(text, "{title}\n{unmet}");
    }
    if let Some(marks) = marks {
        let _ = writeln!(text, "{}", terminal::wrapped("", 0, &marks));
    }
    let mut partly =
        Table::new(["RECORDS", "SUCH AS", "NO SCAN CAN FIND THEIR ENTRIES, BECAUSE"]).shrinks("SUCH AS", 16);
    for reason in &report.partly_out_of_reach {
        partly.row([
            count(reason.records),
            reason.example.clone(),
            reason.reason.clone(),
        ]);
    }
    if !partly.is_empty() {
        let title = Tone::Heading.paint("Records of which a scan can find some entries only");
        let _ = writeln!(text, "{title}\n{partly}");
    }
    text.push_str(&grouped_warnings(&report.warnings));
    let lines = Lines::default()
        .add("source", &report.source)
        .add_if(!report.read_as.is_empty(), "read as", read_as(report))
        .add("stored", count(report.stored))
        .add("unchanged", count(report.unchanged))
        .add("duplicate", count(report.duplicate))
        .add("ignored", count(report.ignored))
        .add("rejected", count(report.rejected))
        .add("absent", count(report.absent))
        .add("warnings", count(report.warning_count))
        .add("deltas", count(report.deltas))
        .add("cursor", or_dash(report.cursor.as_ref()));
    let _ = write!(text, "{lines}");
    text
}

/// Returns the kinds of the documents, as in `kev (1 document), nvd (12 documents)`.
fn read_as(report: &FeedImportReport) -> String {
    let kinds = report.read_as.iter();
    let kinds = kinds.map(|one| {
        let documents = counted(one.documents, "document", "documents");
        format!("{} ({documents})", plain(&one.kind))
    });
    kinds.collect::<Vec<_>>().join(", ")
}

/// Returns a sentence for the records that name no package, and the other reasons why no scan finds a record.
///
/// A record without a package is not lost: what it says about a vulnerability is added to what other sources find.
fn sorted_out(report: &FeedImportReport) -> (Option<String>, Vec<&OutOfReach>) {
    let no_package = starling_scanner::reach::OutOfReach::NoPackage.to_string();
    let (marks, others): (Vec<_>, Vec<_>) = report
        .out_of_reach
        .iter()
        .partition(|one| one.reason == no_package);
    let number: u64 = marks.iter().map(|one| one.records).sum();
    let sentence = marks.first().map(|first| {
        if report.source.as_str() == KEV_SOURCE {
            let records = counted(number, "record marks", "records mark");
            return format!(
                "{records} vulnerabilities as known to be exploited. The catalogue names no packages: a scan shows the mark at \
                 what other sources find."
            );
        }
        let records = counted(number, "record names", "records name");
        format!(
            "{records} no package (such as {}). A scan adds what they say about a vulnerability to what other sources find.",
            plain(&first.example)
        )
    });
    (sentence, others)
}

/// Renders why an import of a whole source does not count as a check of it.
pub(crate) fn unchecked(source: &SourceName, why: &str) -> String {
    let told = format!(
        "{source} does not count as checked by this import: {}. Mend them or leave them out, then import it again.",
        plain(why)
    );
    terminal::wrapped("", 0, &told)
}

/// Renders the duration of a command that updated the match index at its end.
pub(crate) fn took(label_width: usize, work_ms: u64, index_ms: u64, bytes: Option<u64>) -> String {
    let of = bytes.map_or_else(String::new, |bytes| format!(" for {}", size(bytes)));
    if index_ms == 0 {
        return format!("{:label_width$}  {}{of}\n", "took", duration(work_ms));
    }
    format!(
        "{:label_width$}  {}{of}: {} to import, {} to build the match index\n",
        "took",
        duration(work_ms.saturating_add(index_ms)),
        duration(work_ms),
        duration(index_ms)
    )
}

/// Renders the duration of the match index after runs of feeds, and of everything; empty if a daemon builds it.
pub(crate) fn index_took(runs: &[FeedRun], index_ms: u64) -> String {
    if index_ms == 0 {
        return String::new();
    }
    let runs_ms = runs.iter().map(|run| run.duration_ms).max().unwrap_or_default();
    format!(
        "took {} in all: {} to fetch and import, {} to build the match index\n",
        duration(runs_ms.saturating_add(index_ms)),
        duration(runs_ms),
        duration(index_ms)
    )
}

/// Groups warnings that differ only in names and numbers: one line with a count and the first of them.
fn grouped_warnings(warnings: &[String]) -> String {
    let mut groups: Vec<(String, &str, u64)> = Vec::new();
    for warning in warnings {
        let kind = kind_of(warning);
        match groups.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, _, number)) => *number += 1,
            None => groups.push((kind, warning.as_str(), 1)),
        }
    }
    if groups.is_empty() {
        return String::new();
    }
    groups.sort_by_key(|(_, _, number)| std::cmp::Reverse(*number));
    let title = counted(warnings.len() as u64, "warning", "warnings");
    let mut text = format!("{}\n", Tone::Warn.paint(&title));
    for (_, first, number) in groups.iter().take(FILES_SHOWN) {
        let times = if *number == 1 {
            String::new()
        } else {
            format!("{} like this: ", count(*number))
        };
        text.push_str(&terminal::wrapped("  ", 4, &format!("{times}{}", plain(first))));
    }
    if let Some(more) = groups.len().checked_sub(FILES_SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} other kinds; --json names all");
    }
    text.push('\n');
    text
}

/// Returns a warning without the parts that differ per record: quoted words, and words with a digit, a dot or a slash.
fn kind_of(warning: &str) -> String {
    let particular =
        |word: &&str| word.contains(|c: char| c.is_ascii_digit() || matches!(c, '/' | '"' | '`' | '.'));
    let words = warning.split_whitespace().filter(|word| !particular(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Renders `starling doctor`.
pub(crate) fn doctor(report: &DoctorReport, healthy: &[HealthPoint]) -> String {
    let mut text = if terminal::width().is_some() {
        report.checks.iter().map(check_line).collect()
    } else {
        checks(report).to_string()
    };
    for check in report.checks.iter().filter(|check| !check.damaged.is_empty()) {
        let _ = writeln!(text, "\nDamaged in {}:", plain(&check.name));
        text.push_str(&damaged(&check.damaged));
    }
    if !healthy.is_empty() {
        let _ = writeln!(text, "\n{}", Tone::Heading.paint("What a healthy site has"));
    }
    for point in healthy {
        let (mark, tone) = if point.ok {
            ("yes", Tone::Good)
        } else {
            ("NO ", Tone::Warn)
        };
        let first = format!("  {} {:<16}  ", tone.paint(mark), point.name);
        text.push_str(&terminal::wrapped(&first, 24, &plain(&point.found)));
    }
    let lacks = |name: &str| report.checks.iter().any(|check| check.name == name && !check.ok);
    let end = match (report.ok, report.checks.iter().all(|check| check.ok)) {
        (false, _) => "DAMAGED",
        (true, true) => "sound",
        (true, false) if lacks(local::SECRETS_CHECK) => {
            "sound; keys or the token are EXPOSED: see what is marked NO"
        }
        (true, false) => "undamaged, and the site is not well: see what is marked NO",
    };
    let _ = writeln!(text, "\nthe store is {end} ({})", duration(report.duration_ms));
    text
}

/// Lists what is damaged. Of those that are damaged in the same way, the first few are named, and the others counted.
fn damaged(names: &[String]) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for name in names {
        let kind = kind_of(name);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, alike)) => alike.push(name),
            None => groups.push((kind, vec![name])),
        }
    }
    let mut text = String::new();
    for (_, alike) in groups.iter().take(DAMAGED_SHOWN) {
        for name in alike.iter().take(ALIKE_SHOWN) {
            text.push_str(&terminal::wrapped("  ", 4, &plain(name)));
        }
        if alike.len() > ALIKE_SHOWN {
            let _ = writeln!(
                text,
                "    … and {} more like it; --json names them",
                alike.len() - ALIKE_SHOWN
            );
        }
    }
    if groups.len() > DAMAGED_SHOWN {
        let _ = writeln!(
            text,
            "  … and {} more; --json names them",
            groups.len() - DAMAGED_SHOWN
        );
    }
    text
}

/// Names shown of those that are damaged in the same way.
const ALIKE_SHOWN: usize = 3;

/// Renders a check for a terminal. Its sentence is never cut: it may be the advice.
fn check_line(check: &DoctorCheck) -> String {
    let (mark, tone) = if check.not_examined {
        ("-  ", Tone::Dim)
    } else if check.ok {
        ("yes", Tone::Good)
    } else {
        ("NO ", Tone::Worst)
    };
    let repaired = match check.repaired {
        0 => String::new(),
        repaired => format!("; {} repaired", count(repaired)),
    };
    let sentence = format!("{}: {}{repaired}", plain(&check.name), plain(&check.found));
    terminal::wrapped(&format!("  {} ", tone.paint(mark)), 6, &sentence)
}

/// Renders all checks as a table, for a file or a pipe.
fn checks(report: &DoctorReport) -> Table {
    let mut checks = Table::new(["CHECK", "OK", "REPAIRED", "FOUND"]).numbers(&["REPAIRED"]);
    for check in &report.checks {
        checks.row([
            check.name.clone(),
            match check {
                check if check.not_examined => "-",
                check if check.ok => "yes",
                _ => "NO",
            }
            .to_owned(),
            count(check.repaired),
            check.found.clone(),
        ]);
    }
    checks
}

/// Renders `starling store convert`.
pub(crate) fn converted(report: &ConvertReport) -> String {
    Lines::default()
        .add("engine", format!("{}, was {}", report.to, report.from))
        .add("log frames", count(report.entries))
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

/// Renders `starling store compact`.
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
    fn like_warnings_are_counted() {
        let warnings = [
            "GHSA-1: severity \"X\" is not known",
            "GHSA-2: severity \"Y\" is not known",
            "the clock is behind",
        ]
        .map(str::to_owned);
        assert_eq!(
            grouped_warnings(&warnings),
            "3 warnings\n  2 like this: GHSA-1: severity \"X\" is not known\n  the clock is behind\n\n"
        );
        assert_eq!(grouped_warnings(&[]), "");
    }

    #[test]
    fn import_reports_the_kinds_of_its_documents() {
        let report = serde_json::json!({"source": "mine", "stored": 13, "unchanged": 0, "duplicate": 0, "ignored": 0,
            "rejected": 0, "absent": 0, "warnings": [], "deltas": 1, "cursor": null, "files": [], "duration_ms": 1,
            "complete": false, "read_as": [{"kind": "kev", "documents": 1}, {"kind": "nvd", "documents": 1200}]});
        let mut report: FeedImportReport = serde_json::from_value(report).unwrap();
        let text = feed_report(&report);
        assert!(
            text.contains("read as    kev (1 document), nvd (1,200 documents)"),
            "{text}"
        );
        report.read_as.clear();
        assert!(!feed_report(&report).contains("read as"), "{text}");
    }

    #[test]
    fn records_without_a_package_do_not_read_as_lost() {
        let reason = starling_scanner::reach::OutOfReach::NoPackage.to_string();
        let commits = starling_scanner::reach::OutOfReach::Commits.to_string();
        let report = |source: &str| -> String {
            let report = serde_json::json!({"source": source, "stored": 1662, "unchanged": 0, "duplicate": 0, "ignored": 0,
                "rejected": 0, "absent": 0, "warnings": [], "warning_count": 0, "deltas": 2, "cursor": null, "files": [],
                "duration_ms": 1, "input_bytes": 1, "complete": true, "checked": true, "out_of_reach": [
                    {"reason": reason, "records": 1662, "example": "CVE-2021-44228"},
                    {"reason": commits, "records": 3, "example": "OSV-1"}]});
            feed_report(&serde_json::from_value(report).unwrap())
        };
        let text = report("kev");
        assert!(
            text.contains("1,662 records mark vulnerabilities as known to be exploited. The catalogue names no packages:"),
            "{text}"
        );
        // Records that no scan can match in any way are still named.
        assert!(
            text.contains("Records that no scan can find\n") && text.contains("OSV-1"),
            "{text}"
        );
        assert!(!text.contains("CVE-2021-44228"), "{text}");
        let text = report("epss");
        assert!(
            text.contains("1,662 records name no package (such as CVE-2021-44228)."),
            "{text}"
        );
    }

    #[test]
    fn time_of_the_index_is_said() {
        assert_eq!(
            took(9, 2_900, 5_200, Some(1_500)),
            "took       8.1 s for 1.5 kB: 2.9 s to import, 5.2 s to build the match index\n"
        );
        assert_eq!(took(9, 2_900, 0, None), "took       2.9 s\n");
    }

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
