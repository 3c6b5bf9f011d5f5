//! One vulnerability in one package version, with everything that explains it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Opinion};
use crate::fix::{FixState, StatedFix};
use crate::knowledge::{Advisory, Conflict, Provenance, StatingRecord};
use crate::matching::Rule;
use crate::osv::Event;
use crate::severity::Rating;
use crate::threat::Threat;

/// A vulnerability in a package version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The vulnerability's identity: a CVE, or the lowest id of its alias group.
    pub vulnerability: String,
    /// All its ids and aliases, sorted.
    pub ids: Vec<String>,
    /// Ids that lead to it but are not its own, sorted: of several vulnerabilities in one record, or aliases given by
    /// only some authors of an unresolved record. Rules may use them, but they cannot excuse it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// Merge hashes of its canonical advisories, sorted.
    pub merge_hashes: Vec<String>,
    /// The affected package.
    pub package: FoundPackage,
    /// How the component was looked up; missing for its package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<MatchedBy>,
    /// A one-line summary.
    pub summary: String,
    /// Its severity, and the source of the rating.
    pub severity: Rating,
    /// The advisory's class, if it is not about a vulnerability: `unmaintained`, `unsound`, `notice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub informational: Option<String>,
    /// Further data about the vulnerability.
    #[serde(flatten)]
    pub threat: Threat,
    /// The rules that matched, in the advisory's order.
    pub rules: Vec<MatchedRule>,
    /// Versions that fix it, lowest first; empty if none is known.
    pub fixed: Vec<String>,
    /// What sources say about a missing fix, best source first; empty if none says anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix_states: Vec<StatedFix>,
    /// Places in the document, sorted.
    pub places: Vec<String>,
    /// Its contributing claims, sorted.
    pub provenance: Vec<Provenance>,
    /// Fields on which sources disagree, sorted.
    pub conflicts: Vec<Conflict>,
    /// True if applicable statements contradict each other: one says that the version is not affected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// True if authors disagree about one of its records without a decision: until then the worse value applies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unresolved: bool,
    /// Each record's statement about the version, sorted; empty if all say "affected".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Opinion>,
}

/// A way to look a component up besides its package URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// By a CPE name: less certain, because vendors and products have several names.
    Cpe,
}

/// The package of a finding, as it was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundPackage {
    /// The OSV ecosystem with suffix.
    pub ecosystem: String,
    /// The normalised name; for distributions the name of the source package.
    pub name: String,
    /// The component's package URL; empty if it has none.
    pub purl: String,
    /// The CPE name that it was looked up by; missing if it was looked up by its package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpe: Option<String>,
    /// Package URLs of other components that were looked up as the same package: built from the same source.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub other_purls: BTreeSet<Arc<str>>,
    /// The version that was compared.
    pub version: String,
}

impl FoundPackage {
    /// Adds the URL of a further component that is this package.
    pub(super) fn take_purl(&mut self, purl: &Arc<str>) {
        if **purl != *self.purl && !self.other_purls.contains(purl) {
            self.other_purls.insert(Arc::clone(purl));
        }
    }

    /// Returns the package URLs of all its components; the CPE name of one without.
    pub fn purls(&self) -> impl Iterator<Item = &str> {
        let first = Some(self.purl.as_str()).filter(|purl| !purl.is_empty());
        std::iter::once(first.or(self.cpe.as_deref()).unwrap_or_default())
            .chain(self.other_purls.iter().map(|purl| &**purl))
    }
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MatchedRule {
    /// Index in the advisory's `affected`: the entries of all its records in sequence.
    pub affected: usize,
    /// The record with the rule; missing if all records of the finding have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The source of that record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `versions`, or the range's type.
    pub kind: String,
    /// Index in `ranges`, for a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<usize>,
    /// The first affected version; `0` is the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// The first version that is no longer affected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// The last affected version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_affected: Option<String>,
    /// The CPE name of a configuration that the component's name fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<String>,
    /// What the product must run on, which was assumed: one text for each platform, with its alternatives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub running_on: Vec<String>,
    /// Attributes of the CPE name that the component leaves open, and that were assumed to fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<&'static str>,
}

impl MatchedRule {
    pub(super) fn new(affected: usize, rule: &Rule, sayer: Option<&StatingRecord>) -> Self {
        let mut matched = Self {
            affected,
            record: sayer.map(|sayer| sayer.record.clone()),
            source: sayer.map(|sayer| sayer.source.clone()),
            kind: String::new(),
            range: None,
            introduced: None,
            fixed: None,
            last_affected: None,
            criteria: None,
            running_on: Vec::new(),
            assumed: Vec::new(),
        };
        match rule {
            Rule::Enumerated => "versions".clone_into(&mut matched.kind),
            Rule::Range {
                index,
                kind,
                introduced,
                until,
            } => {
                matched.kind.clone_from(kind);
                matched.range = Some(*index);
                matched.introduced.clone_from(introduced);
                match until {
                    Some(Event::Fixed(version)) => matched.fixed = Some(version.clone()),
                    Some(Event::LastAffected(version)) => matched.last_affected = Some(version.clone()),
                    _ => {}
                }
            }
        }
        matched
    }
}

impl Finding {
    pub(super) fn new(
        advisory: Advisory,
        package: FoundPackage,
        severity: Rating,
        evidence: Evidence,
        place: String,
    ) -> Self {
        let mut ids = advisory.ids;
        ids.push(advisory.vulnerability.clone());
        Self {
            vulnerability: advisory.vulnerability,
            ids,
            related: advisory.related,
            merge_hashes: vec![advisory.merge_hash],
            package,
            matched_by: None,
            summary: advisory.summary,
            severity,
            informational: evidence.informational,
            threat: advisory.threat,
            rules: evidence.rules,
            fixed: evidence.fixed,
            fix_states: evidence.fix_states,
            places: vec![place],
            provenance: advisory.provenance,
            conflicts: advisory.conflicts,
            disputed: evidence.disputed,
            unresolved: advisory.unresolved,
            statements: evidence.opinions,
        }
    }

    /// Returns the state of the missing fix by the best source that states one; `None` if a fixed version is known, or
    /// no source says anything.
    pub fn fix_state(&self) -> Option<FixState> {
        let first = self.fix_states.first().filter(|_| self.fixed.is_empty());
        first.map(|stated| stated.state)
    }

    /// Returns true if a rule calls every version affected, so that the version does not matter.
    pub(super) fn is_of_all_versions(&self) -> bool {
        self.rules.iter().any(|rule| {
            let is_without_end = rule.fixed.is_none() && rule.last_affected.is_none();
            rule.introduced.as_deref() == Some("0") && is_without_end
        })
    }

    /// Returns the key that makes two matches one finding.
    pub(super) fn key(&self) -> (&str, &str, &str, &str) {
        let package = &self.package;
        (
            &package.ecosystem,
            &package.name,
            &package.version,
            &self.vulnerability,
        )
    }

    /// Adds the same finding at another place of the package, or from another advisory of the vulnerability.
    pub(super) fn absorb(&mut self, other: Self) {
        // A class from either advisory is kept only if both have one.
        if self.informational.is_some() && other.informational.is_none() {
            self.informational = None;
            self.severity = other.severity;
        }
        if other
            .merge_hashes
            .iter()
            .any(|hash| !self.merge_hashes.contains(hash))
        {
            self.merge_hashes.extend(other.merge_hashes);
            self.ids.extend(other.ids);
            self.related.extend(other.related);
            self.provenance.extend(other.provenance);
            self.conflicts.extend(other.conflicts);
            self.threat.fill_from(&other.threat);
            self.disputed |= other.disputed;
            self.unresolved |= other.unresolved;
            self.statements.extend(other.statements);
            let known = &self.fix_states;
            let more: Vec<_> = other
                .fix_states
                .into_iter()
                .filter(|one| !known.contains(one))
                .collect();
            self.fix_states.extend(more);
            // Two sources describe one product, each with its own versions. Of a package, the advisory has all already.
            if self.matched_by.is_some() {
                let new = other.rules.into_iter().filter(|rule| !self.rules.contains(rule));
                let new: Vec<_> = new.collect();
                self.rules.extend(new);
                let new = other
                    .fixed
                    .into_iter()
                    .filter(|version| !self.fixed.contains(version));
                let new: Vec<_> = new.collect();
                self.fixed.extend(new);
            }
        }
        self.places.extend(other.places);
        let address = Some(other.package.purl)
            .filter(|purl| !purl.is_empty())
            .or(other.package.cpe);
        if let Some(address) = address {
            self.package.take_purl(&address.into());
        }
        for purl in &other.package.other_purls {
            self.package.take_purl(purl);
        }
    }

    /// Sorts the lists that have no order of their own.
    pub(super) fn settled(mut self) -> Self {
        fn settle<T: Ord>(list: &mut Vec<T>) {
            list.sort();
            list.dedup();
        }
        settle(&mut self.ids);
        settle(&mut self.related);
        let ids = &self.ids;
        self.related.retain(|id| !ids.contains(id));
        settle(&mut self.merge_hashes);
        settle(&mut self.places);
        settle(&mut self.provenance);
        settle(&mut self.conflicts);
        settle(&mut self.statements);
        self
    }
}
