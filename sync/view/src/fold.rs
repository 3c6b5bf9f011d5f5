//! Folding the records of one advisory into its fields.
//!
//! Fold order: records that are not withdrawn come first, then the policy's order of sources, then
//! the content hash, then the id. The first record that has a field gives its value; what the others
//! have is kept beside it. References and weaknesses do not exclude each other and are united.
//!
//! Nothing of this is stored. The rows say which records feed the advisory; their bodies say the rest.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::ContentHash;
use starling_protocol::json::{self, Value};

use crate::advisory::{
    AdvisoryState, CanonicalAdvisory, Conflict, Edge, EdgeState, Field, FieldName, Fields, JsonText, Loser,
    Member, Outvoted, Provenance,
};
use crate::codec::{RecordRow, RecordState, edge_prefix};
use crate::error::ViewError;
use crate::extract::{list, package_of, repositories_of};
use crate::identity::{Closures, vulnerabilities_named};
use crate::lookup::records_near;
use crate::package::PackageId;
use crate::policy::CompiledPolicy;
use crate::ports::{Bodies, Claims, RecordKey, Statement, StatementKind};
use crate::reading::{
    body_of, damaged, decode_edge_key, edge_is_withdrawn, record_row, scan_rows, statements_of,
};
use crate::rows::{Rows, Table};
use crate::settings::Settings;
use crate::vulnerability::VulnerabilityId;

/// A record that feeds an advisory, or is about its vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feeding {
    /// The record.
    pub record: RecordKey,
    /// Its chosen content.
    pub content: ContentHash,
    /// Whether it is withdrawn.
    pub is_withdrawn: bool,
}

/// Returns the records that feed an advisory, in fold order: the first one's ranges win.
///
/// Every one of them has an `affected` entry about the package, unless the package is a record.
/// None: there is no such advisory.
///
/// # Errors
/// When the rows could not be read.
pub fn feeding_records<R: Rows>(
    rows: &R,
    policy: &CompiledPolicy,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
) -> Result<Vec<Feeding>, ViewError> {
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
    for (record, is_withdrawn) in edges {
        let content = record_row(rows, &record)?
            .and_then(|row| row.content)
            .ok_or_else(|| {
                damaged(
                    Table::Edges,
                    "an edge to a record with content",
                    record.id.as_str().as_bytes(),
                )
            })?;
        feeding.push(Feeding {
            record,
            content,
            is_withdrawn,
        });
    }
    feeding.sort_by(|a, b| in_fold_order(policy, a, b));
    Ok(feeding)
}

/// Folds the advisory of a vulnerability in a package; nothing when no record feeds it.
///
/// # Errors
/// When a port fails or a row is damaged.
pub fn canonical_advisory<R: Rows, C: Claims, B: Bodies>(
    rows: &R,
    claims: &C,
    bodies: &B,
    settings: &Settings,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
) -> Result<Option<CanonicalAdvisory>, ViewError> {
    let feeding = feeding_records(rows, &settings.policy, vulnerability, package)?;
    if feeding.is_empty() {
        return Ok(None);
    }
    let mut closures = Closures::new();
    let silent = silent_records(rows, vulnerability, &mut closures)?;
    let ids = Ids::of(vulnerability, package, &closures);

    let mut edges = Vec::new();
    let mut conflicts = Vec::new();
    let mut folder = Folder::new(package, settings);
    for record in &feeding {
        let statements = statements_of(claims, &record.record)?;
        let text = body_of(bodies, &record.record, &record.content)?;
        let state = match (&text, record.is_withdrawn) {
            (None, _) => EdgeState::BodyMissing,
            (_, true) => EdgeState::Withdrawn,
            (_, false) => EdgeState::Live,
        };
        tell(
            &record.record,
            Some(record.content),
            state,
            &statements,
            &mut edges,
            &mut conflicts,
        );
        // A body that the rows were read off parses; one that is missing says nothing.
        if let Some(Ok(body)) = text.as_deref().map(json::parse) {
            folder.add(&body, &provenance(record, &statements))?;
        }
    }
    for (record, row) in &silent {
        let statements = statements_of(claims, record)?;
        tell(
            record,
            row.content,
            silent_state(row.state),
            &statements,
            &mut edges,
            &mut conflicts,
        );
    }
    for conflict in &mut conflicts {
        let record = RecordKey::new(conflict.source.clone(), conflict.id.clone());
        for outvoted in &mut conflict.others {
            let Some(content) = outvoted.content else { continue };
            let text = body_of(bodies, &record, &content)?;
            if let Some(Ok(body)) = text.as_deref().map(json::parse) {
                outvoted.fields = folder.stated(&body)?;
            }
        }
    }
    edges.sort_by(|a, b| (&a.source, &a.id, a.author, a.lane).cmp(&(&b.source, &b.id, b.author, b.lane)));
    conflicts.sort_by(|a, b| (&a.source, &a.id).cmp(&(&b.source, &b.id)));
    let is_withdrawn = feeding.iter().all(|record| record.is_withdrawn);
    Ok(Some(CanonicalAdvisory {
        merge_hash: package.merge_hash(vulnerability),
        vulnerability: vulnerability.clone(),
        aliases: ids.aliases.into_iter().collect(),
        other_vulnerabilities: ids.others.into_iter().collect(),
        package: package.clone(),
        state: if is_withdrawn {
            AdvisoryState::Withdrawn
        } else {
            AdvisoryState::Live
        },
        fields: folder.finish(),
        edges,
        redirected_from: ids
            .names
            .iter()
            .map(|name| package.merge_hash(name))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        conflicts,
    }))
}

/// Returns what one record's body says of a package, in the fields of which one value wins; nothing where it
/// is no JSON object.
///
/// # Errors
/// When a value could not be kept as text.
pub fn stated_fields(
    body: &[u8],
    package: &PackageId,
    settings: &Settings,
) -> Result<BTreeMap<FieldName, JsonText>, ViewError> {
    match json::parse(body) {
        Ok(body) => Folder::new(package, settings).stated(&body),
        Err(_) => Ok(BTreeMap::new()),
    }
}

/// Returns what one record's body says of the severity, if it says anything.
///
/// # Errors
/// When the value could not be kept as text.
pub fn stated_severity(body: &[u8]) -> Result<Option<JsonText>, ViewError> {
    let body = json::parse(body).ok();
    let severity = body
        .as_ref()
        .and_then(|body| body.get(FieldName::Severity.as_str()));
    severity
        .filter(|value| says_something(value))
        .map(JsonText::of)
        .transpose()
}

/// Orders records as their fields win.
pub(crate) fn in_fold_order(policy: &CompiledPolicy, a: &Feeding, b: &Feeding) -> Ordering {
    let rest = |feeding: &Feeding| (feeding.content, feeding.record.id.clone());
    a.is_withdrawn
        .cmp(&b.is_withdrawn)
        .then_with(|| policy.compare_sources(&a.record.source, &b.record.source))
        .then_with(|| rest(a).cmp(&rest(b)))
}

/// Returns the records that go by an id of the vulnerability and say nothing.
///
/// They feed no advisory, for nothing tells their packages; they are shown with every one.
fn silent_records<R: Rows>(
    rows: &R,
    vulnerability: &VulnerabilityId,
    closures: &mut Closures<'_>,
) -> Result<BTreeMap<RecordKey, RecordRow>, ViewError> {
    let mut silent = BTreeMap::new();
    for (record, row) in records_near(rows, vulnerability, closures)? {
        let own = VulnerabilityId::of_record(&record.id);
        if !row.state.contributes()
            && vulnerabilities_named(&own, &row, closures.known(&own)).contains(vulnerability)
        {
            silent.insert(record, RecordRow::clone(&row));
        }
    }
    Ok(silent)
}

/// The ids that stand for a vulnerability besides its own.
#[derive(Default)]
struct Ids {
    aliases: BTreeSet<VulnerabilityId>,
    /// Other CVEs that its records name.
    others: BTreeSet<VulnerabilityId>,
    /// Those of the aliases that a merge hash with this package is kept for.
    names: BTreeSet<VulnerabilityId>,
}

impl Ids {
    /// Gathers the ids of every component walked around the vulnerability.
    fn of(vulnerability: &VulnerabilityId, package: &PackageId, closures: &Closures<'_>) -> Self {
        let mut ids = Self::default();
        for component in closures.components() {
            if component.vulnerabilities().contains(vulnerability) {
                ids.aliases.extend(component.ids.iter().cloned());
                ids.others.extend(component.cves.iter().cloned());
                if component.packages().contains(package) {
                    ids.names.extend(component.ids.iter().cloned());
                }
            }
        }
        for set in [&mut ids.aliases, &mut ids.others, &mut ids.names] {
            set.remove(vulnerability);
        }
        ids
    }
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

/// Tells what became of each statement about a record, and of the authors' disagreement.
fn tell(
    record: &RecordKey,
    chosen: Option<ContentHash>,
    state: EdgeState,
    statements: &[Statement],
    edges: &mut Vec<Edge>,
    conflicts: &mut Vec<Conflict>,
) {
    let mut others = BTreeSet::new();
    for statement in statements {
        let content = match statement.kind {
            StatementKind::Set(content) => Some(content),
            StatementKind::Absent => None,
        };
        let is_chosen = state != EdgeState::Unresolved && content == chosen;
        if !is_chosen {
            others.insert((statement.author, content));
        }
        edges.push(Edge {
            source: record.source.clone(),
            id: record.id.clone(),
            author: statement.author,
            lane: statement.lane,
            content,
            claimed_at: statement.time,
            state: if is_chosen || state == EdgeState::Unresolved {
                state
            } else {
                EdgeState::Outvoted
            },
        });
    }
    if !others.is_empty() {
        conflicts.push(Conflict {
            source: record.source.clone(),
            id: record.id.clone(),
            chosen,
            others: others
                .into_iter()
                .map(|(author, content)| Outvoted {
                    author,
                    content,
                    fields: BTreeMap::new(),
                })
                .collect(),
        });
    }
}

fn provenance(feeding: &Feeding, statements: &[Statement]) -> Provenance {
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

/// Gathers fields from bodies that come in fold order.
struct Folder<'a> {
    package: &'a PackageId,
    settings: &'a Settings,
    fields: Fields,
    references: BTreeMap<Vec<u8>, Member>,
    cwes: BTreeMap<String, Member>,
}

impl<'a> Folder<'a> {
    fn new(package: &'a PackageId, settings: &'a Settings) -> Self {
        let (fields, references, cwes) = Default::default();
        Self {
            package,
            settings,
            fields,
            references,
            cwes,
        }
    }

    fn add(&mut self, body: &Value<'_>, provenance: &Provenance) -> Result<(), ViewError> {
        for (name, value) in self.stated(body)? {
            offer(self.fields.slot(name), value, provenance);
        }
        for reference in list(body, "references")
            .iter()
            .filter(|value| says_something(value))
        {
            let value = JsonText::of(reference)?;
            let member = self.references.entry(reference.to_canonical());
            join(
                &mut member
                    .or_insert_with(|| Member {
                        value,
                        provenance: Vec::new(),
                    })
                    .provenance,
                provenance,
            );
        }
        for cwe in cwes_of(body) {
            let value = JsonText::of(&Value::String(cwe.clone().into()))?;
            let member = self.cwes.entry(cwe);
            join(
                &mut member
                    .or_insert_with(|| Member {
                        value,
                        provenance: Vec::new(),
                    })
                    .provenance,
                provenance,
            );
        }
        Ok(())
    }

    /// What a body says of the package, in the fields of which one value wins.
    fn stated(&self, body: &Value<'_>) -> Result<BTreeMap<FieldName, JsonText>, ViewError> {
        let mut stated = BTreeMap::new();
        for name in FieldName::ALL {
            let value = match name {
                FieldName::Affected => {
                    let about: Vec<Value<'_>> = list(body, name.as_str())
                        .iter()
                        .filter(|entry| self.is_about(entry))
                        .cloned()
                        .collect();
                    (!about.is_empty()).then(|| JsonText::of(&Value::Array(about)))
                }
                _ => {
                    let value = body.get(name.as_str()).filter(|value| says_something(value));
                    value.map(JsonText::of)
                }
            };
            if let Some(value) = value {
                stated.insert(name, value?);
            }
        }
        Ok(stated)
    }

    fn is_about(&self, affected: &Value<'_>) -> bool {
        match self.package {
            PackageId::Package { .. } => package_of(affected, self.settings.normalise_name)
                .is_ok_and(|package| package.as_ref() == Some(self.package)),
            PackageId::Repository { .. } => {
                repositories_of(affected).any(|found| found.as_ref() == Ok(self.package))
            }
            PackageId::Record(_) => true,
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

/// Takes a value as the field's, or as one that lost if the field has another already.
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
        Some(field) => field.losers.push(Loser {
            value,
            provenance: provenance.clone(),
        }),
    }
}

/// Adds where a member comes from; a record that repeats it counts once.
fn join(all: &mut Vec<Provenance>, provenance: &Provenance) {
    if all.last() != Some(provenance) {
        all.push(provenance.clone());
    }
}

/// Says whether a value is more than an empty place holder.
fn says_something(value: &Value<'_>) -> bool {
    !value.is_null()
        && value.as_str().is_none_or(|text| !text.trim().is_empty())
        && value.as_array().is_none_or(|list| !list.is_empty())
}

/// Returns the weaknesses that a record names. OSV has no field for them; its databases keep them
/// under `database_specific`: a list of texts (GitHub), of objects (OSV.dev), or one object (curl).
fn cwes_of(body: &Value<'_>) -> BTreeSet<String> {
    let Some(specific) = body.get("database_specific") else {
        return BTreeSet::new();
    };
    ["cwe_ids", "cwes"]
        .into_iter()
        .flat_map(|key| list(specific, key))
        .chain(specific.get("CWE"))
        .filter_map(|entry| {
            let text = entry
                .as_str()
                .or_else(|| entry.get("cweId")?.as_str())
                .or_else(|| entry.get("id")?.as_str())?;
            let digits = text.strip_prefix("CWE-")?;
            let is_cwe = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_cwe.then(|| text.to_owned())
        })
        .collect()
}
