//! Upgrade suggestions: which package to bring to which version, and how many findings that fixes.
//!
//! The highest of the fixing versions fixes all findings of one version of a package. A finding whose statements name
//! several fixed versions counts as fixed by the highest one only: below it, one of the statements may still say
//! *affected*.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use starling_scanner::version::{Scheme, compare};

/// The parts of a finding that concern an upgrade.
#[derive(Debug, Clone, Copy)]
pub struct Fixable<'a> {
    /// The package's ecosystem, as OSV writes it.
    pub ecosystem: &'a str,
    /// The package.
    pub package: &'a str,
    /// The installed version.
    pub version: &'a str,
    /// The finding's severity: `critical` to `none`.
    pub level: &'a str,
    /// Fixed versions, the lowest first.
    pub fixed: &'a [String],
}

/// A package to upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The package's ecosystem.
    pub ecosystem: String,
    /// The package.
    pub package: String,
    /// The installed version.
    pub from: String,
    /// The version to upgrade to.
    pub to: String,
    /// Numbers of fixed findings, by severity, worst first.
    pub ends: Vec<(String, u64)>,
    /// Number of findings of this version that no known version fixes.
    pub left: u64,
}

impl Upgrade {
    /// Returns the number of fixed findings.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ends.iter().map(|(_, number)| number).sum()
    }

    /// Returns the suggestion: `upgrade npm lodash 4.17.20 to 4.17.21: ends 3 findings (1 critical, 2 high)`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self {
            ecosystem,
            package,
            from,
            to,
            ends,
            left,
        } = self;
        let total = self.total();
        let plural = if total == 1 { "" } else { "s" };
        let mut text = format!(
            "upgrade {ecosystem} {package} {from} to {to}: ends {total} finding{plural} ({})",
            by_level(ends)
        );
        if *left > 0 {
            text.push_str(&format!("; {left} more without a known fix"));
        }
        text
    }
}

/// Formats counts by severity: `2 critical, 5 high`.
#[must_use]
pub fn by_level(counts: &[(String, u64)]) -> String {
    let texts: Vec<String> = counts
        .iter()
        .map(|(level, number)| format!("{number} {level}"))
        .collect();
    texts.join(", ")
}

/// Returns the rank of a severity: the worst is 0. An unknown word comes after all severities.
#[must_use]
pub fn severity_rank(level: &str) -> u8 {
    match level {
        "critical" => 0,
        "high" => 1,
        "medium" => 2,
        "low" => 3,
        "none" => 4,
        "unknown" => 5,
        _ => 6,
    }
}

/// Converts a CVSS score from text to tenths; 0 without a score, or for a text that is not one.
#[must_use]
pub fn tenths(score: Option<&str>) -> u64 {
    let (whole, part) = score.map_or(("", ""), |score| score.split_once('.').unwrap_or((score, "0")));
    let digit = |text: &str| text.parse::<u64>().ok().filter(|number| *number <= 10);
    match (digit(whole), digit(part.get(..1).unwrap_or("0"))) {
        (Some(whole), Some(part)) => whole * 10 + part,
        _ => 0,
    }
}

/// Counts findings by severity, worst first.
#[must_use]
pub fn count_levels<'a>(levels: impl IntoIterator<Item = &'a str>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<(u8, &str), u64> = BTreeMap::new();
    for level in levels {
        let level = if level.is_empty() { "unknown" } else { level };
        *counts.entry((severity_rank(level), level)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((_, level), number)| (level.to_owned(), number))
        .collect()
}

/// Returns the version that certainly fixes one finding: the highest of its fixed versions.
#[must_use]
pub fn version_to_go_to(fixed: &[String]) -> Option<&str> {
    fixed.last().map(String::as_str)
}

/// Plans the upgrades; the one that fixes the worst findings comes first.
#[must_use]
pub fn upgrades<'a>(findings: impl IntoIterator<Item = Fixable<'a>>) -> Vec<Upgrade> {
    let mut packages: BTreeMap<(&str, &str, &str), Vec<Fixable<'a>>> = BTreeMap::new();
    for finding in findings {
        let package = (finding.ecosystem, finding.package, finding.version);
        packages.entry(package).or_default().push(finding);
    }
    let mut upgrades: Vec<Upgrade> = packages
        .into_iter()
        .filter_map(|(package, findings)| upgrade(package, &findings))
        .collect();
    // A stable sort: equal ones stay in the order of their packages.
    upgrades.sort_by_key(|upgrade| {
        let number = |rank: u8| {
            let counts = upgrade.ends.iter();
            counts
                .filter(|(level, _)| severity_rank(level) == rank)
                .map(|(_, number)| number)
                .sum::<u64>()
        };
        Reverse([0, 1, 2, 3, 4, 5, 6].map(number))
    });
    upgrades
}

fn upgrade((ecosystem, package, from): (&str, &str, &str), findings: &[Fixable<'_>]) -> Option<Upgrade> {
    let scheme = Scheme::for_ecosystem(ecosystem);
    let is_above = |a: &str, b: &str| {
        scheme.is_some_and(|scheme| matches!(compare(scheme, a, b), Ok(Ordering::Greater)))
    };
    let wanted: Vec<&str> = findings
        .iter()
        .filter_map(|finding| version_to_go_to(finding.fixed))
        .collect();
    let to = wanted
        .iter()
        .copied()
        .reduce(|highest, next| if is_above(next, highest) { next } else { highest })?;
    let ended = |finding: &&Fixable<'_>| {
        // A finding whose fix cannot be compared with the target does not count as fixed by it.
        version_to_go_to(finding.fixed).is_some_and(|fixed| fixed == to || is_above(to, fixed))
    };
    let ends = count_levels(findings.iter().filter(ended).map(|finding| finding.level));
    let total: u64 = ends.iter().map(|(_, number)| number).sum();
    Some(Upgrade {
        ecosystem: ecosystem.to_owned(),
        package: package.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        ends,
        left: (findings.len() as u64).saturating_sub(total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(findings: &[(&str, &str, &str, &str, &[&str])]) -> Vec<String> {
        let fixed: Vec<Vec<String>> = findings
            .iter()
            .map(|finding| finding.4.iter().map(|text| (*text).to_owned()).collect())
            .collect();
        let fixable = findings
            .iter()
            .zip(&fixed)
            .map(|((ecosystem, package, version, level, _), fixed)| Fixable {
                ecosystem,
                package,
                version,
                level,
                fixed,
            });
        upgrades(fixable).iter().map(Upgrade::sentence).collect()
    }

    #[test]
    fn upgrade_targets_the_version_that_fixes_all() {
        let plan = plan(&[
            ("npm", "lemur", "1.2.0", "high", &["1.10.0"]),
            ("npm", "lemur", "1.2.0", "low", &["1.9.2"]),
            ("npm", "lemur", "1.2.0", "high", &[]),
            ("PyPI", "jinja2", "2.0", "critical", &["2.1", "3.0"]),
        ]);
        assert_eq!(
            plan,
            [
                "upgrade PyPI jinja2 2.0 to 3.0: ends 1 finding (1 critical)",
                "upgrade npm lemur 1.2.0 to 1.10.0: ends 2 findings (1 high, 1 low); 1 more without a known fix",
            ]
        );
    }

    #[test]
    fn unordered_versions_do_not_fix_each_other() {
        let plan = plan(&[
            ("Nowhere", "x", "1", "high", &["2"]),
            ("Nowhere", "x", "1", "low", &["3"]),
            ("npm", "unfixed", "1.0.0", "critical", &[]),
        ]);
        assert_eq!(
            plan,
            ["upgrade Nowhere x 1 to 2: ends 1 finding (1 high); 1 more without a known fix"]
        );
    }

    #[test]
    fn severity_counts_start_with_the_worst() {
        assert_eq!(
            by_level(&count_levels(["low", "critical", "low", "", "odd"])),
            "1 critical, 2 low, 1 unknown, 1 odd"
        );
    }
}
