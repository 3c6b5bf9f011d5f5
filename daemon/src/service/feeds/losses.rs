//! Compares a record with the version it replaces, and classifies what was lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use starling_protocol::RecordId;

/// Range ends before this version, such as `0` and `0.0.1`, leave hardly any version affected. Many records at once with
/// such an end are suspect.
const EARLIEST_END: [u64; 2] = [0, 1];

/// The form in which a record states the affected versions of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Versions,
    Ranges,
    Commits,
}

/// The end of a range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Fixed(String),
    LastAffected(String),
}

/// The content of a record whose loss is checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guarded {
    is_withdrawn: bool,
    has_severity: bool,
    /// Ecosystem and name of each affected package, and the form of the statement.
    affected: BTreeSet<(String, String, How)>,
    /// Ends of ranges of versions.
    ends: BTreeSet<End>,
}

/// The records that lost content, by kind of loss.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) withdrawn: Vec<RecordId>,
    pub(super) severity: Vec<RecordId>,
    pub(super) affected: Vec<RecordId>,
    /// Records that no longer name all packages that were affected.
    pub(super) packages: Vec<RecordId>,
    /// For each range end: the records that have it now, although it is before all their earlier ends.
    pub(super) ends: BTreeMap<End, Vec<RecordId>>,
    /// Records whose ends are all before their earlier ends, and before [`EARLIEST_END`].
    pub(super) earlier: Vec<RecordId>,
}

impl End {
    /// Describes the records with this end.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Fixed(version) => format!("are all fixed in {version} now"),
            Self::LastAffected(version) => format!("are all affected up to {version} now"),
        }
    }

    /// Returns true if it comes before another end of its kind; `None` if the other is of another kind.
    fn is_before(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Fixed(one), Self::Fixed(other)) | (Self::LastAffected(one), Self::LastAffected(other)) => {
                Some(numbers(one) < numbers(other))
            }
            _ => None,
        }
    }

    /// Returns true if it is before all ends of its kind that a record had. If the record had none of any kind, returns true
    /// if it is before [`EARLIEST_END`].
    fn is_before_all(&self, before: &Guarded) -> bool {
        if before.ends.is_empty() {
            return !before.affected.is_empty() && self.numbers().as_slice() < &EARLIEST_END[..];
        }
        let mut compared = before
            .ends
            .iter()
            .filter_map(|known| self.is_before(known))
            .peekable();
        compared.peek().is_some() && compared.all(|is_before| is_before)
    }

    fn numbers(&self) -> Vec<u64> {
        let (Self::Fixed(version) | Self::LastAffected(version)) = self;
        numbers(version)
    }
}

impl Losses {
    /// Adds a record to each kind of loss that it has.
    pub(super) fn count(&mut self, id: &RecordId, before: &Guarded, after: &Guarded) {
        if after.is_withdrawn && !before.is_withdrawn {
            self.withdrawn.push(id.clone());
            return;
        }
        if before.has_severity && !after.has_severity {
            self.severity.push(id.clone());
        }
        if !before.affected.is_empty() && after.affected.is_empty() {
            self.affected.push(id.clone());
        } else if before.affected.iter().any(|stated| !after.states(stated)) {
            self.packages.push(id.clone());
        }
        // Many records may be fixed in one release. It is suspect only if that release is before all earlier fixes.
        let early = after.ends.iter().filter(|end| end.is_before_all(before));
        let mut count = 0;
        for end in early {
            count += 1;
            self.ends.entry(end.clone()).or_default().push(id.clone());
        }
        // A source may move its fixes. It is suspect only if hardly any affected version is left.
        let is_near_zero = |end: &End| end.numbers().as_slice() < &EARLIEST_END[..];
        if count > 0 && count == after.ends.len() && after.ends.iter().all(is_near_zero) {
            self.earlier.push(id.clone());
        }
    }

    /// Returns the records that affect less than before; a record can be returned several times.
    pub(super) fn of_affected(&self) -> impl Iterator<Item = &RecordId> {
        let kinds = [&self.withdrawn, &self.affected, &self.packages, &self.earlier];
        kinds.into_iter().flatten()
    }
}

/// Returns the numbers in a version: a rough order, the same for all ecosystems.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// Returns the items of an array; none if the value has no such array.
fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Returns true if a value is neither missing, null nor an empty text.
fn is_stated(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

/// Returns true if a record or a package states a severity.
fn has_severity(value: &Value) -> bool {
    items(value, "severity")
        .iter()
        .any(|one| is_stated(one.get("score")))
        || is_stated(value.pointer("/database_specific/severity"))
}

impl Guarded {
    /// Reads the checked content of a record; an unreadable record has none.
    pub(super) fn of(body: &[u8]) -> Self {
        let Ok(record) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let affected = items(&record, "affected");
        let mut guarded = Self {
            is_withdrawn: record
                .get("withdrawn")
                .is_some_and(|withdrawn| !withdrawn.is_null()),
            has_severity: has_severity(&record) || affected.iter().any(has_severity),
            affected: BTreeSet::new(),
            ends: BTreeSet::new(),
        };
        for package in affected {
            guarded.add(package);
        }
        guarded
    }

    fn add(&mut self, package: &Value) {
        let text = |key: &str| {
            let value = package.pointer(&format!("/package/{key}"));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut state = |how| self.affected.insert((text("ecosystem"), text("name"), how));
        if !items(package, "versions").is_empty() {
            state(How::Versions);
        }
        for range in items(package, "ranges") {
            let events = items(range, "events");
            // Commit hashes have no order.
            let is_of_commits = range.get("type").and_then(Value::as_str) == Some("GIT");
            if !events.is_empty() {
                state(if is_of_commits { How::Commits } else { How::Ranges });
            }
            let of_versions = if is_of_commits { &[] } else { events };
            self.ends.extend(of_versions.iter().flat_map(ends_of));
        }
    }

    /// Returns true if it states something about a package in this form, or in one that replaces the form.
    fn states(&self, (ecosystem, name, how): &(String, String, How)) -> bool {
        let is_stated = |how| self.affected.contains(&(ecosystem.clone(), name.clone(), how));
        // Ranges replace listed versions, so that is not a loss.
        is_stated(*how) || (*how == How::Versions && is_stated(How::Ranges))
    }
}

/// Returns the ends that an event names.
fn ends_of(event: &Value) -> impl Iterator<Item = End> {
    let text = |key: &str| {
        let value = event.get(key)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let last = text("last_affected").map(End::LastAffected);
    text("fixed").map(End::Fixed).into_iter().chain(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guarded(affected: &Value) -> Guarded {
        let record = json!({ "id": "TEST-1", "affected": [affected] });
        Guarded::of(&serde_json::to_vec(&record).unwrap())
    }

    fn counted(before: &Value, after: &Value) -> Losses {
        let mut losses = Losses::default();
        losses.count(&"TEST-1".parse().unwrap(), &guarded(before), &guarded(after));
        losses
    }

    fn range(events: &Value) -> Value {
        json!({ "package": { "ecosystem": "npm", "name": "a" }, "ranges": [{ "type": "SEMVER", "events": events }] })
    }

    #[test]
    fn end_of_a_record_without_one_is_early_only_near_zero() {
        let open = range(&json!([{ "introduced": "0" }]));
        for (end, is_early) in [("0", true), ("0.0.1", true), ("0.1.0", false), ("2.0", false)] {
            let fixed = range(&json!([{ "introduced": "0" }, { "fixed": end }]));
            assert_eq!(
                counted(&open, &fixed).earlier.len(),
                usize::from(is_early),
                "{end}"
            );
        }
    }

    #[test]
    fn source_may_move_its_fixes_but_not_near_zero() {
        let late = range(&json!([{ "introduced": "0" }, { "fixed": "4.2.0" }]));
        for (end, is_early) in [("0.0.7", true), ("1.3.0", false), ("4.3.0", false)] {
            let moved = range(&json!([{ "introduced": "0" }, { "fixed": end }]));
            assert_eq!(
                counted(&late, &moved).earlier.len(),
                usize::from(is_early),
                "{end}"
            );
        }
    }

    #[test]
    fn added_fix_of_an_older_branch_is_not_earlier_as_a_whole() {
        let one = range(&json!([{ "introduced": "0" }, { "fixed": "2.0.1" }]));
        let two = range(
            &json!([{ "introduced": "0" }, { "fixed": "1.9.5" }, { "introduced": "2.0" }, { "fixed": "2.0.1" }]),
        );
        let losses = counted(&one, &two);
        assert!(losses.earlier.is_empty() && losses.packages.is_empty());
        assert_eq!(losses.ends.len(), 1);
    }

    #[test]
    fn ranges_replace_listed_versions_but_not_vice_versa() {
        let listed = json!({ "package": { "ecosystem": "npm", "name": "a" }, "versions": ["1.0"] });
        let ranged = range(&json!([{ "introduced": "0" }]));
        assert!(counted(&listed, &ranged).packages.is_empty());
        assert_eq!(counted(&ranged, &listed).packages.len(), 1);
    }

    #[test]
    fn severity_of_null_is_none() {
        let rated = |severity: Value| {
            let record = json!({ "id": "TEST-1", "database_specific": { "severity": severity } });
            Guarded::of(&serde_json::to_vec(&record).unwrap()).has_severity
        };
        assert!(rated(json!("HIGH")));
        assert!(!rated(json!(null)) && !rated(json!("")));
    }
}
