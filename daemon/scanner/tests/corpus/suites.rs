//! All suites that this program can run, with the corpus's files.

use starling_scanner::selftest::{SUITES, SuiteFiles};

use crate::support::archive;

#[test]
fn external_suites_pass_completely() {
    let mut failed = Vec::new();
    for suite in SUITES {
        let Some(files) = archive(&format!("suites/{}", suite.name)) else {
            return;
        };
        let files = files
            .files()
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        let report = suite.run(&files.collect::<SuiteFiles>());
        println!(
            "{}: {} passed, {} failed",
            suite.name, report.passed, report.failed
        );
        failed.extend(
            report
                .failures
                .iter()
                .map(|case| format!("{}: {case}", suite.name)),
        );
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
