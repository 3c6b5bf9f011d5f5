//! CSAF 2.0 and 2.1: products are defined once in a tree; statuses refer to them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use starling_scanner::purl::PackageUrl;

use super::product::{Whole, Within};
use super::{Reader, Saying, VexError, VexFormat, VexStatus, invalid, time_of, why_of};
use crate::ids::spelled;

/// Deepest tree of products; JSON itself is read no deeper.
const MAX_DEPTH: usize = 64;
/// Most package URLs of one product through relationships.
const MAX_PURLS_PER_PRODUCT: usize = 16;
/// Longest chain of products that are parts of products.
const MAX_CHAIN: usize = 8;

/// The tree's data about each product.
type Products<'a> = BTreeMap<&'a str, Product<'a>>;

/// A product.
#[derive(Default)]
struct Product<'a> {
    /// Its own package URLs, each with the version of its branch if it has none.
    purls: Vec<Cow<'a, str>>,
    /// True if it is a range of versions, which its URLs do not show.
    is_range: bool,
    /// Its other names.
    names: Vec<&'a str>,
    /// The products that it consists of, each as a part of another one.
    parts: Vec<(&'a str, Option<&'a str>)>,
}

/// The packages of products, each computed once.
#[derive(Default)]
struct Packages<'a> {
    found: BTreeMap<&'a str, Vec<(Cow<'a, str>, Within)>>,
    wholes: BTreeMap<&'a str, Arc<Whole>>,
}

impl<'a> Packages<'a> {
    /// Returns true if a product, or a part of it, is a range of versions.
    fn is_range(id: &str, products: &Products<'_>, depth: usize) -> bool {
        let product = products.get(id).filter(|_| depth < MAX_CHAIN);
        product.is_some_and(|product| {
            let mut parts = product.parts.iter();
            product.is_range || parts.any(|(part, _)| Self::is_range(part, products, depth + 1))
        })
    }

    /// Returns the packages of a product, with the products of which it is a part; empty during a recursive lookup.
    fn of(&mut self, id: &'a str, products: &Products<'a>, depth: usize) -> Vec<(Cow<'a, str>, Within)> {
        if let Some(found) = self.found.get(id) {
            return found.clone();
        }
        let Some(product) = products.get(id).filter(|_| depth < MAX_CHAIN) else {
            return Vec::new();
        };
        // Chains may be circular.
        self.found.insert(id, Vec::new());
        let wholes: Vec<Arc<Whole>> = product
            .parts
            .iter()
            .filter_map(|(_, whole)| *whole)
            .map(|whole| self.whole(whole, products))
            .collect();
        let within: Within = wholes.into();
        let mut found: Vec<(Cow<'a, str>, Within)> = product
            .purls
            .iter()
            .map(|purl| (purl.clone(), Arc::clone(&within)))
            .collect();
        for (part, whole) in &product.parts {
            let whole = whole.map(|whole| self.whole(whole, products));
            for (purl, inner) in self.of(part, products, depth + 1) {
                let within: Within = inner.iter().cloned().chain(whole.clone()).collect();
                let one = (purl, within);
                if found.len() < MAX_PURLS_PER_PRODUCT && !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        self.found.insert(id, found.clone());
        found
    }

    fn whole(&mut self, id: &'a str, products: &Products<'a>) -> Arc<Whole> {
        let made = self.wholes.entry(id).or_insert_with(|| {
            let product = products.get(id);
            let purls = product.into_iter().flat_map(|product| &product.purls);
            let names = product.into_iter().flat_map(|product| &product.names);
            Arc::new(Whole {
                purls: purls
                    .filter_map(|purl| PackageUrl::parse_lenient(purl).ok())
                    .collect(),
                names: names.map(|name| (*name).to_owned()).collect(),
                bom: None,
            })
        });
        Arc::clone(made)
    }
}

pub(super) fn read(value: &Value, reader: &mut Reader) -> Result<(), VexError> {
    let version = value.pointer("/document/csaf_version").and_then(Value::as_str);
    if !matches!(version, Some("2.0" | "2.1")) {
        return Err(bad(
            "/document/csaf_version",
            "the version is neither 2.0 nor 2.1",
        ));
    }
    let publisher = value.pointer("/document/publisher/name").and_then(Value::as_str);
    reader.author = publisher.map(ToOwned::to_owned);
    let released = value.pointer("/document/tracking/current_release_date");
    let products = products(value.get("product_tree"))?;
    let mut packages = Packages::default();
    for vulnerability in list(value.get("vulnerabilities")) {
        let mut ids: Vec<String> = vulnerability
            .get("cve")
            .into_iter()
            .chain(
                list(vulnerability.get("ids"))
                    .iter()
                    .filter_map(|id| id.get("text")),
            )
            .filter_map(Value::as_str)
            .map(spelled)
            .filter(|id| !id.is_empty())
            .collect();
        ids.sort();
        ids.dedup();
        let ids: Arc<[String]> = ids.into();
        if ids.is_empty() {
            reader.unusable += 1;
            continue;
        }
        let impacts = Impacts::of_vulnerability(vulnerability);
        let unfixed = unfixed(vulnerability, value);
        for (key, status) in [
            ("known_not_affected", VexStatus::NotAffected),
            ("fixed", VexStatus::Fixed),
            ("first_fixed", VexStatus::Fixed),
            ("under_investigation", VexStatus::UnderInvestigation),
            // Last, so that the worse of two contradicting statuses applies.
            ("known_affected", VexStatus::Affected),
            ("first_affected", VexStatus::Affected),
            ("last_affected", VexStatus::Affected),
        ] {
            let named = vulnerability
                .get("product_status")
                .and_then(|status| status.get(key));
            for product in list(named).iter().filter_map(Value::as_str) {
                let mut purls = packages.of(product, &products, 0);
                // The versions of a range are not evaluated, so statements about them settle nothing.
                if status.is_settled() && Packages::is_range(product, &products, 0) {
                    let has_version = |purl: &str| {
                        PackageUrl::parse_lenient(purl).is_ok_and(|purl| purl.version().is_some())
                    };
                    purls.retain(|(purl, _)| has_version(purl));
                }
                if purls.is_empty() {
                    reader.unusable += 1;
                }
                let why = impacts.of(product).filter(|_| status == VexStatus::NotAffected);
                let saying = Saying {
                    ids: &ids,
                    status,
                    why,
                    will_not_fix: unfixed.contains(product),
                    time: time_of(status, [released]),
                };
                let purls = purls
                    .iter()
                    .map(|(purl, within)| (purl.as_ref(), Arc::clone(within)));
                reader.say(&saying, purls)?;
            }
        }
    }
    Ok(())
}

fn bad(place: impl Into<String>, reason: &'static str) -> VexError {
    invalid(VexFormat::Csaf, place, reason)
}

fn list(value: Option<&Value>) -> &[Value] {
    value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Returns why products are not affected: their flags, else their impact statements.
#[derive(Default)]
struct Impacts<'a> {
    by_product: BTreeMap<&'a str, Arc<str>>,
    /// An entry without products is about all of them.
    of_all: Option<Arc<str>>,
}

impl<'a> Impacts<'a> {
    fn of_vulnerability(vulnerability: &'a Value) -> Self {
        let mut impacts = Self::default();
        for flag in list(vulnerability.get("flags")) {
            impacts.take(flag, flag.get("label"));
        }
        for threat in list(vulnerability.get("threats")) {
            if threat.get("category").and_then(Value::as_str) == Some("impact") {
                impacts.take(threat, threat.get("details"));
            }
        }
        impacts
    }

    /// The first entry of a product applies.
    fn take(&mut self, item: &'a Value, text: Option<&'a Value>) {
        let Some(text) = text.and_then(Value::as_str).map(why_of) else {
            return;
        };
        for product in list(item.get("product_ids")).iter().filter_map(Value::as_str) {
            self.by_product
                .entry(product)
                .or_insert_with(|| Arc::clone(&text));
        }
        if item.get("product_ids").is_none() && item.get("group_ids").is_none() {
            self.of_all.get_or_insert(text);
        }
    }

    fn of(&self, product: &str) -> Option<&Arc<str>> {
        self.by_product.get(product).or(self.of_all.as_ref())
    }
}

/// Returns the products for which no fix is planned, listed themselves or as a group.
fn unfixed<'a>(vulnerability: &'a Value, document: &'a Value) -> BTreeSet<&'a str> {
    let remediations = list(vulnerability.get("remediations"));
    let unplanned = remediations
        .iter()
        .filter(|remedy| remedy.get("category").and_then(Value::as_str) == Some("no_fix_planned"));
    let mut products = BTreeSet::new();
    for remedy in unplanned {
        let groups = list(remedy.get("group_ids"));
        let of_groups = list(document.pointer("/product_tree/product_groups"))
            .iter()
            .filter(|group| group.get("group_id").is_some_and(|id| groups.contains(id)))
            .flat_map(|group| list(group.get("product_ids")));
        let named = list(remedy.get("product_ids")).iter().chain(of_groups);
        products.extend(named.filter_map(Value::as_str));
    }
    products
}

fn products(tree: Option<&Value>) -> Result<Products<'_>, VexError> {
    let mut products = Products::new();
    let Some(tree) = tree else {
        return Ok(products);
    };
    for product in list(tree.get("full_product_names")) {
        take(product, None, &mut products);
    }
    let mut open: Vec<(&Value, usize, Versions<'_>)> = list(tree.get("branches"))
        .iter()
        .map(|branch| (branch, 0, Versions::Unsaid))
        .collect();
    while let Some((branch, depth, outer)) = open.pop() {
        if depth >= MAX_DEPTH {
            return Err(bad("/product_tree/branches", "the tree is nested too deeply"));
        }
        // Everything below a version or a range, such as an architecture, belongs to it.
        let versions = Versions::of(branch, outer);
        if let Some(product) = branch.get("product") {
            take(product, versions.one(), &mut products);
            if let Some(id) = product
                .get("product_id")
                .and_then(Value::as_str)
                .filter(|_| versions == Versions::Range)
            {
                products.entry(id).or_default().is_range = true;
            }
        }
        open.extend(
            list(branch.get("branches"))
                .iter()
                .map(|branch| (branch, depth + 1, versions)),
        );
    }
    // A product that is part of another has its own id; its package is that of the part. Relationships may refer to
    // such ids again, in any order.
    for relationship in list(tree.get("relationships")) {
        let text = |key: &str| relationship.get(key).and_then(Value::as_str);
        let whole = relationship.get("full_product_name");
        let (Some(part), Some(named)) = (text("product_reference"), whole) else {
            continue;
        };
        let Some(id) = named.get("product_id").and_then(Value::as_str) else {
            continue;
        };
        take(named, None, &mut products);
        let parts = &mut products.entry(id).or_default().parts;
        if parts.len() < MAX_PURLS_PER_PRODUCT {
            parts.push((part, text("relates_to_product_reference")));
        }
    }
    Ok(products)
}

/// The versions of which a branch of the tree is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions<'a> {
    /// The tree does not say.
    Unsaid,
    /// This one.
    One(&'a str),
    /// A range, which is not evaluated.
    Range,
}

impl<'a> Versions<'a> {
    /// Returns the versions of a branch inside another one.
    fn of(branch: &'a Value, outer: Self) -> Self {
        let text = |key: &str| branch.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").trim();
        let is_range = name.starts_with("vers:") || name.contains(['<', '>', '|']);
        // `all versions` is neither a version nor a range, and some suppliers write the package's name.
        let number = name.strip_prefix('v').unwrap_or(name);
        let is_one = number.starts_with(|c: char| c.is_ascii_digit()) && !name.contains([' ', '*']);
        match text("category") {
            _ if outer == Self::Range => outer,
            "product_version_range" => Self::Range,
            "product_version" if is_range => Self::Range,
            "product_version" if is_one => Self::One(name),
            _ => outer,
        }
    }

    fn one(self) -> Option<&'a str> {
        match self {
            Self::One(version) => Some(version),
            Self::Unsaid | Self::Range => None,
        }
    }
}

/// Returns a package URL with the version of its branch, if it has none.
fn with_version<'a>(text: &'a str, version: Option<&str>) -> Cow<'a, str> {
    let bare = version
        .and_then(|version| Some((PackageUrl::parse_lenient(text).ok()?, version)))
        .filter(|(purl, _)| purl.version().is_none());
    bare.map_or(Cow::Borrowed(text), |(purl, version)| {
        Cow::Owned(purl.with_version(Some(version)).to_string())
    })
}

fn take<'a>(product: &'a Value, version: Option<&str>, products: &mut Products<'a>) {
    let Some(id) = product.get("product_id").and_then(Value::as_str) else {
        return;
    };
    let helper = product.get("product_identification_helper");
    // 2.0 has one, 2.1 has a list.
    let one = helper.and_then(|helper| helper.get("purl"));
    let many = list(helper.and_then(|helper| helper.get("purls")));
    let known = products.entry(id).or_default();
    for purl in one.into_iter().chain(many).filter_map(Value::as_str) {
        let purl = with_version(purl, version);
        if known.purls.len() < MAX_PURLS_PER_PRODUCT && !known.purls.contains(&purl) {
            known.purls.push(purl);
        }
    }
    let cpe = helper.and_then(|helper| helper.get("cpe"));
    let names = [product.get("name"), cpe].into_iter().flatten();
    for name in names.filter_map(Value::as_str) {
        if known.names.len() < MAX_PURLS_PER_PRODUCT {
            known.names.push(name);
        }
    }
}
