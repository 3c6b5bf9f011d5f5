//! The tree of products of a CSAF document: the packages of each product, and the products of which it is a part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use starling_scanner::purl::PackageUrl;

use super::super::VexError;
use super::super::product::{Whole, Within};
use super::{bad, list};

/// Deepest tree of products; JSON itself is read no deeper.
const MAX_DEPTH: usize = 64;
/// Most package URLs of one product through relationships.
const MAX_PURLS_PER_PRODUCT: usize = 16;
/// Longest chain of products that are parts of products.
const MAX_CHAIN: usize = 8;

/// The tree's data about each product.
pub(super) type Products<'a> = BTreeMap<&'a str, Product<'a>>;

/// A product.
#[derive(Default)]
pub(super) struct Product<'a> {
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
pub(super) struct Packages<'a> {
    found: BTreeMap<&'a str, Vec<(Cow<'a, str>, Within)>>,
    wholes: BTreeMap<&'a str, Arc<Whole>>,
}

impl<'a> Packages<'a> {
    /// Returns true if a product, or a part of it, is a range of versions.
    pub(super) fn is_range(id: &str, products: &Products<'_>, depth: usize) -> bool {
        let product = products.get(id).filter(|_| depth < MAX_CHAIN);
        product.is_some_and(|product| {
            let mut parts = product.parts.iter();
            product.is_range || parts.any(|(part, _)| Self::is_range(part, products, depth + 1))
        })
    }

    /// Returns the packages of a product, with the products of which it is a part; empty during a recursive lookup.
    pub(super) fn of(
        &mut self,
        id: &'a str,
        products: &Products<'a>,
        depth: usize,
    ) -> Vec<(Cow<'a, str>, Within)> {
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
            // No SBOM describes a product that the tree does not have.
            let unknown = product.is_none().then_some(id);
            Arc::new(Whole {
                purls: purls
                    .filter_map(|purl| PackageUrl::parse_lenient(purl).ok())
                    .collect(),
                names: names.copied().chain(unknown).map(str::to_owned).collect(),
                bom: None,
            })
        });
        Arc::clone(made)
    }
}

pub(super) fn products(tree: Option<&Value>) -> Result<Products<'_>, VexError> {
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
        let is_range = name.starts_with("vers:") || is_of_several(name);
        // `all versions` is neither a version nor a range, and some suppliers write the package's name.
        let number = name.strip_prefix('v').unwrap_or(name);
        let is_one = number.starts_with(|c: char| c.is_ascii_digit()) && !name.contains([' ', '*']);
        match text("category") {
            _ if outer == Self::Range => outer,
            // A service pack is a part of a version, which a URL without a version does not show.
            "product_version_range" | "service_pack" | "patch_level" => Self::Range,
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

/// Words of texts for several versions: `2.0 and later`, `up to 2.0`.
const WORDS_OF_RANGES: [&str; 21] = [
    "above", "after", "and", "before", "below", "between", "earlier", "from", "later", "lower", "newer",
    "older", "or", "prior", "since", "through", "to", "under", "until", "up", "versions",
];

/// Returns true if the name of a version's branch stands for several versions, or for one that changes.
fn is_of_several(name: &str) -> bool {
    let has_digit = name.contains(|c: char| c.is_ascii_digit());
    let is_word = |word: &str| {
        WORDS_OF_RANGES
            .iter()
            .any(|range| range.eq_ignore_ascii_case(word))
    };
    name.contains(['<', '>', '|', '≤', '≥'])
        || ["latest", "current"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word))
        || (has_digit && (name.contains([',', ';']) || name.split_whitespace().any(is_word)))
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
