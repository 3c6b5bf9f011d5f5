//! Folds the records of one advisory into its fields.
//!
//! Fold order: records that are not withdrawn come first, then the policy's order of sources, then the content
//! hash, then the id. The first record that has a field gives its value; the values of the others are kept
//! beside it. References and weaknesses do not exclude each other and are united.
//!
//! No result is stored. The rows list the contributing records; their bodies give the rest.

mod attribution;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::ContentHash;
use starling_protocol::json;

use self::attribution::Attribution;
use crate::advisory::{
    AdvisoryState, CanonicalAdvisory, EdgeState, Field, FieldName, Fields, JsonText, Member, OutvotedValue,
    Provenance, Stated, WithdrawnStatement,
};
use crate::codec::{RecordState, edge_prefix};
use crate::error::ViewError;
use crate::memo::FoldMemo;
use crate::package::PackageId;
use crate::parsed_body::{ParsedBody, says_something};
use crate::policy::CompiledPolicy;
use crate::ports::{Bodies, Claims, RecordKey, Statement, StatementKind};
use crate::reading::{damaged, decode_edge_key, edge_is_withdrawn, scan_rows, statements_of};
use crate::rows::{Rows, Table};
use crate::settings::Settings;
use crate::vulnerability::VulnerabilityId;
use crate::weight::{Weight, weigh, weight_if_live};

/// A record that feeds an advisory, or is about its vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContributingRecord {
    /// The record.
    pub record: RecordKey,
    /// Its chosen content.
    pub content: ContentHash,
    /// True if it is withdrawn.
    pub is_withdrawn: bool,
    /// True if authors disagree about it and nobody has decided: each applicable content contributes
    /// separately.
    pub is_unresolved: bool,
}

/// Returns the contributing records of an advisory, in fold order: the first one's ranges win.
///
/// Each of them has an `affected` entry about the package, unless the package is a record. An empty list means
/// that the advisory does not exist.
///
/// # Errors
/// If the rows cannot be read.
pub fn contributing_records<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
) -> Result<Vec<ContributingRecord>, ViewError> {
    let memo = FoldMemo::default();
    feeding_remembered(rows, policy, vulnerability, package, &memo).map(|(feeding, _)| feeding)
}

/// Ids by which the records of an advisory are found, besides those that connect them.
#[derive(Default)]
struct LedBy {
    upstream: BTreeSet<VulnerabilityId>,
    related: BTreeSet<VulnerabilityId>,
}

fn feeding_remembered<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
    memo: &FoldMemo,
) -> Result<(Vec<ContributingRecord>, LedBy), ViewError> {
    let mut edges = Vec::new();
    scan_rows(
        rows,
        Table::Edges,
        &edge_prefix(package, vulnerability),
        |key, value| {
            edges.push((decode_edge_key(key)?.record, edge_is_withdrawn(value)));
            Ok(std::ops::ControlFlow::Continue(()))
        },
    )?;
    let mut feeding = Vec::with_capacity(edges.len());
    let mut led_by = LedBy::default();
    for (record, is_withdrawn) in edges {
        let held = memo.held(rows, &record)?;
        if held.contents.is_empty() {
            let name = record.id.as_str().as_bytes();
            return Err(damaged(Table::Edges, "an edge to a record with content", name));
        }
        led_by.upstream.extend(held.upstream.iter().cloned());
        led_by.related.extend(held.related.iter().cloned());
        feeding.extend(held.contents.iter().map(|content| ContributingRecord {
            record: record.clone(),
            content: *content,
            is_withdrawn,
            is_unresolved: held.is_unresolved,
        }));
    }
    feeding.sort_by(|a, b| in_fold_order(policy, a, b));
    Ok((feeding, led_by))
}

/// Folds the advisory of a vulnerability in a package. Returns `None` if no record contributes to it.
///
/// # Errors
/// If a port fails or a row is damaged.
pub fn canonical_advisory<R: Rows, C: Claims, B: Bodies>(
    rows: &R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
) -> Result<Option<CanonicalAdvisory>, ViewError> {
    let memo = FoldMemo::default();
    canonical_advisory_remembering(rows, claims, bodies, settings, vulnerability, package, &memo)
}

/// Does the same as [`canonical_advisory`] for one of many advisories: `memo` keeps what several packages of a
/// vulnerability share. A memo is valid for one state of the rows and one `settings`.
///
/// # Errors
/// As [`canonical_advisory`].
pub fn canonical_advisory_remembering<R: Rows, C: Claims, B: Bodies>(
    rows: &R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
    memo: &FoldMemo,
) -> Result<Option<CanonicalAdvisory>, ViewError> {
    let (feeding, led_by) = feeding_remembered(rows, &settings.policy, vulnerability, package, memo)?;
    if feeding.is_empty() {
        return Ok(None);
    }
    let around = memo.around(rows, vulnerability)?;

    let mut attribution = Attribution::default();
    let mut folder = Folder::default();
    let mut unresolved = BTreeSet::new();
    let (mut withdrawn_statements, mut entries_without_package) = (Vec::new(), Vec::new());
    let mut speakers = Speakers::of(rows, &settings.policy, package, &feeding)?;
    for record in &feeding {
        let statements = statements_of(claims, &record.record)?;
        let parsed = memo.parsed_body(bodies, &record.record, &record.content, settings.normalise_name)?;
        // The disagreement about an unresolved record is reported once, for all of its contents.
        if !record.is_unresolved || unresolved.insert(record.record.clone()) {
            let chosen = (!record.is_unresolved).then_some(record.content);
            let state = contributing_state(record, parsed.is_some());
            attribution.report(&record.record, chosen, state, &statements);
        }
        // A body with a row is known to parse; a missing body has no statement.
        if let Some(parsed) = parsed {
            let stated = parsed.of_package(package)?;
            speakers.hear(record, stated.get(&FieldName::Affected));
            if parsed.entries_without_package > 0 {
                entries_without_package.push((record.record.clone(), parsed.entries_without_package));
            }
            if record.is_withdrawn {
                withdrawn_statements.push(WithdrawnStatement {
                    affected: stated.get(&FieldName::Affected).cloned(),
                    by: record.record.clone(),
                    is_unresolved: record.is_unresolved,
                    weight: weight_if_live(rows, &settings.policy, package, &feeding, record)?,
                    withdrawn: stated.get(&FieldName::Withdrawn).cloned(),
                });
            }
            folder.add(&parsed, stated, &provenance(record, &statements));
        }
    }
    for (record, row) in &around.silent {
        let statements = statements_of(claims, record)?;
        attribution.report(record, row.content, silent_state(row.state), &statements);
    }
    attribution.read_outvoted(bodies, settings, package, memo)?;
    let (edges, conflicts) = attribution.in_order();
    let is_withdrawn = feeding.iter().all(|record| record.is_withdrawn);
    Ok(Some(CanonicalAdvisory {
        merge_hash: package.merge_hash(vulnerability),
        vulnerability: vulnerability.clone(),
        aliases: around.aliases.iter().cloned().collect(),
        other_vulnerabilities: around.others.iter().cloned().collect(),
        upstream: led_by.upstream.into_iter().collect(),
        related: led_by.related.into_iter().collect(),
        package: package.clone(),
        state: if is_withdrawn {
            AdvisoryState::Withdrawn
        } else {
            AdvisoryState::Live
        },
        entries_without_package,
        fields: folder.finish(),
        statements: speakers.statements,
        unresolved: unresolved.into_iter().collect(),
        edges,
        redirected_from: around
            .names(vulnerability, package)
            .map(|name| package.merge_hash(name))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        conflicts,
        withdrawn_statements,
    }))
}

/// Returns the statements of one record's body about a package, in the fields in which one value wins; `None`
/// if it is not a JSON object.
///
/// # Errors
/// If a value could not be kept as text.
pub fn stated_fields(
    body: &[u8],
    package: &PackageId,
    settings: &Settings,
) -> Result<BTreeMap<FieldName, JsonText>, ViewError> {
    ParsedBody::of_body(body, settings.normalise_name)?.of_package(package)
}

/// Returns the severity in one record's body, if there is one.
///
/// # Errors
/// If the value could not be kept as text.
pub fn stated_severity(body: &[u8]) -> Result<Option<JsonText>, ViewError> {
    stated_field(body, FieldName::Severity)
}

/// Returns the text of `withdrawn` in one record's body, as JSON, if there is one.
///
/// # Errors
/// If the value could not be kept as text.
pub fn stated_withdrawal(body: &[u8]) -> Result<Option<JsonText>, ViewError> {
    stated_field(body, FieldName::Withdrawn)
}

fn stated_field(body: &[u8], field: FieldName) -> Result<Option<JsonText>, ViewError> {
    let body = json::parse(body).ok();
    let value = body.as_ref().and_then(|body| body.get(field.as_str()));
    value
        .filter(|value| says_something(value))
        .map(JsonText::of)
        .transpose()
}

/// Orders records as their fields win.
pub(crate) fn in_fold_order(
    policy: &CompiledPolicy,
    a: &ContributingRecord,
    b: &ContributingRecord,
) -> Ordering {
    let rest = |feeding: &ContributingRecord| (feeding.content, feeding.record.id.clone());
    a.is_withdrawn
        .cmp(&b.is_withdrawn)
        .then_with(|| policy.compare_sources(&a.record.source, &b.record.source))
        .then_with(|| rest(a).cmp(&rest(b)))
}

pub(crate) const fn silent_state(state: RecordState) -> EdgeState {
    match state {
        RecordState::Live => EdgeState::Live,
        RecordState::Withdrawn => EdgeState::Withdrawn,
        RecordState::Absent => EdgeState::Absent,
        RecordState::Unresolved => EdgeState::Unresolved,
        RecordState::BodyMissing => EdgeState::BodyMissing,
        RecordState::BodyUnreadable => EdgeState::BodyUnreadable,
    }
}

/// Returns the state of the edges from a contributing record; `has_body` is true if its body is here.
const fn contributing_state(record: &ContributingRecord, has_body: bool) -> EdgeState {
    if record.is_unresolved {
        EdgeState::Unresolved
    } else if !has_body {
        EdgeState::BodyMissing
    } else if record.is_withdrawn {
        EdgeState::Withdrawn
    } else {
        EdgeState::Live
    }
}

fn provenance(feeding: &ContributingRecord, statements: &[Statement]) -> Provenance {
    let states_it = |statement: &&Statement| statement.kind == StatementKind::Set(feeding.content);
    let authors: BTreeSet<_> = statements
        .iter()
        .filter(states_it)
        .map(|statement| statement.author)
        .collect();
    Provenance {
        source: feeding.record.source.clone(),
        id: feeding.record.id.clone(),
        content: feeding.content,
        authors: authors.into_iter().collect(),
    }
}

/// Collects the statements of live records about a package, if there are several or the only one does not
/// apply.
struct Speakers {
    weights: BTreeMap<RecordKey, Weight>,
    statements: Vec<Stated>,
}

impl Speakers {
    fn of<R: Rows>(
        rows: &R,
        policy: &CompiledPolicy,
        package: &PackageId,
        feeding: &[ContributingRecord],
    ) -> Result<Self, ViewError> {
        let live: Vec<&ContributingRecord> = feeding.iter().filter(|record| !record.is_withdrawn).collect();
        let weights = weigh(rows, policy, package, &live)?;
        let is_plain = live.len() < 2 && weights.iter().all(|weight| weight.counts());
        let records = live.iter().map(|feeding| feeding.record.clone());
        Ok(Self {
            weights: if is_plain {
                BTreeMap::new()
            } else {
                records.zip(weights).collect()
            },
            statements: Vec::new(),
        })
    }

    /// Adds a record's statement; equal statements of equal weight become one.
    fn hear(&mut self, feeding: &ContributingRecord, affected: Option<&JsonText>) {
        let (Some(weight), Some(affected)) = (self.weights.get(&feeding.record), affected) else {
            return;
        };
        let is_unresolved = feeding.is_unresolved;
        let same = |stated: &&mut Stated| {
            (stated.weight, stated.is_unresolved) == (*weight, is_unresolved) && stated.affected == *affected
        };
        match self.statements.iter_mut().find(same) {
            Some(stated) if stated.by.contains(&feeding.record) => {}
            Some(stated) => stated.by.push(feeding.record.clone()),
            None => self.statements.push(Stated {
                affected: affected.clone(),
                by: vec![feeding.record.clone()],
                is_unresolved,
                weight: *weight,
            }),
        }
    }
}

/// Gathers fields from bodies that come in fold order.
#[derive(Default)]
struct Folder {
    fields: Fields,
    references: BTreeMap<Vec<u8>, Member>,
    cwes: BTreeMap<String, Member>,
}

impl Folder {
    fn add(&mut self, parsed: &ParsedBody, stated: BTreeMap<FieldName, JsonText>, provenance: &Provenance) {
        for (name, value) in stated {
            offer(self.fields.slot(name), value, provenance);
        }
        for (key, value) in &parsed.references {
            let member = self.references.entry(key.clone());
            join(member.or_insert_with(|| member_of(value)), provenance);
        }
        for (name, value) in &parsed.weaknesses {
            let member = self.cwes.entry(name.clone());
            join(member.or_insert_with(|| member_of(value)), provenance);
        }
    }

    fn finish(self) -> Fields {
        Fields {
            references: self.references.into_values().collect(),
            cwes: self.cwes.into_values().collect(),
            ..self.fields
        }
    }
}

fn member_of(value: &JsonText) -> Member {
    Member {
        value: value.clone(),
        provenance: Vec::new(),
    }
}

/// Sets the field's value, or adds it to the losing values if the field already has one.
fn offer(field: &mut Option<Field>, value: JsonText, provenance: &Provenance) {
    match field {
        None => {
            *field = Some(Field {
                value,
                provenance: provenance.clone(),
                losers: Vec::new(),
            });
        }
        Some(field) if field.value == value || field.losers.iter().any(|loser| loser.value == value) => {}
        Some(field) => field.losers.push(OutvotedValue {
            value,
            provenance: provenance.clone(),
        }),
    }
}

/// Adds the provenance of a member; a record that repeats it is listed once.
fn join(member: &mut Member, provenance: &Provenance) {
    if member.provenance.last() != Some(provenance) {
        member.provenance.push(provenance.clone());
    }
}
