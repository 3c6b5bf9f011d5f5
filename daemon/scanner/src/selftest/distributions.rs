//! Version orders, compared with the distributions' tools, and vers-spec's cases for several tools.

use std::cmp::Ordering;

use serde_json::Value;

use super::{SuiteFiles, Tally, ordering, rows, strings, text};
use crate::version::{Scheme, Version, compare};

pub(super) fn rpm(suite: &SuiteFiles, tally: &mut Tally) {
    tab_separated(suite, "rpmvercmp.tsv", Scheme::Rpm, tally);
}

pub(super) fn dpkg(suite: &SuiteFiles, tally: &mut Tally) {
    tab_separated(suite, "Dpkg_Version.tsv", Scheme::Debian, tally);
}

/// Lines of two versions and their order.
fn tab_separated(suite: &SuiteFiles, file: &str, scheme: Scheme, tally: &mut Tally) {
    for line in suite.text(file).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [a, b, expected, ..] = fields[..] {
            tally.pair(scheme, a, b, ordering(expected));
        }
    }
}

pub(super) fn rpm_by_clair(suite: &SuiteFiles, tally: &mut Tally) {
    for file in ["testdata/rpmvercmp", "testdata/compare"] {
        for line in suite.text(file).lines() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [a, op, b] = fields[..] else {
                tally.check(false, || format!("{file}: {line}"));
                continue;
            };
            // Names and architectures are not part of a version: they are elsewhere in the purl.
            let is_version = |v: &str| {
                v.split(['-', '.', ':'])
                    .next()
                    .is_some_and(|first| first.chars().all(|c| !c.is_ascii_alphabetic()))
            };
            let has_arch = |v: &str| {
                v.contains("aarch64")
                    || v.contains("noarch")
                    || v.contains("riscv")
                    || v.matches('-').count() > 1
            };
            if file.ends_with("compare") && [a, b].iter().any(|v| !is_version(v) || has_arch(v)) {
                tally.skip("names and architectures, which are not part of a version here", 1);
                continue;
            }
            tally.pair(Scheme::Rpm, a, b, ordering(op));
        }
    }
}

pub(super) fn apk(suite: &SuiteFiles, tally: &mut Tally) {
    let well_formed = |text: &str| Version::parse(Scheme::Apk, text).is_ok_and(|v| v.is_well_formed());
    for line in suite.text("version.data").lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            // `~` asks if one version is a prefix of the other, which advisories never do.
            [_, "~" | "!~" | "<~" | ">~", _] => {
                tally.skip("asks whether a version is a prefix, which advisories never do", 1);
            }
            [a, op, b] => tally.pair(Scheme::Apk, a, b, ordering(op)),
            [one] => match one.strip_prefix('!') {
                Some(bad) => tally.check(!well_formed(bad), || format!("{bad} is accepted")),
                None => tally.check(well_formed(one), || format!("{one} is refused")),
            },
            _ => {}
        }
    }
}

pub(super) fn vers(suite: &SuiteFiles, tally: &mut Tally) {
    for (name, bytes) in suite
        .files()
        .filter(|(name, _)| name.contains("tests/") || name.contains("version_cmp"))
    {
        let table: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        if !name.contains("version_cmp") {
            let reason = if name.contains("range") {
                "ranges in native notations or vers, which advisories here do not use"
            } else {
                "the syntax of vers itself, which is not read"
            };
            tally.skip(reason, rows(&table["tests"]).count());
            continue;
        }
        if !table["tests"].is_array() {
            tally.check(false, || format!("{name} has no tests"));
        }
        for case in rows(&table["tests"]) {
            let scheme = match text(&case["input"], "input_scheme") {
                "apk" => Scheme::Apk,
                "conan" => Scheme::Conan,
                "maven" => Scheme::Maven,
                "nuget" => Scheme::NuGet,
                // No OSV ecosystem uses these orders.
                scheme @ ("alpm" | "datetime" | "gentoo" | "openssl") => {
                    tally.skip(&format!("{scheme}: no OSV ecosystem is ordered so"), 1);
                    continue;
                }
                other => {
                    tally.check(false, || format!("{name}: no scheme {other:?}"));
                    continue;
                }
            };
            let given = strings(&case["input"]["versions"]);
            if let ("equality", [a, b, ..]) = (text(case, "test_type"), &given[..]) {
                let found = compare(scheme, a, b);
                let equal = found == Ok(Ordering::Equal);
                tally.check(Some(equal) == case["expected_output"].as_bool(), || {
                    format!("{case}: {found:?}")
                });
                continue;
            }
            for two in strings(&case["expected_output"]).windows(2) {
                let [a, b] = two else { continue };
                // These follow an older Maven; Maven's own tests say that `2.0.a < 2-1`.
                if scheme == Scheme::Maven && *a == "2-1" && matches!(*b, "2.0.a" | "2.0.0.a") {
                    tally.skip("follows an older Maven than Maven's own tests", 1);
                    continue;
                }
                let found = compare(scheme, a, b);
                tally.check(found.as_ref().is_ok_and(|o| o.is_le()), || {
                    format!("{scheme} {two:?}: {found:?}")
                });
            }
        }
    }
}
