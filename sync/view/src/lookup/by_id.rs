//! Finds advisories and records by the id of a vulnerability or a record.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::advisories::{AdvisoryRef, advisory_ref, flow};
use crate::advisory::EdgeState;
use crate::codec::{RecordRow, RecordState};
use crate::error::ViewError;
use crate::fold::{ContributingRecord, in_fold_order, silent_state};
use crate::identity::{Closure, Closures, vulnerabilities_of};
use crate::limits::MAX_COMPONENT_MEMBERS;
use crate::package::PackageId;
use crate::policy::CompiledPolicy;
use crate::ports::RecordKey;
use crate::reading::{led_to, mentions_of, record_row, records_with_id};
use crate::rows::Rows;
use crate::vulnerability::VulnerabilityId;

/// Returns the advisories of a vulnerability under any of its ids or aliases, sorted.
///
/// An alias of records that belong to several CVEs gives the advisories of all of them. An id also gives the
/// advisories of records that it leads to without naming them: they are derived from it, or some of their
/// authors give it. If more than [`MAX_COMPONENT_MEMBERS`] records name a vulnerability, only the first in key
/// order are used.
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_by_id<R: Rows>(rows: &R, id: &str) -> Result<Vec<AdvisoryRef>, ViewError> {
    let Some(id) = VulnerabilityId::of(id) else {
        return Ok(Vec::new());
    };
    let mut closures = Closures::new();
    let mut advisories = Vec::new();
    for vulnerability in vulnerabilities_by_id(rows, &id, &mut closures)? {
        let records = records_near(rows, &vulnerability, &mut closures)?;
        let packages: BTreeSet<&PackageId> = records.values().flat_map(|row| &row.packages).collect();
        for package in packages {
            advisories.extend(advisory_ref(rows, vulnerability.clone(), package.clone())?);
        }
    }
    let own = advisories.len();
    advisories.extend(advisories_led_to(rows, &id, &mut closures)?);
    if advisories.len() > own {
        advisories.sort();
        advisories.dedup();
    }
    Ok(advisories)
}

/// Returns the advisories of records that an id leads to, in the packages that those records name.
fn advisories_led_to<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    closures: &mut Closures<'_>,
) -> Result<Vec<AdvisoryRef>, ViewError> {
    let mut made = Vec::new();
    led_to(rows, id, |own, record| {
        made.push((own, record));
        flow(made.len() < MAX_COMPONENT_MEMBERS)
    })?;
    let mut advisories = Vec::new();
    for (own, record) in made {
        let Some(row) = record_row(rows, &record)? else {
            continue;
        };
        let closure = if own.is_cve() {
            None
        } else {
            Some(closures.around(rows, &own)?)
        };
        for vulnerability in vulnerabilities_of(&own, &row, closure.as_ref()) {
            for package in &row.packages {
                advisories.extend(advisory_ref(rows, vulnerability.clone(), package.clone())?);
            }
        }
    }
    Ok(advisories)
}

/// Returns the records that belong to a vulnerability, for all packages, in fold order: withdrawn ones come last.
/// Their statements about the vulnerability itself, such as its severity or exploitation, apply in every
/// package, those of a withdrawn record until its withdrawal.
///
/// # Errors
/// If the rows cannot be read.
pub fn records_about<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    vulnerability: &VulnerabilityId,
) -> Result<Vec<ContributingRecord>, ViewError> {
    let mut closures = Closures::new();
    let mut about = Vec::new();
    for (record, row) in records_near(rows, vulnerability, &mut closures)? {
        let own = VulnerabilityId::of_record(&record.id);
        let is_withdrawn = row.state == RecordState::Withdrawn;
        if (row.state == RecordState::Live || is_withdrawn)
            && vulnerabilities_of(&own, &row, closures.known(&own)).contains(vulnerability)
        {
            about.extend(row.contents().map(|content| ContributingRecord {
                record: record.clone(),
                content,
                is_withdrawn,
                is_unresolved: row.is_unresolved(),
            }));
        }
    }
    about.sort_by(|a, b| in_fold_order(policy, a, b));
    Ok(about)
}

/// Returns the records with an id that have no statement now, because their sources dropped them or they wait
/// for a decision. Sorted, each with its row.
///
/// # Errors
/// If the rows cannot be read.
pub fn silent_records<R: Rows>(rows: &R, id: &str) -> Result<Vec<(RecordKey, EdgeState)>, ViewError> {
    let Some(id) = VulnerabilityId::of(id) else {
        return Ok(Vec::new());
    };
    let mut silent = Vec::new();
    records_with_id(rows, &id, |record, row| {
        if !row.state.contributes() {
            silent.push((record, silent_state(row.state)));
        }
        flow(silent.len() < MAX_COMPONENT_MEMBERS)
    })?;
    silent.sort();
    Ok(silent)
}

/// Returns the vulnerabilities of an id, sorted: the id itself if it is a CVE, else those of its component.
pub(crate) fn vulnerabilities_by_id<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    closures: &mut Closures<'_>,
) -> Result<Vec<VulnerabilityId>, ViewError> {
    if id.is_cve() {
        return Ok(vec![id.clone()]);
    }
    let closure = closures.around(rows, id)?;
    if let Closure::Whole(component) = &closure {
        return Ok(component.vulnerabilities());
    }
    let near = records_near(rows, id, closures)?;
    let ids = near.iter().flat_map(|(record, row)| {
        vulnerabilities_of(&VulnerabilityId::of_record(&record.id), row, Some(&closure))
    });
    Ok(ids.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Returns the records that may belong to an id's vulnerability: those of the components around it, and those
/// that have the id.
pub(crate) fn records_near<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    closures: &mut Closures<'_>,
) -> Result<BTreeMap<RecordKey, Rc<RecordRow>>, ViewError> {
    let mut records = BTreeMap::new();
    let mut starts = BTreeSet::new();
    if !id.is_cve() {
        starts.insert(id.clone());
    }
    records_with_id(rows, id, |record, row| {
        starts.extend(
            row.aliases
                .iter()
                .filter(|alias| id.is_cve() && !alias.is_cve())
                .cloned(),
        );
        records.insert(record, Rc::new(row));
        flow(records.len() < MAX_COMPONENT_MEMBERS)
    })?;
    let mut mentions = Vec::new();
    mentions_of(rows, id, |own, record| {
        starts.extend((!own.is_cve()).then_some(own));
        mentions.push(record);
        flow(mentions.len() < MAX_COMPONENT_MEMBERS)
    })?;
    for start in starts {
        if let Closure::Whole(component) = closures.around(rows, &start)? {
            let more = component
                .records
                .iter()
                .map(|(record, row)| (record.clone(), Rc::clone(row)));
            records.extend(more);
        }
    }
    // In a component beyond the bounds, the record that names the id may still belong to it, and a record named
    // by a CVE belongs to that CVE.
    for record in mentions {
        if !records.contains_key(&record)
            && let Some(row) = record_row(rows, &record)?
        {
            records.insert(record, Rc::new(row));
        }
    }
    Ok(records)
}
