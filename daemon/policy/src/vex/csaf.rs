//! CSAF 2.0 and 2.1: products are defined once in a tree; statuses refer to them.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use starling_scanner::purl::PackageUrl;

use self::tree::{Packages, Products, products};
use super::{
    Reader, Saying, UnusableReason, VexError, VexFormat, VexStatus, invalid, is_justification, time_of,
    why_of,
};
use crate::ids::spelled;

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
    let document = Document {
        kind: Kind::of(value),
        released: value.pointer("/document/tracking/current_release_date"),
        products: products(value.get("product_tree"))?,
    };
    let mut entries = Vec::new();
    for (index, vulnerability) in list(value.get("vulnerabilities")).iter().enumerate() {
        let statuses = Statuses::of(vulnerability, index)?;
        reader
            .unusable
            .add(UnusableReason::UnknownStatus, statuses.unknown);
        let ids = ids_of(vulnerability);
        if ids.is_empty() {
            reader.unusable.add(UnusableReason::NoVulnerability, 1);
            continue;
        }
        entries.push(Entry {
            ids,
            impacts: Impacts::of_vulnerability(vulnerability, value),
            unfixed: unfixed(vulnerability, value),
            statuses,
        });
    }
    let mut packages = Packages::default();
    // The list has no order: statements that settle nothing are added last, so that they apply.
    for settles in [true, false] {
        for entry in &entries {
            say(entry, settles, &document, &mut packages, reader)?;
        }
    }
    Ok(())
}

/// The parts of a document that apply to all its vulnerabilities.
struct Document<'a> {
    kind: Kind,
    released: Option<&'a Value>,
    products: Products<'a>,
}

/// The kinds of document that differ in what their statements need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its profile demands the impact of everything that is not affected.
    Vex,
    /// It is withdrawn, superseded or a draft: nothing in it excuses.
    NotInForce,
    Other,
}

impl Kind {
    fn of(value: &Value) -> Self {
        let category = value.pointer("/document/category").and_then(Value::as_str);
        let status = value.pointer("/document/tracking/status").and_then(Value::as_str);
        if status.is_some_and(|status| status.trim().eq_ignore_ascii_case("draft")) {
            return Self::NotInForce;
        }
        match category.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "csaf_vex" => Self::Vex,
            "csaf_withdrawn" | "csaf_superseded" => Self::NotInForce,
            _ => Self::Other,
        }
    }
}

/// A document's statements about one vulnerability.
struct Entry<'a> {
    ids: Arc<[String]>,
    impacts: Impacts<'a>,
    unfixed: BTreeSet<&'a str>,
    statuses: Statuses<'a>,
}

/// The products of each status.
struct Statuses<'a> {
    of: Vec<(VexStatus, &'a str)>,
    /// Number of statements that are not understood.
    unknown: u64,
}

impl<'a> Statuses<'a> {
    fn of(vulnerability: &'a Value, index: usize) -> Result<Self, VexError> {
        let mut statuses = Self {
            of: Vec::new(),
            unknown: 0,
        };
        let place = format!("/vulnerabilities/{index}/product_status");
        let named = match vulnerability.get("product_status") {
            None | Some(Value::Null) => return Ok(statuses),
            Some(Value::Object(named)) => named,
            Some(_) => return Err(bad(place, "it is not an object of lists")),
        };
        for (key, products) in named {
            let status = match key.as_str() {
                "known_not_affected" => Some(VexStatus::NotAffected),
                "fixed" | "first_fixed" => Some(VexStatus::Fixed),
                "under_investigation" | "unknown" => Some(VexStatus::UnderInvestigation),
                "known_affected" | "first_affected" | "last_affected" => Some(VexStatus::Affected),
                // A recommendation is not a status.
                "recommended" => continue,
                _ => None,
            };
            let products = match products {
                Value::Null => continue,
                Value::Array(products) => products,
                _ => return Err(bad(format!("{place}/{key}"), "it is not a list of products")),
            };
            for product in products {
                match (status, product.as_str()) {
                    (Some(status), Some(product)) => statuses.of.push((status, product)),
                    _ => statuses.unknown += 1,
                }
            }
        }
        // The worst of contradicting statuses comes last, and so applies.
        statuses.of.sort_by_key(|(status, _)| match status {
            VexStatus::NotAffected => 0,
            VexStatus::Fixed => 1,
            VexStatus::UnderInvestigation => 2,
            VexStatus::Affected => 3,
        });
        Ok(statuses)
    }
}

/// Returns the ids of a vulnerability, sorted, each once.
fn ids_of(vulnerability: &Value) -> Arc<[String]> {
    let others = list(vulnerability.get("ids"));
    let mut ids: Vec<String> = vulnerability
        .get("cve")
        .into_iter()
        .chain(others.iter().filter_map(|id| id.get("text")))
        .filter_map(Value::as_str)
        .map(spelled)
        .filter(|id| !id.is_empty())
        .collect();
    ids.sort();
    ids.dedup();
    ids.into()
}

/// Adds the statements of an entry that settle something, or those that do not.
fn say<'a>(
    entry: &Entry<'a>,
    settles: bool,
    document: &Document<'a>,
    packages: &mut Packages<'a>,
    reader: &mut Reader,
) -> Result<(), VexError> {
    let statuses = entry.statuses.of.iter().copied();
    for (status, product) in statuses.filter(|(status, _)| status.is_settled() == settles) {
        let why = entry
            .impacts
            .of(product)
            .filter(|_| status == VexStatus::NotAffected);
        let is_unfounded = match document.kind {
            Kind::NotInForce => settles,
            Kind::Vex => status == VexStatus::NotAffected && why.is_none(),
            Kind::Other => false,
        };
        if is_unfounded {
            let reason = match document.kind {
                Kind::NotInForce => UnusableReason::NotInForce,
                Kind::Vex | Kind::Other => UnusableReason::NoJustification,
            };
            reader.unusable.add(reason, 1);
            continue;
        }
        let mut purls = packages.of(product, &document.products, 0);
        // The versions of a range are not evaluated, so statements about them settle nothing.
        let is_ranged = settles && Packages::is_range(product, &document.products, 0);
        if is_ranged {
            let has_version =
                |purl: &str| PackageUrl::parse_lenient(purl).is_ok_and(|purl| purl.version().is_some());
            purls.retain(|(purl, _)| has_version(purl));
        }
        if purls.is_empty() {
            let reason = if is_ranged {
                UnusableReason::NoVersion
            } else {
                UnusableReason::NoPackage
            };
            reader.unusable.add(reason, 1);
        }
        let saying = Saying {
            ids: &entry.ids,
            status,
            why,
            will_not_fix: entry.unfixed.contains(product),
            time: time_of(status, [document.released]),
            is_of_a_version: false,
        };
        let purls = purls
            .iter()
            .map(|(purl, within)| (purl.as_ref(), Arc::clone(within)));
        reader.say(&saying, purls)?;
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
    fn of_vulnerability(vulnerability: &'a Value, document: &'a Value) -> Self {
        let mut impacts = Self::default();
        for flag in list(vulnerability.get("flags")) {
            let label = flag.get("label");
            let label = label.filter(|label| label.as_str().is_some_and(is_justification));
            impacts.take(flag, label, document);
        }
        for threat in list(vulnerability.get("threats")) {
            if threat.get("category").and_then(Value::as_str) == Some("impact") {
                impacts.take(threat, threat.get("details"), document);
            }
        }
        impacts
    }

    /// The first entry of a product applies.
    fn take(&mut self, item: &'a Value, text: Option<&'a Value>, document: &'a Value) {
        let text = text
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty());
        let Some(text) = text.map(why_of) else {
            return;
        };
        for product in products_of(item, document) {
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

/// Returns the products that an item lists, themselves or as a group.
fn products_of<'a>(item: &'a Value, document: &'a Value) -> impl Iterator<Item = &'a str> {
    let groups = list(item.get("group_ids"));
    let known: &[Value] = if groups.is_empty() {
        &[]
    } else {
        list(document.pointer("/product_tree/product_groups"))
    };
    let of_groups = known
        .iter()
        .filter(|group| group.get("group_id").is_some_and(|id| groups.contains(id)))
        .flat_map(|group| list(group.get("product_ids")));
    let named = list(item.get("product_ids")).iter().chain(of_groups);
    named.filter_map(Value::as_str)
}

/// Returns the products for which no fix is planned.
fn unfixed<'a>(vulnerability: &'a Value, document: &'a Value) -> BTreeSet<&'a str> {
    let remediations = list(vulnerability.get("remediations"));
    let unplanned = remediations
        .iter()
        .filter(|remedy| remedy.get("category").and_then(Value::as_str) == Some("no_fix_planned"));
    unplanned
        .flat_map(|remedy| products_of(remedy, document))
        .collect()
}
