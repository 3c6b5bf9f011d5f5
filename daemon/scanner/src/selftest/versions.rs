//! Version orders, compared with each language's own tests.

use std::cmp::Ordering;

use serde_json::Value;

use super::{SuiteFiles, Tally, ordering, rows, strings, text};
use crate::version::{Scheme, Version, compare};

pub(super) fn maven(suite: &SuiteFiles, tally: &mut Tally) {
    for case in rows(&suite.json("comparable_version.json")) {
        let list = strings(&case["versions"]);
        match text(case, "kind") {
            "ascending" => tally.ascending(Scheme::Maven, &list),
            "pair" => {
                let expected = ordering(text(case, "op"));
                tally.pair(Scheme::Maven, text(case, "a"), text(case, "b"), expected);
            }
            _ => {
                for a in &list {
                    for b in &list {
                        tally.pair(Scheme::Maven, a, b, Ordering::Equal);
                    }
                }
            }
        }
    }
}

pub(super) fn pep440(suite: &SuiteFiles, tally: &mut Tally) {
    let versions = suite.json("versions.json");
    tally.ascending(Scheme::Pep440, &strings(&versions["VERSIONS_sorted"]));
}

pub(super) fn npm(suite: &SuiteFiles, tally: &mut Tally) {
    for (file, expected) in [
        ("comparisons.json", Ordering::Greater),
        ("equality.json", Ordering::Equal),
    ] {
        for row in rows(&suite.json(file)) {
            tally.pair(Scheme::SemVer, text(row, 0), text(row, 1), expected);
        }
    }
    for row in rows(&suite.json("/valid-versions.json")) {
        // One row is a JSON number instead of a text. npm refuses it because of its type.
        let Some(version) = row[0].as_str() else {
            tally.skip("a number where a text belongs", 1);
            continue;
        };
        tally.check(Version::parse(Scheme::SemVer, version).is_ok(), || {
            format!("{version} is refused")
        });
    }
}

pub(super) fn rubygems(suite: &SuiteFiles, tally: &mut Tally) {
    for case in rows(&suite.json("gem_version.json")) {
        let (a, b) = (text(case, "a"), text(case, "b"));
        match text(case, "kind") {
            "cmp" => {
                let expected = case["expected"].as_i64().map(|order| order.cmp(&0));
                tally.pair(Scheme::RubyGems, a, b, expected);
            }
            "equal" => {
                let found = compare(Scheme::RubyGems, a, b) == Ok(Ordering::Equal);
                tally.check(Some(found) == case["expected"].as_bool(), || case.to_string());
            }
            // Bumping, releases and `eql?` (equality of spelling).
            _ => tally.skip("what the class does besides ordering", 1),
        }
    }
}

pub(super) fn composer(suite: &SuiteFiles, tally: &mut Tally) {
    let refused = |version: &str| Version::parse(Scheme::Packagist, version).is_err();
    let comparator = suite.json("ComparatorTest.json");
    for row in rows(&comparator["compareProvider"]) {
        let [a, op, b] = [0, 1, 2].map(|i| text(row, i));
        // A branch has no place in the order, so only `!=` can be true for it; this program refuses it instead.
        if [a, b].iter().any(|v| v.starts_with("dev-")) {
            tally.check(refused(a) || refused(b), || row.to_string());
            continue;
        }
        let found = compare(Scheme::Packagist, a, b).ok().and_then(|order| match op {
            ">" => Some(order.is_gt()),
            ">=" => Some(order.is_ge()),
            "<" => Some(order.is_lt()),
            "<=" => Some(order.is_le()),
            "==" | "=" => Some(order.is_eq()),
            "!=" | "<>" => Some(order.is_ne()),
            _ => None,
        });
        tally.check(found.is_some() && found == row[3].as_bool(), || {
            format!("{row}: {found:?}")
        });
    }
    let parser = suite.json("VersionParserTest.json");
    for row in rows(&parser["successfulNormalizedVersions"]) {
        let [raw, normal] = [0, 1].map(|i| text(row, i));
        // Composer would normalise this text, which is already normalised, to four numbers.
        if normal == "2010.01.02" {
            tally.skip("a normal form that Composer would normalise once more", 1);
            continue;
        }
        if normal.starts_with("dev-") {
            tally.check(refused(raw), || row.to_string());
        } else {
            tally.pair(Scheme::Packagist, raw, normal, Ordering::Equal);
        }
    }
    for row in rows(&parser["failingNormalizedVersions"]) {
        let raw = text(row, 0);
        tally.check(refused(raw), || format!("{raw:?} is accepted"));
    }
}

pub(super) fn go(suite: &SuiteFiles, tally: &mut Tally) {
    // Rows without a canonical form are not versions in Go; the rest are ascending, and rows with the same canonical
    // form are equal.
    let table = suite.text("sorted_canonical.tsv");
    let (versions, others): (Vec<_>, Vec<_>) = table
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .partition(|(_, canonical)| !canonical.is_empty());
    tally.skip("no versions for Go", others.len());
    for (i, a) in versions.iter().enumerate() {
        for b in versions.iter().skip(i + 1) {
            let expected = if a.1 == b.1 {
                Ordering::Equal
            } else {
                Ordering::Less
            };
            tally.pair(Scheme::SemVer, a.0, b.0, expected);
        }
    }
}

pub(super) fn elixir(suite: &SuiteFiles, tally: &mut Tally) {
    for case in rows(&suite.json("version.json")) {
        if text(case, "kind") != "compare" {
            tally.skip("requirements, which advisories do not use", 1);
        } else {
            let expected = ordering(text(case, "expected"));
            tally.pair(Scheme::SemVer, text(case, "a"), text(case, "b"), expected);
        }
    }
}

pub(super) fn nuget(suite: &SuiteFiles, tally: &mut Tally) {
    const COMPARER: &str = "VersionComparerTests.json";
    const NUGET: &str = "NuGetVersionTest.json";
    const SPEC: &str = "SemVer201SpecTests.json";
    /// The expectation of a test method about each of its rows.
    #[derive(Clone, Copy)]
    enum Says {
        Order(Ordering),
        Unequal,
        Valid,
        Invalid,
    }
    use Says::{Invalid, Order, Unequal, Valid};
    let (less, equal) = (Order(Ordering::Less), Order(Ordering::Equal));
    let methods: &[(&str, &str, Says)] = &[
        (COMPARER, "VersionComparisonDefaultEqual", equal),
        (COMPARER, "VersionComparisonDefaultEqualWithNuGetVersion", equal),
        (COMPARER, "VersionComparisonDefaultNotEqual", Unequal),
        (
            COMPARER,
            "VersionComparisonDefaultNotEqualWithNuGetVersion",
            Unequal,
        ),
        (COMPARER, "VersionComparisonDefaultLess", less),
        (NUGET, "SemVerLessThanAndGreaterThanOperatorsWorks", less),
        (NUGET, "SemVerEqualsOperatorWorks", equal),
        (NUGET, "ParseThrowsIfStringIsNotAValidSemVer", Invalid),
        (NUGET, "TryParseHandlesValidVersionPatterns", Valid),
        (SPEC, "SemVerSortVersion", less),
        (SPEC, "SemVerSortRelease", less),
        (SPEC, "SemVerSortReleaseNumeric", less),
        (SPEC, "SemVerSortReleaseAlpha", less),
        (SPEC, "SemVerSortNumericAlpha", less),
        (SPEC, "SemVerSortReleaseLabelCount", less),
        (SPEC, "SemVerSortIgnoreReleaseCasing", equal),
        (SPEC, "SemVerVersionInvalidReleaseId", Invalid),
        (SPEC, "SemVerVersionInvalidReleaseLabelChars", Invalid),
        (SPEC, "SemVerVersionMetadataInvalidChars", Invalid),
        (SPEC, "SemVerVersionMetadataNonEmptyParts", Invalid),
    ];
    for file in [COMPARER, NUGET, SPEC] {
        let table: Value = suite.json(file);
        for (method, cases) in table.as_object().into_iter().flatten() {
            let is_run = methods.iter().any(|(of, run, _)| *of == file && run == method);
            if !is_run {
                tally.skip(
                    "methods that parse, print or copy versions",
                    rows(&cases["cases"]).count(),
                );
            }
        }
    }
    for (file, method, says) in methods {
        let table: Value = suite.json(file);
        for row in rows(&table[*method]["cases"]) {
            let (a, b) = (text(row, 0), text(row, 1));
            match says {
                Order(expected) => tally.pair(Scheme::NuGet, a, b, *expected),
                // The suite's own equalities ignore metadata, like NuGet's comparer.
                Unequal if (a, b) == ("1.0.0-BETA+AA", "1.0.0-beta") => {
                    tally.skip("unequal by metadata, which other cases say does not count", 1);
                }
                Unequal => {
                    let found = compare(Scheme::NuGet, a, b);
                    tally.check(found.as_ref().is_ok_and(|o| o.is_ne()), || {
                        format!("{row}: {found:?}")
                    });
                }
                Valid => tally.check(Version::parse(Scheme::NuGet, a).is_ok(), || {
                    format!("{a:?} is refused")
                }),
                Invalid => tally.check(Version::parse(Scheme::NuGet, a).is_err(), || {
                    format!("{a:?} is accepted")
                }),
            }
        }
    }
}
