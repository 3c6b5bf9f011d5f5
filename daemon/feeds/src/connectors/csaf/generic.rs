//! Products of any provider that have the URL of a registry's package.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cve::package_of_url;
use super::super::draft::{Affected, Draft, Range};
use super::super::text::quote;
use super::status::{Stated, Statements};
use super::tree::{Product, Tree};
use crate::connectors::value;

/// A package of a registry: its ecosystem and name.
type Package = (&'static str, String);

/// The statements about one package and one vulnerability.
#[derive(Default)]
struct PackageStatus {
    fixed: Vec<String>,
    versions: Vec<String>,
    ranges: Vec<Range>,
    /// Affected from these versions on.
    starts: Vec<String>,
    /// Affected, without a version.
    is_open: bool,
    /// Fixed, without a version.
    is_fixed_somewhere: bool,
}

/// The statements about one package and all vulnerabilities.
#[derive(Default)]
struct Sum {
    versions: BTreeSet<String>,
    ranges: BTreeSet<Range>,
    plan: Option<&'static str>,
}

/// Creates entries for the products that are packages of a registry.
pub(super) fn affected<'v>(
    draft: &mut Draft<'v>,
    tree: &Tree<'v>,
    statements: &Statements<'v>,
) -> Vec<Affected<'v>> {
    let mut sums: BTreeMap<Package, Sum> = BTreeMap::new();
    for stated in &statements.each {
        for (package, said) in statuses_of_one(draft, tree, stated) {
            said.add_to(sums.entry(package).or_default());
        }
    }
    let affected = statements.affected.iter();
    for id in affected.chain(&statements.investigated) {
        let Some((package, _)) = package(tree, id) else {
            continue;
        };
        let sum = sums.entry(package).or_default();
        let is_investigated = !statements.affected.contains(id);
        sum.plan = statements
            .plan(id)
            .or(is_investigated.then_some("under_investigation"))
            .or(sum.plan);
    }
    warn_of_others(draft, tree, statements);
    let entries = sums.into_iter().map(|((ecosystem, name), sum)| {
        let mut entry = Affected::of(ecosystem, name);
        entry.ranges = sum.ranges.into_iter().collect();
        entry.versions = sum.versions.into_iter().collect();
        if let Some(plan) = sum.plan {
            entry.specific.push(("fix_state", value::text(plan)));
        }
        entry
    });
    entries.collect()
}

/// Counts the products whose URL is not a registry's package.
fn warn_of_others(draft: &mut Draft<'_>, tree: &Tree<'_>, statements: &Statements<'_>) {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for stated in [&statements.fixed, &statements.affected, &statements.investigated] {
        ids.extend(stated);
    }
    let is_other = |id: &&str| {
        let purl = product(tree, id).and_then(|product| product.purl);
        purl.is_some_and(|purl| package_of_url(purl).is_none())
    };
    let others = ids.into_iter().filter(is_other).count();
    if others > 0 {
        draft.warn(format!(
            "{others} products have a package URL of no known registry, and no entry"
        ));
    }
}

fn statuses_of_one<'v>(
    draft: &mut Draft<'v>,
    tree: &Tree<'v>,
    stated: &Stated<'v>,
) -> BTreeMap<Package, PackageStatus> {
    let mut packages: BTreeMap<Package, PackageStatus> = BTreeMap::new();
    for id in &stated.fixed {
        let Some((package, product)) = package(tree, id) else {
            continue;
        };
        let said = packages.entry(package).or_default();
        match version_of(product) {
            Some(version) => said.fixed.push(version),
            None => {
                draft.warn(format!("the fixed product \"{}\" has no version", quote(id)));
                said.is_fixed_somewhere = true;
            }
        }
    }
    for id in stated.affected.union(&stated.investigated) {
        let Some((package, product)) = package(tree, id) else {
            continue;
        };
        let said = packages.entry(package).or_default();
        match (version_of(product), product.range) {
            (Some(version), None) => {
                let (is_first, is_last) = (stated.first.contains(id), stated.last.contains(id));
                if is_last {
                    said.ranges
                        .push(Range::from("0").and("last_affected", version.as_str()));
                }
                match (is_first, is_last) {
                    (true, _) => said.starts.push(version),
                    (false, true) => {}
                    (false, false) => said.versions.push(version),
                }
            }
            (_, Some(range)) => match range_of(range) {
                Some(ranges) => said.ranges.extend(ranges),
                None => {
                    draft.warn(format!(
                        "the range \"{}\" is not understood, all versions are meant",
                        quote(range)
                    ));
                    said.is_open = true;
                }
            },
            (None, None) => said.is_open = true,
        }
    }
    packages
}

impl PackageStatus {
    fn add_to(self, sum: &mut Sum) {
        let is_told = !(self.versions.is_empty() && self.ranges.is_empty() && self.starts.is_empty());
        if self.is_open && self.fixed.is_empty() {
            sum.ranges.insert(Range::from("0"));
        } else if !is_told && self.fixed.is_empty() && self.is_fixed_somewhere {
            sum.ranges.insert(Range::undecided());
        } else if !is_told || self.is_open {
            sum.ranges.extend(self.fixed.iter().map(Range::before));
        }
        for start in &self.starts {
            let fixed = self.fixed.iter();
            sum.ranges
                .extend(fixed.map(|fixed| Range::from(start).and("fixed", fixed)));
            if self.fixed.is_empty() {
                sum.ranges.insert(Range::from(start));
            }
        }
        sum.ranges.extend(self.ranges);
        sum.versions.extend(self.versions);
    }
}

/// Returns the tree's data about a product, or about its component.
fn product<'t, 'v>(tree: &'t Tree<'v>, id: &str) -> Option<&'t Product<'v>> {
    let component = tree.parts(id).map_or(id, |(component, _)| component);
    tree.get(component)
}

fn package<'t, 'v>(tree: &'t Tree<'v>, id: &str) -> Option<(Package, &'t Product<'v>)> {
    let product = product(tree, id)?;
    Some((package_of_url(product.purl?)?, product))
}

/// Returns the version in a product's URL, else the name of its version branch.
fn version_of(product: &Product<'_>) -> Option<String> {
    let purl = product.purl.unwrap_or_default();
    let path = purl.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let in_url = last
        .rsplit_once('@')
        .map(|(_, version)| version)
        .filter(|version| !version.is_empty());
    let version = in_url.or(product.version)?;
    (!version.contains(char::is_whitespace)).then(|| version.replace("%2B", "+").replace("%2b", "+"))
}

/// Parses `vers:npm/>=1.0|<1.2`, `<1.2`, `>=1.0|<1.2`. `None` if a part is unknown.
fn range_of(text: &str) -> Option<Vec<Range>> {
    let text = text
        .strip_prefix("vers:")
        .map_or(text, |rest| rest.split_once('/').map_or(rest, |(_, rest)| rest));
    let mut ranges = Vec::new();
    let mut start: Option<String> = None;
    for part in text.split('|').map(str::trim) {
        if part == "*" {
            ranges.push(Range::from("0"));
            continue;
        }
        let (operator, version) = part.split_at(part.find(|c: char| !"<>=!".contains(c))?);
        let version = version.trim();
        if version.is_empty() || version.contains(|c: char| c.is_whitespace() || "<>=,".contains(c)) {
            return None;
        }
        match operator {
            ">=" => start = Some(version.to_owned()),
            "<" => {
                ranges
                    .push(Range::from(start.take().unwrap_or_else(|| "0".to_owned())).and("fixed", version));
            }
            "<=" => {
                ranges.push(
                    Range::from(start.take().unwrap_or_else(|| "0".to_owned())).and("last_affected", version),
                );
            }
            "" | "=" => ranges.push(Range::from(version).and("last_affected", version)),
            _ => return None,
        }
    }
    ranges.extend(start.map(Range::from));
    (!ranges.is_empty()).then_some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ranges_are_parsed_or_refused() {
        let events = |text: &str| {
            range_of(text).map(|ranges| ranges.into_iter().map(|range| range.events).collect::<Vec<_>>())
        };
        let event = |kind, version: &str| (kind, version.to_owned());
        assert_eq!(
            events("vers:npm/>=1.0|<1.2|>=2.0"),
            Some(vec![
                vec![event("introduced", "1.0"), event("fixed", "1.2")],
                vec![event("introduced", "2.0")],
            ])
        );
        assert_eq!(
            events("<=3"),
            Some(vec![vec![event("introduced", "0"), event("last_affected", "3")]])
        );
        assert_eq!(events("vers:all/*"), Some(vec![vec![event("introduced", "0")]]));
        for text in ["", "all versions before 3", "!=1", "<", ">1"] {
            assert_eq!(events(text), None, "{text}");
        }
    }
}
