//! Renders the results of the conformance suites.

use std::fmt::Write as _;

use super::table::Table;
use super::{count, cut, list};
use crate::commands::selftest::SelftestReport;

/// Widest failed case shown.
const CASE_WIDTH: usize = 200;

/// Renders `starling selftest`.
pub(crate) fn selftest(report: &SelftestReport) -> String {
    let mut table =
        Table::new(["SUITE", "PASSED", "FAILED", "NOT RUN"]).numbers(&["PASSED", "FAILED", "NOT RUN"]);
    for suite in &report.suites {
        table.row([
            suite.suite.to_owned(),
            count(suite.passed),
            count(suite.failed),
            count(suite.skipped),
        ]);
    }
    let mut text = table.to_string();
    for suite in report.suites.iter().filter(|suite| suite.failed > 0) {
        for case in &suite.failures {
            let _ = writeln!(text, "failed: {}: {}", suite.suite, cut(case, CASE_WIDTH));
        }
    }
    for suite in &report.suites {
        for skip in &suite.skips {
            let _ = writeln!(
                text,
                "not run: {}: {} of them: {}",
                suite.suite,
                count(skip.cases),
                skip.reason
            );
        }
    }
    if !report.missing.is_empty() {
        let _ = writeln!(text, "\nmissing, so not run: {}", list(&report.missing));
    }
    if !report.unknown.is_empty() {
        let _ = writeln!(text, "\nnot a known suite: {}", list(&report.unknown));
    }
    let _ = writeln!(
        text,
        "\n{} passed, {} failed, {} not run",
        count(report.passed),
        count(report.failed),
        count(report.skipped)
    );
    text
}
