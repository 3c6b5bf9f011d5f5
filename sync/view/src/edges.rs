//! Computes how the edges and names of advisories differ between two states of the records.
//!
//! An edge connects an advisory with a contributing record. A name is a merge hash that leads to an advisory.
//! Both follow from the records and the components around them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::codec::{RecordRow, RecordState, edge_key, hash_key};
use crate::error::ViewError;
use crate::identity::{Closure, Closures, vulnerabilities_of};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::reading::{Feed, edge_value, feed_of, put_row, remove_row};
use crate::rows::{Rows, RowsMut, Table};
use crate::update::RecordChange;
use crate::vulnerability::VulnerabilityId;

/// The two parts of a merge hash.
type Name<'a> = (VulnerabilityId, &'a PackageId);

/// The edges and advisories that differ.
#[derive(Debug, Default)]
pub(crate) struct Difference<'a> {
    put: Vec<(Vec<u8>, &'static [u8])>,
    remove: Vec<Vec<u8>>,
    /// The advisory of each new edge.
    pub(crate) gained: Vec<Name<'a>>,
    /// The advisory of each removed edge.
    pub(crate) lost: Vec<Name<'a>>,
    /// Every advisory with a new, removed or changed edge; sorted, each once.
    pub(crate) touched: Vec<Touch<'a>>,
}

/// An advisory with a new, removed or changed edge.
#[derive(Debug)]
pub(crate) struct Touch<'a> {
    pub(crate) vulnerability: VulnerabilityId,
    pub(crate) package: &'a PackageId,
    /// True if one of the examined records was live in it before; this saves reading its edges.
    was_live: bool,
    /// True if one of the examined records is live in it now.
    is_live: bool,
}

impl Touch<'_> {
    /// Returns what contributed to the advisory. Must be called while the edges are still unchanged.
    pub(crate) fn feed_before<R: Rows>(&self, rows: &R, before: &Closures<'_>) -> Result<Feed, ViewError> {
        if self.was_live {
            return Ok(Feed::Live);
        }
        // Everything that can belong to an id that is not a CVE is in its component: the case of a new record.
        match before.known(&self.vulnerability) {
            Some(Closure::Whole(component)) if component.records.is_empty() => Ok(Feed::Nothing),
            _ => feed_of(rows, &self.vulnerability, self.package),
        }
    }

    /// Returns what contributes to the advisory. Must be called after the edges are written.
    pub(crate) fn feed_after<R: Rows>(&self, rows: &R) -> Result<Feed, ViewError> {
        if self.is_live {
            Ok(Feed::Live)
        } else {
            feed_of(rows, &self.vulnerability, self.package)
        }
    }
}

/// Returns the advisories to which one record contributes: every vulnerability in every package.
struct Feeds<'a> {
    vulnerabilities: Vec<VulnerabilityId>,
    packages: &'a [PackageId],
    is_live: bool,
}

impl<'a> Feeds<'a> {
    fn of(own: &VulnerabilityId, row: Option<&'a RecordRow>, closures: &Closures<'_>) -> Self {
        let Some(row) = row else {
            return Self {
                vulnerabilities: Vec::new(),
                packages: &[],
                is_live: false,
            };
        };
        Self {
            vulnerabilities: vulnerabilities_of(own, row, closures.known(own)),
            packages: &row.packages,
            is_live: row.state == RecordState::Live,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Name<'a>> {
        let packages = self.packages;
        self.vulnerabilities
            .iter()
            .flat_map(move |id| packages.iter().map(move |package| (id.clone(), package)))
    }

    /// Returns a test for advisories to which `other` contributes: true if this record contributes too.
    fn shares_with(&self, other: &Self) -> impl Fn(&Name<'_>) -> bool {
        let packages =
            (self.packages != other.packages).then(|| self.packages.iter().collect::<BTreeSet<_>>());
        move |(id, package)| {
            self.vulnerabilities.binary_search(id).is_ok()
                && packages
                    .as_ref()
                    .is_none_or(|packages| packages.contains(package))
        }
    }
}

impl<'a> Difference<'a> {
    /// Computes the edges of the changed records and of all records in the components around them.
    pub(crate) fn of(
        records: &'a BTreeMap<RecordKey, RecordChange>,
        before: &'a Closures<'_>,
        after: &'a Closures<'_>,
    ) -> Self {
        let mut difference = Self::default();
        for (record, change) in records {
            let old = Feeds::of(&change.own, change.old.as_deref(), before);
            let new = Feeds::of(&change.own, change.new.as_deref(), after);
            difference.compare(record, &old, &new, true);
        }
        // The neighbours of an unchanged record may have given it a new name.
        let mut neighbours: BTreeMap<&RecordKey, &Rc<RecordRow>> = BTreeMap::new();
        for component in before.components().chain(after.components()) {
            neighbours.extend(
                component
                    .records
                    .iter()
                    .filter(|(record, _)| !records.contains_key(*record)),
            );
        }
        for (record, row) in neighbours {
            let own = VulnerabilityId::of_record(&record.id);
            let (old, new) = (
                Feeds::of(&own, Some(row), before),
                Feeds::of(&own, Some(row), after),
            );
            difference.compare(record, &old, &new, false);
        }
        difference.settle();
        difference
    }

    /// Compares one record. `is_news` is true if its statement changed, which concerns all its advisories.
    fn compare(&mut self, record: &RecordKey, old: &Feeds<'a>, new: &Feeds<'a>, is_news: bool) {
        if !is_news && old.vulnerabilities == new.vulnerabilities {
            return;
        }
        let (in_old, in_new) = (old.shares_with(new), new.shares_with(old));
        for name in new.iter() {
            let was_there = in_old(&name);
            if !was_there || old.is_live != new.is_live {
                let state = if new.is_live {
                    RecordState::Live
                } else {
                    RecordState::Withdrawn
                };
                self.put
                    .push((edge_key(name.1, &name.0, record), edge_value(state)));
            }
            if !was_there {
                self.gained.push(name.clone());
            }
            if is_news || !was_there {
                self.touch(name, was_there && old.is_live, new.is_live);
            }
        }
        for name in old.iter().filter(|name| !in_new(name)) {
            self.remove.push(edge_key(name.1, &name.0, record));
            self.lost.push(name.clone());
            self.touch(name, old.is_live, false);
        }
    }

    fn touch(&mut self, (vulnerability, package): Name<'a>, was_live: bool, is_live: bool) {
        self.touched.push(Touch {
            vulnerability,
            package,
            was_live,
            is_live,
        });
    }

    /// Sorts the touched advisories and joins duplicates.
    fn settle(&mut self) {
        let name = |touch: &Touch<'a>| (touch.vulnerability.clone(), touch.package);
        self.touched.sort_unstable_by(|a, b| {
            a.vulnerability
                .cmp(&b.vulnerability)
                .then_with(|| a.package.cmp(b.package))
        });
        self.touched.dedup_by(|later, kept| {
            let is_same = name(later) == name(kept);
            if is_same {
                kept.was_live |= later.was_live;
                kept.is_live |= later.is_live;
            }
            is_same
        });
    }

    /// Writes the edges, and the names that come and go with them.
    pub(crate) fn write<R: RowsMut>(
        &self,
        rows: &mut R,
        before: &Closures<'_>,
        after: &Closures<'_>,
    ) -> Result<(), ViewError> {
        for key in &self.remove {
            remove_row(rows, Table::Edges, key)?;
        }
        for (key, value) in &self.put {
            put_row(rows, Table::Edges, key, value)?;
        }
        self.write_names(rows, before, after)
    }

    /// Writes the merge hashes under which advisories are found: their own, and those that they would have
    /// under any other id of their component (`docs/formats/view.md`, Redirects).
    fn write_names<R: RowsMut>(
        &self,
        rows: &mut R,
        before: &Closures<'_>,
        after: &Closures<'_>,
    ) -> Result<(), ViewError> {
        let old = names(self.lost.clone(), before, after);
        let new = names(self.gained.clone(), after, before);
        for name in old.iter().filter(|name| new.binary_search(name).is_err()) {
            let (vulnerability, package) = name;
            // Another record may still contribute to an advisory of that name.
            if feed_of(rows, vulnerability, package)? == Feed::Nothing {
                let hash = package.merge_hash(vulnerability);
                remove_row(rows, Table::Hashes, &hash_key(&hash, vulnerability))?;
            }
        }
        for name in new.iter().filter(|name| old.binary_search(name).is_err()) {
            let (vulnerability, package) = name;
            let hash = package.merge_hash(vulnerability);
            put_row(rows, Table::Hashes, &hash_key(&hash, vulnerability), &[])?;
        }
        Ok(())
    }
}

/// Returns the given names and those of every component that is not identical in `other`, sorted.
///
/// A component with the same ids and packages has the same names. An advisory that lost one of its edges still
/// has another.
fn names<'a>(mut names: Vec<Name<'a>>, closures: &'a Closures<'_>, other: &Closures<'_>) -> Vec<Name<'a>> {
    for component in closures.components() {
        let packages = component.packages();
        let is_same = component
            .ids
            .first()
            .and_then(|id| other.known(id))
            .is_some_and(|closure| {
                matches!(closure, Closure::Whole(same)
                if same.ids == component.ids && same.cves == component.cves && same.packages() == packages)
            });
        if !is_same {
            for id in &component.ids {
                names.extend(packages.iter().map(|package| (id.clone(), *package)));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
