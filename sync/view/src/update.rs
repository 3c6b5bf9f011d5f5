//! Brings the rows up to date with changed claims.
//!
//! The rows are a function of the claims. An update computes the difference for the records passed to it and
//! for those that they touch through shared ids, before and after. So it may be repeated, its input may be
//! split or given in any order, and the resulting rows equal those of a rebuild.
//!
//! The caller makes the changes of one call durable together, or not at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use starling_protocol::{ContentHash, MergeHash, UnixMillis};

use crate::changes::{Action, Change, Changes, Problem};
use crate::codec::{RecordRow, RecordState, alias_key, held_key, product_key, record_key};
use crate::edges::{Difference, Touch};
use crate::error::ViewError;
use crate::extract::{extract, unresolved};
use crate::identity::{Closure, Closures};
use crate::limits::ComponentLimits;
use crate::policy::Choice;
use crate::ports::{Bodies, Claims, RecordKey, Statement, StatementKind};
use crate::reading::{
    ALIAS, Feed, RELATED, UPSTREAM, body_of, edge_value, feed_of, put_row, record_row, remove_row, scan_rows,
    statements_of,
};
use crate::rows::{RowsMut, Table};
use crate::settings::Settings;
use crate::vulnerability::VulnerabilityId;

/// Rows that [`wipe`] removes between two looks at a table.
const WIPE_PAGE_ROWS: usize = 1_024;

/// Brings the rows up to date with the claims about the changed records.
///
/// `changed` must contain every record about which a statement, a decision, the presence of a body or the
/// policy may have changed since the last update. Extra records do no harm. A body is not read again while its
/// record has that content, so a store must keep the bodies of chosen contents.
///
/// Memory grows with the number of changed records and of those that share ids with them.
///
/// # Errors
/// If a port fails or a row is damaged. Anything written by then must not be kept.
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
    let rows_of = records.values().flat_map(|change| [&change.old, &change.new]);
    let named = rows_of.flatten().flat_map(|row| row.products.iter().cloned());
    changes.products = named.collect();
    let ids = touched_ids(&records);
    let mut before = Closures::with_rows(limits, |record| records.get(record)?.old.clone());
    for id in &ids {
        before.around(rows, id)?;
    }
    write_records(rows, &records)?;
    let mut after = Closures::with_rows(limits, |record| records.get(record)?.new.clone());
    for id in &ids {
        after.around(rows, id)?;
    }
    for (record, change) in &records {
        if change.new.is_some() && matches!(after.known(&change.own), Some(Closure::TooLarge)) {
            changes
                .problems
                .push((record.clone(), Problem::ComponentTooLarge));
        }
    }
    changes.problems.sort();
    let difference = Difference::of(&records, &before, &after);
    let around = before.components().chain(after.components());
    changes.vulnerabilities = around.flat_map(|component| component.vulnerabilities()).collect();
    let touched = difference.touched.iter().map(|touch| touch.vulnerability.clone());
    changes.vulnerabilities.extend(touched);
    let mut feeds_before = Vec::with_capacity(difference.touched.len());
    for touch in &difference.touched {
        feeds_before.push(touch.feed_before(rows, &before)?);
    }
    difference.write(rows, &before, &after)?;
    changes.edges_added = difference.gained.len() as u64;
    changes.edges_removed = difference.lost.len() as u64;
    for (touch, feed_before) in difference.touched.iter().zip(feeds_before) {
        changes
            .advisories
            .extend(describe(rows, touch, feed_before, &after)?);
    }
    Ok(changes)
}

/// Removes every row, page by page: the first half of a rebuild.
///
/// # Errors
/// If a row cannot be read or removed.
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
#[derive(Debug)]
pub(crate) struct RecordChange {
    /// The record's own id.
    pub(crate) own: VulnerabilityId,
    pub(crate) old: Option<Rc<RecordRow>>,
    pub(crate) new: Option<Rc<RecordRow>>,
}

/// Chooses the new state of each record by policy, and keeps those that differ from their row.
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
                let mut rows = Vec::new();
                let contents = contents_by_time(&statements);
                let count = contents.len();
                for content in contents {
                    match body_of(bodies, record, &content)? {
                        Some(body) => {
                            let (row, problems) = extract(record, content, &body, settings);
                            let problems = problems.into_iter().map(|problem| (record.clone(), problem));
                            changes.problems.extend(problems);
                            rows.push(row);
                        }
                        None => changes.problems.push((record.clone(), Problem::BodyMissing)),
                    }
                }
                // Until somebody decides, every readable statement applies; without any, the record is held.
                let held = || RecordRow::silent(RecordState::Unresolved, None);
                Some(unresolved(rows, count).unwrap_or_else(held))
            }
            Choice::Set(content) => {
                // Content is immutable: a known row need not be built again.
                let is_known = |row: &RecordRow| {
                    row.content == Some(content)
                        && row.state != RecordState::BodyMissing
                        && !row.is_unresolved()
                };
                if old.as_ref().is_some_and(is_known) {
                    continue;
                }
                if let Some(body) = body_of(bodies, record, &content)? {
                    let (row, problems) = extract(record, content, &body, settings);
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
        let has_content = |row: &Option<RecordRow>| row.as_ref().is_some_and(|row| row.content.is_some());
        match (has_content(&old), has_content(&new)) {
            (false, true) => changes.live.entry(record.source.clone()).or_default().come += 1,
            (true, false) => changes.live.entry(record.source.clone()).or_default().gone += 1,
            _ => {}
        }
        records.insert(
            record.clone(),
            RecordChange {
                own: VulnerabilityId::of_record(&record.id),
                old: old.map(Rc::new),
                new: new.map(Rc::new),
            },
        );
    }
    Ok(records)
}

/// Returns the contents that are stated, the one stated last first.
fn contents_by_time(statements: &[Statement]) -> Vec<ContentHash> {
    let mut newest: BTreeMap<ContentHash, UnixMillis> = BTreeMap::new();
    for statement in statements {
        if let StatementKind::Set(content) = statement.kind {
            let time = newest.entry(content).or_insert(statement.time);
            *time = statement.time.max(*time);
        }
    }
    let mut contents: Vec<_> = newest.into_iter().collect();
    contents.sort_by_key(|(content, time)| (Reverse(*time), *content));
    contents.into_iter().map(|(content, _)| content).collect()
}

/// Returns the ids (not CVEs) whose components may differ: all ids that the changed records name.
fn touched_ids(records: &BTreeMap<RecordKey, RecordChange>) -> BTreeSet<VulnerabilityId> {
    let mut ids = BTreeSet::new();
    for change in records.values() {
        ids.insert(change.own.clone());
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
        let (old, new) = (names_of(change.old.as_deref()), names_of(change.new.as_deref()));
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            remove_row(rows, Table::Aliases, &alias_key(name, record))?;
        }
        for (name, what) in new.iter().filter(|(name, what)| old.get(*name) != Some(*what)) {
            put_row(rows, Table::Aliases, &alias_key(name, record), what)?;
        }
        let (old, new) = (
            products_of(change.old.as_deref()),
            products_of(change.new.as_deref()),
        );
        for product in old.keys().filter(|product| !new.contains_key(*product)) {
            remove_row(rows, Table::Products, &product_key(product, record))?;
        }
        for (product, state) in new
            .iter()
            .filter(|(product, state)| old.get(*product) != Some(*state))
        {
            put_row(rows, Table::Products, &product_key(product, record), state)?;
        }
        match &change.new {
            Some(row) => put_row(rows, Table::Records, &record_key(record), &row.encode())?,
            None => remove_row(rows, Table::Records, &record_key(record))?,
        }
        let is_held = |row: &Option<Rc<RecordRow>>| row.as_ref().is_some_and(|row| row.is_unresolved());
        match (is_held(&change.old), is_held(&change.new)) {
            (false, true) => put_row(rows, Table::Held, &held_key(record), &[])?,
            (true, false) => remove_row(rows, Table::Held, &held_key(record))?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns the products that a record names, each with the value of its row.
fn products_of(row: Option<&RecordRow>) -> BTreeMap<&str, &'static [u8]> {
    let named = row.into_iter().flat_map(|row| {
        let value = edge_value(row.state);
        row.products.iter().map(move |name| (name.as_str(), value))
    });
    named.collect()
}

/// Returns the ids that lead to a record, each with its strongest relation to the record.
fn names_of(row: Option<&RecordRow>) -> BTreeMap<&VulnerabilityId, &'static [u8]> {
    let mut names = BTreeMap::new();
    let Some(row) = row else { return names };
    names.extend(row.related.iter().map(|id| (id, RELATED)));
    names.extend(row.upstream.iter().map(|id| (id, UPSTREAM)));
    names.extend(row.aliases.iter().map(|id| (id, ALIAS)));
    names
}

/// Reports the change of an advisory, after all rows are written.
fn describe<R: RowsMut>(
    rows: &R,
    touch: &Touch<'_>,
    before: Feed,
    after: &Closures<'_>,
) -> Result<Option<Change>, ViewError> {
    let action = match (before, touch.feed_after(rows)?) {
        (Feed::Nothing, Feed::Nothing) => return Ok(None),
        (Feed::Nothing, _) => Action::Created,
        (_, Feed::Nothing) => {
            let to = heirs(rows, touch, after)?;
            if to.is_empty() {
                Action::Removed
            } else {
                Action::Redirected { to }
            }
        }
        (Feed::Live, Feed::Withdrawn) => Action::Withdrawn,
        _ => Action::Updated,
    };
    let (vulnerability, package) = (touch.vulnerability.clone(), touch.package.clone());
    let merge_hash = package.merge_hash(&vulnerability);
    Ok(Some(Change {
        vulnerability,
        package,
        merge_hash,
        action,
    }))
}

/// Returns the advisories that replace one without contributions, sorted.
fn heirs<R: RowsMut>(rows: &R, touch: &Touch<'_>, after: &Closures<'_>) -> Result<Vec<MergeHash>, ViewError> {
    let Some(Closure::Whole(component)) = after.known(&touch.vulnerability) else {
        return Ok(Vec::new());
    };
    // Only if the name is kept: the component may have no more records about the package.
    if !component.packages().contains(touch.package) {
        return Ok(Vec::new());
    }
    let mut heirs = Vec::new();
    for heir in component.vulnerabilities() {
        if feed_of(rows, &heir, touch.package)? != Feed::Nothing {
            heirs.push(touch.package.merge_hash(&heir));
        }
    }
    heirs.sort();
    Ok(heirs)
}
