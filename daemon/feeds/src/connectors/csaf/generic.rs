//! Products of any provider that have the URL of a registry's package.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cve::package_of_url;
use super::super::draft::{Affected, Draft, Range};
use super::super::ghsa::is_before;
use super::super::text::quote;
use super::extent::{Extent, extent_of, fixed_at};
use super::named::is_named;
use super::status::{Stated, Statements, stronger};
use super::tree::Tree;
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
    /// Affected up to these versions.
    ends: Vec<String>,
    /// Affected, without a version.
    is_open: bool,
    /// Fixed, without a version.
    is_fixed_somewhere: bool,
    /// In a state that is not known here.
    is_unclear: bool,
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
        for (package, _) in packages_of(tree, id) {
            let sum = sums.entry(package).or_default();
            let is_investigated = !statements.affected.contains(id);
            let plan = statements
                .plan(id)
                .or(is_investigated.then_some("under_investigation"));
            // Of the versions of a package, the strongest statement is kept.
            sum.plan = match (sum.plan, plan) {
                (Some(one), Some(other)) => Some(stronger(one, other)),
                (one, other) => one.or(other),
            };
        }
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

/// Counts the products whose URL is not a registry's package, and those without any beside some that have one.
fn warn_of_others(draft: &mut Draft<'_>, tree: &Tree<'_>, statements: &Statements<'_>) {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for stated in [&statements.fixed, &statements.affected, &statements.investigated] {
        ids.extend(stated);
    }
    let (mut others, mut without, mut known) = (0_usize, 0_usize, 0_usize);
    for id in ids {
        let Some(product) = tree.component(id) else {
            continue;
        };
        let is_package =
            !product.purls.is_empty() && product.purls.iter().all(|purl| package_of_url(purl).is_some());
        if is_package || is_named(tree, id) {
            known += 1;
        } else if product.purls.is_empty() {
            without += 1;
        } else {
            others += 1;
        }
    }
    if others > 0 {
        draft.warn(format!(
            "{others} products have a package URL of no known registry, and no entry"
        ));
    }
    if without > 0 && known + others > 0 {
        draft.warn(format!(
            "{without} products have neither a package URL nor a CPE name, and no entry"
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
        for (package, extent) in packages_of(tree, id) {
            let said = packages.entry(package).or_default();
            match fixed_at(&extent) {
                Some(version) => said.fixed.push(version),
                None => {
                    draft.warn(format!("the fixed product \"{}\" has no version", quote(id)));
                    said.is_fixed_somewhere = true;
                }
            }
        }
    }
    for (package, _) in stated.unclear.iter().flat_map(|id| packages_of(tree, id)) {
        packages.entry(package).or_default().is_unclear = true;
    }
    for id in stated.affected.union(&stated.investigated) {
        for (package, extent) in packages_of(tree, id) {
            let said = packages.entry(package).or_default();
            match extent {
                Extent::One(version) => said.add_version(stated, id, version),
                Extent::Ranges(ranges) => said.ranges.extend(ranges),
                Extent::Wider(ranges, text) => {
                    draft.warn(format!(
                        "the range \"{}\" excludes versions, which count as affected",
                        quote(text)
                    ));
                    said.ranges.extend(ranges);
                }
                Extent::Unclear(text) => {
                    draft.warn(format!(
                        "the range \"{}\" is not understood, all versions are meant",
                        quote(text)
                    ));
                    said.is_open = true;
                }
                Extent::All => said.is_open = true,
            }
        }
    }
    for ((_, name), said) in &packages {
        if let Some(version) = said.fixed_within() {
            draft.warn(format!(
                "{name}: the fixed version {} is in a range without an end, and counts as affected",
                quote(version)
            ));
        }
    }
    packages
}

impl PackageStatus {
    /// Returns a fixed version that is certainly in a range without an end. Which of the later versions have the fix is
    /// not said, so that it ends nothing.
    fn fixed_within(&self) -> Option<&str> {
        let is_after = |fixed: &String| {
            self.ranges.iter().any(|range| match range.events.as_slice() {
                [("introduced", start)] => start == "0" || start == fixed || is_before(start, fixed),
                _ => false,
            })
        };
        self.fixed
            .iter()
            .find(|fixed| is_after(fixed))
            .map(String::as_str)
    }

    /// Adds an affected version: by itself, or as the first or last one.
    fn add_version(&mut self, stated: &Stated<'_>, id: &str, version: String) {
        let (is_first, is_last) = (stated.first.contains(id), stated.last.contains(id));
        if is_last {
            self.ends.push(version.clone());
        }
        match (is_first, is_last) {
            (true, _) => self.starts.push(version),
            (false, true) => {}
            (false, false) => self.versions.push(version),
        }
    }

    fn add_to(mut self, sum: &mut Sum) {
        match (self.starts.as_slice(), self.ends.as_slice()) {
            // The two ends of one range.
            ([start], [end]) => {
                self.ranges
                    .push(Range::from(start).and("last_affected", end.as_str()));
                self.starts.clear();
            }
            // It is unknown which ends belong together.
            (_, ends) => {
                let up_to = |end: &String| Range::from("0").and("last_affected", end.as_str());
                self.ranges.extend(ends.iter().map(up_to));
            }
        }
        if self.is_unclear {
            sum.ranges.insert(Range::undecided());
        }
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

/// Returns the packages of a product, each with the versions that it stands for.
fn packages_of<'v>(tree: &Tree<'v>, id: &str) -> Vec<(Package, Extent<'v>)> {
    let Some(product) = tree.component(id) else {
        return Vec::new();
    };
    let found = product.purls.iter().filter_map(|purl| {
        let package = package_of_url(purl)?;
        Some((package, extent_of(purl, product)))
    });
    found.collect()
}
