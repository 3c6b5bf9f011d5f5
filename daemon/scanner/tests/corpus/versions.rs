//! The orders of versions against each tool's own tests.

use std::cmp::Ordering;

use serde_json::Value;
use starling_scanner::version::{Scheme, Version, compare};

use crate::support::{Tally, archive};

fn ordering(text: &str) -> Ordering {
    match text {
        "<" | "-1" | "lt" => Ordering::Less,
        ">" | "1" | "gt" => Ordering::Greater,
        "=" | "==" | "0" | "eq" => Ordering::Equal,
        other => panic!("no operator: {other}"),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Checks both directions.
fn pair(tally: &mut Tally, scheme: Scheme, a: &str, b: &str, expected: Ordering) {
    for (a, b, expected) in [(a, b, expected), (b, a, expected.reverse())] {
        let found = compare(scheme, a, b);
        tally.check(found.as_ref() == Ok(&expected), || {
            format!("{a} against {b}: expected {expected:?}, found {found:?}")
        });
    }
}

fn ascending(tally: &mut Tally, scheme: Scheme, list: &[&str]) {
    for (i, a) in list.iter().enumerate() {
        for b in &list[i + 1..] {
            pair(tally, scheme, a, b, Ordering::Less);
        }
    }
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect()
}

#[test]
fn maven() {
    let Some(suite) = archive("suites/maven-comparable") else {
        return;
    };
    let mut tally = Tally::default();
    for case in suite.json("comparable_version.json").as_array().unwrap() {
        match text(case, "kind") {
            "ascending" => ascending(&mut tally, Scheme::Maven, &strings(&case["versions"])),
            "pair" => pair(
                &mut tally,
                Scheme::Maven,
                text(case, "a"),
                text(case, "b"),
                ordering(text(case, "op")),
            ),
            _ => {
                let list = strings(&case["versions"]);
                for a in &list {
                    for b in &list {
                        pair(&mut tally, Scheme::Maven, a, b, Ordering::Equal);
                    }
                }
            }
        }
    }
    tally.finish("maven-comparable", 949);
}

#[test]
fn pep440() {
    let Some(suite) = archive("suites/pep440-packaging") else {
        return;
    };
    let mut tally = Tally::default();
    let versions = suite.json("versions.json");
    ascending(&mut tally, Scheme::Pep440, &strings(&versions["VERSIONS_sorted"]));
    tally.finish("pep440-packaging", 4186);
}

#[test]
fn npm() {
    let Some(suite) = archive("suites/node-semver") else {
        return;
    };
    let mut tally = Tally::default();
    let row_of = |row: &Value| {
        Some((
            row[0].as_str()?.to_owned(),
            row[1].as_str().unwrap_or("").to_owned(),
        ))
    };
    let rows = |file: &str| {
        suite
            .json(file)
            .as_array()
            .unwrap()
            .iter()
            .filter_map(row_of)
            .collect::<Vec<_>>()
    };
    for (a, b) in rows("comparisons.json") {
        pair(&mut tally, Scheme::SemVer, &a, &b, Ordering::Greater);
    }
    for (a, b) in rows("equality.json") {
        pair(&mut tally, Scheme::SemVer, &a, &b, Ordering::Equal);
    }
    for (version, _) in rows("/valid-versions.json") {
        tally.check(Version::parse(Scheme::SemVer, &version).is_ok(), || {
            format!("{version} is refused")
        });
    }
    tally.finish("node-semver", 150);
}

#[test]
fn rubygems() {
    let Some(suite) = archive("suites/rubygems-version") else {
        return;
    };
    let mut tally = Tally::default();
    for case in suite.json("gem_version.json").as_array().unwrap() {
        match text(case, "kind") {
            "cmp" => {
                let expected = case["expected"].as_i64().unwrap().cmp(&0);
                pair(
                    &mut tally,
                    Scheme::RubyGems,
                    text(case, "a"),
                    text(case, "b"),
                    expected,
                );
            }
            "equal" => {
                let found = compare(Scheme::RubyGems, text(case, "a"), text(case, "b"));
                let expected = case["expected"].as_bool().unwrap();
                tally.check((found == Ok(Ordering::Equal)) == expected, || case.to_string());
            }
            // Bumping, releases and `eql?` (equality of spelling) are no part of the order.
            _ => {}
        }
    }
    tally.finish("rubygems-version", 20);
}

#[test]
fn composer() {
    let Some(suite) = archive("suites/composer-semver") else {
        return;
    };
    let mut tally = Tally::default();
    let comparator = suite.json("ComparatorTest.json");
    for row in comparator["compareProvider"].as_array().unwrap() {
        let [a, op, b] = [0, 1, 2].map(|i| row[i].as_str().unwrap());
        let expected = row[3].as_bool().unwrap();
        // A branch has no place in the order, so only `!=` can hold of it; we refuse it instead.
        if [a, b].iter().any(|v| v.starts_with("dev-")) {
            tally.check(compare(Scheme::Packagist, a, b).is_err(), || row.to_string());
            continue;
        }
        let found = compare(Scheme::Packagist, a, b).ok().map(|order| match op {
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            "==" | "=" => order.is_eq(),
            "!=" | "<>" => order.is_ne(),
            other => panic!("{other}"),
        });
        tally.check(found == Some(expected), || format!("{row}: {found:?}"));
    }
    let parser = suite.json("VersionParserTest.json");
    for row in parser["successfulNormalizedVersions"].as_array().unwrap() {
        let [raw, normal] = [0, 1].map(|i| row[i].as_str().unwrap());
        // Composer itself would normalise this normal form once more, to four numbers.
        if normal == "2010.01.02" {
            continue;
        }
        if normal.starts_with("dev-") {
            tally.check(Version::parse(Scheme::Packagist, raw).is_err(), || {
                row.to_string()
            });
        } else {
            pair(&mut tally, Scheme::Packagist, raw, normal, Ordering::Equal);
        }
    }
    for row in parser["failingNormalizedVersions"].as_array().unwrap() {
        let raw = row[0].as_str().unwrap();
        tally.check(Version::parse(Scheme::Packagist, raw).is_err(), || {
            format!("{raw:?} is accepted")
        });
    }
    tally.finish("composer-semver", 100);
}

#[test]
fn nuget() {
    let Some(suite) = archive("suites/nuget-versioning") else {
        return;
    };
    let mut tally = Tally::default();
    let mut rows = |file: &str, method: &str, check: &mut dyn FnMut(&mut Tally, &Value)| {
        let table = suite.json(file);
        for row in table[method]["cases"]
            .as_array()
            .unwrap_or_else(|| panic!("no {method}"))
        {
            check(&mut tally, row);
        }
    };
    let [equal, less] = [Ordering::Equal, Ordering::Less].map(|expected| {
        move |tally: &mut Tally, row: &Value| {
            pair(
                tally,
                Scheme::NuGet,
                row[0].as_str().unwrap(),
                row[1].as_str().unwrap(),
                expected,
            );
        }
    });
    let mut unequal = |tally: &mut Tally, row: &Value| {
        // The suite's own equalities say that metadata does not count; NuGet's comparer agrees with them.
        if row[0] == "1.0.0-BETA+AA" && row[1] == "1.0.0-beta" {
            return;
        }
        let found = compare(Scheme::NuGet, row[0].as_str().unwrap(), row[1].as_str().unwrap());
        tally.check(found.as_ref().is_ok_and(|o| o.is_ne()), || {
            format!("{row}: {found:?}")
        });
    };
    let mut valid = |tally: &mut Tally, row: &Value| {
        let version = row[0].as_str().unwrap();
        tally.check(Version::parse(Scheme::NuGet, version).is_ok(), || {
            format!("{version:?} is refused")
        });
    };
    let mut invalid = |tally: &mut Tally, row: &Value| {
        let version = row[0].as_str().unwrap();
        tally.check(Version::parse(Scheme::NuGet, version).is_err(), || {
            format!("{version:?} is accepted")
        });
    };
    let comparer = "VersionComparerTests.json";
    rows(comparer, "VersionComparisonDefaultEqual", &mut equal.clone());
    rows(
        comparer,
        "VersionComparisonDefaultEqualWithNuGetVersion",
        &mut equal.clone(),
    );
    rows(comparer, "VersionComparisonDefaultNotEqual", &mut unequal);
    rows(
        comparer,
        "VersionComparisonDefaultNotEqualWithNuGetVersion",
        &mut unequal,
    );
    rows(comparer, "VersionComparisonDefaultLess", &mut less.clone());
    let nuget = "NuGetVersionTest.json";
    rows(
        nuget,
        "SemVerLessThanAndGreaterThanOperatorsWorks",
        &mut less.clone(),
    );
    rows(nuget, "SemVerEqualsOperatorWorks", &mut equal.clone());
    rows(nuget, "ParseThrowsIfStringIsNotAValidSemVer", &mut invalid);
    rows(nuget, "TryParseHandlesValidVersionPatterns", &mut valid);
    let spec = "SemVer201SpecTests.json";
    for method in [
        "SemVerSortVersion",
        "SemVerSortRelease",
        "SemVerSortReleaseNumeric",
        "SemVerSortReleaseAlpha",
        "SemVerSortNumericAlpha",
        "SemVerSortReleaseLabelCount",
    ] {
        rows(spec, method, &mut less.clone());
    }
    rows(spec, "SemVerSortIgnoreReleaseCasing", &mut equal.clone());
    for method in [
        "SemVerVersionInvalidReleaseId",
        "SemVerVersionInvalidReleaseLabelChars",
        "SemVerVersionMetadataInvalidChars",
        "SemVerVersionMetadataNonEmptyParts",
    ] {
        rows(spec, method, &mut invalid);
    }
    tally.finish("nuget-versioning", 150);
}

#[test]
fn go() {
    let Some(suite) = archive("suites/golang-mod-semver") else {
        return;
    };
    let mut tally = Tally::default();
    // Rows without a canonical form are no versions for Go; the rest ascend, and rows with one canonical
    // form are equal.
    let rows: Vec<(&str, &str)> = suite
        .text("sorted_canonical.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, canonical)| !canonical.is_empty())
        .collect();
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[i + 1..] {
            let expected = if a.1 == b.1 {
                Ordering::Equal
            } else {
                Ordering::Less
            };
            pair(&mut tally, Scheme::SemVer, a.0, b.0, expected);
        }
    }
    tally.finish("golang-mod-semver", 300);
}

#[test]
fn elixir() {
    let Some(suite) = archive("suites/elixir-version") else {
        return;
    };
    let mut tally = Tally::default();
    for case in suite.json("version.json").as_array().unwrap() {
        // Requirements (`match`) are not used by advisories.
        if text(case, "kind") == "compare" {
            pair(
                &mut tally,
                Scheme::SemVer,
                text(case, "a"),
                text(case, "b"),
                ordering(text(case, "expected")),
            );
        }
    }
    tally.finish("elixir-version", 10);
}

#[test]
fn rpm() {
    let Some(suite) = archive("suites/rpm-vercmp") else {
        return;
    };
    let mut tally = Tally::default();
    for line in suite.text("rpmvercmp.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(a), Some(b), Some(expected)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        pair(&mut tally, Scheme::Rpm, a, b, ordering(expected));
    }
    tally.finish("rpm-vercmp", 180);
}

#[test]
fn rpm_by_clair() {
    let Some(suite) = archive("suites/claircore-rpmver") else {
        return;
    };
    let mut tally = Tally::default();
    for file in ["testdata/rpmvercmp", "testdata/compare"] {
        for line in suite
            .text(file)
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [a, op, b] = fields[..] else { panic!("{line}") };
            // Names and architectures are no part of a version: the purl carries them elsewhere.
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
                continue;
            }
            pair(&mut tally, Scheme::Rpm, a, b, ordering(op));
        }
    }
    tally.finish("claircore-rpmver", 230);
}

#[test]
fn dpkg() {
    let Some(suite) = archive("suites/dpkg-vercmp") else {
        return;
    };
    let mut tally = Tally::default();
    for line in suite.text("Dpkg_Version.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [a, b, expected] = fields[..] else { continue };
        pair(&mut tally, Scheme::Debian, a, b, ordering(expected));
    }
    tally.finish("dpkg-vercmp", 80);
}

#[test]
fn apk() {
    let Some(suite) = archive("suites/apk-tools") else {
        return;
    };
    let mut tally = Tally::default();
    let well_formed = |text: &str| Version::parse(Scheme::Apk, text).is_ok_and(|v| v.is_well_formed());
    for line in suite.text("version.data").lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            // `~` asks whether one version is a prefix of the other, which advisories never do.
            [_, "~" | "!~" | "<~" | ">~", _] => {}
            [a, op @ ("<" | ">" | "="), b] => pair(&mut tally, Scheme::Apk, a, b, ordering(op)),
            [_, op, _] => panic!("{op}"),
            [one] => match one.strip_prefix('!') {
                Some(bad) => tally.check(!well_formed(bad), || format!("{bad} is accepted")),
                None => tally.check(well_formed(one), || format!("{one} is refused")),
            },
            _ => {}
        }
    }
    tally.finish("apk-tools", 1_300);
}

#[test]
fn vers() {
    let Some(suite) = archive("suites/vers-spec") else {
        return;
    };
    let mut tally = Tally::default();
    for (name, bytes) in suite.files().filter(|(name, _)| name.contains("version_cmp")) {
        let table: Value = serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in table["tests"].as_array().unwrap() {
            let scheme = match text(&case["input"], "input_scheme") {
                "apk" => Scheme::Apk,
                "conan" => Scheme::Conan,
                "maven" => Scheme::Maven,
                "nuget" => Scheme::NuGet,
                // No OSV ecosystem is ordered by these.
                "alpm" | "datetime" | "gentoo" | "openssl" => continue,
                other => panic!("{other}"),
            };
            let given = strings(&case["input"]["versions"]);
            match text(case, "test_type") {
                "equality" => {
                    let found = compare(scheme, given[0], given[1]);
                    let equal = found == Ok(Ordering::Equal);
                    tally.check(Some(equal) == case["expected_output"].as_bool(), || {
                        format!("{case}: {found:?}")
                    });
                }
                _ => {
                    for two in strings(&case["expected_output"]).windows(2) {
                        // These follow an older Maven; Maven's own tests say that `2.0.a < 2-1`.
                        if scheme == Scheme::Maven && two[0] == "2-1" && matches!(two[1], "2.0.a" | "2.0.0.a")
                        {
                            continue;
                        }
                        let found = compare(scheme, two[0], two[1]);
                        tally.check(found.as_ref().is_ok_and(|o| o.is_le()), || {
                            format!("{} {two:?}: {found:?}", scheme)
                        });
                    }
                }
            }
        }
    }
    tally.finish("vers-spec", 1700);
}
