//! Converts canonical advisories to the API's form.

use std::collections::{BTreeMap, BTreeSet};

use starling_api_types as types;
use starling_protocol::{RecordId, Source, UnixMillis};
use starling_scanner::knowledge::JudgedAt;
use starling_scanner::purl::osv;
use starling_scanner::severity::Level;
use starling_store::ViewReader;
use starling_view::{
    AdvisoryState, CanonicalAdvisory, Conflict, EdgeState, Field, FieldName, JsonText, PackageId,
    WithdrawnStatement,
};

use super::SiteParts;
use crate::clock::now;

impl SiteParts {
    pub(super) fn shown_advisory(
        &self,
        view: &ViewReader<'_>,
        folded: &CanonicalAdvisory,
    ) -> types::Advisory {
        let mut fields = BTreeMap::new();
        for name in FieldName::ALL {
            if let Some(shown) = self.shown_field(view, folded, name) {
                fields.insert(name.as_str().to_owned(), shown);
            }
        }
        for (name, members) in [
            ("cwes", &folded.fields.cwes),
            ("references", &folded.fields.references),
        ] {
            // A union has no single chosen value: its values are shown together, named after the first record with one.
            let values: Vec<&str> = members.iter().map(|member| member.value.as_str()).collect();
            let first = members.first().and_then(|member| member.provenance.first());
            if let (Some(first), Ok(value)) = (first, types::RawJson::new(format!("[{}]", values.join(","))))
            {
                let field = types::ResolvedField {
                    value,
                    provenance: self.shown_provenance(view, first),
                    losers: Vec::new(),
                    unresolved: false,
                };
                fields.insert(name.to_owned(), field);
            }
        }
        let at = now();
        let edges = folded.edges.iter().map(|edge| types::Edge {
            withdrawn_from: (edge.state == EdgeState::Withdrawn)
                .then(|| Withdrawal::of_record(folded, &edge.source, &edge.id, at).from())
                .flatten(),
            provenance: types::Provenance {
                source: (&edge.source).into(),
                record_id: edge.id.to_string(),
                site: edge.author.into(),
                site_id: self.slug_in(view, &edge.author),
            },
            content_hash: edge.content.map(Into::into),
            lane: edge.lane.into(),
            claimed_at: edge.claimed_at.into(),
            chosen: !matches!(edge.state, EdgeState::Outvoted | EdgeState::Unresolved),
            state: match edge.state {
                EdgeState::Withdrawn => Withdrawal::of_record(folded, &edge.source, &edge.id, at).state(),
                EdgeState::Absent => types::AdvisoryState::Absent,
                EdgeState::Outvoted | EdgeState::Unresolved if edge.content.is_none() => {
                    types::AdvisoryState::Absent
                }
                _ => types::AdvisoryState::Present,
            },
        });
        types::Advisory {
            merge_hash: folded.merge_hash.into(),
            vulnerability: folded.vulnerability.to_string(),
            aliases: folded.aliases.iter().map(ToString::to_string).collect(),
            package: package_ref(&folded.package),
            state: withdrawal_of(folded, at).state(),
            withdrawn_from: withdrawal_of(folded, at).from(),
            fields,
            edges: edges.collect(),
            redirects: folded.redirected_from.iter().map(|hash| (*hash).into()).collect(),
            entries_without_package: folded
                .entries_without_package
                .iter()
                .map(|(record, entries)| types::EntriesWithoutPackage {
                    source: (&record.source).into(),
                    record_id: record.id.to_string(),
                    entries: *entries as u64,
                })
                .collect(),
            exploited: None,
            malicious: starling_knowledge::stated_malice(folded).map(|mark| mark.value),
        }
    }

    /// Returns a field with all values that were not chosen: of other records, and of other authors of a record that
    /// was chosen from several.
    fn shown_field(
        &self,
        view: &ViewReader<'_>,
        folded: &CanonicalAdvisory,
        name: FieldName,
    ) -> Option<types::ResolvedField> {
        let raw = |value: &JsonText| types::RawJson::new(value.as_str().to_owned()).ok();
        let field = folded.fields.get(name);
        let mut losers = Vec::new();
        for loser in field.iter().flat_map(|field| &field.losers) {
            losers.extend(raw(&loser.value).map(|value| types::LosingValue {
                value,
                provenance: self.shown_provenance(view, &loser.provenance),
            }));
        }
        let mut unresolved = false;
        for conflict in &folded.conflicts {
            for outvoted in &conflict.others {
                let Some(value) = outvoted.fields.get(&name) else {
                    continue;
                };
                if field.is_some_and(|field| field.value == *value) {
                    continue;
                }
                // If there is no value, the field can only be open because no author was chosen.
                unresolved |= field.is_none() && is_unresolved(folded, conflict);
                losers.extend(raw(value).map(|value| types::LosingValue {
                    value,
                    provenance: types::Provenance {
                        source: (&conflict.source).into(),
                        record_id: conflict.id.to_string(),
                        site: outvoted.author.into(),
                        site_id: self.slug_in(view, &outvoted.author),
                    },
                }));
            }
        }
        match field {
            Some(field) => Some(types::ResolvedField {
                value: raw(&field.value)?,
                provenance: self.shown_provenance(view, &field.provenance),
                // Without a decision, the first value is shown for now, and another author's statement differs.
                unresolved: !losers.is_empty() && is_open(folded, field),
                losers,
            }),
            None => Some(types::ResolvedField {
                value: types::RawJson::null(),
                provenance: losers.first()?.provenance.clone(),
                losers,
                unresolved,
            }),
        }
    }

    fn shown_provenance(
        &self,
        view: &ViewReader<'_>,
        provenance: &starling_view::Provenance,
    ) -> types::Provenance {
        let author = provenance
            .authors
            .first()
            .copied()
            .unwrap_or(starling_protocol::SiteId::ZERO);
        types::Provenance {
            source: (&provenance.source).into(),
            record_id: provenance.id.to_string(),
            site: author.into(),
            site_id: self.slug_in(view, &author),
        }
    }
}

/// Returns true if a field's value comes from a record without a decision.
fn is_open(folded: &CanonicalAdvisory, field: &Field) -> bool {
    let record = (&field.provenance.source, &field.provenance.id);
    folded
        .unresolved
        .iter()
        .any(|open| (&open.source, &open.id) == record)
}

/// Returns true if a conflict of authors waits for an operator's decision.
fn is_unresolved(folded: &CanonicalAdvisory, conflict: &Conflict) -> bool {
    folded.edges.iter().any(|edge| {
        edge.state == EdgeState::Unresolved && (&edge.source, &edge.id) == (&conflict.source, &conflict.id)
    })
}

fn package_ref(package: &PackageId) -> types::PackageRef {
    match package {
        PackageId::Package { ecosystem, name } => types::PackageRef {
            ecosystem: ecosystem.clone(),
            name: name.clone(),
            purl: osv::purl_of(ecosystem, name).map(|purl| purl.to_string()),
        },
        PackageId::Repository { repository } => types::PackageRef {
            ecosystem: "GIT".to_owned(),
            name: repository.clone(),
            purl: None,
        },
        PackageId::Record(record) => types::PackageRef {
            ecosystem: String::new(),
            name: record.to_string(),
            purl: None,
        },
    }
}

/// The state of a withdrawal at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Withdrawal {
    /// It is withdrawn.
    Done,
    /// It is withdrawn from a later time on, and scans match it until then.
    From(JudgedAt),
    /// It is not withdrawn, or the text of its withdrawal is not a time, so that scans match it.
    No,
}

impl Withdrawal {
    fn of<'w>(statements: impl Iterator<Item = &'w WithdrawnStatement>, at: UnixMillis) -> Self {
        let at = JudgedAt::from_unix_millis(at.as_millis());
        let each = statements.map(|stated| {
            let withdrawn = stated.withdrawn.as_ref();
            let withdrawn = withdrawn.and_then(|text| serde_json::from_str::<String>(text.as_str()).ok());
            match withdrawn.as_deref().and_then(JudgedAt::of_withdrawal) {
                None => Self::No,
                Some(until) if at < until => Self::From(until),
                Some(_) => Self::Done,
            }
        });
        // Without a statement there is none to match.
        each.max().unwrap_or(Self::Done)
    }

    fn of_record(folded: &CanonicalAdvisory, source: &Source, id: &RecordId, at: UnixMillis) -> Self {
        let stated = folded.withdrawn_statements.iter();
        Self::of(
            stated.filter(|stated| (&stated.by.source, &stated.by.id) == (source, id)),
            at,
        )
    }

    const fn state(self) -> types::AdvisoryState {
        match self {
            Self::Done | Self::From(_) => types::AdvisoryState::Withdrawn,
            Self::No => types::AdvisoryState::Present,
        }
    }

    fn from(self) -> Option<types::Timestamp> {
        match self {
            Self::From(at) => Some(UnixMillis::saturating(at.unix_millis()).into()),
            Self::Done | Self::No => None,
        }
    }
}

fn withdrawal_of(folded: &CanonicalAdvisory, at: UnixMillis) -> Withdrawal {
    match folded.state {
        AdvisoryState::Live => Withdrawal::No,
        AdvisoryState::Withdrawn => Withdrawal::of(folded.withdrawn_statements.iter(), at),
    }
}

pub(super) fn summary_of(folded: &CanonicalAdvisory) -> types::AdvisorySummary {
    let text = |field: &Option<Field>| {
        field
            .as_ref()
            .and_then(|field| serde_json::from_str::<String>(field.value.as_str()).ok())
    };
    let sources: BTreeSet<types::SourceName> =
        folded.edges.iter().map(|edge| (&edge.source).into()).collect();
    types::AdvisorySummary {
        merge_hash: folded.merge_hash.into(),
        vulnerability: folded.vulnerability.to_string(),
        aliases: folded.aliases.iter().map(ToString::to_string).collect(),
        package: package_ref(&folded.package),
        state: withdrawal_of(folded, now()).state(),
        withdrawn_from: withdrawal_of(folded, now()).from(),
        summary: text(&folded.fields.summary),
        severity: match starling_knowledge::stated_malice(folded) {
            Some(_) => Some(Level::Critical.as_str().to_owned()),
            None => folded.fields.severity.as_ref().and_then(level_of),
        },
        sources: sources.into_iter().collect(),
        modified: text(&folded.fields.modified),
    }
}

/// Returns the severity level that a scan would choose, if any record states one.
fn level_of(field: &Field) -> Option<String> {
    let stated = starling_knowledge::stated_severities(field);
    let rating = starling_scanner::severity::choose(&stated, &[]);
    rating.stated.map(|_| rating.level.as_str().to_owned())
}
