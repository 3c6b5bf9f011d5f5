//! VEX documents of other projects, from the corpus in `STARLING_CORPUS`. Without it every test here prints that it
//! is skipped, and passes.

// The corpus is outside of the crate, so these tests read the environment and the disk.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::io::Read;
use std::path::PathBuf;

use starling_policy::selftest::SUITES;
use starling_scanner::selftest::SuiteFiles;

/// Returns the files of one suite by their path inside it; prints a message and returns `None` without a corpus.
fn suite(name: &str) -> Option<SuiteFiles> {
    let Some(root) = std::env::var_os("STARLING_CORPUS").map(PathBuf::from) else {
        println!("skipped: STARLING_CORPUS is not set, so {name} is not read");
        return None;
    };
    let file = root.join(format!("suites/{name}.tar.zst"));
    let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
    let tar = zstd::decode_all(&bytes[..]).unwrap();
    let mut files = Vec::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((name, content));
        }
    }
    Some(files.into_iter().collect())
}

#[test]
fn external_suites_pass_completely() {
    for one in SUITES {
        let Some(files) = suite(one.name) else {
            return;
        };
        let report = one.run(&files);
        println!(
            "{}: {} passed, {} failed",
            report.suite, report.passed, report.failed
        );
        assert_eq!(report.failed, 0, "{}: {:#?}", report.suite, report.failures);
    }
}
