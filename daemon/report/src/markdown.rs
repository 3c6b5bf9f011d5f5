//! A Markdown summary, for job summaries and merge requests: one line per SBOM, then a section for each, the worst first,
//! in the order of the terminal's answer: why, what to do first, findings, what was not judged.

use std::fmt::Write as _;

use crate::finding::Finding;
use crate::model::{Body, Judged, NotJudged, NotJudgedPackage, Report, Scan};
use crate::text::markdown as cell;
use crate::unjudged::groups;
use crate::upgrade::severity_rank;

/// Most findings listed per SBOM: code hosts cut long summaries, which is misleading.
const MAX_LISTED: usize = 200;
/// Most packages that were not judged and are listed one by one.
const MAX_ONE_BY_ONE: usize = 20;
/// Most upgrades, and most remedies, listed as what to do first.
const MAX_FIRST: usize = 5;

pub(crate) fn render(report: &Report) -> String {
    let mut out = String::from(
        "# Starling scan\n\n| SBOM | outcome | fail | warn | ignored | judged | not judged |\n|---|---|---:|---:|---:|---:|---:|\n",
    );
    for scan in &report.scans {
        match &scan.outcome {
            Err(why) => {
                let _ = writeln!(
                    out,
                    "| {} | **refused** {} | | | | | |",
                    cell(&scan.name),
                    cell(why)
                );
            }
            Ok(Judged { body, .. }) => {
                let number = |action: &str| body.findings.iter().filter(|f| f.action == action).count();
                let _ = writeln!(
                    out,
                    "| {} | **{}** | {} | {} | {} | {} of {} | {} |",
                    cell(&scan.name),
                    cell(&body.outcome),
                    number("fail"),
                    number("warn"),
                    number("ignore"),
                    body.coverage.matched,
                    body.coverage.total,
                    body.coverage.gaps()
                );
            }
        }
    }
    // Failing findings come first, because code hosts cut long summaries.
    let mut scans: Vec<&Scan> = report.scans.iter().collect();
    scans.sort_by_key(|scan| {
        scan.outcome
            .as_ref()
            .map_or(0, |judged| rank(&judged.body.outcome))
    });
    for scan in scans {
        details(&mut out, scan);
    }
    out
}

/// Returns the place of an outcome: the worst is first.
fn rank(outcome: &str) -> usize {
    let places = ["fail", "unknown", "warn", "pass"];
    places.iter().position(|place| *place == outcome).unwrap_or(0)
}

fn details(out: &mut String, scan: &Scan) {
    let Ok(Judged { hash, body }) = &scan.outcome else {
        return;
    };
    let _ = write!(out, "\n## {}\n\n", cell(&scan.name));
    for reason in body.reasons_shown() {
        let _ = writeln!(out, "- {}", cell(&reason));
    }
    for remark in scan.remarks() {
        let _ = writeln!(out, "- note: {}", cell(&remark));
    }
    first(out, body);
    findings(out, body);
    not_judged(out, body);
    let _ = writeln!(
        out,
        "\nVerdict {}, knowledge {}, judged at {}.",
        cell(hash),
        cell(&body.knowledge_root),
        cell(&body.as_of)
    );
}

/// Writes what to do first: the upgrades that end the worst findings, then what lets more packages be judged.
fn first(out: &mut String, body: &Body) {
    let upgrades = body.upgrades();
    let unjudged = groups(body.not_judged.packages.iter().map(NotJudgedPackage::unjudged));
    let remedies: Vec<_> = unjudged.iter().filter(|group| !group.remedy.is_empty()).collect();
    if upgrades.is_empty() && remedies.is_empty() {
        return;
    }
    out.push_str("\n### What to do first\n\n");
    for upgrade in upgrades.iter().take(MAX_FIRST) {
        let _ = writeln!(out, "- {}", cell(&upgrade.sentence()));
    }
    if let Some(more) = upgrades.len().checked_sub(MAX_FIRST).filter(|more| *more > 0) {
        let _ = writeln!(out, "- … and {more} more with a version to go to");
    }
    for group in remedies.iter().take(MAX_FIRST) {
        let are = if group.packages == 1 { "is" } else { "are" };
        let sentence = format!("{} {are} not judged: {}", group.subject(), group.remedy);
        let _ = writeln!(out, "- {}", cell(&sentence));
    }
}

/// Writes the findings that fail, then those that warn, each the worst first.
fn findings(out: &mut String, body: &Body) {
    let mut shown: Vec<&Finding> = Vec::new();
    for action in ["fail", "warn"] {
        let of_action = body.findings.iter().filter(|finding| finding.action == action);
        let mut of_action: Vec<&Finding> = of_action.collect();
        of_action.sort_by_key(|finding| severity_rank(&finding.severity.level));
        shown.extend(of_action);
    }
    // Muted findings are listed too; findings ignored only because of their severity are not.
    shown.extend(body.findings.iter().filter(|finding| finding.is_muted()));
    if !shown.is_empty() {
        out.push_str("\n### Findings\n\n| action | severity | vulnerability | package | fixed in | why | summary |\n|---|---|---|---|---|---|---|\n");
    }
    for finding in shown.iter().take(MAX_LISTED) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            cell(if finding.is_muted() {
                "muted"
            } else {
                &finding.action
            }),
            cell(&finding.severity_line()),
            cell(&finding.vulnerability),
            cell(&finding.package_line()),
            cell(&finding.fix_line()),
            cell(&finding.why()),
            cell(&finding.summary)
        );
    }
    if let Some(more) = shown.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        let _ = writeln!(out, "\n… and {more} more.");
    }
}

/// Writes the packages that were not checked, with reasons.
fn not_judged(out: &mut String, body: &Body) {
    let NotJudged { packages, others } = &body.not_judged;
    if packages.is_empty() && *others == 0 {
        return;
    }
    out.push_str("\n### Not judged\n");
    if packages.len() > MAX_ONE_BY_ONE {
        return in_groups(out, packages, *others);
    }
    out.push_str("\n| not judged | why | place |\n|---|---|---|\n");
    for package in packages {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            cell(&package.package_line()),
            cell(&package.why()),
            cell(&package.place)
        );
    }
    if *others > 0 {
        let _ = writeln!(out, "\n… and {others} more.");
    }
}

/// Writes how many packages of each kind were not checked, why, and what helps.
fn in_groups(out: &mut String, packages: &[NotJudgedPackage], others: u64) {
    out.push_str("\n| not judged | of | why | such as | what helps |\n|---:|---|---|---|---|\n");
    for group in groups(packages.iter().map(NotJudgedPackage::unjudged)) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            group.packages,
            cell(&group.kind),
            cell(&group.why),
            cell(&group.such_as.join(", ")),
            cell(&group.remedy)
        );
    }
    if others > 0 {
        let _ = writeln!(out, "\n… and {others} more, which the verdict does not name.");
    }
}
