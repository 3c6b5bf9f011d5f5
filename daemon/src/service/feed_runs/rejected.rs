//! Documents of a source that are rejected: named until they are read, so that no run that passes them over is clean.
//!
//! One document that stays bad must not make a large source stale for ever, and one that is new must not pass unseen. A
//! run that rejects documents which were not rejected before is a failure; known ones are named and counted, and the
//! source counts as checked without them, as long as they are few.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_api_types as types;

use super::told::cut;

/// Rejected documents that are kept by name; more are counted.
const NAMED: usize = 1_000;
/// Most rejected documents for each hundred records, and how many more a small source may have.
const MOST_PERCENT: u64 = 1;
const MOST_FEW: u64 = 1;
/// How many are named in a sentence, and how long a reason may be there, in characters.
const SHOWN: usize = 3;
const REASON_CHARS: usize = 200;

/// The rejected documents of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Rejected {
    /// Why, by the document's name in its input.
    names: BTreeMap<String, String>,
    /// How many more there are.
    #[serde(default)]
    unnamed: u64,
    /// Version of the program that rejected them: another one reads them again.
    #[serde(default)]
    program: String,
}

impl Rejected {
    /// Takes the rejected documents of an import.
    pub(crate) fn of(report: &types::FeedImportReport) -> Self {
        let rejected = |file: &&types::FeedFile| file.outcome == types::FeedOutcome::Rejected;
        let names: BTreeMap<String, String> = report
            .files
            .iter()
            .filter(rejected)
            .take(NAMED)
            .map(|file| (file.name.clone(), cut(&file.reason, REASON_CHARS)))
            .collect();
        Self {
            unnamed: report.rejected.saturating_sub(names.len() as u64),
            names,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> u64 {
        self.names.len() as u64 + self.unnamed
    }

    /// Returns true if this program did not read them.
    pub(crate) fn is_of_another_program(&self) -> bool {
        self.count() > 0 && self.program != env!("CARGO_PKG_VERSION")
    }

    /// Returns what is rejected of the source after an import that rejected `now`. A whole source says it anew; a part
    /// says it of its own documents.
    pub(crate) fn after(&self, now: &Self, is_whole: bool, documents: &[String]) -> Self {
        if is_whole {
            return now.clone();
        }
        let mut after = now.clone();
        let is_of_part = |name: &str| documents.iter().any(|document| is_in(name, document));
        for (name, reason) in &self.names {
            if is_of_part(name) || after.names.contains_key(name) {
                continue;
            }
            if after.names.len() < NAMED {
                after.names.insert(name.clone(), reason.clone());
            } else {
                after.unnamed += 1;
            }
        }
        after.unnamed += self.unnamed;
        after
    }

    /// Says why a source of so many records does not count as checked, after these documents were rejected of it and
    /// `before` was known.
    pub(crate) fn refusal(&self, before: &Self, records: u64) -> Option<String> {
        let count = self.count();
        if self.is_many(records) {
            let most = most_of(records);
            return Some(format!(
                "{count} documents of the source are rejected, more than {most} for {records} records: {}",
                self.shown()
            ));
        }
        let new = self.names.keys().filter(|name| !before.names.contains_key(*name));
        let new = new.count() as u64 + self.unnamed.saturating_sub(before.unnamed);
        (new > 0).then(|| {
            format!(
                "{new} documents that were not rejected before are rejected: {}",
                self.shown()
            )
        })
    }

    /// Returns true if they are so many that the source does not count as checked, however long they are known.
    pub(crate) fn is_many(&self, records: u64) -> bool {
        self.count() > most_of(records)
    }

    /// Names the first ones.
    pub(crate) fn shown(&self) -> String {
        let named = self.names.iter().take(SHOWN);
        let mut shown: Vec<String> = named.map(|(name, reason)| format!("{name} ({reason})")).collect();
        let more = self.count().saturating_sub(shown.len() as u64);
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join(", ")
    }
}

fn most_of(records: u64) -> u64 {
    MOST_FEW + records.saturating_mul(MOST_PERCENT) / 100
}

/// Returns true if a name is that of a document, of a part of it, or of a file in it as an archive.
fn is_in(name: &str, document: &str) -> bool {
    let stem = document.split_once('.').map_or(document, |(stem, _)| stem);
    let begins = |begin: &str, ends: &[char]| {
        name.strip_prefix(begin)
            .is_some_and(|rest| rest.starts_with(ends))
    };
    name == document || begins(document, &[':', '#', '/']) || begins(stem, &['/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(names: &[&str]) -> Rejected {
        Rejected {
            names: names
                .iter()
                .map(|name| ((*name).to_owned(), "bad".to_owned()))
                .collect(),
            unnamed: 0,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    #[test]
    fn new_and_many_rejections_refuse_and_known_few_do_not() {
        let none = Rejected::default();
        let one = rejected(&["a.json"]);
        assert_eq!(none.refusal(&one, 0), None);
        assert!(
            one.refusal(&none, 40_000)
                .unwrap()
                .contains("not rejected before")
        );
        assert_eq!(one.refusal(&one, 40_000), None);
        assert_eq!(one.refusal(&one, 5), None, "a small source may have one");
        let two = rejected(&["a.json", "b.json"]);
        assert!(two.refusal(&two, 39).unwrap().contains("more than 1"));
        assert_eq!(two.refusal(&two, 100), None);
        assert!(two.refusal(&one, 100).unwrap().contains("1 documents"));
    }

    #[test]
    fn part_says_anew_what_of_its_own_documents_is_rejected() {
        let before = rejected(&["a.json", "b.json:3", "all/c.json", "d.json"]);
        let documents = ["a.json", "b.json", "all.zip"].map(str::to_owned);
        let after = before.after(&rejected(&["e.json"]), false, &documents);
        assert_eq!(after, rejected(&["d.json", "e.json"]));
        assert_eq!(before.after(&Rejected::default(), true, &[]).count(), 0);
    }

    #[test]
    fn another_program_reads_them_again() {
        let mut old = rejected(&["a.json"]);
        assert!(!old.is_of_another_program());
        old.program = "0.0.1".to_owned();
        assert!(old.is_of_another_program());
        assert!(!Rejected::default().is_of_another_program());
    }
}
