//! An advisory as the index keeps it. Postcard needs shapes that say what they hold, which the lenient types
//! that read foreign JSON do not; so these stand between, one for one.

use serde::{Deserialize, Serialize};

use crate::knowledge::{Advisory, Conflict, Provenance};
use crate::osv::{Affected, Event, Package, Range, RangeKind, Severity, Text};
use crate::severity::StatedSeverity;
use crate::threat::{Probability, Threat};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAdvisory {
    merge_hash: String,
    vulnerability: String,
    ids: Vec<String>,
    summary: String,
    withdrawn: Option<String>,
    /// Source, kind, value.
    severities: Vec<(String, String, String)>,
    threat: StoredThreat,
    affected: Vec<StoredAffected>,
    /// Source, record, sites.
    provenance: Vec<(String, String, Vec<String>)>,
    /// Field, chosen, lost.
    conflicts: Vec<(String, String, Vec<String>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredThreat {
    published: Option<String>,
    kev: Option<bool>,
    /// In hundred-thousandths.
    epss: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAffected {
    /// Ecosystem, name.
    package: Option<(String, String)>,
    /// Kind, score.
    severity: Vec<(String, String)>,
    ranges: Vec<StoredRange>,
    versions: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRange {
    kind: StoredKind,
    events: Vec<StoredEvent>,
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredKind {
    SemVer,
    Ecosystem,
    Git,
    Other(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredEvent {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

impl From<&Advisory> for StoredAdvisory {
    fn from(advisory: &Advisory) -> Self {
        Self {
            merge_hash: advisory.merge_hash.clone(),
            vulnerability: advisory.vulnerability.clone(),
            ids: advisory.ids.clone(),
            summary: advisory.summary.clone(),
            withdrawn: advisory.withdrawn.clone(),
            severities: advisory
                .severities
                .iter()
                .map(|s| (s.source.clone(), s.kind.clone(), s.value.clone()))
                .collect(),
            threat: StoredThreat::from(&advisory.threat),
            affected: advisory.affected.iter().map(StoredAffected::from).collect(),
            provenance: advisory
                .provenance
                .iter()
                .map(|p| (p.source.clone(), p.record.clone(), p.sites.clone()))
                .collect(),
            conflicts: advisory
                .conflicts
                .iter()
                .map(|c| (c.field.clone(), c.chosen.clone(), c.lost.clone()))
                .collect(),
        }
    }
}

impl From<StoredAdvisory> for Advisory {
    fn from(stored: StoredAdvisory) -> Self {
        Self {
            merge_hash: stored.merge_hash,
            vulnerability: stored.vulnerability,
            ids: stored.ids,
            summary: stored.summary,
            withdrawn: stored.withdrawn,
            severities: stored
                .severities
                .into_iter()
                .map(|(source, kind, value)| StatedSeverity { source, kind, value })
                .collect(),
            threat: Threat::from(stored.threat),
            affected: stored.affected.into_iter().map(Affected::from).collect(),
            provenance: stored
                .provenance
                .into_iter()
                .map(|(source, record, sites)| Provenance {
                    source,
                    record,
                    sites,
                })
                .collect(),
            conflicts: stored
                .conflicts
                .into_iter()
                .map(|(field, chosen, lost)| Conflict { field, chosen, lost })
                .collect(),
        }
    }
}

impl From<&Threat> for StoredThreat {
    fn from(threat: &Threat) -> Self {
        Self {
            published: threat.published.clone(),
            kev: threat.kev,
            epss: threat.epss.map(Probability::hundred_thousandths),
        }
    }
}

impl From<StoredThreat> for Threat {
    fn from(stored: StoredThreat) -> Self {
        Self {
            published: stored.published,
            kev: stored.kev,
            epss: stored.epss.map(Probability::of_hundred_thousandths),
        }
    }
}

impl From<&Affected> for StoredAffected {
    fn from(affected: &Affected) -> Self {
        Self {
            package: affected
                .package
                .as_ref()
                .map(|package| (package.ecosystem.clone(), package.name.clone())),
            severity: affected
                .severity
                .iter()
                .map(|s| (s.kind.clone(), s.score.0.clone()))
                .collect(),
            ranges: affected
                .ranges
                .iter()
                .map(|range| StoredRange {
                    kind: match &range.kind {
                        RangeKind::SemVer => StoredKind::SemVer,
                        RangeKind::Ecosystem => StoredKind::Ecosystem,
                        RangeKind::Git => StoredKind::Git,
                        RangeKind::Other(kind) => StoredKind::Other(kind.clone()),
                    },
                    events: range
                        .events
                        .iter()
                        .map(|event| match event.clone() {
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
                .map(|version| version.0.clone())
                .collect(),
        }
    }
}

impl From<StoredAffected> for Affected {
    fn from(stored: StoredAffected) -> Self {
        Self {
            package: stored
                .package
                .map(|(ecosystem, name)| Package { ecosystem, name }),
            severity: stored
                .severity
                .into_iter()
                .map(|(kind, score)| Severity {
                    kind,
                    score: Text(score),
                })
                .collect(),
            ranges: stored
                .ranges
                .into_iter()
                .map(|range| Range {
                    kind: match range.kind {
                        StoredKind::SemVer => RangeKind::SemVer,
                        StoredKind::Ecosystem => RangeKind::Ecosystem,
                        StoredKind::Git => RangeKind::Git,
                        StoredKind::Other(kind) => RangeKind::Other(kind),
                    },
                    events: range
                        .events
                        .into_iter()
                        .map(|event| match event {
                            StoredEvent::Introduced(text) => Event::Introduced(text),
                            StoredEvent::Fixed(text) => Event::Fixed(text),
                            StoredEvent::LastAffected(text) => Event::LastAffected(text),
                            StoredEvent::Limit(text) => Event::Limit(text),
                        })
                        .collect(),
                })
                .collect(),
            versions: stored.versions.into_iter().map(Text).collect(),
        }
    }
}
