//! Package versions that come again in one document: judged anew they would find the same, in memory as well.
//!
//! Most documents hold each once, so what is kept of one that came once is a bit in a filter. What the filter has
//! seen is judged a second time, as it may be mistaken, and kept by name from then on.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::Standing;
use crate::matching::Subject;
use crate::module::Stream;
use crate::purl::osv::OsvPackage;

/// Bits of the filter for each component: about one in so many is taken for a repeat and is none.
const BITS: usize = 16;

/// What one judgement depends on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    ecosystem: String,
    name: String,
    version: String,
    stream: Option<Stream>,
    /// Of which repository or commit it is, as far as that matters.
    built_from: Option<[Option<String>; 3]>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) standing: Standing,
    /// The ecosystem that it was looked up in, without suffix.
    pub(super) system: Option<&'static str>,
    /// Which of the findings are its own.
    pub(super) findings: Range<usize>,
}

impl Judged {
    /// One for which nothing is looked up.
    pub(super) fn without(standing: Standing) -> Self {
        Self {
            standing,
            system: None,
            findings: 0..0,
        }
    }
}

fn built_from(package: &OsvPackage, subject: &Subject) -> Option<[Option<String>; 3]> {
    let texts = [package.repository.as_deref(), subject.commit(), subject.tag()];
    let any = texts.iter().any(Option::is_some);
    any.then(|| texts.map(|text| text.map(str::to_owned)))
}

/// The package versions of one part of a document.
#[derive(Debug)]
pub(super) struct Repeats {
    filter: Vec<u64>,
    judged: BTreeMap<Key, Judged>,
}

impl Repeats {
    /// For so many components.
    pub(super) fn among(components: usize) -> Self {
        let words = components.saturating_mul(BITS).div_ceil(64).next_power_of_two();
        Self {
            filter: vec![0; words],
            judged: BTreeMap::new(),
        }
    }

    /// The name of a package version that may have come before; none of one that comes for the first time.
    pub(super) fn key(&mut self, package: &OsvPackage, subject: &Subject) -> Option<Key> {
        let mut hasher = DefaultHasher::new();
        (package.ecosystem.as_ref(), package.name.as_str(), subject.text()).hash(&mut hasher);
        let hash = hasher.finish();
        // The filter has a power of two of words.
        let words = self.filter.len() as u64;
        let word = usize::try_from((hash >> 6) & (words - 1)).unwrap_or_default();
        let word = self.filter.get_mut(word)?;
        let bit = 1 << (hash & 63);
        let seen = *word & bit != 0;
        *word |= bit;
        seen.then(|| Key {
            ecosystem: package.ecosystem.to_string(),
            name: package.name.clone(),
            version: subject.text().to_owned(),
            stream: subject.stream().cloned(),
            built_from: built_from(package, subject),
        })
    }

    /// What came of it, if it was kept.
    pub(super) fn judged(&self, key: &Key) -> Option<&Judged> {
        self.judged.get(key)
    }

    /// Keeps what came of it.
    pub(super) fn keep(&mut self, key: Key, judged: Judged) {
        self.judged.insert(key, judged);
    }
}
