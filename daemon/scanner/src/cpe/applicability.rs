//! The configurations of a record: the affected versions of a product, and the platforms on which they must run.
//!
//! Read from the native data that the connectors keep (docs/sources): `configurations` of the NVD, `cpeApplicability`
//! and `affected[].cpes` of CVE records, which the NVD repeats ([`super::listed`]), `vulnerable-configuration` of CNNVD.
//! A configuration is a tree of AND and OR. It is converted to one [`Applicability`] for each list of products that can
//! be affected; all other products that must be present with them are platforms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::name::Cpe;
use super::{cnnvd, listed};

/// Most nodes and names of one record's configurations.
pub const MAX_NODES: usize = 100_000;
/// Deepest nesting of a configuration's nodes.
pub const MAX_DEPTH: usize = 16;
/// Most platforms of one statement. The last one stands for all that are left out.
pub const MAX_PLATFORMS: usize = 64;
/// Most names that one platform keeps.
const MAX_PLATFORM_NAMES: usize = 4;

/// Most bytes of one platform's names that are kept; the others are counted.
const MAX_PLATFORM_BYTES: usize = 400;

/// Most bytes of names in one record's statements about one product; beyond that the statements are cut.
const MAX_STATEMENT_BYTES: usize = 1024 * 1024;

/// One end of a range of versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// The version.
    pub version: String,
    /// True if the version itself is within the range.
    pub is_included: bool,
}

/// A product, by a name and a range of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProductMatch {
    /// The name; its version is `*` if a range is given.
    pub criteria: Cpe,
    /// The first version.
    pub start: Option<Bound>,
    /// The last version.
    pub end: Option<Bound>,
    /// True if the source states the versions in a form that cannot be compared.
    pub is_unreadable: bool,
}

/// A platform on which a product must run, by one of several names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// The first few names as formatted strings, one of each family of operating systems.
    pub names: Vec<String>,
    /// Number of further names, unreadable names and negated nodes. If it is not 0, no system is certainly a different
    /// platform.
    pub others: u32,
}

/// A statement about one product: affected if any of the matches holds, on all of the platforms.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applicability {
    /// The versions of the product.
    pub matches: Vec<ProductMatch>,
    /// What it must run on.
    pub platforms: Vec<Platform>,
    /// True if a node around it is negated, which is not evaluated.
    pub is_negated: bool,
    /// True if parts of the record's configurations were not read because they exceed a limit.
    pub is_cut: bool,
}

/// The configurations of a record, in the form in which a product is looked up.
#[derive(Debug, Clone, Default)]
pub struct Configurations {
    rules: Vec<Rule>,
    /// The rules that name a product, in order.
    of_product: BTreeMap<String, Vec<usize>>,
    /// Number of nodes and names.
    size: usize,
    is_cut: bool,
    unusable: Unusable,
}

/// CPE names that cannot be looked up.
#[derive(Debug, Clone, Default)]
struct Unusable {
    count: usize,
    /// The first of them, as it stands in the record.
    first: String,
}

impl Unusable {
    fn add(&mut self, name: &str) {
        const SHOWN_CHARS: usize = 100;
        if self.count == 0 {
            self.first = name.chars().take(SHOWN_CHARS).collect();
        }
        self.count += 1;
    }
}

/// Alternative affected products, with the other members of the AND nodes around them.
#[derive(Debug, Clone)]
struct Rule {
    matches: Vec<(String, ProductMatch)>,
    around: Vec<Around>,
    is_negated: bool,
}

/// The members of an AND, without the own one.
#[derive(Debug, Clone)]
struct Around {
    members: Arc<[Platform]>,
    own: usize,
}

/// Reads the configurations of a record's body. A body that is not a record has none.
pub fn configurations(body: &[u8]) -> Configurations {
    let mut read = Configurations::default();
    let Ok(Json::Object(body)) = serde_json::from_slice::<Json>(body) else {
        return read;
    };
    let native = body
        .get("database_specific")
        .and_then(|specific| specific.get("native"));
    let Some(native) = native.and_then(Json::as_object) else {
        return read;
    };
    read.take_list(native.get("configurations"));
    // Entries of the NVD repeat what CNAs say of their products.
    let of_cnas = list(native.get("affected")).iter();
    for entry in of_cnas.flat_map(|stated| list(stated.get("affectedData"))) {
        listed::take(entry, &mut |found| read.take_listed(found));
    }
    let adps = native.get("adp").and_then(Json::as_array).into_iter().flatten();
    for container in native.get("cna").into_iter().chain(adps) {
        read.take_list(container.get("cpeApplicability"));
        for entry in list(container.get("affected")) {
            listed::take(entry, &mut |found| read.take_listed(found));
        }
    }
    for configuration in cnnvd::configurations(native) {
        read.walk(configuration, &[], false, 0);
    }
    if read.rules.is_empty()
        && read.unusable.count == 0
        && let Some(listed) = cnnvd::listed(native)
    {
        read.walk(&listed, &[], false, 0);
    }
    read
}

/// Returns the products that a record's configurations can call affected, sorted, as `part:vendor:product`; and true if
/// there are others that cannot be looked up.
pub fn products(body: &[u8]) -> (BTreeSet<String>, bool) {
    let read = configurations(body);
    (read.products(), read.unusable.count > 0 || read.is_cut)
}

/// Returns the members of a list; anything else has none, and a single object stands for a list of one.
pub(super) fn list(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(list)) => list,
        Some(one @ Json::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

/// Returns a text by any of its keys.
fn text<'a>(object: &'a Map<String, Json>, keys: &[&str]) -> Option<&'a str> {
    let found = keys.iter().find_map(|key| object.get(*key)?.as_str());
    found.map(str::trim).filter(|text| !text.is_empty())
}

/// Returns true for `true`, or the text `true`.
fn is_true(value: Option<&Json>) -> bool {
    match value {
        Some(Json::Bool(value)) => *value,
        Some(Json::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Returns true for `false`, or the text `false`: anything else does not say that a name is only a platform.
fn is_false(value: Option<&Json>) -> bool {
    match value {
        Some(Json::Bool(value)) => !*value,
        Some(Json::String(text)) => text.trim().eq_ignore_ascii_case("false"),
        _ => false,
    }
}

impl Configurations {
    /// Returns the products that can be looked up, as `part:vendor:product`.
    pub fn products(&self) -> BTreeSet<String> {
        let names = self.rules.iter().flat_map(|rule| &rule.matches);
        names.map(|(product, _)| product.clone()).collect()
    }

    /// Says what of the configurations cannot be looked up; `None` if all of it can.
    pub fn unusable(&self) -> Option<String> {
        let Unusable { count, first } = &self.unusable;
        let cut = format!(
            "its configurations have more than {MAX_NODES} nodes and names, or more than {MAX_DEPTH} levels: what is \
             beyond is not looked up"
        );
        let names = match count {
            0 => return self.is_cut.then_some(cut),
            1 => format!("the CPE name {first:?} cannot be looked up"),
            more => format!("{more} CPE names cannot be looked up, the first is {first:?}"),
        };
        Some(match self.is_cut {
            true => format!("{names}; {cut}"),
            false => names,
        })
    }

    /// Returns the number of nodes and names, which the memory grows with.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the statements about a product; too many of them are cut.
    pub fn about(&self, product: &str) -> Vec<Applicability> {
        let mut found: Vec<Applicability> = Vec::new();
        let mut bytes = 0;
        let rules = self.of_product.get(product).into_iter().flatten();
        for rule in rules.filter_map(|index| self.rules.get(*index)) {
            let matches = rule.matches.iter().filter(|(name, _)| name == product);
            let matches: Vec<_> = matches.map(|(_, one)| one.clone()).collect();
            if matches.is_empty() {
                continue;
            }
            let platforms = rule.around.iter().flat_map(|around| {
                let others = around.members.iter().enumerate();
                let others = others.filter(|(index, _)| *index != around.own);
                others.map(|(_, other)| other.clone())
            });
            let platforms = named_platforms(platforms);
            let names = platforms.iter().flat_map(|platform| &platform.names);
            bytes += names.map(String::len).sum::<usize>() + matches.len() * product.len();
            if bytes > MAX_STATEMENT_BYTES {
                // Without any of it, the doubt would have no place.
                found.push(Applicability {
                    is_cut: true,
                    ..Applicability::default()
                });
                break;
            }
            found.push(Applicability {
                matches,
                platforms,
                is_negated: rule.is_negated,
                is_cut: self.is_cut,
            });
        }
        found.sort();
        found.dedup();
        found
    }

    fn take_list(&mut self, configurations: Option<&Json>) {
        for configuration in list(configurations) {
            self.walk(configuration, &[], false, 0);
        }
    }

    /// Adds a name with versions, outside of any tree.
    fn take_listed(&mut self, found: Result<ProductMatch, &str>) {
        match found {
            Ok(found) if self.count() => self.add(vec![found], &[], false),
            Ok(_) => {}
            Err(name) => self.unusable.add(name),
        }
    }

    /// Counts a node or name; returns false if there are too many.
    fn count(&mut self) -> bool {
        if self.size >= MAX_NODES {
            self.is_cut = true;
            return false;
        }
        self.size += 1;
        true
    }

    fn walk(&mut self, node: &Json, around: &[Around], is_negated: bool, depth: usize) {
        let Some(node) = node.as_object() else { return };
        if depth >= MAX_DEPTH {
            self.is_cut = true;
            return;
        }
        if !self.count() {
            return;
        }
        let is_negated = is_negated || is_true(node.get("negate")) || is_true(node.get("@negate"));
        let operator = text(node, &["operator", "@operator"]).unwrap_or("OR");
        let matches = ["cpeMatch", "cpe_match", "cncpe-lang"];
        let matches = matches.iter().flat_map(|key| list(node.get(*key)));
        let children: Vec<&Json> = ["nodes", "children", "cncpe"]
            .iter()
            .flat_map(|key| list(node.get(*key)))
            .collect();
        let mut leaves: Vec<(ProductMatch, bool)> = Vec::new();
        for leaf in matches {
            if !self.count() {
                break;
            }
            match leaf_of(leaf) {
                Some(leaf) => leaves.push(leaf),
                None => self.unusable.add(name_of(leaf).unwrap_or_default()),
            }
        }
        if !operator.eq_ignore_ascii_case("AND") {
            let affected = leaves.into_iter().filter(|(_, is_vulnerable)| *is_vulnerable);
            self.add(affected.map(|(leaf, _)| leaf).collect(), around, is_negated);
            for child in children {
                self.walk(child, around, is_negated, depth + 1);
            }
            return;
        }
        let members = leaves.iter().map(|(leaf, _)| Platform::of(&leaf.criteria));
        let members: Vec<_> = members
            .chain(children.iter().map(|child| platform_of(child, depth + 1)))
            .collect();
        // An AND of one member needs nothing else.
        let members: Arc<[Platform]> = members.into();
        let within = |own: usize| {
            let mut all = around.to_vec();
            if members.len() > 1 {
                all.push(Around {
                    members: Arc::clone(&members),
                    own,
                });
            }
            all
        };
        let first_child = leaves.len();
        for (own, (leaf, is_vulnerable)) in leaves.into_iter().enumerate() {
            if is_vulnerable {
                self.add(vec![leaf], &within(own), is_negated);
            }
        }
        for (index, child) in children.into_iter().enumerate() {
            self.walk(child, &within(first_child + index), is_negated, depth + 1);
        }
    }

    /// Adds alternatives; those without a product that can be looked up are noted.
    fn add(&mut self, matches: Vec<ProductMatch>, around: &[Around], is_negated: bool) {
        let mut named = Vec::with_capacity(matches.len());
        for one in matches {
            match one.criteria.product_name() {
                // No key holds a control character.
                Some(product) if !product.contains(char::is_control) => named.push((product, one)),
                _ => self.unusable.add(&one.criteria.to_string()),
            }
        }
        if !named.is_empty() {
            let index = self.rules.len();
            for (product, _) in &named {
                let rules = self.of_product.entry(product.clone()).or_default();
                if rules.last() != Some(&index) {
                    rules.push(index);
                }
            }
            self.rules.push(Rule {
                matches: named,
                around: around.to_vec(),
                is_negated,
            });
        }
    }
}

/// Returns the platforms of a statement. If there are too many, the last one only counts the rest, so that they are not
/// ignored.
fn named_platforms(platforms: impl Iterator<Item = Platform>) -> Vec<Platform> {
    let mut platforms = platforms;
    let mut named: Vec<Platform> = platforms.by_ref().take(MAX_PLATFORMS).collect();
    let more = u32::try_from(platforms.count()).unwrap_or(u32::MAX);
    if more > 0
        && let Some(last) = named.last_mut()
    {
        *last = Platform {
            names: Vec::new(),
            others: more.saturating_add(1),
        };
    }
    named
}

impl Platform {
    fn of(name: &Cpe) -> Self {
        let mut platform = PlatformNames::default();
        platform.add(Some(name));
        platform.found
    }
}

/// Collects the names of a platform, up to a limit. Some records list hundreds of devices for each of hundreds of products;
/// a few names show what is meant.
#[derive(Default)]
struct PlatformNames {
    found: Platform,
    bytes: usize,
    /// Families of operating systems of which a name was added. Further releases of a family are left out.
    families: BTreeSet<(String, String)>,
}

impl PlatformNames {
    /// Adds a name within the limits, else counts it.
    fn add(&mut self, name: Option<&Cpe>) {
        let Some(cpe) = name else {
            self.found.others = self.found.others.saturating_add(1);
            return;
        };
        if let Some(family) = family_of(cpe)
            && !self.families.insert(family)
        {
            return;
        }
        let name = cpe.to_string();
        if self.found.names.len() < MAX_PLATFORM_NAMES && self.bytes + name.len() <= MAX_PLATFORM_BYTES {
            self.bytes += name.len();
            self.found.names.push(name);
        } else {
            self.found.others = self.found.others.saturating_add(1);
        }
    }
}

/// Returns the vendor and the first word of an operating system's product: `windows` of `windows_10_1607`.
fn family_of(cpe: &Cpe) -> Option<(String, String)> {
    let (part, vendor, product) = (cpe.part().plain()?, cpe.vendor().plain()?, cpe.product().plain()?);
    let word = product.split('_').next().unwrap_or_default();
    (part == "o").then(|| (vendor.to_owned(), word.to_owned()))
}

/// Returns all names of a node, and of those below it, as one platform.
fn platform_of(node: &Json, depth: usize) -> Platform {
    fn collect(node: &Json, depth: usize, names: &mut PlatformNames) {
        // A node that is too deep, or negated, may be any platform.
        if depth >= MAX_DEPTH || ["negate", "@negate"].iter().any(|key| is_true(node.get(*key))) {
            names.add(None);
            return;
        }
        for leaf in ["cpeMatch", "cpe_match", "cncpe-lang"]
            .iter()
            .flat_map(|key| list(node.get(*key)))
        {
            let leaf = leaf_of(leaf);
            names.add(leaf.as_ref().map(|(leaf, _)| &leaf.criteria));
        }
        for child in ["nodes", "children", "cncpe"]
            .iter()
            .flat_map(|key| list(node.get(*key)))
        {
            collect(child, depth + 1, names);
        }
    }
    let mut names = PlatformNames::default();
    collect(node, depth, &mut names);
    names.found
}

/// Returns the name of a leaf as it stands there.
fn name_of(leaf: &Json) -> Option<&str> {
    text(leaf.as_object()?, &["criteria", "cpe23Uri", "cpeName", "@name"])
}

/// Reads a name with its range. The second value is true if the named product is affected.
fn leaf_of(leaf: &Json) -> Option<(ProductMatch, bool)> {
    let criteria = name_of(leaf)?;
    let leaf = leaf.as_object()?;
    let is_of_cnnvd = leaf.contains_key("@name");
    let criteria = Cpe::parse(criteria).ok()?;
    let bound = |included: &str, excluded: &str| {
        let of = |key: &str, is_included| {
            text(leaf, &[key]).map(|version| Bound {
                version: version.to_owned(),
                is_included,
            })
        };
        of(included, true).or_else(|| of(excluded, false))
    };
    let found = ProductMatch {
        start: bound("versionStartIncluding", "versionStartExcluding"),
        end: bound("versionEndIncluding", "versionEndExcluding"),
        // CNNVD names a product alone if it lists no versions of it.
        is_unreadable: is_of_cnnvd && criteria.version() == &super::Value::Any,
        criteria,
    };
    let is_vulnerable = !is_false(leaf.get("vulnerable"));
    Some((found, is_vulnerable))
}
