//! Products that a CSAF document identifies by a CPE name alone: their configurations, in the form of the NVD, in which
//! such names are looked up.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::json::Value;

use super::super::cve::package_of_url;
use super::super::draft::{Affected, Draft, Range};
use super::super::text::quote;
use super::super::value;
use super::extent::{Extent, extent_of, fixed_at};
use super::generic;
use super::openeuler;
use super::status::{Stated, Statements};
use super::tree::{Product, Tree};

/// Same as [`generic::affected`], and names the products that have a CPE name and no package URL.
pub(super) fn affected<'v>(
    draft: &mut Draft<'v>,
    tree: &Tree<'v>,
    statements: &Statements<'v>,
) -> Vec<Affected<'v>> {
    let mut leaves: BTreeSet<Leaf> = BTreeSet::new();
    for stated in &statements.each {
        leaves.extend(leaves_of(draft, tree, stated));
    }
    if !leaves.is_empty() {
        let matches = Value::Array(leaves.into_iter().map(Leaf::into_value).collect());
        let node = value::object([("operator", value::text("OR")), ("cpeMatch", matches)]);
        let configuration = value::object([("nodes", Value::Array(vec![node]))]);
        draft.keep("configurations", Value::Array(vec![configuration]));
    }
    generic::affected(draft, tree, statements)
}

/// Returns the CPE name of a product that has no package URL of a registry, and the product whose versions it has.
fn name_of<'t, 'v>(tree: &'t Tree<'v>, id: &str) -> Option<(Name<'v>, &'t Product<'v>)> {
    // Their CPE name is that of the release.
    if openeuler::parts(tree, id).is_some() {
        return None;
    }
    let product = tree.component(id)?;
    let is_package = product.purls.iter().any(|purl| package_of_url(purl).is_some());
    Some((Name::of(product.cpe?)?, product)).filter(|_| !is_package)
}

/// Returns true if a product is looked up by its CPE name.
pub(super) fn is_named(tree: &Tree<'_>, id: &str) -> bool {
    name_of(tree, id).is_some()
}

/// A CPE name in its parts.
struct Name<'v> {
    whole: &'v str,
    parts: Vec<&'v str>,
    is_uri: bool,
}

impl<'v> Name<'v> {
    fn of(text: &'v str) -> Option<Self> {
        let text = text.trim();
        let starts = |prefix: &str| {
            let start = text.get(..prefix.len())?;
            start
                .eq_ignore_ascii_case(prefix)
                .then(|| text.get(prefix.len()..))
                .flatten()
        };
        let (rest, is_uri) = match starts("cpe:2.3:") {
            Some(rest) => (rest, false),
            None => (starts("cpe:/")?, true),
        };
        let mut parts = Vec::new();
        let (mut from, mut is_escaped) = (0, false);
        for (at, letter) in rest.char_indices() {
            if letter == ':' && !is_escaped {
                parts.push(rest.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            is_escaped = letter == '\\' && !is_escaped;
        }
        parts.push(rest.get(from..).unwrap_or_default());
        (parts.len() >= 3).then_some(Self {
            whole: text,
            parts,
            is_uri,
        })
    }

    /// Returns the product, without its version.
    fn key(&self) -> String {
        self.parts
            .iter()
            .take(3)
            .copied()
            .collect::<Vec<_>>()
            .join(":")
            .to_ascii_lowercase()
    }

    /// Returns the version, if the name has one.
    fn version(&self) -> Option<&'v str> {
        let version = self.parts.get(3).copied().unwrap_or_default();
        (!matches!(version, "" | "*" | "-")).then_some(version)
    }

    /// Returns true if the name says that versions do not apply, as some providers do who do not state them.
    fn is_without_versions(&self) -> bool {
        self.parts.get(3) == Some(&"-")
    }

    /// Returns the name with any version.
    fn any_version(&self) -> String {
        if self.is_uri {
            return format!(
                "cpe:/{}",
                self.parts.iter().take(3).copied().collect::<Vec<_>>().join(":")
            );
        }
        let any = |(index, part): (usize, &&'v str)| if matches!(index, 3 | 4) { "*" } else { *part };
        let parts: Vec<&str> = self.parts.iter().enumerate().map(any).collect();
        format!("cpe:2.3:{}", parts.join(":"))
    }
}

/// One name with the versions that are affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    criteria: String,
    /// Its key in the form of the NVD, and the version.
    start: Option<String>,
    end: Option<(&'static str, String)>,
    /// The affected versions are unknown.
    is_unclear: bool,
}

impl Leaf {
    fn any(name: &Name<'_>) -> Self {
        Self {
            criteria: name.any_version(),
            start: None,
            end: None,
            is_unclear: false,
        }
    }

    fn unclear(name: &Name<'_>) -> Self {
        Self {
            is_unclear: true,
            ..Self::any(name)
        }
    }

    fn of_range(name: &Name<'_>, range: &Range) -> Self {
        let mut leaf = Self::any(name);
        for (kind, version) in &range.events {
            match *kind {
                "introduced" if version != "0" => leaf.start = Some(version.clone()),
                "fixed" => leaf.end = Some(("versionEndExcluding", version.clone())),
                "last_affected" => leaf.end = Some(("versionEndIncluding", version.clone())),
                _ => {}
            }
        }
        leaf
    }

    fn into_value(self) -> Value<'static> {
        if self.is_unclear {
            // The form of a name whose versions are not listed: it leaves them undecided.
            return value::object([("@name", value::text(self.criteria))]);
        }
        let mut members = vec![
            ("vulnerable", Value::Bool(true)),
            ("criteria", value::text(self.criteria)),
        ];
        members.extend(
            self.start
                .map(|start| ("versionStartIncluding", value::text(start))),
        );
        members.extend(self.end.map(|(key, end)| (key, value::text(end))));
        value::object(members)
    }
}

/// The statement of one vulnerability about a product, for all its versions.
#[derive(Default)]
struct Told {
    /// The versions that have the fix.
    fixed: Vec<String>,
    /// True if a product of this name is fixed in a version that is not named.
    is_fixed_somewhere: bool,
    /// True if a product of this name is affected, or in another state.
    is_affected: bool,
}

fn leaves_of(draft: &mut Draft<'_>, tree: &Tree<'_>, stated: &Stated<'_>) -> Vec<Leaf> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let fixed: Vec<_> = stated.fixed.iter().filter_map(|id| name_of(tree, id)).collect();
    for (name, product) in &fixed {
        let version = name.version().filter(|_| product.range.is_none());
        let version = version.map(|version| version.replace('\\', ""));
        let version = version.or_else(|| fixed_at(&extent_of("", product)));
        let told = told.entry(name.key()).or_default();
        told.is_fixed_somewhere |= version.is_none();
        told.fixed.extend(version);
    }
    let mut leaves = Vec::new();
    for (name, _) in stated.unclear.iter().filter_map(|id| name_of(tree, id)) {
        told.entry(name.key()).or_default().is_affected = true;
        leaves.push(Leaf::unclear(&name));
    }
    for id in stated.affected.union(&stated.investigated) {
        if let Some((name, product)) = name_of(tree, id) {
            let told = told.entry(name.key()).or_default();
            told.is_affected = true;
            leaves.extend(leaves_of_one(draft, stated, id, &name, product, told));
        }
    }
    // Of a product that is only stated to be fixed, what came before is affected.
    for (name, _) in &fixed {
        if let Some(told) = told.get(&name.key()).filter(|told| !told.is_affected) {
            let before = told.fixed.iter().map(Range::before);
            leaves.extend(before.map(|range| Leaf::of_range(name, &range)));
            if told.fixed.is_empty() {
                leaves.push(Leaf::unclear(name));
            }
        }
    }
    leaves
}

/// Returns the affected versions of one product.
fn leaves_of_one(
    draft: &mut Draft<'_>,
    stated: &Stated<'_>,
    id: &str,
    name: &Name<'_>,
    product: &Product<'_>,
    told: &Told,
) -> Vec<Leaf> {
    let (is_first, is_last) = (stated.first.contains(id), stated.last.contains(id));
    let extent = match (product.range, name.version()) {
        (None, Some(_)) if !is_first && !is_last => {
            return vec![Leaf {
                criteria: name.whole.to_owned(),
                ..Leaf::any(name)
            }];
        }
        (None, Some(version)) => Extent::One(version.replace('\\', "")),
        _ => extent_of("", product),
    };
    let ranges = match extent {
        Extent::One(version) => vec![match (is_first, is_last) {
            (true, _) => Range::from(version),
            (false, true) => Range::from("0").and("last_affected", version),
            (false, false) => Range::from(version.clone()).and("last_affected", version),
        }],
        Extent::Ranges(ranges) => ranges,
        Extent::Wider(ranges, text) => {
            draft.warn(format!(
                "the range \"{}\" excludes versions, which count as affected",
                quote(text)
            ));
            ranges
        }
        Extent::Unclear(text) => {
            draft.warn(format!(
                "the range \"{}\" is not understood, all versions are meant",
                quote(text)
            ));
            vec![Range::from("0")]
        }
        Extent::All if !told.fixed.is_empty() => told.fixed.iter().map(Range::before).collect(),
        // No version is stated, or the fixed one is not named.
        Extent::All if name.is_without_versions() || told.is_fixed_somewhere => {
            return vec![Leaf::unclear(name)];
        }
        Extent::All => vec![Range::from("0")],
    };
    ranges.iter().map(|range| Leaf::of_range(name, range)).collect()
}
