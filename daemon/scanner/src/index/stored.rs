//! The stored form of an advisory. Postcard needs types with fixed shapes, unlike the lenient types that read foreign
//! JSON, so each of those has a counterpart here. Texts are borrowed in both directions.

use serde::{Deserialize, Serialize};

use super::configurations::StoredApplicability;
use crate::fix::FixState;
use crate::knowledge::{
    Advisory, Conflict, JudgedAt, Provenance, Statement, StatingRecord, Weight, WithdrawnRating,
    WithdrawnStatement,
};
use crate::matching::may_be_equal;
use crate::osv::{Affected, Event, Package, Range, RangeKind, Severity, Text};
use crate::severity::StatedSeverity;
use crate::threat::{Probability, Threat};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAdvisory<'a> {
    merge_hash: &'a str,
    vulnerability: &'a str,
    #[serde(borrow)]
    ids: Vec<&'a str>,
    related: Vec<&'a str>,
    summary: &'a str,
    withdrawn: Option<&'a str>,
    /// Source, kind, value.
    severities: Vec<(&'a str, &'a str, &'a str)>,
    threat: StoredThreat<'a>,
    affected: Vec<StoredAffected<'a>>,
    /// Number of entries, weight, unresolved or not, and the records, as indices into `provenance`.
    statements: Vec<(u32, StoredWeight, bool, Vec<u32>)>,
    withdrawn_statements: Vec<StoredWithdrawn<'a>>,
    withdrawn_ratings: Vec<StoredRating<'a>>,
    unresolved: bool,
    configurations: Vec<StoredApplicability>,
    /// Source, record, sites.
    provenance: Vec<(&'a str, &'a str, Vec<&'a str>)>,
    /// Field, chosen source, other sources.
    conflicts: Vec<(&'a str, &'a str, Vec<&'a str>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredWithdrawn<'a> {
    /// Source and record.
    by: (&'a str, &'a str),
    /// In milliseconds since 1970.
    until: Option<u64>,
    weight: StoredWeight,
    unresolved: bool,
    #[serde(borrow)]
    entries: Vec<StoredAffected<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRating<'a> {
    /// In milliseconds since 1970.
    until: Option<u64>,
    place: u32,
    /// Source, kind, value.
    #[serde(borrow)]
    severities: Vec<(&'a str, &'a str, &'a str)>,
    kev: bool,
    /// In hundred-thousandths.
    epss: Option<u32>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum StoredWeight {
    Counts,
    CountsLast,
    Outranked,
    Mirrored,
    NotPreferred,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredThreat<'a> {
    published: Option<&'a str>,
    kev: Option<bool>,
    /// In hundred-thousandths.
    epss: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAffected<'a> {
    /// Ecosystem, name.
    #[serde(borrow)]
    package: Option<(&'a str, &'a str)>,
    /// Kind, score.
    severity: Vec<(&'a str, &'a str)>,
    ranges: Vec<StoredRange<'a>>,
    versions: Vec<&'a str>,
    informational: Option<&'a str>,
    module: Option<&'a str>,
    fix_state: Option<StoredFixState>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum StoredFixState {
    Planned,
    UnderInvestigation,
    Undetermined,
    Deferred,
    None,
    WillNotFix,
    EndOfLife,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRange<'a> {
    #[serde(borrow)]
    kind: StoredKind<'a>,
    events: Vec<StoredEvent<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredKind<'a> {
    SemVer,
    Ecosystem,
    Git,
    Other(&'a str),
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredEvent<'a> {
    Introduced(&'a str),
    Fixed(&'a str),
    LastAffected(&'a str),
    Limit(&'a str),
}

fn borrowed(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

impl<'a> From<&'a Advisory> for StoredAdvisory<'a> {
    fn from(advisory: &'a Advisory) -> Self {
        Self {
            merge_hash: &advisory.merge_hash,
            vulnerability: &advisory.vulnerability,
            ids: borrowed(&advisory.ids),
            related: borrowed(&advisory.related),
            summary: &advisory.summary,
            withdrawn: advisory.withdrawn.as_deref(),
            severities: stored_severities(&advisory.severities),
            threat: StoredThreat {
                published: advisory.threat.published.as_deref(),
                kev: advisory.threat.kev,
                epss: advisory.threat.epss.map(Probability::hundred_thousandths),
            },
            affected: advisory.affected.iter().map(StoredAffected::from).collect(),
            statements: advisory
                .statements
                .iter()
                .map(|statement| stored_statement(statement, &advisory.provenance))
                .collect(),
            withdrawn_statements: advisory
                .withdrawn_statements
                .iter()
                .map(StoredWithdrawn::from)
                .collect(),
            withdrawn_ratings: advisory
                .withdrawn_ratings
                .iter()
                .map(StoredRating::from)
                .collect(),
            unresolved: advisory.unresolved,
            configurations: advisory
                .configurations
                .iter()
                .map(StoredApplicability::from)
                .collect(),
            provenance: advisory
                .provenance
                .iter()
                .map(|p| (p.source.as_str(), p.record.as_str(), borrowed(&p.sites)))
                .collect(),
            conflicts: advisory
                .conflicts
                .iter()
                .map(|c| (c.field.as_str(), c.chosen.as_str(), borrowed(&c.lost)))
                .collect(),
        }
    }
}

impl StoredAdvisory<'_> {
    /// Returns the advisory. With a version's text, enumerated versions that cannot be equal to it are left out,
    /// except the first, so that a list stays a list.
    pub(super) fn read(&self, version: Option<&str>) -> Advisory {
        Advisory {
            merge_hash: self.merge_hash.to_owned(),
            vulnerability: self.vulnerability.to_owned(),
            ids: owned(&self.ids),
            related: owned(&self.related),
            summary: self.summary.to_owned(),
            withdrawn: self.withdrawn.map(str::to_owned),
            severities: read_severities(&self.severities),
            threat: Threat {
                published: self.threat.published.map(str::to_owned),
                kev: self.threat.kev,
                epss: self.threat.epss.map(Probability::of_hundred_thousandths),
            },
            affected: self
                .affected
                .iter()
                .map(|affected| affected.read(version))
                .collect(),
            statements: self
                .statements
                .iter()
                .map(|(entries, weight, unresolved, by)| Statement {
                    by: by.iter().filter_map(|place| self.sayer(*place)).collect(),
                    entries: usize::try_from(*entries).unwrap_or(usize::MAX),
                    weight: (*weight).into(),
                    unresolved: *unresolved,
                })
                .collect(),
            withdrawn_statements: self
                .withdrawn_statements
                .iter()
                .map(|said| said.read(version))
                .collect(),
            withdrawn_ratings: self.withdrawn_ratings.iter().map(StoredRating::read).collect(),
            unresolved: self.unresolved,
            configurations: self
                .configurations
                .iter()
                .map(StoredApplicability::read)
                .collect(),
            provenance: self
                .provenance
                .iter()
                .map(|(source, record, sites)| Provenance {
                    source: (*source).to_owned(),
                    record: (*record).to_owned(),
                    sites: owned(sites),
                })
                .collect(),
            conflicts: self
                .conflicts
                .iter()
                .map(|(field, chosen, lost)| Conflict {
                    field: (*field).to_owned(),
                    chosen: (*chosen).to_owned(),
                    lost: owned(lost),
                })
                .collect(),
        }
    }
}

impl StoredAdvisory<'_> {
    fn sayer(&self, place: u32) -> Option<StatingRecord> {
        let (source, record, _) = self.provenance.get(usize::try_from(place).ok()?)?;
        Some(StatingRecord {
            record: (*record).to_owned(),
            source: (*source).to_owned(),
        })
    }
}

/// Returns the records as indices: each one is in the advisory's provenance.
fn stored_statement(statement: &Statement, provenance: &[Provenance]) -> (u32, StoredWeight, bool, Vec<u32>) {
    let place = |sayer: &StatingRecord| {
        let is_it = |from: &Provenance| from.source == sayer.source && from.record == sayer.record;
        u32::try_from(provenance.iter().position(is_it)?).ok()
    };
    (
        u32::try_from(statement.entries).unwrap_or(u32::MAX),
        statement.weight.into(),
        statement.unresolved,
        statement.by.iter().filter_map(place).collect(),
    )
}

fn stored_severities(severities: &[StatedSeverity]) -> Vec<(&str, &str, &str)> {
    let stored = severities
        .iter()
        .map(|s| (s.source.as_str(), s.kind.as_str(), s.value.as_str()));
    stored.collect()
}

fn read_severities(stored: &[(&str, &str, &str)]) -> Vec<StatedSeverity> {
    let read = stored.iter().map(|(source, kind, value)| StatedSeverity {
        source: (*source).to_owned(),
        kind: (*kind).to_owned(),
        value: (*value).to_owned(),
    });
    read.collect()
}

impl<'a> From<&'a WithdrawnRating> for StoredRating<'a> {
    fn from(rating: &'a WithdrawnRating) -> Self {
        Self {
            until: rating.until.map(JudgedAt::unix_millis),
            place: u32::try_from(rating.place).unwrap_or(u32::MAX),
            severities: stored_severities(&rating.severities),
            kev: rating.kev,
            epss: rating.epss.map(Probability::hundred_thousandths),
        }
    }
}

impl StoredRating<'_> {
    fn read(&self) -> WithdrawnRating {
        WithdrawnRating {
            until: self.until.map(JudgedAt::from_unix_millis),
            place: usize::try_from(self.place).unwrap_or(usize::MAX),
            severities: read_severities(&self.severities),
            kev: self.kev,
            epss: self.epss.map(Probability::of_hundred_thousandths),
        }
    }
}

impl<'a> From<&'a WithdrawnStatement> for StoredWithdrawn<'a> {
    fn from(said: &'a WithdrawnStatement) -> Self {
        Self {
            by: (&said.by.source, &said.by.record),
            until: said.until.map(JudgedAt::unix_millis),
            weight: said.weight.into(),
            unresolved: said.unresolved,
            entries: said.entries.iter().map(StoredAffected::from).collect(),
        }
    }
}

impl StoredWithdrawn<'_> {
    fn read(&self, version: Option<&str>) -> WithdrawnStatement {
        let (source, record) = self.by;
        WithdrawnStatement {
            by: StatingRecord {
                record: record.to_owned(),
                source: source.to_owned(),
            },
            until: self.until.map(JudgedAt::from_unix_millis),
            weight: self.weight.into(),
            unresolved: self.unresolved,
            entries: self.entries.iter().map(|entry| entry.read(version)).collect(),
        }
    }
}

impl From<Weight> for StoredWeight {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Counts => Self::Counts,
            Weight::CountsLast => Self::CountsLast,
            Weight::Outranked => Self::Outranked,
            Weight::Mirrored => Self::Mirrored,
            Weight::NotPreferred => Self::NotPreferred,
        }
    }
}

impl From<StoredWeight> for Weight {
    fn from(weight: StoredWeight) -> Self {
        match weight {
            StoredWeight::Counts => Self::Counts,
            StoredWeight::CountsLast => Self::CountsLast,
            StoredWeight::Outranked => Self::Outranked,
            StoredWeight::Mirrored => Self::Mirrored,
            StoredWeight::NotPreferred => Self::NotPreferred,
        }
    }
}

impl From<FixState> for StoredFixState {
    fn from(state: FixState) -> Self {
        match state {
            FixState::Planned => Self::Planned,
            FixState::UnderInvestigation => Self::UnderInvestigation,
            FixState::Undetermined => Self::Undetermined,
            FixState::Deferred => Self::Deferred,
            FixState::None => Self::None,
            FixState::WillNotFix => Self::WillNotFix,
            FixState::EndOfLife => Self::EndOfLife,
        }
    }
}

impl From<StoredFixState> for FixState {
    fn from(state: StoredFixState) -> Self {
        match state {
            StoredFixState::Planned => Self::Planned,
            StoredFixState::UnderInvestigation => Self::UnderInvestigation,
            StoredFixState::Undetermined => Self::Undetermined,
            StoredFixState::Deferred => Self::Deferred,
            StoredFixState::None => Self::None,
            StoredFixState::WillNotFix => Self::WillNotFix,
            StoredFixState::EndOfLife => Self::EndOfLife,
        }
    }
}

impl<'a> From<&'a Affected> for StoredAffected<'a> {
    fn from(affected: &'a Affected) -> Self {
        Self {
            package: affected
                .package
                .as_ref()
                .map(|package| (package.ecosystem.as_str(), package.name.as_str())),
            severity: affected
                .severity
                .iter()
                .map(|s| (s.kind.as_str(), s.score.0.as_str()))
                .collect(),
            ranges: affected
                .ranges
                .iter()
                .map(|range| StoredRange {
                    kind: match &range.kind {
                        RangeKind::SemVer => StoredKind::SemVer,
                        RangeKind::Ecosystem => StoredKind::Ecosystem,
                        RangeKind::Git => StoredKind::Git,
                        RangeKind::Other(kind) => StoredKind::Other(kind),
                    },
                    events: range
                        .events
                        .iter()
                        .map(|event| match event {
                            Event::Introduced(text) => StoredEvent::Introduced(text),
                            Event::Fixed(text) => StoredEvent::Fixed(text),
                            Event::LastAffected(text) => StoredEvent::LastAffected(text),
                            Event::Limit(text) => StoredEvent::Limit(text),
                        })
                        .collect(),
                })
                .collect(),
            versions: affected
                .versions
                .iter()
                .map(|version| version.0.as_str())
                .collect(),
            informational: affected.informational.as_deref(),
            module: affected.module.as_deref(),
            fix_state: affected.fix_state.map(StoredFixState::from),
        }
    }
}

impl StoredAffected<'_> {
    fn read(&self, version: Option<&str>) -> Affected {
        let kept = |listed: &str| version.is_none_or(|version| may_be_equal(listed, version));
        Affected {
            package: self.package.map(|(ecosystem, name)| Package {
                ecosystem: ecosystem.to_owned(),
                name: name.to_owned(),
            }),
            severity: self
                .severity
                .iter()
                .map(|(kind, score)| Severity {
                    kind: (*kind).to_owned(),
                    score: Text((*score).to_owned()),
                })
                .collect(),
            ranges: self
                .ranges
                .iter()
                .map(|range| Range {
                    kind: match range.kind {
                        StoredKind::SemVer => RangeKind::SemVer,
                        StoredKind::Ecosystem => RangeKind::Ecosystem,
                        StoredKind::Git => RangeKind::Git,
                        StoredKind::Other(kind) => RangeKind::Other(kind.to_owned()),
                    },
                    events: range
                        .events
                        .iter()
                        .map(|event| match event {
                            StoredEvent::Introduced(text) => Event::Introduced((*text).to_owned()),
                            StoredEvent::Fixed(text) => Event::Fixed((*text).to_owned()),
                            StoredEvent::LastAffected(text) => Event::LastAffected((*text).to_owned()),
                            StoredEvent::Limit(text) => Event::Limit((*text).to_owned()),
                        })
                        .collect(),
                })
                .collect(),
            versions: self
                .versions
                .iter()
                .enumerate()
                .filter(|(index, listed)| *index == 0 || kept(listed))
                .map(|(_, listed)| Text((*listed).to_owned()))
                .collect(),
            informational: self.informational.map(str::to_owned),
            module: self.module.map(str::to_owned),
            fix_state: self.fix_state.map(FixState::from),
        }
    }
}
