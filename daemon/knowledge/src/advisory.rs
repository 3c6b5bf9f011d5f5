//! Converts a folded advisory to the form that the scanner matches with.

use std::collections::BTreeMap;

use starling_scanner::knowledge::{
    Advisory, Conflict, JudgedAt, Provenance, Statement, StatingRecord, Weight, WithdrawnStatement,
};
use starling_scanner::osv::{Affected, first_sentence};
use starling_scanner::threat::Threat;
use starling_view::{AdvisoryState, CanonicalAdvisory, EdgeState, Field, JsonText, RecordKey};

use crate::malice::stated_malice;
use crate::ratings::stated_severities;

/// Converts a folded advisory to the form for matching, with the statements of its records.
pub fn advisory_for_scan(folded: &CanonicalAdvisory) -> Advisory {
    let mut ids = vec![folded.vulnerability.to_string()];
    ids.extend(folded.aliases.iter().map(ToString::to_string));
    ids.extend(folded.upstream.iter().map(ToString::to_string));
    ids.extend(folded.edges.iter().map(|edge| edge.id.to_string()));
    ids.sort();
    ids.dedup();
    let related = folded.related.iter().map(ToString::to_string);
    let related = related.filter(|id| !ids.contains(id)).collect();
    let fields = &folded.fields;
    let text = |field: &Option<Field>| {
        field
            .as_ref()
            .and_then(|field| serde_json::from_str::<String>(field.value.as_str()).ok())
    };
    let withdrawn = (folded.state == AdvisoryState::Withdrawn)
        .then(|| text(&fields.withdrawn).unwrap_or_else(|| "withdrawn".to_owned()));
    let threat = Threat {
        published: text(&fields.published),
        ..Threat::default()
    };
    let (affected, statements) = statements(folded);
    Advisory {
        merge_hash: folded.merge_hash.to_string(),
        vulnerability: folded.vulnerability.to_string(),
        ids,
        related,
        summary: text(&fields.summary)
            .filter(|summary| !summary.trim().is_empty())
            .or_else(|| Some(first_sentence(&text(&fields.details)?)))
            .unwrap_or_default(),
        withdrawn,
        severities: fields
            .severity
            .iter()
            .flat_map(stated_severities)
            .chain(stated_malice(folded))
            .collect(),
        threat,
        affected,
        statements,
        withdrawn_statements: withdrawn_statements(folded),
        withdrawn_ratings: Vec::new(),
        unresolved: !folded.unresolved.is_empty(),
        configurations: Vec::new(),
        provenance: provenance(folded),
        conflicts: conflicts(folded),
    }
}

/// Returns the package statements of an advisory's records: the entries, and which record each belongs to.
fn statements(folded: &CanonicalAdvisory) -> (Vec<Affected>, Vec<Statement>) {
    if folded.statements.is_empty() {
        let affected = folded.fields.affected.as_ref();
        return (
            affected
                .map(|field| affected_entries(&field.value))
                .unwrap_or_default(),
            Vec::new(),
        );
    }
    let (mut affected, mut statements) = (Vec::new(), Vec::new());
    for stated in &folded.statements {
        let entries = affected_entries(&stated.affected);
        let by = stated.by.iter().map(stating);
        statements.push(Statement {
            by: by.collect(),
            entries: entries.len(),
            unresolved: stated.is_unresolved,
            weight: weight_of(stated.weight),
        });
        affected.extend(entries);
    }
    // All records agree and apply, so they need not be distinguished.
    let alone = statements.len() == 1 && statements.iter().all(|statement| statement.weight.counts());
    (affected, if alone { Vec::new() } else { statements })
}

/// Returns what withdrawn records state, each until its withdrawal.
fn withdrawn_statements(folded: &CanonicalAdvisory) -> Vec<WithdrawnStatement> {
    let stated = folded
        .withdrawn_statements
        .iter()
        .map(|stated| WithdrawnStatement {
            by: stating(&stated.by),
            until: stated.withdrawn.as_ref().and_then(withdrawal_of),
            weight: weight_of(stated.weight),
            unresolved: stated.is_unresolved,
            entries: stated.affected.as_ref().map(affected_entries).unwrap_or_default(),
        });
    stated.collect()
}

/// Returns the time of a withdrawal, from its text as JSON. "false" and "no" are not a time: nothing is taken back.
pub(crate) fn withdrawal_of(text: &JsonText) -> Option<JudgedAt> {
    let text: Option<String> = serde_json::from_str(text.as_str()).ok();
    JudgedAt::of_withdrawal(&text?)
}

fn stating(record: &RecordKey) -> StatingRecord {
    StatingRecord {
        record: record.id.to_string(),
        source: record.source.to_string(),
    }
}

const fn weight_of(weight: starling_view::Weight) -> Weight {
    match weight {
        starling_view::Weight::Counts => Weight::Counts,
        starling_view::Weight::CountsLast => Weight::CountsLast,
        starling_view::Weight::Outranked => Weight::Outranked,
        starling_view::Weight::Mirrored => Weight::Mirrored,
        starling_view::Weight::NotPreferred => Weight::NotPreferred,
    }
}

/// Returns the entries of a list of `affected`.
fn affected_entries(list: &JsonText) -> Vec<Affected> {
    entries_of(list.as_str())
}

/// Returns the entries of a list in JSON. A list that cannot be read is one entry that leaves every version undecided.
fn entries_of(list: &str) -> Vec<Affected> {
    let entries: Result<Vec<serde_json::Value>, _> = serde_json::from_str(list);
    let entries = entries.unwrap_or_else(|_| vec![serde_json::Value::Null]);
    entries.iter().map(Affected::from_entry).collect()
}

fn provenance(folded: &CanonicalAdvisory) -> Vec<Provenance> {
    let mut records: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for edge in &folded.edges {
        if matches!(
            edge.state,
            EdgeState::Live | EdgeState::Withdrawn | EdgeState::Unresolved
        ) {
            let sites = records
                .entry((edge.source.to_string(), edge.id.to_string()))
                .or_default();
            sites.push(edge.author.to_string());
        }
    }
    records
        .into_iter()
        .map(|((source, record), mut sites)| {
            sites.sort();
            sites.dedup();
            Provenance {
                source,
                record,
                sites,
            }
        })
        .collect()
}

fn conflicts(folded: &CanonicalAdvisory) -> Vec<Conflict> {
    let fields = &folded.fields;
    let named = [
        ("affected", &fields.affected),
        ("severity", &fields.severity),
        ("withdrawn", &fields.withdrawn),
    ];
    let mut conflicts = Vec::new();
    for (name, field) in named {
        if let Some(field) = field.as_ref().filter(|field| !field.losers.is_empty()) {
            let mut lost: Vec<String> = field
                .losers
                .iter()
                .map(|loser| loser.provenance.source.to_string())
                .collect();
            lost.sort();
            lost.dedup();
            let chosen = field.provenance.source.to_string();
            conflicts.push(Conflict {
                field: name.to_owned(),
                chosen,
                lost,
            });
        }
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use starling_scanner::matching::{Subject, evaluate};

    use super::*;

    /// An unreadable list counted as no entry, and so as not affected.
    #[test]
    fn unreadable_entries_leave_versions_undecided() {
        for list in [
            "[7]",
            r#"[{"package":{"ecosystem":"npm","name":"a"},"ranges":7}]"#,
            "7",
            "{}",
        ] {
            let entries = entries_of(list);
            assert_eq!(entries.len(), 1, "{list}");
            let found = evaluate(&entries[0], &Subject::new("npm", "1.0.0"));
            assert!(found.is_undecided() && !found.is_affected(), "{list}");
        }
        assert!(entries_of("[]").is_empty());
    }
}
