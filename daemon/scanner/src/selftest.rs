//! Conformance suites: test cases of other projects, and a few of our own.
//!
//! A suite is a set of named files and the number of cases that must be in them; the caller provides the files. A
//! missing file, or a file of another form, fails the suite without a panic, and a suite with fewer cases is not a
//! pass. Excluded cases are listed with their reason in the suite's own file.

mod builtin;
mod cvss;
mod distributions;
mod documents;
mod identity;
mod versions;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::version::{Scheme, compare};

pub use builtin::builtin;

/// Most failed cases listed in a report.
pub const MAX_SHOWN_FAILURES: usize = 40;

/// The files of one suite by their path inside it.
#[derive(Debug, Clone, Default)]
pub struct SuiteFiles(BTreeMap<String, Vec<u8>>);

/// A conformance suite that this program can run.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    /// Its name: that of its archive or folder.
    pub name: &'static str,
    /// A description.
    pub about: &'static str,
    /// Its minimum number of cases.
    pub least: u64,
    run: fn(&SuiteFiles, &mut Tally),
}

/// The result of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuiteReport {
    /// The suite's name.
    pub suite: &'static str,
    /// Number of passed cases.
    pub passed: u64,
    /// Number of failed cases.
    pub failed: u64,
    /// The first [`MAX_SHOWN_FAILURES`] failed cases.
    pub failures: Vec<String>,
    /// Number of cases that were not run.
    pub skipped: u64,
    /// The reasons, each once.
    pub skips: Vec<Skip>,
}

/// Cases that were not run, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// The reason.
    pub reason: String,
    /// Their number.
    pub cases: u64,
}

/// All external suites that this program can run, by name.
pub static SUITES: &[Suite] = &[
    suite("apk-tools", "versions of apk-tools", 1_300, distributions::apk),
    suite("claircore-cvss", "CVSS vectors, by Clair", 100, cvss::clair),
    suite(
        "claircore-rpmver",
        "versions of RPM, by Clair",
        230,
        distributions::rpm_by_clair,
    ),
    suite("claircore-spdx", "SBOMs, by Clair", 10, documents::readable),
    suite("composer-semver", "versions of Composer", 100, versions::composer),
    suite("cvss-redhat", "CVSS vectors, by Red Hat", 7_667, cvss::red_hat),
    suite(
        "cyclonedx-spec",
        "SBOMs, by the CycloneDX specification",
        700,
        documents::cyclonedx,
    ),
    suite(
        "dependency-track-boms",
        "SBOMs, by Dependency-Track",
        10,
        documents::readable,
    ),
    suite("dpkg-vercmp", "versions of dpkg", 80, distributions::dpkg),
    suite("elixir-version", "versions of Elixir", 10, versions::elixir),
    suite("golang-mod-semver", "versions of Go modules", 300, versions::go),
    suite("maven-comparable", "versions of Maven", 949, versions::maven),
    suite("node-semver", "versions of npm", 150, versions::npm),
    suite("nuget-versioning", "versions of NuGet", 150, versions::nuget),
    suite(
        "osv-purl-map",
        "package URLs to OSV packages and back",
        94,
        identity::osv_purl_map,
    ),
    suite("pep440-packaging", "versions of Python", 4_186, versions::pep440),
    suite("purl-spec", "package URLs", 586, identity::purl_spec),
    suite("rpm-vercmp", "versions of RPM", 180, distributions::rpm),
    suite("rubygems-version", "versions of RubyGems", 20, versions::rubygems),
    suite(
        "spdx-examples",
        "SBOMs, by the SPDX project",
        40,
        documents::readable,
    ),
    suite(
        "spdx-tools-java",
        "SBOMs, by SPDX's own tools",
        15,
        documents::readable,
    ),
    suite("trivy-units", "SBOMs, by Trivy", 20, documents::trivy),
    suite(
        "vers-spec",
        "versions of several tools",
        1_700,
        distributions::vers,
    ),
];

/// Returns a suite of another crate of this program, such as its policy.
pub const fn suite(
    name: &'static str,
    about: &'static str,
    least: u64,
    run: fn(&SuiteFiles, &mut Tally),
) -> Suite {
    Suite {
        name,
        about,
        least,
        run,
    }
}

impl Suite {
    /// Runs the suite over its files.
    pub fn run(&self, files: &SuiteFiles) -> SuiteReport {
        let mut tally = Tally::default();
        (self.run)(files, &mut tally);
        let total = tally.passed + tally.failed;
        if total < self.least {
            let least = self.least;
            tally.check(false, || {
                format!("{total} cases ran and at least {least} were expected: are all files there?")
            });
        }
        SuiteReport {
            suite: self.name,
            passed: tally.passed,
            failed: tally.failed,
            failures: tally.failures,
            skipped: tally.skips.values().sum(),
            skips: tally
                .skips
                .into_iter()
                .map(|(reason, cases)| Skip { reason, cases })
                .collect(),
        }
    }
}

impl FromIterator<(String, Vec<u8>)> for SuiteFiles {
    fn from_iter<T: IntoIterator<Item = (String, Vec<u8>)>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}

impl SuiteFiles {
    /// Its files by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Returns the first file whose path ends like this; a missing file has no cases, which the minimum number detects.
    fn bytes(&self, ending: &str) -> &[u8] {
        self.files()
            .find(|(name, _)| name.ends_with(ending))
            .map_or(&[], |(_, bytes)| bytes)
    }

    fn text(&self, ending: &str) -> String {
        String::from_utf8_lossy(self.bytes(ending)).into_owned()
    }

    fn json(&self, ending: &str) -> Value {
        serde_json::from_slice(self.bytes(ending)).unwrap_or(Value::Null)
    }
}

/// Counts a suite's cases and remembers failed ones.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
    /// Cases that are not run, by reason.
    skips: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts cases that are not run, with the reason.
    pub fn skip(&mut self, reason: &str, cases: usize) {
        if cases > 0 {
            let count = self.skips.entry(reason.to_owned()).or_default();
            *count = count.saturating_add(u64::try_from(cases).unwrap_or(u64::MAX));
        }
    }

    /// Counts one case; `case` describes the expected and the actual result.
    pub fn check(&mut self, passed: bool, case: impl FnOnce() -> String) {
        if passed {
            self.passed += 1;
            return;
        }
        self.failed += 1;
        if self.failures.len() < MAX_SHOWN_FAILURES {
            self.failures.push(case());
        }
    }

    /// Checks an order in both directions.
    fn pair(&mut self, scheme: Scheme, a: &str, b: &str, expected: impl Into<Option<Ordering>>) {
        let Some(expected) = expected.into() else {
            self.check(false, || {
                format!("{a} against {b}: the suite does not say what is expected")
            });
            return;
        };
        for (a, b, expected) in [(a, b, expected), (b, a, expected.reverse())] {
            let found = compare(scheme, a, b);
            self.check(found.as_ref() == Ok(&expected), || {
                format!("{a} against {b}: expected {expected:?}, found {found:?}")
            });
        }
    }

    /// Checks that each entry of a list is before all later ones.
    fn ascending(&mut self, scheme: Scheme, list: &[&str]) {
        for (i, a) in list.iter().enumerate() {
            for b in list.iter().skip(i + 1) {
                self.pair(scheme, a, b, Ordering::Less);
            }
        }
    }
}

fn ordering(text: &str) -> Option<Ordering> {
    match text {
        "<" | "-1" | "lt" => Some(Ordering::Less),
        ">" | "1" | "gt" => Some(Ordering::Greater),
        "=" | "==" | "0" | "eq" => Some(Ordering::Equal),
        _ => None,
    }
}

/// Returns a list's values; any other value has none.
fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the text at a key or an index; empty if there is none.
fn text<I: serde_json::value::Index>(value: &Value, key: I) -> &str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn strings(value: &Value) -> Vec<&str> {
    rows(value).filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_sorted_with_unique_names() {
        let names: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        assert!(names.is_sorted() && names.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn suite_without_files_fails() {
        for suite in SUITES {
            let report = suite.run(&SuiteFiles::default());
            assert!(report.failed > 0, "{}", suite.name);
        }
    }

    #[test]
    fn malformed_suite_files_fail() {
        let names = [
            "x/tests/a.json",
            "comparable_version.json",
            "versions.json",
            "comparisons.json",
            "gem_version.json",
            "ComparatorTest.json",
            "VersionComparerTests.json",
            "version.json",
            "sorted_canonical.tsv",
            "rpmvercmp.tsv",
            "Dpkg_Version.tsv",
            "version.data",
            "x_version_cmp.json",
            "purl_helpers.json",
            "x/tests/vectors_a",
            "v2_score.list",
        ];
        for content in [
            &b"[[1]]"[..],
            b"{\"tests\":[{}],\"kind\":1}",
            b"a\tb\n1 2 3\n",
            b"\xff",
        ] {
            let files: SuiteFiles = names
                .iter()
                .map(|name| ((*name).to_owned(), content.to_vec()))
                .collect();
            for suite in SUITES {
                assert!(suite.run(&files).failed > 0, "{}", suite.name);
            }
        }
    }

    #[test]
    fn failed_case_is_reported_with_its_result() {
        let table = br#"[{"kind":"pair","a":"1","b":"2","op":">"}]"#.to_vec();
        let files: SuiteFiles = [("x/comparable_version.json".to_owned(), table)]
            .into_iter()
            .collect();
        let maven = SUITES
            .iter()
            .find(|suite| suite.name == "maven-comparable")
            .unwrap();
        let report = maven.run(&files);
        assert_eq!(
            report.failures[0],
            "1 against 2: expected Greater, found Ok(Less)"
        );
    }

    #[test]
    fn skipped_cases_are_counted_with_their_reason() {
        let table = br#"{"tests":[{"test_type":"equality","input":{"input_scheme":"gentoo","versions":["1","2"]}},
            {"test_type":"equality","input":{"input_scheme":"apk","versions":["1","1"]},"expected_output":true}]}"#;
        let ranges = br#"{"tests":[{},{},{}]}"#;
        let files: SuiteFiles = [
            ("tests/a_version_cmp_test.json".to_owned(), table.to_vec()),
            ("tests/b_range_from_native_test.json".to_owned(), ranges.to_vec()),
        ]
        .into_iter()
        .collect();
        let vers = SUITES.iter().find(|suite| suite.name == "vers-spec").unwrap();
        let report = vers.run(&files);
        assert_eq!((report.passed, report.skipped), (1, 4));
        let reasons: Vec<_> = report
            .skips
            .iter()
            .map(|skip| (skip.cases, skip.reason.as_str()))
            .collect();
        assert_eq!(reasons.len(), 2);
        assert!(
            reasons
                .iter()
                .any(|(cases, reason)| *cases == 3 && reason.contains("range"))
        );
    }

    #[test]
    fn builtin_cases_pass() {
        for report in builtin() {
            assert_eq!(
                (report.failed, &report.failures),
                (0, &Vec::new()),
                "{}",
                report.suite
            );
            assert!(report.passed > 0, "{}", report.suite);
        }
    }
}
