//! The parts of an OSV record that matching reads, taken leniently from its JSON.
//!
//! Real records hold `null` where lists belong, numbers where texts do and range types that nobody
//! listed; none of that may cost the rest of the record. Unknown fields are ignored here and survive
//! in the record's own bytes, which this module never writes.

use serde::{Deserialize, Deserializer};

pub use crate::lenient::Text;
use crate::lenient::or_default;

/// An OSV record, as far as matching needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The record's id in its source, such as `GHSA-…`.
    pub id: String,
    /// Other ids of the same vulnerability.
    #[serde(default, deserialize_with = "or_default")]
    pub aliases: Vec<String>,
    /// Ids of the vulnerabilities that this one was derived from (distributions name the CVE here).
    #[serde(default, deserialize_with = "or_default")]
    pub upstream: Vec<String>,
    /// The time of withdrawal as the source wrote it; `None` if the record stands.
    #[serde(default, deserialize_with = "or_default")]
    pub withdrawn: Option<String>,
    /// One line for people.
    #[serde(default, deserialize_with = "or_default")]
    pub summary: String,
    /// Severities of the whole record.
    #[serde(default, deserialize_with = "or_default")]
    pub severity: Vec<Severity>,
    /// What is affected.
    #[serde(default, deserialize_with = "or_default")]
    pub affected: Vec<Affected>,
}

/// One package (or repository) and its affected versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Affected {
    /// The package; `None` where only a repository is named.
    #[serde(default, deserialize_with = "or_default")]
    pub package: Option<Package>,
    /// Severities of this package; they win over the record's.
    #[serde(default, deserialize_with = "or_default")]
    pub severity: Vec<Severity>,
    /// Affected ranges.
    #[serde(default, deserialize_with = "or_default")]
    pub ranges: Vec<Range>,
    /// Affected versions, one by one.
    #[serde(default, deserialize_with = "or_default")]
    pub versions: Vec<Text>,
}

/// The package of an [`Affected`] entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// The OSV ecosystem, with suffix.
    #[serde(default, deserialize_with = "or_default")]
    pub ecosystem: String,
    /// The name as the source spells it.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
}

/// A severity as a source states it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Severity {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, or a distribution's own scale such as `Ubuntu`.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// A CVSS vector, or a word of the scale.
    #[serde(default, deserialize_with = "or_default")]
    pub score: Text,
}

/// A range of versions as a list of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Range {
    /// How the events are ordered.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: RangeKind,
    /// Where versions become affected and cease to be, in any order.
    #[serde(default, deserialize_with = "events")]
    pub events: Vec<Event>,
}

/// How a range's events are ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Text")]
pub enum RangeKind {
    /// By SemVer 2.0.0.
    SemVer,
    /// By the package's ecosystem.
    #[default]
    Ecosystem,
    /// By the commit graph of a repository.
    Git,
    /// A type that this build does not know.
    Other(String),
}

impl RangeKind {
    /// Returns the type as OSV writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SemVer => "SEMVER",
            Self::Ecosystem => "ECOSYSTEM",
            Self::Git => "GIT",
            Self::Other(text) => text,
        }
    }
}

impl From<Text> for RangeKind {
    fn from(text: Text) -> Self {
        match text.0.as_str() {
            "SEMVER" => Self::SemVer,
            "ECOSYSTEM" | "" => Self::Ecosystem,
            "GIT" => Self::Git,
            _ => Self::Other(text.0),
        }
    }
}

/// A point where a range's state changes. `0` as the version of `Introduced` is before all versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// This version and later ones are affected.
    Introduced(String),
    /// This version and later ones are not.
    Fixed(String),
    /// Versions after this one are not.
    LastAffected(String),
    /// Versions from here on are outside of what the range speaks about; `*` is no limit.
    Limit(String),
}

/// A record that is no OSV document.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the advisory as an OSV record")]
pub struct OsvError(#[source] serde_json::Error);

impl Record {
    /// Reads a record from its JSON. Nesting is bounded by the JSON reader (128 levels).
    ///
    /// # Errors
    /// If the bytes are no JSON object with an `id`, or a part that matching needs has a wrong shape.
    pub fn from_json(bytes: &[u8]) -> Result<Self, OsvError> {
        serde_json::from_slice(bytes).map_err(OsvError)
    }
}

/// Reads events; one object with several keys is as many events.
fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Event>, D::Error> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        introduced: Option<Text>,
        #[serde(default)]
        fixed: Option<Text>,
        #[serde(default)]
        last_affected: Option<Text>,
        #[serde(default)]
        limit: Option<Text>,
    }
    let raw = Option::<Vec<Option<Raw>>>::deserialize(deserializer)?.unwrap_or_default();
    let mut events = Vec::with_capacity(raw.len());
    for entry in raw.into_iter().flatten() {
        events.extend(entry.introduced.map(|t| Event::Introduced(t.0)));
        events.extend(entry.fixed.map(|t| Event::Fixed(t.0)));
        events.extend(entry.last_affected.map(|t| Event::LastAffected(t.0)));
        events.extend(entry.limit.map(|t| Event::Limit(t.0)));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_stands_for_an_empty_list() {
        let record = Record::from_json(
            br#"{"id":"X-1","aliases":null,"severity":null,"affected":[{"package":null,"ranges":null,"versions":null}]}"#,
        )
        .unwrap();
        assert_eq!(record.affected, vec![Affected::default()]);
    }

    #[test]
    fn numbers_unknown_kinds_and_joint_events_are_read() {
        let record = Record::from_json(
            br#"{"id":"X-1","new_field":{},"affected":[{"versions":[1,"2"],"ranges":[
                {"type":"HOLOGRAM","events":[{"introduced":0,"fixed":"3"},null]}]}]}"#,
        )
        .unwrap();
        let affected = &record.affected[0];
        assert_eq!(affected.versions, vec![Text("1".into()), Text("2".into())]);
        assert_eq!(affected.ranges[0].kind, RangeKind::Other("HOLOGRAM".into()));
        assert_eq!(
            affected.ranges[0].events,
            vec![Event::Introduced("0".into()), Event::Fixed("3".into())]
        );
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bytes in [
            &b"[]"[..],
            b"{}",
            b"",
            b"{\"id\":1}",
            br#"{"id":"X","affected":{}}"#,
        ] {
            assert!(
                Record::from_json(bytes).is_err(),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
