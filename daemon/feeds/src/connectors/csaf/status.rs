//! A CSAF document's statements about each product.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::json::Value;

use super::super::draft::Draft;
use super::super::text::quote;
use super::super::value::{list_of, str_of};
use super::tree::Tree;

/// Products by status, for one vulnerability.
#[derive(Debug, Default)]
pub(crate) struct Stated<'v> {
    /// This version contains the fix.
    pub(crate) fixed: BTreeSet<&'v str>,
    /// Affected; also as first or last version.
    pub(crate) affected: BTreeSet<&'v str>,
    /// Affected from this version on.
    pub(crate) first: BTreeSet<&'v str>,
    /// Affected up to this version.
    pub(crate) last: BTreeSet<&'v str>,
    /// Not known yet.
    pub(crate) investigated: BTreeSet<&'v str>,
}

/// Products by status, over all vulnerabilities of a document.
#[derive(Debug, Default)]
pub(crate) struct Statements<'v> {
    /// By vulnerability: a fix of one is not a fix of another.
    pub(crate) each: Vec<Stated<'v>>,
    /// This version contains the fix.
    pub(crate) fixed: BTreeSet<&'v str>,
    /// Affected.
    pub(crate) affected: BTreeSet<&'v str>,
    /// Not known yet.
    pub(crate) investigated: BTreeSet<&'v str>,
    /// The vendor's statement about a fix, by product.
    plans: BTreeMap<&'v str, &'static str>,
    /// The word for the impact on a product.
    impacts: BTreeMap<&'v str, &'v str>,
}

impl<'v> Statements<'v> {
    /// Reads the statements of all vulnerabilities.
    pub(crate) fn read(draft: &mut Draft<'v>, tree: &Tree<'v>, vulnerabilities: &'v [Value<'v>]) -> Self {
        let mut read = Self::default();
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        for vulnerability in vulnerabilities {
            let states = match vulnerability.get("product_status") {
                Some(Value::Object(states)) => states,
                None | Some(Value::Null) => {
                    let said = list_of(vulnerability, "remediations").iter();
                    if said.flat_map(|one| products(tree, one)).next().is_some() {
                        draft.warn("products that have remediations and no product_status have no entry");
                    }
                    continue;
                }
                Some(other) => {
                    draft.warn(format!(
                        "product_status is {} instead of an object: no product is read from it",
                        other.type_name()
                    ));
                    continue;
                }
            };
            let mut stated = Stated::default();
            for (state, ids) in states.iter() {
                let is_list = |ids: &Value<'_>| {
                    let listed = ids.as_array();
                    ids.is_null() || listed.is_some_and(|ids| ids.iter().all(|id| id.as_str().is_some()))
                };
                let state = state.trim().replace(' ', "_").to_ascii_lowercase();
                let is_understood = is_list(ids);
                let ids = ids.as_array().unwrap_or_default().iter();
                let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
                if !is_understood {
                    draft.warn(format!("\"{}\" is not a list of products", quote(&state)));
                }
                unknown.extend(ids.iter().filter(|id| !tree.has(id)));
                // Some documents contain spaces instead of underscores.
                match state.as_str() {
                    // A recommended product contains the fix; SUSE lists its fixed builds there.
                    "fixed" | "first_fixed" | "recommended" => stated.fixed.extend(ids),
                    "known_affected" => stated.affected.extend(ids),
                    "first_affected" => stated.first.extend(ids),
                    "last_affected" => stated.last.extend(ids),
                    "under_investigation" => stated.investigated.extend(ids),
                    // CSAF 2.1: neither examined nor under investigation.
                    "unknown" => {
                        ids.iter().for_each(|id| read.plan_for(id, "undetermined"));
                        stated.investigated.extend(ids);
                    }
                    "known_not_affected" => {}
                    _ => draft.warn(format!("unknown product status \"{}\"", quote(&state))),
                }
            }
            for remediation in list_of(vulnerability, "remediations") {
                if let Some(plan) = plan(remediation) {
                    products(tree, remediation)
                        .into_iter()
                        .for_each(|id| read.plan_for(id, plan));
                }
            }
            read.add(stated);
            for threat in list_of(vulnerability, "threats") {
                if str_of(threat, "category") == Some("impact")
                    && let Some(word) = str_of(threat, "details")
                {
                    for id in products(tree, threat) {
                        read.impacts.insert(id, word);
                    }
                }
            }
        }
        for id in unknown {
            draft.warn(format!(
                "the product \"{}\" is not in the product tree",
                quote(id)
            ));
        }
        read
    }

    fn add(&mut self, mut stated: Stated<'v>) {
        stated.affected.extend(stated.first.union(&stated.last));
        self.fixed.extend(&stated.fixed);
        self.affected.extend(&stated.affected);
        self.investigated.extend(&stated.investigated);
        self.each.push(stated);
    }

    /// Adds a vendor's statement about a fix. Of several vulnerabilities the strongest one is kept.
    fn plan_for(&mut self, id: &'v str, plan: &'static str) {
        let kept = self.plans.entry(id).or_insert(plan);
        *kept = stronger(kept, plan);
    }

    /// Returns the vendor's statement about a fix for a product.
    pub(crate) fn plan(&self, id: &str) -> Option<&'static str> {
        self.plans.get(id).copied()
    }

    /// Returns the word for the impact on a product.
    pub(crate) fn impact(&self, id: &str) -> Option<&'v str> {
        self.impacts.get(id).copied()
    }
}

fn products<'v>(tree: &Tree<'v>, about: &'v Value<'v>) -> Vec<&'v str> {
    let own = list_of(about, "product_ids").iter().filter_map(Value::as_str);
    let groups = list_of(about, "group_ids").iter().filter_map(Value::as_str);
    own.chain(groups.flat_map(|group| tree.group(group).iter().copied()))
        .collect()
}

/// The statements about a fix, from the weakest one.
const PLANS: [&str; 7] = [
    "undetermined",
    "under_investigation",
    "none",
    "planned",
    "deferred",
    "will_not_fix",
    "end_of_life",
];

/// Returns the stronger one of two statements about a fix.
pub(super) fn stronger(one: &'static str, other: &'static str) -> &'static str {
    let rank = |plan| PLANS.iter().position(|own| *own == plan);
    if rank(other) > rank(one) { other } else { one }
}

/// Returns a remediation's statement about a fix, as one word for all sources.
fn plan(remediation: &Value<'_>) -> Option<&'static str> {
    let details = str_of(remediation, "details")
        .unwrap_or_default()
        .to_ascii_lowercase();
    match str_of(remediation, "category")? {
        "no_fix_planned" if details.contains("out of support") || details.contains("end of life") => {
            Some("end_of_life")
        }
        "no_fix_planned" => Some("will_not_fix"),
        "none_available" if details.contains("deferred") => Some("deferred"),
        "none_available" => Some("none"),
        "fix_planned" => Some("planned"),
        _ => None,
    }
}
