//! The form of a record's rules: members that are nearly those of the schema, types of ranges, events.

use starling_protocol::json::{Object, Value};

use super::{Checker, Segment, WarningKind, quote};
use crate::connectors::severity;

/// Members of a record.
pub(super) const RECORD: [&str; 15] = [
    "id",
    "modified",
    "schema_version",
    "published",
    "aliases",
    "affected",
    "references",
    "summary",
    "details",
    "severity",
    "database_specific",
    "related",
    "upstream",
    "withdrawn",
    "credits",
];
/// Members of an entry of `affected`.
pub(super) const AFFECTED: [&str; 6] = [
    "package",
    "severity",
    "ranges",
    "versions",
    "ecosystem_specific",
    "database_specific",
];
/// Members of a package.
pub(super) const PACKAGE: [&str; 3] = ["ecosystem", "name", "purl"];
/// Members of a range.
const RANGE: [&str; 4] = ["type", "repo", "events", "database_specific"];
/// Members of an event.
pub(super) const EVENTS: [&str; 4] = ["introduced", "fixed", "last_affected", "limit"];
/// Members of a severity; some databases add its `source`.
const SEVERITY: [&str; 2] = ["type", "score"];

impl Checker {
    /// Warns about members whose names are nearly those of the schema.
    pub(super) fn spelling(&mut self, object: &Object<'_>, known: &[&'static str]) {
        if !self.is_document {
            return;
        }
        for (key, _) in object.iter().filter(|(key, _)| !known.contains(key)) {
            if let Some(known) = meant(key, known) {
                let found = quote(key);
                self.warn(WarningKind::Misspelt { found, known });
            }
        }
    }

    /// Warns about an entry that affects no version, or says one thing twice.
    pub(super) fn rules(&mut self, affected: &Object<'_>) {
        if !self.is_document {
            return;
        }
        let is_empty = |key: &str| match affected.get(key) {
            None | Some(Value::Null) => true,
            Some(value) => value.as_array().is_some_and(<[_]>::is_empty),
        };
        if is_empty("ranges") && is_empty("versions") {
            self.warn(WarningKind::NoRules);
        }
        let ranges = affected
            .get("ranges")
            .and_then(Value::as_array)
            .unwrap_or_default();
        if ranges.len() < 2 {
            return;
        }
        let mut seen = std::collections::BTreeSet::new();
        self.at(Segment::Key("ranges"), |checker| {
            for (index, range) in ranges.iter().enumerate() {
                if !seen.insert(range.to_canonical()) {
                    checker.at(Segment::Index(index), |checker| {
                        checker.warn(WarningKind::RepeatedRange);
                    });
                }
            }
        });
    }

    /// Warns about a range of an unknown type, or whose events cannot mean what they say.
    pub(super) fn form_of_range(&mut self, range: &Object<'_>) {
        if !self.is_document {
            return;
        }
        self.spelling(range, &RANGE);
        match range.get("type") {
            None | Some(Value::Null) => self.warn(WarningKind::NoRangeType),
            Some(Value::String(kind)) if !["SEMVER", "ECOSYSTEM", "GIT"].contains(&kind.as_ref()) => {
                let found = quote(kind);
                self.at(Segment::Key("type"), |checker| {
                    checker.warn(WarningKind::RangeType { found });
                });
            }
            Some(_) => {}
        }
        let events = range.get("events").and_then(Value::as_array).unwrap_or_default();
        let has = |kind: &str| events.iter().any(|event| event.get(kind).is_some());
        if !has("introduced") {
            self.warn(WarningKind::NoBeginning);
        }
        if has("fixed") && has("last_affected") {
            self.warn(WarningKind::TwoKindsOfEnd);
        }
    }

    /// Warns about an object that is not one event.
    pub(super) fn form_of_event(&mut self, event: &Object<'_>) {
        if !self.is_document {
            return;
        }
        self.spelling(event, &EVENTS);
        let kinds = || EVENTS.into_iter().filter(|kind| event.get(kind).is_some());
        match kinds().count() {
            0 => self.warn(WarningKind::NoEvent),
            1 => {}
            _ => {
                let found = kinds().collect::<Vec<_>>().join(", ");
                self.warn(WarningKind::SeveralEvents { found });
            }
        }
    }

    /// Warns about the types of a severity's members.
    pub(super) fn severity(&mut self, severity: &Object<'_>) {
        if self.is_document {
            self.spelling(severity, &SEVERITY);
            self.text(severity, &SEVERITY);
        }
    }
}

/// Returns the member of the schema that a name is nearly.
fn meant(found: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = found.to_ascii_lowercase();
    let is_meant = |known: &&&'static str| {
        let slips = match known.len() {
            ..=3 => 0,
            4 | 5 => 1,
            _ => 2,
        };
        let is_rules = match **known {
            "ranges" => lower.contains("range"),
            "versions" => lower.contains("version"),
            _ => false,
        };
        is_rules || distance(lower.as_bytes(), known.as_bytes()) <= slips
    };
    known.iter().find(is_meant).copied()
}

/// Returns how many letters have to be changed, added, removed or swapped with the next one to make one word of another.
fn distance(one: &[u8], other: &[u8]) -> usize {
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    for (row, a) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let change = last[column] + usize::from(a != b);
            let mut least = change.min(last[column + 1] + 1).min(next[column] + 1);
            let is_swap = row > 0 && column > 0 && one[row - 1] == *b && other[column - 1] == *a;
            if is_swap {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        (before, last) = (last, next);
    }
    last.last().copied().unwrap_or_default()
}

/// Returns true if the orders of versions or the scales of severities may show a mistake that the form does not.
pub(super) fn needs_orders(record: &Object<'_>) -> bool {
    let entries = record
        .get("affected")
        .and_then(Value::as_array)
        .unwrap_or_default();
    has_odd_severity(record.get("severity")) || entries.iter().any(has_odd_rules)
}

fn has_odd_rules(entry: &Value<'_>) -> bool {
    let list = |key: &str| entry.get(key).and_then(Value::as_array).unwrap_or_default();
    let versions = || {
        list("versions")
            .iter()
            .map(|version| version.as_str().unwrap_or_default())
    };
    has_odd_severity(entry.get("severity"))
        || !list("ranges").iter().all(is_plain)
        || versions().any(|text| !text.starts_with(|c: char| c.is_alphanumeric()) || is_open(text))
        || (versions().next().is_some() && !versions().any(|text| numbers(text).is_some()))
}

/// Returns true for text that may stand for several versions: without a digit, or with one in place of which there is a letter.
fn is_open(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_digit())
        || text.contains([' ', ',', ';', '|'])
        || text.split('.').any(|part| matches!(part, "x" | "X" | "*"))
}

fn has_odd_severity(list: Option<&Value<'_>>) -> bool {
    let list = list.and_then(Value::as_array).unwrap_or_default();
    !list.iter().all(|one| {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        severity::vector_of(text("score"), "").is_some_and(|read| read.kind == text("type"))
    })
}

/// Returns true if a range is of commits, or begins and ends in turn at numbers that rise: every order reads it alike.
fn is_plain(range: &Value<'_>) -> bool {
    if range.get("type").and_then(Value::as_str) == Some("GIT") {
        return true;
    }
    let events = range.get("events").and_then(Value::as_array).unwrap_or_default();
    let mut before: Option<Vec<u64>> = None;
    events.iter().enumerate().all(|(index, event)| {
        let kinds: &[&str] = if index % 2 == 0 {
            &["introduced"]
        } else {
            &["fixed", "last_affected"]
        };
        let text = kinds
            .iter()
            .find_map(|kind| event.get(kind).and_then(Value::as_str));
        let Some(at) = text.and_then(numbers) else {
            return false;
        };
        let rises = before.as_ref().is_none_or(|before| *before < at);
        before = Some(at);
        rises
    })
}

/// Returns the numbers of a version that has nothing else, without zeros at their end.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    let mut numbers = numbers.filter(|all| all.len() <= 3 && !text.contains('+'))?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}
