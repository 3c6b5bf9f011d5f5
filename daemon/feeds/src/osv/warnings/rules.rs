//! Checks the rules of an entry for typical mistakes, which a scan leaves undecided or reads as they stand.

use starling_protocol::json::{Object, Value};

use super::{Checker, Segment, WarningKind, quote};
use crate::connectors::severity::vector_of;

/// The members of each object that states affected versions.
const OF_ENTRY: [&str; 6] = [
    "package",
    "severity",
    "ranges",
    "versions",
    "ecosystem_specific",
    "database_specific",
];
const OF_PACKAGE: [&str; 3] = ["ecosystem", "name", "purl"];
const OF_RANGE: [&str; 4] = ["type", "repo", "events", "database_specific"];
const OF_EVENT: [&str; 4] = ["introduced", "fixed", "last_affected", "limit"];

/// The types of a range.
const TYPES: [&str; 3] = ["SEMVER", "ECOSYSTEM", "GIT"];

impl Checker {
    /// Warns about a record's ratings that have no score.
    pub(super) fn ratings(&mut self, record: &Object<'_>) {
        self.each(record, "severity", |checker, severity| {
            let text = |key| severity.get(key).and_then(Value::as_str).map(str::trim);
            let (Some(kind), Some(score)) = (text("type"), text("score")) else {
                return;
            };
            let is_scored = vector_of(score, "").is_some() || score.parse::<f64>().is_ok();
            if kind.starts_with("CVSS_") && !is_scored {
                checker.warn(WarningKind::NotAVector { found: quote(score) });
            }
        });
    }

    /// Warns about an entry that states no versions, and about members that nothing reads.
    pub(super) fn rules(&mut self, entry: &Object<'_>) {
        self.members(entry, &OF_ENTRY);
        if let Some(package) = entry.get("package").and_then(Value::as_object) {
            self.at(Segment::Key("package"), |checker| {
                checker.members(package, &OF_PACKAGE);
            });
        }
        let is_empty = |key| match entry.get(key) {
            None | Some(Value::Null) => true,
            Some(list) => list.as_array().is_some_and(<[_]>::is_empty),
        };
        let is_about_a_package = entry.get("package").is_some_and(|package| !package.is_null());
        if is_about_a_package && is_empty("ranges") && is_empty("versions") {
            self.warn(WarningKind::NoRules);
        }
        self.ratings(entry);
    }

    /// Warns about a range that a scan reads in part only.
    pub(super) fn rules_of_range(&mut self, range: &Object<'_>) {
        self.members(range, &OF_RANGE);
        let kind = range.get("type").and_then(Value::as_str);
        if let Some(kind) = kind.filter(|kind| !TYPES.contains(kind)) {
            self.warn(WarningKind::UnknownRange { found: quote(kind) });
        }
        let events = range.get("events").and_then(Value::as_array);
        let events: Vec<&Object<'_>> = events
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_object)
            .collect();
        if !events.iter().any(|event| event.get("introduced").is_some()) {
            self.warn(WarningKind::NoBeginning);
        }
        let is_of_commits = kind == Some("GIT");
        self.each(range, "events", |checker, event| {
            checker.members(event, &OF_EVENT);
            for (kind, version) in event.iter().filter(|_| !is_of_commits) {
                let text = version.as_str().map(str::trim);
                let text = text.filter(|text| !text.contains(|c: char| c.is_ascii_digit()));
                let is_limit = kind == "limit" && text == Some("*");
                if let Some(text) = text.filter(|_| OF_EVENT.contains(&kind) && !is_limit) {
                    let event = format!("{} \"{}\"", quote(kind), quote(text));
                    checker.warn(WarningKind::NotAVersion { event });
                }
            }
        });
        if let Some(event) = idle_end(&events).filter(|_| !is_of_commits) {
            self.warn(WarningKind::IdleEnd { event });
        }
    }

    /// Looks at each object of a list; other items are reported elsewhere.
    fn each<'v, 'a>(
        &mut self,
        object: &'v Object<'a>,
        key: &'static str,
        look: impl Fn(&mut Self, &'v Object<'a>),
    ) {
        let items = object.get(key).and_then(Value::as_array).unwrap_or_default();
        self.at(Segment::Key(key), |checker| {
            for (index, item) in items.iter().enumerate() {
                if let Some(item) = item.as_object() {
                    checker.at(Segment::Index(index), |checker| look(checker, item));
                }
            }
        });
    }

    /// Warns about members that the schema does not have: a mistyped one is not read.
    fn members(&mut self, object: &Object<'_>, known: &[&str]) {
        for (key, _) in object.iter().filter(|(key, _)| !known.contains(key)) {
            self.warn(WarningKind::UnknownMember { found: quote(key) });
        }
    }
}

/// Returns an end before which nothing begins, or not again since another end. Only versions that are numbers alone are
/// compared; a range with others has none.
fn idle_end(events: &[&Object<'_>]) -> Option<String> {
    let mut points: Vec<(Vec<u64>, &str, &str)> = Vec::new();
    for (kind, version) in events.iter().flat_map(|event| event.iter()) {
        points.push((numbers(version.as_str()?.trim())?, kind, version.as_str()?));
    }
    // At one version, what begins there comes before what ends with it.
    let rank = |kind: &str| usize::from(kind == "last_affected");
    points.sort_by(|(a, first, _), (b, second, _)| a.cmp(b).then(rank(first).cmp(&rank(second))));
    let mut is_open = false;
    for group in points.chunk_by(|(a, first, _), (b, second, _)| a == b && rank(first) == rank(second)) {
        let begins = group.iter().any(|(_, kind, _)| *kind == "introduced");
        let end = group
            .iter()
            .find(|(_, kind, _)| matches!(*kind, "fixed" | "last_affected"));
        match end {
            Some((_, kind, version)) if !begins && !is_open => {
                return Some(format!("{} \"{}\"", quote(kind), quote(version)));
            }
            // A version where one range ends and the next one begins, or an empty range.
            Some(_) if begins => {}
            Some(_) => is_open = false,
            None => is_open |= begins,
        }
    }
    None
}

/// Returns the numbers of a version without zeros at their end; `None` for any other text.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let numbers: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    let mut numbers = numbers.filter(|_| !version.contains('+'))?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}
