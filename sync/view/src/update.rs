//! Bringing the rows up to date with what changed.
//!
//! The rows are a function of the claims; an update works out the difference for the records named
//! to it and for those that they touch through shared ids, before and after. So it may be repeated,
//! its input may be split or named in any order, and the rows come out as a rebuild makes them.
//!
//! The caller makes the changes of one call durable together, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use starling_protocol::MergeHash;

use crate::changes::{Action, Change, Changes, Problem};
use crate::codec::{EdgeKey, RecordRow, RecordState, alias_key, edge_key, hash_key, held_key, record_key};
use crate::error::ViewError;
use crate::extract::extract;
use crate::identity::{Closure, Closures, vulnerabilities_of};
use crate::limits::ComponentLimits;
use crate::package::PackageId;
use crate::policy::Choice;
use crate::ports::{Bodies, Claims, RecordKey};
use crate::reading::{
    Feed, body_of, edge_value, feed_of, put_row, record_row, remove_row, scan_rows, statements_of,
};
use crate::rows::{RowsMut, Table};
use crate::settings::Settings;
use crate::vulnerability::VulnerabilityId;

/// Rows that [`wipe`] removes between two looks at a table.
const WIPE_PAGE_ROWS: usize = 1_024;

/// An advisory, by what names it.
type AdvisoryKey = (VulnerabilityId, PackageId);

/// Brings the rows up to date with the claims about the changed records.
///
/// `changed` names every record about which a statement, a decision, the presence of a body or the
/// policy may have changed since the rows were last brought up to date; naming more does no harm.
/// Memory grows with the number of changed records and of those that share ids with them.
///
/// # Errors
/// When a port fails or a row is damaged. What was written until then must not be kept.
pub fn update<R: RowsMut, C: Claims, B: Bodies>(
    rows: &mut R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    changed: &BTreeSet<RecordKey>,
) -> Result<Changes, ViewError> {
    update_within(rows, claims, bodies, settings, changed, ComponentLimits::DEFAULT)
}

/// As [`update`], with bounds that a test can reach.
pub(crate) fn update_within<R: RowsMut, C: Claims, B: Bodies>(
    rows: &mut R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    changed: &BTreeSet<RecordKey>,
    limits: ComponentLimits,
) -> Result<Changes, ViewError> {
    let mut changes = Changes::default();
    let records = choose_records(rows, claims, bodies, settings, changed, &mut changes)?;
    if records.is_empty() {
        return Ok(changes);
    }
    let ids = touched_ids(&records);
    let mut before = Closures::new(limits);
    for id in &ids {
        before.around(rows, id)?;
    }
    write_records(rows, &records)?;
    let mut after = Closures::new(limits);
    for id in &ids {
        after.around(rows, id)?;
    }
    for (record, change) in &records {
        let own = VulnerabilityId::of_record(&record.id);
        let is_alone = matches!(after.known(&own), Some(Closure::TooLarge));
        if is_alone && change.new.is_some() {
            changes
                .problems
                .push((record.clone(), Problem::ComponentTooLarge));
        }
    }
    changes.problems.sort();
    let edges = Edges::compare(&records, &before, &after);
    let feeds_before = edges
        .touched
        .iter()
        .map(|(id, package)| feed_of(rows, id, package));
    let feeds_before = feeds_before.collect::<Result<Vec<_>, _>>()?;
    edges.write(rows)?;
    write_names(rows, &edges, &before, &after)?;
    changes.edges_added = edges.added.len() as u64;
    changes.edges_removed = edges.removed.len() as u64;
    for (advisory, feed_before) in edges.touched.into_iter().zip(feeds_before) {
        changes
            .advisories
            .extend(describe(rows, advisory, feed_before, &after)?);
    }
    Ok(changes)
}

/// Removes every row, page by page: the first half of a rebuild.
///
/// # Errors
/// When a row could not be read or removed.
pub fn wipe<R: RowsMut>(rows: &mut R) -> Result<(), ViewError> {
    for table in Table::ALL {
        loop {
            let mut keys = Vec::new();
            scan_rows(rows, table, &[], |key, _| {
                keys.push(key.to_vec());
                Ok(if keys.len() < WIPE_PAGE_ROWS {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })?;
            if keys.is_empty() {
                break;
            }
            for key in keys {
                remove_row(rows, table, &key)?;
            }
        }
    }
    Ok(())
}

/// A record's row before and after.
struct RecordChange {
    old: Option<Rc<RecordRow>>,
    new: Option<Rc<RecordRow>>,
}

/// How the edges of all touched records differ.
#[derive(Default)]
struct Edges {
    /// Edges to write: the new ones, and those whose record is newly or no longer withdrawn.
    put: Vec<(EdgeKey, RecordState)>,
    added: Vec<EdgeKey>,
    removed: Vec<EdgeKey>,
    /// Every advisory with an edge that came, went or says something else.
    touched: BTreeSet<AdvisoryKey>,
}

/// Chooses, by policy, what each record is now; keeps those that differ from their row.
fn choose_records<R: RowsMut, C: Claims, B: Bodies>(
    rows: &R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    changed: &BTreeSet<RecordKey>,
    changes: &mut Changes,
) -> Result<BTreeMap<RecordKey, RecordChange>, ViewError> {
    let mut records = BTreeMap::new();
    for record in changed {
        let old = record_row(rows, record)?;
        let statements = statements_of(claims, record)?;
        let decision = settings.decisions.get(record).copied();
        let new = match settings.policy.choose(&record.source, &statements, decision) {
            Choice::Nothing => None,
            Choice::Absent => Some(RecordRow::silent(RecordState::Absent, None)),
            Choice::Unresolved => {
                changes.problems.push((record.clone(), Problem::Unresolved));
                Some(RecordRow::silent(RecordState::Unresolved, None))
            }
            Choice::Set(content) => {
                // Content is immutable: a row that was read off it need not be read off again.
                let is_known =
                    |row: &RecordRow| row.content == Some(content) && row.state != RecordState::BodyMissing;
                if old.as_ref().is_some_and(is_known) {
                    continue;
                }
                if let Some(body) = body_of(bodies, record, &content)? {
                    let (row, problems) = extract(record, content, &body, settings.normalise_name);
                    changes
                        .problems
                        .extend(problems.into_iter().map(|problem| (record.clone(), problem)));
                    Some(row)
                } else {
                    changes.problems.push((record.clone(), Problem::BodyMissing));
                    Some(RecordRow::silent(RecordState::BodyMissing, Some(content)))
                }
            }
        };
        if old == new {
            continue;
        }
        let contributes = |row: &Option<RecordRow>| row.as_ref().is_some_and(|row| row.state.contributes());
        let is_gone = new.as_ref().is_none_or(|row| row.state == RecordState::Absent);
        changes.records_removed += u64::from(contributes(&old) && is_gone);
        records.insert(
            record.clone(),
            RecordChange {
                old: old.map(Rc::new),
                new: new.map(Rc::new),
            },
        );
    }
    Ok(records)
}

/// Returns the ids, no CVEs, whose components may differ: all that the changed records name.
fn touched_ids(records: &BTreeMap<RecordKey, RecordChange>) -> BTreeSet<VulnerabilityId> {
    let mut ids = BTreeSet::new();
    for (record, change) in records {
        ids.insert(VulnerabilityId::of_record(&record.id));
        for row in [&change.old, &change.new].into_iter().flatten() {
            ids.extend(row.aliases.iter().cloned());
        }
    }
    ids.retain(|id| !id.is_cve());
    ids
}

/// Writes the rows of the records themselves and of their aliases.
fn write_records<R: RowsMut>(
    rows: &mut R,
    records: &BTreeMap<RecordKey, RecordChange>,
) -> Result<(), ViewError> {
    for (record, change) in records {
        let aliases = |row: &Option<Rc<RecordRow>>| -> BTreeSet<VulnerabilityId> {
            row.iter().flat_map(|row| row.aliases.iter().cloned()).collect()
        };
        let (old, new) = (aliases(&change.old), aliases(&change.new));
        for alias in old.difference(&new) {
            remove_row(rows, Table::Aliases, &alias_key(alias, record))?;
        }
        for alias in new.difference(&old) {
            put_row(rows, Table::Aliases, &alias_key(alias, record), &[])?;
        }
        match &change.new {
            Some(row) => put_row(rows, Table::Records, &record_key(record), &row.encode())?,
            None => remove_row(rows, Table::Records, &record_key(record))?,
        }
        let is_held = |row: &Option<Rc<RecordRow>>| {
            row.as_ref()
                .is_some_and(|row| row.state == RecordState::Unresolved)
        };
        match (is_held(&change.old), is_held(&change.new)) {
            (false, true) => put_row(rows, Table::Held, &held_key(record), &[])?,
            (true, false) => remove_row(rows, Table::Held, &held_key(record))?,
            _ => {}
        }
    }
    Ok(())
}

impl Edges {
    /// Works out the edges of the changed records and of all in the components around them.
    fn compare(records: &BTreeMap<RecordKey, RecordChange>, before: &Closures, after: &Closures) -> Self {
        let mut edges = Self::default();
        for (record, change) in records {
            edges.compare_record(
                record,
                change.old.as_deref(),
                change.new.as_deref(),
                before,
                after,
            );
        }
        // A record that did not change itself may still have been named anew by its neighbours.
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
            edges.compare_record(record, Some(row), Some(row), before, after);
        }
        edges
    }

    fn compare_record(
        &mut self,
        record: &RecordKey,
        old: Option<&RecordRow>,
        new: Option<&RecordRow>,
        before: &Closures,
        after: &Closures,
    ) {
        let own = VulnerabilityId::of_record(&record.id);
        let vulnerabilities = |row: Option<&RecordRow>, closures: &Closures| {
            row.map(|row| vulnerabilities_of(&own, row, closures.known(&own)))
                .unwrap_or_default()
        };
        let (ids_before, ids_after) = (vulnerabilities(old, before), vulnerabilities(new, after));
        if old == new && ids_before == ids_after {
            return;
        }
        let advisories = |ids: &[VulnerabilityId], row: Option<&RecordRow>| -> BTreeSet<AdvisoryKey> {
            let packages = row.map(|row| row.packages.as_slice()).unwrap_or_default();
            ids.iter()
                .flat_map(|id| packages.iter().map(|package| (id.clone(), package.clone())))
                .collect()
        };
        let advisories_before = advisories(&ids_before, old);
        let advisories_after = advisories(&ids_after, new);
        let edge = |(vulnerability, package): &AdvisoryKey| EdgeKey {
            package: package.clone(),
            vulnerability: vulnerability.clone(),
            record: record.clone(),
        };
        self.removed
            .extend(advisories_before.difference(&advisories_after).map(edge));
        self.added
            .extend(advisories_after.difference(&advisories_before).map(edge));
        if let Some(state) = new.map(|row| row.state) {
            let is_other = old.map(|row| row.state) != Some(state);
            let stale = advisories_after
                .iter()
                .filter(|key| is_other || !advisories_before.contains(*key));
            self.put.extend(stale.map(|key| (edge(key), state)));
        }
        // A neighbour says what it said before: where it stays, its advisory is as it was.
        if old == new {
            self.touched
                .extend(advisories_before.symmetric_difference(&advisories_after).cloned());
        } else {
            self.touched.extend(advisories_before);
            self.touched.extend(advisories_after);
        }
    }

    fn write<R: RowsMut>(&self, rows: &mut R) -> Result<(), ViewError> {
        for edge in &self.removed {
            remove_row(rows, Table::Edges, &edge_key(edge))?;
        }
        for (edge, state) in &self.put {
            put_row(rows, Table::Edges, &edge_key(edge), edge_value(*state))?;
        }
        Ok(())
    }
}

/// Writes under which merge hashes the touched advisories are found: their own, and those that they
/// would have if any other id of their component had named them (`docs/formats/view.md`, Redirects).
fn write_names<R: RowsMut>(
    rows: &mut R,
    edges: &Edges,
    before: &Closures,
    after: &Closures,
) -> Result<(), ViewError> {
    let mut old: BTreeSet<AdvisoryKey> = edges.removed.iter().map(advisory_of).collect();
    let mut new: BTreeSet<AdvisoryKey> = edges.added.iter().map(advisory_of).collect();
    add_names(before, after, &mut old);
    add_names(after, before, &mut new);
    for (vulnerability, package) in old.difference(&new) {
        if feed_of(rows, vulnerability, package)? == Feed::Nothing {
            let hash = package.merge_hash(vulnerability);
            remove_row(rows, Table::Hashes, &hash_key(&hash, vulnerability))?;
        }
    }
    for (vulnerability, package) in new.difference(&old) {
        let hash = package.merge_hash(vulnerability);
        put_row(rows, Table::Hashes, &hash_key(&hash, vulnerability), &[])?;
    }
    Ok(())
}

/// Adds the names of every component that `other` does not have just so. One that is the same in
/// ids and packages has the same names, and whatever else loses a name in it finds another feed.
fn add_names(closures: &Closures, other: &Closures, names: &mut BTreeSet<AdvisoryKey>) {
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
        if is_same {
            continue;
        }
        for id in &component.ids {
            names.extend(packages.iter().map(|package| (id.clone(), (*package).clone())));
        }
    }
}

fn advisory_of(edge: &EdgeKey) -> AdvisoryKey {
    (edge.vulnerability.clone(), edge.package.clone())
}

/// Says what happened to an advisory, now that all rows are written.
fn describe<R: RowsMut>(
    rows: &R,
    (vulnerability, package): AdvisoryKey,
    before: Feed,
    after: &Closures,
) -> Result<Option<Change>, ViewError> {
    let action = match (before, feed_of(rows, &vulnerability, &package)?) {
        (Feed::Nothing, Feed::Nothing) => return Ok(None),
        (Feed::Nothing, _) => Action::Created,
        (_, Feed::Nothing) => {
            let to = heirs(rows, &vulnerability, &package, after)?;
            if to.is_empty() {
                Action::Removed
            } else {
                Action::Redirected { to }
            }
        }
        (Feed::Live, Feed::Withdrawn) => Action::Withdrawn,
        _ => Action::Updated,
    };
    let merge_hash = package.merge_hash(&vulnerability);
    Ok(Some(Change {
        vulnerability,
        package,
        merge_hash,
        action,
    }))
}

/// Returns the advisories that stand for one that nothing feeds any more, sorted.
fn heirs<R: RowsMut>(
    rows: &R,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
    after: &Closures,
) -> Result<Vec<MergeHash>, ViewError> {
    let Some(Closure::Whole(component)) = after.known(vulnerability) else {
        return Ok(Vec::new());
    };
    // Only where the name is kept: no record of the component need be about the package any more.
    if !component.packages().contains(package) {
        return Ok(Vec::new());
    }
    let mut heirs = Vec::new();
    for heir in component.vulnerabilities() {
        if feed_of(rows, &heir, package)? != Feed::Nothing {
            heirs.push(package.merge_hash(&heir));
        }
    }
    heirs.sort();
    Ok(heirs)
}
