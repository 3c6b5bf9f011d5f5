//! CSV (RFC 4180): one line per finding, one per rejected SBOM.
//!
//! Spreadsheets run cells that begin with `=`, `+`, `-` or `@` as formulas, so such cells get an apostrophe in front,
//! which spreadsheets treat as a text mark.

use crate::model::{Finding, Report};
use crate::text::clean;

const HEAD: [&str; 17] = [
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
];

/// Index of the column `summary`, which says why an SBOM was rejected.
const SUMMARY: usize = 13;

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
                ],
            );
        }
    }
    out
}

/// Returns the state of the fix, and who says so if there is none.
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
