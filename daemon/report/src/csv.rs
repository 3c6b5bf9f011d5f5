//! CSV (RFC 4180): one line per finding, one per package that was not judged, one per SBOM with neither or without a
//! verdict. A header alone would look like an answer.
//!
//! Spreadsheets run cells that begin with `=`, `+`, `-` or `@` as formulas, so such cells get an apostrophe in front,
//! which spreadsheets treat as a text mark.

use crate::finding::Finding;
use crate::model::{Body, Judged, Report, Scan};
use crate::text::clean;

const HEAD: [&str; 18] = [
    "sbom",
    "outcome",
    "action",
    "vulnerability",
    "ids",
    "severity",
    "score",
    "ecosystem",
    "package",
    "version",
    "fixed",
    "places",
    "decided_by",
    "summary",
    "fix",
    "matched_by",
    "exploited",
    "not_judged",
];

/// Index of the column `action`.
const ACTION: usize = 2;
/// Index of the column `summary`, which says why an SBOM was rejected.
const SUMMARY: usize = 13;
/// Index of the column `not_judged`.
const NOT_JUDGED: usize = 17;
/// The action of a line about what was not judged.
const NOT_JUDGED_ACTION: &str = "not_judged";

pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, HEAD);
    for scan in &report.scans {
        let judged = match &scan.outcome {
            Ok(judged) => judged,
            Err(why) => {
                let mut cells = [""; HEAD.len()];
                cells[0] = &scan.name;
                cells[1] = "refused";
                cells[SUMMARY] = why;
                line(&mut out, cells);
                continue;
            }
        };
        for finding in &judged.body.findings {
            line(
                &mut out,
                [
                    scan.name.as_str(),
                    &judged.body.outcome,
                    &finding.action,
                    &finding.vulnerability,
                    &finding.ids.join(" "),
                    &finding.severity.level,
                    finding.severity.score.as_deref().unwrap_or_default(),
                    &finding.package.ecosystem,
                    &finding.package.name,
                    &finding.package.version,
                    &finding.fixed.join(" "),
                    &finding.places.join(" "),
                    &finding.why(),
                    &finding.summary,
                    &fix(finding),
                    finding.matched_by.as_deref().unwrap_or("purl"),
                    if finding.is_exploited() { "yes" } else { "" },
                    "",
                ],
            );
        }
        not_judged(&mut out, scan, judged);
        if judged.body.findings.is_empty() && judged.body.not_judged.is_empty() {
            without_findings(&mut out, scan, judged);
        }
    }
    out
}

/// Writes a line for each package that was not judged, and one for those that the verdict only counts.
fn not_judged(out: &mut String, scan: &Scan, judged: &Judged) {
    let Body {
        outcome, not_judged, ..
    } = &judged.body;
    for package in &not_judged.packages {
        let mut cells = [""; HEAD.len()];
        cells[0] = &scan.name;
        cells[1] = outcome;
        cells[ACTION] = NOT_JUDGED_ACTION;
        cells[8] = package.purl.as_deref().unwrap_or(&package.name);
        cells[9] = package.version.as_deref().unwrap_or_default();
        cells[11] = &package.place;
        let why = package.why();
        cells[SUMMARY] = &why;
        cells[NOT_JUDGED] = &package.reason;
        line(out, cells);
    }
    if not_judged.others > 0 {
        let summary = format!("{} more packages were not judged", not_judged.others);
        let mut cells = [""; HEAD.len()];
        cells[0] = &scan.name;
        cells[1] = outcome;
        cells[ACTION] = NOT_JUDGED_ACTION;
        cells[SUMMARY] = &summary;
        cells[NOT_JUDGED] = "others";
        line(out, cells);
    }
}

/// Writes the line of an SBOM without any other line.
fn without_findings(out: &mut String, scan: &Scan, judged: &Judged) {
    let body = &judged.body;
    let reasons = body.reasons.iter().map(|reason| reason.text.as_str());
    let summary = format!("no findings; {}", body.coverage.line());
    let told: Vec<&str> = std::iter::once(summary.as_str()).chain(reasons).collect();
    let told = told.join("; ");
    let mut cells = [""; HEAD.len()];
    cells[0] = &scan.name;
    cells[1] = &body.outcome;
    cells[ACTION] = "none";
    cells[SUMMARY] = &told;
    line(out, cells);
}

/// Returns the state of the fix, with the sources' statements about a missing one.
fn fix(finding: &Finding) -> String {
    match crate::fix::short(&finding.fix_states) {
        Some(said) => format!("{}: {said}", finding.fix),
        None => finding.fix.clone(),
    }
}

fn line(out: &mut String, cells: [&str; HEAD.len()]) {
    for (index, text) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&cell(text));
    }
    out.push_str("\r\n");
}

fn cell(text: &str) -> String {
    let text = clean(text);
    // Spreadsheets skip leading spaces, and some also accept the full-width forms of the signs.
    let is_formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_formulas_disabled() {
        assert_eq!(cell("a \"b\", c"), r#""a ""b"", c""#);
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "  =cmd|' /C calc'!A0", "＝1"] {
            assert!(cell(formula).starts_with("\"'"), "{formula}");
        }
        assert_eq!(cell("\t=1\r\n"), "\"\u{fffd}=1\u{fffd}\u{fffd}\"");
    }
}
