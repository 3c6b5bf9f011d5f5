//! Finds advisories and records by id, by package, by merge hash and by source.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use serde::Serialize;
use starling_protocol::{ContentHash, MergeHash, RecordId, Source};

use crate::advisory::EdgeState;
use crate::codec::{
    RecordRow, RecordState, base_prefix, hash_prefix, name_prefix, read_hash_key, read_held_key,
    write_package,
};
use crate::error::ViewError;
use crate::fold::{ContributingRecord, in_fold_order, silent_state};
use crate::identity::{Closure, Closures, vulnerabilities_of};
use crate::limits::MAX_COMPONENT_MEMBERS;
use crate::package::PackageId;
use crate::policy::CompiledPolicy;
use crate::ports::RecordKey;
use crate::reading::{
    Feed, damaged, decode_edge_key, decode_record, decode_record_key, edge_is_withdrawn, feed_of, led_to,
    mentions_of, record_row, records_with_id, scan_rows,
};
use crate::rows::{Rows, Table};
use crate::vulnerability::VulnerabilityId;

/// The names of a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AdvisoryRef {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// The package.
    pub package: PackageId,
    /// The name made of both.
    pub merge_hash: MergeHash,
    /// True if every contributing record is withdrawn.
    pub is_withdrawn: bool,
}

/// The advisories that a merge hash stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// An advisory with this current name.
    Current(AdvisoryRef),
    /// A name that an advisory could have had before its aliases were known. Holds the advisories that replace
    /// it now, sorted.
    Redirected(Vec<AdvisoryRef>),
    /// Nothing.
    Unknown,
}

/// A record that its source has, by its chosen content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRecord {
    /// Its id.
    pub id: RecordId,
    /// The hash of its body.
    pub content: ContentHash,
}

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

/// Returns the records that belong to a vulnerability and are not withdrawn, for all packages, in fold order.
/// Their statements about the vulnerability itself, such as its severity or exploitation, apply in every
/// package.
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
        if row.state == RecordState::Live
            && vulnerabilities_of(&own, &row, closures.known(&own)).contains(vulnerability)
        {
            about.extend(row.contents().map(|content| ContributingRecord {
                record: record.clone(),
                content,
                is_withdrawn: false,
                is_unresolved: row.is_unresolved(),
            }));
        }
    }
    about.sort_by(|a, b| in_fold_order(policy, a, b));
    Ok(about)
}

/// Returns the advisories of a package of one ecosystem with its suffix, sorted by vulnerability.
/// `name` must have the ecosystem's spelling ([`crate::NormaliseName`]).
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_by_package<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
) -> Result<Vec<AdvisoryRef>, ViewError> {
    let mut prefix = Vec::new();
    if ecosystem.contains('\0') || name.contains('\0') {
        return Ok(Vec::new());
    }
    let package = PackageId::Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
    };
    write_package(&mut prefix, &package);
    advisories_under(rows, &prefix)
}

/// Returns the advisories of a package name in every release of an ecosystem: `Debian` also gives those of
/// `Debian:11` and `Debian:12`. Sorted by package, then vulnerability.
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_in_any_release<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
) -> Result<Vec<AdvisoryRef>, ViewError> {
    let base = ecosystem.split_once(':').map_or(ecosystem, |(base, _)| base);
    if base.contains('\0') || name.contains('\0') {
        return Ok(Vec::new());
    }
    advisories_under(rows, &name_prefix(base, name))
}

/// Returns true if any advisory is about the ecosystem, which must include its suffix if it has releases.
///
/// # Errors
/// If the rows cannot be read.
pub fn knows_ecosystem<R: Rows>(rows: &R, ecosystem: &str) -> Result<bool, ViewError> {
    let mut known = false;
    if !ecosystem.contains('\0') {
        visit_advisories(rows, &base_prefix(ecosystem), &mut |advisory| {
            known = matches!(&advisory.package, PackageId::Package { ecosystem: found, .. } if found == ecosystem);
            flow(!known)
        })?;
    }
    Ok(known)
}

/// Returns the ecosystems with advisories that consist of `base` and a suffix, sorted.
///
/// # Errors
/// If the rows cannot be read.
pub fn ecosystems_with_suffix<R: Rows>(rows: &R, base: &str) -> Result<Vec<String>, ViewError> {
    let mut found = BTreeSet::new();
    if !base.contains('\0') {
        visit_advisories(rows, &base_prefix(base), &mut |advisory| {
            if let PackageId::Package { ecosystem, .. } = advisory.package
                && ecosystem
                    .strip_prefix(base)
                    .is_some_and(|rest| rest.starts_with(':'))
                && !found.contains(&ecosystem)
            {
                found.insert(ecosystem);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(found.into_iter().collect())
}

/// Returns the sources with a record, not withdrawn, about a package of an ecosystem with any suffix or none.
///
/// # Errors
/// If the rows cannot be read.
pub fn sources_of_ecosystem<R: Rows>(rows: &R, base: &str) -> Result<BTreeSet<Source>, ViewError> {
    let mut found = BTreeSet::new();
    if !base.contains('\0') {
        sources_under(rows, &base_prefix(base), &mut found)?;
    }
    Ok(found)
}

/// Adds the sources with a record, not withdrawn, about a package.
///
/// # Errors
/// If the rows cannot be read.
pub fn add_sources_of_package<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
    sources: &mut BTreeSet<Source>,
) -> Result<(), ViewError> {
    if ecosystem.contains('\0') || name.contains('\0') {
        return Ok(());
    }
    let mut prefix = Vec::new();
    let package = PackageId::Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
    };
    write_package(&mut prefix, &package);
    sources_under(rows, &prefix, sources)
}

fn sources_under<R: Rows>(rows: &R, prefix: &[u8], sources: &mut BTreeSet<Source>) -> Result<(), ViewError> {
    scan_rows(rows, Table::Edges, prefix, |key, value| {
        let edge = decode_edge_key(key)?;
        if !edge_is_withdrawn(value) && !sources.contains(&edge.record.source) {
            sources.insert(edge.record.source);
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Visits every advisory in key order: by package, then vulnerability.
///
/// # Errors
/// If the rows cannot be read.
pub fn for_each_advisory<R: Rows>(
    rows: &R,
    mut visit: impl FnMut(AdvisoryRef) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    visit_advisories(rows, &[], &mut visit)
}

/// Returns the advisories that a merge hash stands for.
///
/// # Errors
/// If the rows cannot be read.
pub fn resolve<R: Rows>(rows: &R, hash: &MergeHash) -> Result<Resolution, ViewError> {
    let mut ids = Vec::new();
    scan_rows(rows, Table::Hashes, hash_prefix(hash), |key, _| {
        ids.push(read_hash_key(key).ok_or_else(|| damaged(Table::Hashes, "a merge hash's key", key))?);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut closures = Closures::new();
    for id in ids {
        // The row gives the id; only the records around the id can give the package.
        let near = records_near(rows, &id, &mut closures)?;
        let packages: BTreeSet<&PackageId> = near.values().flat_map(|row| &row.packages).collect();
        let Some(package) = packages
            .into_iter()
            .find(|package| package.merge_hash(&id) == *hash)
        else {
            continue;
        };
        if let Some(advisory) = advisory_ref(rows, id.clone(), package.clone())? {
            return Ok(Resolution::Current(advisory));
        }
        if let Closure::Whole(component) = closures.around(rows, &id)? {
            let mut heirs = Vec::new();
            for heir in component.vulnerabilities() {
                heirs.extend(advisory_ref(rows, heir, package.clone())?);
            }
            if !heirs.is_empty() {
                return Ok(Resolution::Redirected(heirs));
            }
        }
    }
    Ok(Resolution::Unknown)
}

/// Returns the current records of a source, withdrawn ones included, sorted by id: the content of a dump.
///
/// Reads every record row: keys begin with the id, so that all sources' records of one id are together.
///
/// # Errors
/// If the rows cannot be read.
pub fn live_records<R: Rows>(rows: &R, source: &Source) -> Result<Vec<LiveRecord>, ViewError> {
    let mut records = Vec::new();
    scan_rows(rows, Table::Records, &[], |key, value| {
        let (_, record) = decode_record_key(key)?;
        if record.source == *source
            && let Some(content) = decode_record(value)?.content
        {
            records.push(LiveRecord {
                id: record.id,
                content,
            });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    records.sort();
    Ok(records)
}

/// Visits every record with content, with its packages.
///
/// # Errors
/// If the rows cannot be read.
pub fn for_each_live_record<R: Rows>(
    rows: &R,
    mut visit: impl FnMut(&RecordKey, &[PackageId]) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    scan_rows(rows, Table::Records, &[], |key, value| {
        let row = decode_record(value)?;
        if row.state != RecordState::Live {
            return Ok(ControlFlow::Continue(()));
        }
        let (_, record) = decode_record_key(key)?;
        Ok(visit(&record, &row.packages))
    })
}

/// Returns the number of current records of each source, withdrawn ones included.
///
/// # Errors
/// If the rows cannot be read.
pub fn live_record_counts<R: Rows>(rows: &R) -> Result<BTreeMap<Source, u64>, ViewError> {
    let mut counts = BTreeMap::new();
    scan_rows(rows, Table::Records, &[], |key, value| {
        let (_, record) = decode_record_key(key)?;
        if decode_record(value)?.content.is_some() {
            *counts.entry(record.source).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
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

/// Returns the records that wait for an operator's decision, sorted.
///
/// # Errors
/// If the rows cannot be read.
pub fn held_records<R: Rows>(rows: &R) -> Result<Vec<RecordKey>, ViewError> {
    let mut records = Vec::new();
    scan_rows(rows, Table::Held, &[], |key, _| {
        records.push(read_held_key(key).ok_or_else(|| damaged(Table::Held, "a held record's key", key))?);
        Ok(ControlFlow::Continue(()))
    })?;
    records.sort();
    Ok(records)
}

/// Returns the content that the view has chosen for a record; `None` if it is absent, unresolved or unknown.
///
/// # Errors
/// If the rows cannot be read.
pub fn chosen_content<R: Rows>(rows: &R, record: &RecordKey) -> Result<Option<ContentHash>, ViewError> {
    let row = record_row(rows, record)?.filter(|row| !row.is_unresolved());
    Ok(row.and_then(|row| row.content))
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

/// Returns an advisory if any record contributes to it.
fn advisory_ref<R: Rows>(
    rows: &R,
    vulnerability: VulnerabilityId,
    package: PackageId,
) -> Result<Option<AdvisoryRef>, ViewError> {
    let is_withdrawn = match feed_of(rows, &vulnerability, &package)? {
        Feed::Nothing => return Ok(None),
        Feed::Withdrawn => true,
        Feed::Live => false,
    };
    let merge_hash = package.merge_hash(&vulnerability);
    Ok(Some(AdvisoryRef {
        vulnerability,
        package,
        merge_hash,
        is_withdrawn,
    }))
}

fn advisories_under<R: Rows>(rows: &R, prefix: &[u8]) -> Result<Vec<AdvisoryRef>, ViewError> {
    let mut advisories = Vec::new();
    visit_advisories(rows, prefix, &mut |advisory| {
        advisories.push(advisory);
        ControlFlow::Continue(())
    })?;
    advisories.sort_by(|a, b| (&a.package, &a.vulnerability).cmp(&(&b.package, &b.vulnerability)));
    Ok(advisories)
}

/// Groups the edges under a prefix into advisories; the edges of an advisory are adjacent.
fn visit_advisories<R: Rows>(
    rows: &R,
    prefix: &[u8],
    visit: &mut dyn FnMut(AdvisoryRef) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    let mut open: Option<AdvisoryRef> = None;
    let mut is_over = false;
    scan_rows(rows, Table::Edges, prefix, |key, value| {
        let edge = decode_edge_key(key)?;
        let is_withdrawn = edge_is_withdrawn(value);
        match &mut open {
            Some(advisory)
                if advisory.vulnerability == edge.vulnerability && advisory.package == edge.package =>
            {
                advisory.is_withdrawn &= is_withdrawn;
            }
            _ => {
                let merge_hash = edge.package.merge_hash(&edge.vulnerability);
                let next = AdvisoryRef {
                    vulnerability: edge.vulnerability,
                    package: edge.package,
                    merge_hash,
                    is_withdrawn,
                };
                if let Some(done) = open.replace(next)
                    && visit(done).is_break()
                {
                    is_over = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(last) = open.filter(|_| !is_over) {
        let _ = visit(last);
    }
    Ok(())
}

fn flow(goes_on: bool) -> ControlFlow<()> {
    if goes_on {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
