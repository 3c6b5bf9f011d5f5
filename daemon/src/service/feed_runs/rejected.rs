//! The rejected documents of a source: remembered until they can be read, so that no run silently skips them.
//!
//! One document that stays invalid must not make a large source stale for ever, and a new one must not go unnoticed. A run
//! that rejects documents which were not rejected before fails. Known ones are named and counted, and the source counts as
//! checked without them, as long as they are few.
//!
//! A rejected document is recognised in later runs by its identity: a file by its name, an entry of a document by its own
//! id, or else by the hash of its bytes. Pages get new names in each run, so their names are not used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use starling_feeds::Identity;
use starling_feeds::input::archive_stem;
use starling_protocol::RecordId;

use super::run_result::cut;

/// Most rejected documents that are remembered individually. Further ones are only counted, and never count as known.
pub(crate) const NAMED: usize = 10_000;
/// Most rejected documents of a source that counts as checked: this percentage of its records, and `MOST_FEW` more.
const MOST_PERCENT: u64 = 1;
const MOST_FEW: u64 = 1;
/// Most documents that a sentence names, and the longest reason in it, in characters.
const SHOWN: usize = 3;
const REASON_CHARS: usize = 200;
/// The hints for a refusal that applies to one run, and for one that applies to every run.
const HINT_ONCE: &str = "what was read is taken in; from the next run on they are known, and the source counts as checked \
                         without them";
const HINT_LASTING: &str = "what was read is taken in; each run says this until it is mended, or another version of this \
                            program reads it";

/// The rejected documents of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Rejected {
    /// The individually remembered ones, by identity ([`key_of`]).
    #[serde(default)]
    known: BTreeMap<String, Known>,
    /// The number of others: those beyond the limit, and those without an identity.
    #[serde(default)]
    unnamed: u64,
    /// Version of the program that rejected them. Another version may be able to read them, so it tries again.
    #[serde(default)]
    program: String,
}

/// A document that was rejected, or an entry of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Its name in the input.
    name: String,
    reason: String,
    /// The record id in it, if it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<RecordId>,
    /// True if it was in a page, so that a later document of this name does not replace it.
    #[serde(default)]
    is_of_page: bool,
}

/// The reason why a source does not count as checked because of rejected documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) why: String,
    /// True if it also applies to later runs without changes.
    pub(crate) is_lasting: bool,
}

impl Refusal {
    /// Returns a refusal that applies to every run.
    pub(crate) const fn lasting(why: String) -> Self {
        Self {
            why,
            is_lasting: true,
        }
    }

    /// Returns the advice.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.is_lasting { HINT_LASTING } else { HINT_ONCE }
    }
}

/// The input of an import, as far as it was read.
#[derive(Clone, Copy)]
pub(crate) struct Taken<'a> {
    /// True if the input was read to its end.
    pub(crate) is_read: bool,
    /// True if the input is the whole source.
    pub(crate) is_whole: bool,
    pub(crate) documents: &'a Documents,
    /// Returns true for a record that was read from the input.
    pub(crate) is_accepted: &'a dyn Fn(&RecordId) -> bool,
}

impl Rejected {
    /// Returns an empty list for this version of the program.
    pub(crate) fn none() -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// Adds a document that was rejected, or an entry of one.
    pub(crate) fn add(&mut self, name: &str, reason: &str, identity: Option<&Identity>, is_of_page: bool) {
        let Some(key) = key_of(name, identity, is_of_page) else {
            self.unnamed += 1;
            return;
        };
        let known = Known {
            name: name.to_owned(),
            reason: cut(reason, REASON_CHARS),
            id: identity.and_then(|identity| identity.id.clone()),
            is_of_page,
        };
        self.insert(key, known);
    }

    fn insert(&mut self, key: String, known: Known) {
        if self.known.len() < NAMED || self.known.contains_key(&key) {
            self.known.insert(key, known);
        } else {
            self.unnamed += 1;
        }
    }

    /// Returns their number.
    pub(crate) fn count(&self) -> u64 {
        self.known.len() as u64 + self.unnamed
    }

    /// Returns true if a document of this name may be among them.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        self.unnamed > 0 || self.known.values().any(|known| known.name == name)
    }

    /// Returns true if another version of this program rejected them.
    pub(crate) fn is_of_another_program(&self) -> bool {
        self.count() > 0 && self.program != env!("CARGO_PKG_VERSION")
    }

    /// Returns the rejected documents of the source after an import that rejected `now`.
    ///
    /// An import of the whole source replaces the list. A part replaces its own documents; of entries in pages, those whose
    /// record it contains.
    pub(crate) fn after(&self, now: &Self, taken: &Taken<'_>) -> Self {
        let mut after = now.clone();
        if taken.is_whole && taken.is_read {
            return after;
        }
        for (key, known) in &self.known {
            let is_replaced = if known.is_of_page {
                known.id.as_ref().is_some_and(taken.is_accepted)
            } else {
                taken.is_read && taken.documents.hold(&known.name)
            };
            if !is_replaced && !after.known.contains_key(key) {
                after.insert(key.clone(), known.clone());
            }
        }
        after.unnamed += self.unnamed;
        after
    }

    /// Returns the reason why a source with `records` records does not count as checked, if it does not. `before` are the
    /// documents that were rejected in earlier runs.
    pub(crate) fn refusal(&self, before: &Self, records: u64) -> Option<Refusal> {
        let (count, most) = (self.count(), most_of(records));
        if count > most {
            return Some(Refusal::lasting(format!(
                "{count} documents of the source are rejected, more than {most} for {records} records: {}",
                self.shown()
            )));
        }
        if self.unnamed > 0 {
            return Some(Refusal::lasting(format!(
                "{count} documents of the source are rejected, and {} of them cannot be told from others: {}",
                self.unnamed,
                self.shown()
            )));
        }
        let new = self.known.keys().filter(|key| !before.known.contains_key(*key));
        let new = new.count();
        (new > 0).then(|| Refusal {
            why: format!(
                "{new} documents that were not rejected before are rejected: {}",
                self.shown()
            ),
            is_lasting: false,
        })
    }

    /// Lists the first ones.
    pub(crate) fn shown(&self) -> String {
        let named = self.known.values().take(SHOWN);
        let mut shown: Vec<String> = named.map(Known::shown).collect();
        let more = self.count().saturating_sub(shown.len() as u64);
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join(", ")
    }
}

impl Known {
    fn shown(&self) -> String {
        let Self { name, reason, .. } = self;
        match &self.id {
            Some(id) => format!("{id} in {name} ({reason})"),
            None => format!("{name} ({reason})"),
        }
    }
}

fn most_of(records: u64) -> u64 {
    MOST_FEW + records.saturating_mul(MOST_PERCENT) / 100
}

/// Returns the identity of a rejected document among those of its source; `None` if it has none.
fn key_of(name: &str, identity: Option<&Identity>, is_of_page: bool) -> Option<String> {
    let document = document_of(name);
    if document.is_none() && !is_of_page {
        return Some(name.to_owned());
    }
    let identity = identity?;
    let own = match &identity.id {
        Some(id) => id.to_string(),
        None => identity.hash.to_string(),
    };
    match document {
        Some(document) if !is_of_page => Some(format!("{document}#{own}")),
        _ => Some(own),
    }
}

/// Returns the document's name in the name of a line or of a place in a document (`doc.ndjson:3`, `doc.json#/0`). In another
/// run, another record may be there.
pub(crate) fn document_of(name: &str) -> Option<&str> {
    if let Some((document, _)) = name.split_once('#') {
        return Some(document);
    }
    let (document, line) = name.rsplit_once(':')?;
    let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    is_line.then_some(document)
}

/// The documents of an input, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Documents {
    names: BTreeSet<String>,
    /// For archives: the beginning of the names of the files in them.
    stems: BTreeSet<String>,
    /// Pages, whose names say nothing about their content.
    pages: BTreeSet<String>,
}

impl Documents {
    /// Adds a document.
    pub(crate) fn add(&mut self, name: String, is_page: bool) {
        if is_page {
            self.pages.insert(name);
            return;
        }
        let stem = archive_stem(&name);
        if stem != name {
            self.stems.insert(stem.to_owned());
        }
        self.names.insert(name);
    }

    pub(crate) fn pages(&self) -> &BTreeSet<String> {
        &self.pages
    }

    /// Returns true for the name of a page, or of an entry of one.
    pub(crate) fn is_of_page(&self, name: &str) -> bool {
        begins(name, &[':', '#']).any(|begin| self.pages.contains(begin))
    }

    /// Returns true if a name is that of a document, of a part of it, or of a file in it as an archive.
    pub(crate) fn hold(&self, name: &str) -> bool {
        begins(name, &[':', '#', '/']).any(|begin| self.names.contains(begin))
            || begins(name, &['/']).any(|begin| self.stems.contains(begin))
    }
}

/// Returns a name, and its beginnings before each of these characters.
fn begins<'n>(name: &'n str, ends: &'n [char]) -> impl Iterator<Item = &'n str> {
    let cuts = name.match_indices(ends);
    let begins = cuts.filter_map(|(at, _)| name.get(..at));
    std::iter::once(name).chain(begins)
}

#[cfg(test)]
mod tests;
