//! Products of any provider that carry the URL of a registry's package.

use std::collections::BTreeMap;

use super::super::cve::package_of_url;
use super::super::draft::{Affected, Draft, Range};
use super::super::text::quote;
use super::status::Statements;
use super::tree::{Product, Tree};
use crate::connectors::value;

/// What is said about one package.
#[derive(Default)]
struct Said {
    fixed: Vec<String>,
    versions: Vec<String>,
    ranges: Vec<Range>,
    /// Affected, and no version is named.
    is_open: bool,
    plan: Option<&'static str>,
}

/// Makes entries of the products that are packages of a registry.
pub(super) fn affected<'v>(
    draft: &mut Draft<'v>,
    tree: &Tree<'v>,
    statements: &Statements<'v>,
) -> Vec<Affected<'v>> {
    let mut packages: BTreeMap<(&'static str, String), Said> = BTreeMap::new();
    for id in &statements.fixed {
        if let Some((package, product)) = package(tree, id)
            && let Some(version) = version_of(product)
        {
            packages.entry(package).or_default().fixed.push(version);
        }
    }
    for id in statements.affected.iter().chain(&statements.investigated) {
        let Some((package, product)) = package(tree, id) else {
            continue;
        };
        let said = packages.entry(package).or_default();
        let is_investigated = !statements.affected.contains(id);
        said.plan = statements
            .plan(id)
            .or(is_investigated.then_some("under_investigation"))
            .or(said.plan);
        match (version_of(product), product.range) {
            (Some(version), None) => said.versions.push(version),
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
    let entries = packages.into_iter().map(|((ecosystem, name), said)| {
        let mut entry = Affected::of(ecosystem, name);
        let is_told = !said.versions.is_empty() || !said.ranges.is_empty();
        entry.ranges = said.ranges;
        entry.versions = said.versions;
        if said.is_open && said.fixed.is_empty() {
            entry.ranges.push(Range::from("0"));
        } else if !is_told || said.is_open {
            entry.ranges.extend(said.fixed.into_iter().map(Range::before));
        }
        if let Some(plan) = said.plan {
            entry.specific.push(("fix_state", value::text(plan)));
        }
        entry
    });
    entries.collect()
}

fn package<'t, 'v>(tree: &'t Tree<'v>, id: &str) -> Option<((&'static str, String), &'t Product<'v>)> {
    let component = tree.parts(id).map_or(id, |(component, _)| component);
    let product = tree.get(component)?;
    Some((package_of_url(product.purl?)?, product))
}

/// The version in a product's URL, else the name of its branch.
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

/// Reads `vers:npm/>=1.0|<1.2`, `<1.2`, `>=1.0|<1.2`. None if a part is not understood.
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
    fn ranges_of_versions_are_read_or_told_not_to_be() {
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
