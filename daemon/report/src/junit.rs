//! JUnit XML: one suite per SBOM, one test case per finding. Warnings and muted findings are skipped cases, so that
//! they show.

use quick_junit::{NonSuccessKind, Property, Report as JUnitReport, TestCase, TestCaseStatus, TestSuite};

use crate::finding::Finding;
use crate::format::{Format, RenderError};
use crate::model::{Judged, Report, Scan};
use crate::text::{clean, sentence};

pub(crate) fn render(report: &Report) -> Result<String, RenderError> {
    let mut out = JUnitReport::new("starling scan");
    for scan in &report.scans {
        out.add_test_suite(suite(scan));
    }
    out.to_string().map_err(|error| Format::JUnit.failed(error))
}

fn suite(scan: &Scan) -> TestSuite {
    let mut suite = TestSuite::new(clean(&scan.name));
    match &scan.outcome {
        Err(why) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("refused").set_message(clean(why));
            suite.add_test_case(TestCase::new("SBOM", status));
        }
        Ok(Judged { hash, body }) => {
            let judged = body.coverage.line();
            for (name, value) in [
                ("coverage", &judged),
                ("outcome", &body.outcome),
                ("verdict", hash),
                ("knowledge_root", &body.knowledge_root),
                ("as_of", &body.as_of),
            ] {
                suite.add_property(Property::new(name, clean(value)));
            }
            for remark in scan.remarks() {
                suite.add_property(Property::new("remark", clean(&remark)));
            }
            suite.add_test_cases(body.findings.iter().map(case));
            suite.add_test_case(verdict(scan.exit_code, &body.outcome, &body.reasons));
        }
    }
    suite
}

/// Writes the verdict as its own case: a scan without findings can still fail, if knowledge is missing.
fn verdict(exit_code: u8, outcome: &str, reasons: &[crate::model::Reason]) -> TestCase {
    let texts: Vec<_> = reasons
        .iter()
        .map(|reason| clean(&reason.text).into_owned())
        .collect();
    let mut status = match exit_code {
        0 => TestCaseStatus::success(),
        1 => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if exit_code != 0 {
        status.set_type(clean(outcome)).set_message(texts.join("; "));
    }
    let mut case = TestCase::new("verdict", status);
    case.set_classname("starling");
    case
}

fn case(finding: &Finding) -> TestCase {
    let mut status = match finding.action.as_str() {
        "fail" => TestCaseStatus::non_success(NonSuccessKind::Failure),
        "warn" => TestCaseStatus::skipped(),
        _ if finding.is_muted() => TestCaseStatus::skipped(),
        _ => TestCaseStatus::success(),
    };
    if finding.action != "ignore" || finding.is_muted() {
        let excuse = finding
            .excuse()
            .map(|excuse| format!(" ({excuse})"))
            .unwrap_or_default();
        let message = format!(
            "{}: {} {}{excuse}",
            finding.severity_line(),
            sentence(&finding.summary),
            finding.advice()
        );
        status
            .set_type(clean(&finding.severity.level))
            .set_message(clean(&message));
    }
    let name = format!("{} in {}", finding.vulnerability, finding.package_line());
    let mut case = TestCase::new(clean(&name), status);
    case.set_classname(clean(&finding.package.ecosystem));
    case
}
