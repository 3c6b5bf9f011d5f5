//! The parts of an OSV record that matching needs, read leniently from its JSON.
//!
//! Real records contain `null` for lists, numbers for texts and unlisted range types; none of that may discard the
//! rest of the record. Unknown fields are ignored here and stay in the record's own bytes, which this module never
//! writes.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::fix::FixState;
pub use crate::lenient::Text;
use crate::lenient::{AnyText, Fields, or_default};
use crate::matching::placed;
use crate::severity::{Level, score_loosely, score_vector};
use crate::version::Scheme;

/// The parts of an OSV record that matching needs.
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
    /// Time of withdrawal, as written by the source; `None` if the record is in force.
    #[serde(default, deserialize_with = "or_default")]
    pub withdrawn: Option<String>,
    /// A one-line summary.
    #[serde(default, deserialize_with = "or_default")]
    pub summary: String,
    /// A longer description.
    #[serde(default, deserialize_with = "or_default")]
    pub details: Text,
    /// Severities of the whole record.
    #[serde(default, deserialize_with = "or_default")]
    pub severity: Vec<Severity>,
    /// The database's own data; it may contain a severity as a word.
    #[serde(default, rename = "database_specific")]
    pub(crate) words: Words,
    /// The affected packages.
    #[serde(default, deserialize_with = "or_default")]
    pub affected: Vec<Affected>,
}

/// One package (or repository) and its affected versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "RawAffected")]
pub struct Affected {
    /// The package; `None` if only a repository is named.
    pub package: Option<Package>,
    /// Severities of this package, which have priority over the record's. A severity as a word is used if the list is
    /// empty.
    pub severity: Vec<Severity>,
    /// Affected ranges.
    pub ranges: Vec<Range>,
    /// Affected versions, one by one.
    pub versions: Vec<Text>,
    /// The class, if the entry is not about a vulnerability: `unmaintained`, `unsound`, `notice`.
    pub informational: Option<String>,
    /// The module stream of the entry, as `name:stream`, if the database states it.
    pub module: Option<String>,
    /// The database's statement about the missing fix.
    pub fix_state: Option<FixState>,
}

impl From<RawAffected> for Affected {
    fn from(raw: RawAffected) -> Self {
        let mut severity = raw.severity;
        if severity.is_empty() {
            let word = raw.ecosystem_specific.severity.or(raw.database_specific.severity);
            severity.extend(word);
        }
        Self {
            package: raw.package,
            severity,
            ranges: raw.ranges,
            versions: raw.versions,
            informational: raw.database_specific.informational,
            module: raw.ecosystem_specific.module,
            fix_state: raw.database_specific.fix_state,
        }
    }
}

/// The type of the range that stands for unreadable rules. Such a range leaves all versions undecided.
const UNREADABLE: &str = "unreadable";

impl Affected {
    /// Reads an entry of `affected`. Unreadable rules leave versions undecided, except those that match a readable rule.
    pub fn from_entry(entry: &Value) -> Self {
        match Self::deserialize(entry) {
            Ok(affected)
                if !ranges_of(entry).any(has_unknown_event)
                    && !affected
                        .versions
                        .iter()
                        .any(|version| names_no_version(&version.0))
                    && !has_misspelt_rules(entry)
                    && !affected.lists_no_version() =>
            {
                affected
            }
            _ => Self::salvaged(entry),
        }
    }

    /// Reads the readable parts of an entry, and adds a range of type [`UNREADABLE`] for the rest of its rules.
    fn salvaged(entry: &Value) -> Self {
        let words = |field| entry.get(field).and_then(|words| Words::deserialize(words).ok());
        let mut affected = Self::from(RawAffected {
            package: entry
                .get("package")
                .and_then(|package| Option::deserialize(package).ok().flatten()),
            severity: Severity::readable_of(entry.get("severity")),
            ranges: Vec::new(),
            versions: Vec::new(),
            ecosystem_specific: words("ecosystem_specific").unwrap_or_default(),
            database_specific: words("database_specific").unwrap_or_default(),
        });
        let mut is_unreadable = !entry.is_object();
        match entry.get("versions") {
            None | Some(Value::Null) => {}
            Some(Value::Array(versions)) => {
                for version in versions {
                    match Text::deserialize(version) {
                        Ok(version) if !names_no_version(&version.0) => affected.versions.push(version),
                        _ => is_unreadable = true,
                    }
                }
            }
            Some(_) => is_unreadable = true,
        }
        if !matches!(entry.get("ranges"), None | Some(Value::Null | Value::Array(_))) {
            is_unreadable = true;
        }
        is_unreadable |= has_misspelt_rules(entry) || affected.lists_no_version();
        for range in ranges_of(entry) {
            match Range::deserialize(range) {
                Ok(range_read) if !has_unknown_event(range) => affected.ranges.push(range_read),
                _ => is_unreadable = true,
            }
        }
        if is_unreadable {
            affected.ranges.push(Range {
                kind: RangeKind::Other(UNREADABLE.to_owned()),
                events: Vec::new(),
            });
        }
        affected
    }
}

impl Affected {
    /// Returns true if it lists texts, and none of them is a version of its ecosystem.
    fn lists_no_version(&self) -> bool {
        let ecosystem = self.package.as_ref().map(|package| package.ecosystem.as_str());
        let Some(scheme) = ecosystem.and_then(Scheme::for_ecosystem) else {
            return false;
        };
        let is_none = |listed: &Text| placed(scheme, &listed.0).is_none();
        !self.versions.is_empty() && self.versions.iter().all(is_none)
    }
}

/// Members of an entry in the schema.
const MEMBERS: [&str; 6] = [
    "package",
    "severity",
    "ranges",
    "versions",
    "ecosystem_specific",
    "database_specific",
];

/// Returns true if an entry has a member that may be meant for its rules: `range`, `Versions`, `vulnerable_versions`.
fn has_misspelt_rules(entry: &Value) -> bool {
    let mut keys = entry.as_object().into_iter().flat_map(serde_json::Map::keys);
    keys.any(|key| !MEMBERS.contains(&key.as_str()) && may_hold_rules(key))
}

/// Returns true for a name that contains, or is nearly, the name of a member that holds rules.
fn may_hold_rules(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let contains = ["range", "version"].iter().any(|part| key.contains(part));
    contains
        || ["ranges", "versions"]
            .iter()
            .any(|known| is_one_slip(&key, known))
}

/// Returns true if two names differ by one letter, or by the order of two letters beside each other.
fn is_one_slip(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[start..], &other[start..]);
    let tail = |list: &'_ [u8], from: usize| list.get(from..).map(<[u8]>::to_vec);
    tail(one, 1) == tail(other, 1)
        || tail(one, 1).as_deref() == Some(other)
        || tail(other, 1).as_deref() == Some(one)
        || (one.len() > 1
            && other.len() > 1
            && (one[0], one[1]) == (other[1], other[0])
            && one[2..] == other[2..])
}

/// Returns the items of an entry's `ranges`, unparsed.
fn ranges_of(entry: &Value) -> impl Iterator<Item = &Value> {
    entry
        .get("ranges")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Words that sources write instead of a version if they mean any version, or do not know it.
const NO_VERSIONS: [&str; 7] = ["-", "all", "any", "n/a", "na", "unknown", "unspecified"];

/// Returns true if an entry of `versions` is empty, a requirement, a pattern, a list or a word, so that it may mean any
/// version.
pub(crate) fn names_no_version(version: &str) -> bool {
    let text = version.trim();
    let is_open = |part: &str| matches!(part, "x" | "X" | "*");
    text.is_empty()
        || text.starts_with(['<', '>', '~', '^', '='])
        || text.contains([' ', ',', ';', '|'])
        || text.split('.').any(is_open)
        || NO_VERSIONS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Returns true if a range has an event of a kind that this program does not know, or without a version.
fn has_unknown_event(range: &Value) -> bool {
    const KNOWN: [&str; 4] = ["introduced", "fixed", "last_affected", "limit"];
    let events = range.get("events").and_then(Value::as_array);
    events.into_iter().flatten().any(|event| {
        let is_empty = |event: &serde_json::Map<String, Value>| event.is_empty();
        let known = || {
            KNOWN
                .iter()
                .any(|kind| event.get(kind).is_some_and(|at| !at.is_null()))
        };
        !event.is_null() && !event.as_object().is_some_and(is_empty) && !known()
    })
}

#[derive(Deserialize)]
struct RawAffected {
    #[serde(default, deserialize_with = "or_default")]
    package: Option<Package>,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Severity>,
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<Range>,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<Text>,
    #[serde(default)]
    ecosystem_specific: Words,
    #[serde(default)]
    database_specific: Words,
}

/// Data in database-specific fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// The severity, with the name of its field.
    pub(crate) severity: Option<Severity>,
    /// The class of an advisory that is not about a vulnerability.
    pub(crate) informational: Option<String>,
    /// The stream of a module.
    pub(crate) module: Option<String>,
    /// The state of a missing fix.
    pub(crate) fix_state: Option<FixState>,
}

/// Fields with a severity as a word: GitHub's and others', Debian's, Ubuntu's, Red Hat's, and other names of
/// distributions; RustSec's field contains a vector.
const SEVERITY_FIELDS: [&str; 8] = [
    "severity",
    "urgency",
    "ubuntu_priority",
    "threat_severity",
    "importance",
    "impact",
    "priority",
    "cvss",
];

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut words = Self::default();
        deserializer.deserialize_any(Fields(|key: &str, AnyText(value): AnyText<'de>| {
            let value = value.trim();
            if key == "informational" && !value.is_empty() {
                words.informational = Some(value.to_owned());
            } else if key == "rpmmod" && !value.is_empty() {
                words.module = Some(value.to_owned());
            } else if key == "fix_state" {
                words.fix_state = FixState::of_word(value);
            } else if words.severity.is_none()
                && SEVERITY_FIELDS.contains(&key)
                && (value.parse().is_ok_and(|level: Level| level != Level::Unknown)
                    || score_vector(value).is_some()
                    || score_loosely(key, value).is_some())
            {
                words.severity = Some(Severity {
                    kind: key.to_owned(),
                    score: Text(value.to_owned()),
                });
            }
        }))?;
        Ok(words)
    }
}

/// Longest summary taken from a description, in characters.
const MAX_SENTENCE_CHARS: usize = 200;

/// Returns the first sentence of a text, for a record without a summary; skips headings.
pub fn first_sentence(details: &str) -> String {
    let mut lines = details
        .lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("---"));
    let mut sentence = String::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(line);
        if sentence.len() > 4 * MAX_SENTENCE_CHARS {
            break;
        }
    }
    let end = sentence.find(". ").map_or(sentence.len(), |at| at + 1);
    let first = sentence.get(..end).unwrap_or(&sentence);
    if first.chars().count() <= MAX_SENTENCE_CHARS {
        return first.to_owned();
    }
    let mut cut: String = first.chars().take(MAX_SENTENCE_CHARS - 1).collect();
    cut.push('…');
    cut
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

impl Severity {
    /// Reads a list of severities without those that cannot be read.
    pub fn readable_of(list: Option<&Value>) -> Vec<Self> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|one| Self::deserialize(one).ok()).collect()
    }
}

/// A range of versions as a list of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Range {
    /// The order of the events.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: RangeKind,
    /// The points where versions become affected or unaffected, in any order.
    #[serde(default, deserialize_with = "events")]
    pub events: Vec<Event>,
}

/// The order of a range's events.
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
    /// A type that this program does not know.
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

/// A point where a range's state changes. The version `0` of `Introduced` is before all versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// This version and later ones are affected.
    Introduced(String),
    /// This version and later ones are not.
    Fixed(String),
    /// Versions after this one are not.
    LastAffected(String),
    /// The range makes no statement about versions from here on; `*` is no limit.
    Limit(String),
}

/// The reason why a record is not an OSV document.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the advisory as an OSV record")]
pub struct OsvError(#[source] serde_json::Error);

impl Record {
    /// Parses a record from JSON. The JSON reader limits the nesting (128 levels).
    ///
    /// # Errors
    /// If the bytes are not a JSON object with an `id`, or a part that matching needs has a wrong form.
    pub fn from_json(bytes: &[u8]) -> Result<Self, OsvError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(OsvError)
    }

    /// Returns the summary, or else the first sentence of the details.
    pub fn summary_or_details(&self) -> String {
        match self.summary.trim() {
            "" => first_sentence(&self.details.0),
            summary => summary.to_owned(),
        }
    }

    /// Returns the severities: those of the list, and the one in the database's own data.
    pub fn severities(&self) -> impl Iterator<Item = &Severity> {
        self.severity.iter().chain(&self.words.severity)
    }
}

/// Parses events; an object with several keys is several events.
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
mod tests;
