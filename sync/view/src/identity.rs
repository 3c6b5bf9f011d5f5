//! Finds the vulnerabilities to which a record belongs.
//!
//! Ids are nodes; a record connects its own id with each of its aliases. A *component* is everything that is
//! reached from an id that is not a CVE through ids that are not CVEs. CVE ids are the rim of a component and
//! are never walked through, so two CVEs never merge, whatever record names both.
//!
//! - A record whose own id is a CVE belongs to that CVE alone.
//! - Any other record belongs to every CVE at the rim of its component, or, without one, to the component's
//!   least id.
//! - In a component beyond the bounds every record stands alone: with the CVEs among its own aliases, or,
//!   without one, under its own id. The bounds apply to the whole component, so the outcome is the same from any
//!   starting point and for any order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::codec::{RecordRow, record_prefix};
use crate::error::ViewError;
use crate::limits::{ComponentLimits, MAX_COMPONENT_PAIRS};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::reading::{decode_record, decode_record_key, mentions_of, scan_rows};
use crate::rows::{Rows, Table};
use crate::vulnerability::VulnerabilityId;

/// Ids of one vulnerability, and the records with these ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Component {
    /// The ids that are no CVEs.
    pub(crate) ids: BTreeSet<VulnerabilityId>,
    /// The CVEs at the rim.
    pub(crate) cves: BTreeSet<VulnerabilityId>,
    /// The records whose own id is among `ids`.
    pub(crate) records: BTreeMap<RecordKey, Rc<RecordRow>>,
    /// Packages of all records, counted for each.
    package_count: usize,
}

/// The result of walking from an id.
#[derive(Debug, Clone)]
pub(crate) enum Closure {
    /// The whole component.
    Whole(Rc<Component>),
    /// One beyond the bounds.
    TooLarge,
}

impl Component {
    fn exceeds(&self, limits: ComponentLimits) -> bool {
        let ids = self.ids.len() + self.cves.len();
        ids + self.records.len() > limits.members || ids.saturating_mul(self.package_count) > limits.pairs
    }

    fn reach(&mut self, id: VulnerabilityId, queue: &mut Vec<VulnerabilityId>) {
        if id.is_cve() {
            self.cves.insert(id);
        } else if !self.ids.contains(&id) {
            self.ids.insert(id.clone());
            queue.push(id);
        }
    }

    /// Returns the packages of all records, each once.
    pub(crate) fn packages(&self) -> BTreeSet<&PackageId> {
        self.records.values().flat_map(|row| &row.packages).collect()
    }

    /// Returns the vulnerabilities that the component's records belong to.
    pub(crate) fn vulnerabilities(&self) -> Vec<VulnerabilityId> {
        if self.cves.is_empty() {
            self.ids.first().cloned().into_iter().collect()
        } else {
            self.cves.iter().cloned().collect()
        }
    }
}

/// Returns the row of a record that is already decoded.
type RowAtHand<'a> = dyn Fn(&RecordKey) -> Option<Rc<RecordRow>> + 'a;

/// Walks components of one state of the rows, each once.
pub(crate) struct Closures<'a> {
    limits: ComponentLimits,
    /// Rows that are decoded already.
    at_hand: Box<RowAtHand<'a>>,
    found: BTreeMap<VulnerabilityId, Closure>,
}

impl<'a> Closures<'a> {
    pub(crate) fn new() -> Self {
        Self::with_rows(ComponentLimits::DEFAULT, |_| None)
    }

    /// As [`Self::new`], with bounds that a test can reach and with rows that are already decoded: the result
    /// of `at_hand` must equal the stored row.
    pub(crate) fn with_rows(
        limits: ComponentLimits,
        at_hand: impl Fn(&RecordKey) -> Option<Rc<RecordRow>> + 'a,
    ) -> Self {
        Self {
            limits,
            at_hand: Box::new(at_hand),
            found: BTreeMap::new(),
        }
    }

    /// Returns the component around an id that is not a CVE.
    pub(crate) fn around<R: Rows>(
        &mut self,
        rows: &R,
        start: &VulnerabilityId,
    ) -> Result<Closure, ViewError> {
        if let Some(closure) = self.found.get(start) {
            return Ok(closure.clone());
        }
        let mut component = Component::default();
        component.ids.insert(start.clone());
        let mut queue = vec![start.clone()];
        let mut too_large = false;
        while let Some(id) = queue.pop() {
            too_large = matches!(self.found.get(&id), Some(Closure::TooLarge))
                || self.visit_id(rows, &id, &mut component, &mut queue)?.is_break();
            if too_large {
                break;
            }
        }
        let component = Rc::new(component);
        let closure = if too_large {
            Closure::TooLarge
        } else {
            Closure::Whole(Rc::clone(&component))
        };
        // Also beyond the bounds: each visited id is in the same component, and need not be walked again.
        for id in &component.ids {
            self.found.insert(id.clone(), closure.clone());
        }
        Ok(closure)
    }

    /// Adds the neighbours of an id; breaks if the component exceeds the bounds.
    fn visit_id<R: Rows>(
        &self,
        rows: &R,
        id: &VulnerabilityId,
        component: &mut Component,
        queue: &mut Vec<VulnerabilityId>,
    ) -> Result<ControlFlow<()>, ViewError> {
        let bound = |component: &Component| {
            if component.exceeds(self.limits) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        scan_rows(rows, Table::Records, &record_prefix(id), |key, value| {
            let (_, record) = decode_record_key(key)?;
            let row = match (self.at_hand)(&record) {
                Some(row) => row,
                None => Rc::new(decode_record(value)?),
            };
            for alias in &row.aliases {
                component.reach(alias.clone(), queue);
            }
            component.package_count += row.packages.len();
            component.records.insert(record, row);
            Ok(bound(component))
        })?;
        mentions_of(rows, id, |own, _| {
            component.reach(own, queue);
            bound(component)
        })?;
        Ok(bound(component))
    }

    /// Returns every component walked so far, each once.
    pub(crate) fn components(&self) -> impl Iterator<Item = &Rc<Component>> {
        self.found.iter().filter_map(|(id, closure)| match closure {
            Closure::Whole(component) if component.ids.first() == Some(id) => Some(component),
            _ => None,
        })
    }

    /// Returns the result of walking from an id, if it was walked.
    pub(crate) fn known(&self, id: &VulnerabilityId) -> Option<&Closure> {
        self.found.get(id)
    }
}

/// Returns the vulnerabilities to which a record belongs, sorted; none if it has no statement.
///
/// `closure` is the component around the record's own id; a record named by a CVE needs none.
pub(crate) fn vulnerabilities_of(
    own: &VulnerabilityId,
    row: &RecordRow,
    closure: Option<&Closure>,
) -> Vec<VulnerabilityId> {
    if row.state.contributes() {
        vulnerabilities_named(own, row, closure)
    } else {
        Vec::new()
    }
}

/// Returns the vulnerabilities to which a record would belong if it had a statement: an absent or held record
/// is shown there.
pub(crate) fn vulnerabilities_named(
    own: &VulnerabilityId,
    row: &RecordRow,
    closure: Option<&Closure>,
) -> Vec<VulnerabilityId> {
    match closure {
        _ if own.is_cve() => vec![own.clone()],
        Some(Closure::Whole(component)) => component.vulnerabilities(),
        Some(Closure::TooLarge) | None => alone(own, row),
    }
}

/// Returns the vulnerabilities of a record that stands alone.
fn alone(own: &VulnerabilityId, row: &RecordRow) -> Vec<VulnerabilityId> {
    let cves: Vec<_> = row
        .aliases
        .iter()
        .filter(|alias| alias.is_cve())
        .cloned()
        .collect();
    if cves.is_empty() || cves.len() * row.packages.len() > MAX_COMPONENT_PAIRS {
        vec![own.clone()]
    } else {
        cves
    }
}
