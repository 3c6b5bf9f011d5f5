//! Built-in cases, with which a site without any suite can still check itself.

use super::cvss::tenths;
use super::{SuiteReport, Tally, ordering};
use crate::matching::{Subject, evaluate};
use crate::osv::Affected;
use crate::purl::PackageUrl;
use crate::purl::osv::package_of;
use crate::sbom;
use crate::severity::score_vector;
use crate::version::Scheme;

/// Columns: ecosystem, version, order, version.
const VERSIONS: &str = include_str!("fixtures/versions.tsv");
/// Columns: package URL, its canonical form or `!`, OSV ecosystem and name or nothing.
const PURLS: &str = include_str!("fixtures/purls.tsv");
/// Columns: vector, base score or `!`.
const CVSS: &str = include_str!("fixtures/cvss.tsv");
/// Columns: ecosystem, version, `yes` or `no`, an `affected` entry.
const MATCHING: &str = include_str!("fixtures/matching.tsv");
/// Columns: number of components or `!`, a document with `\n` for its line ends.
const SBOMS: &str = include_str!("fixtures/sboms.tsv");

/// A part's name, its table, and the function that checks one line.
type Part = (&'static str, &'static str, fn(&[&str], &mut Tally));

/// Runs the built-in cases, with one report per part.
pub fn builtin() -> Vec<SuiteReport> {
    let parts: [Part; 5] = [
        ("builtin-versions", VERSIONS, version),
        ("builtin-purls", PURLS, purl),
        ("builtin-cvss", CVSS, cvss),
        ("builtin-matching", MATCHING, matching),
        ("builtin-sboms", SBOMS, sbom),
    ];
    parts
        .into_iter()
        .map(|(suite, table, check)| {
            let mut tally = Tally::default();
            let cases = table
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            for line in cases {
                check(&line.split('\t').collect::<Vec<_>>(), &mut tally);
            }
            SuiteReport {
                suite,
                passed: tally.passed,
                failed: tally.failed,
                failures: tally.failures,
                skipped: 0,
                skips: Vec::new(),
            }
        })
        .collect()
}

fn unreadable(fields: &[&str], tally: &mut Tally) {
    tally.check(false, || format!("the line {fields:?} is not a case"));
}

fn version(fields: &[&str], tally: &mut Tally) {
    match fields {
        [ecosystem, a, order, b] => match Scheme::for_ecosystem(ecosystem) {
            Some(scheme) => tally.pair(scheme, a, b, ordering(order)),
            None => tally.check(false, || format!("{ecosystem} has no order")),
        },
        _ => unreadable(fields, tally),
    }
}

fn purl(fields: &[&str], tally: &mut Tally) {
    let [text, canonical, package] = fields else {
        return unreadable(fields, tally);
    };
    let read = PackageUrl::parse(text);
    if *canonical == "!" {
        return tally.check(read.is_err(), || format!("{text} is accepted"));
    }
    let found = read.as_ref().map(|purl| {
        let package = package_of(purl).map(|p| format!("{} {}", p.ecosystem, p.name));
        (purl.to_string(), package.unwrap_or_default())
    });
    let expected = Ok(((*canonical).to_owned(), (*package).to_owned()));
    tally.check(found == expected, || format!("{text}: {found:?}"));
}

fn cvss(fields: &[&str], tally: &mut Tally) {
    let [vector, score] = fields else {
        return unreadable(fields, tally);
    };
    let found = score_vector(vector).map(|(score, _)| score.tenths());
    tally.check(found == tenths(score), || format!("{vector}: {found:?}"));
}

fn matching(fields: &[&str], tally: &mut Tally) {
    let [ecosystem, version, expected, entry] = fields else {
        return unreadable(fields, tally);
    };
    match serde_json::from_str::<Affected>(entry) {
        Ok(affected) => {
            let found = evaluate(&affected, &Subject::new(ecosystem, version)).is_affected();
            tally.check(found == (*expected == "yes"), || {
                format!("{ecosystem} {version} in {entry}: {found}")
            });
        }
        Err(error) => tally.check(false, || format!("{entry}: {error}")),
    }
}

fn sbom(fields: &[&str], tally: &mut Tally) {
    let [expected, document] = fields else {
        return unreadable(fields, tally);
    };
    let found = sbom::read(document.replace("\\n", "\n").as_bytes());
    let count = found.as_ref().ok().map(|inventory| inventory.components.len());
    let passed = if *expected == "!" {
        found.is_err()
    } else {
        count.is_some() && count == expected.parse().ok()
    };
    tally.check(passed, || format!("{document}: {found:?}"));
}
