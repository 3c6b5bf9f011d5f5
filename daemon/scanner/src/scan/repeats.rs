//! Repeated package versions in one document: a second evaluation would give the same result and need more memory.
//!
//! Most documents contain each version once, so a first occurrence is only one bit in a filter. A version that the
//! filter has seen is evaluated a second time, because the filter may be wrong, and is stored by name from then on.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::{Doubt, Standing};
use crate::matching::Subject;
use crate::module::Stream;
use crate::origin::Vendor;
use crate::purl::osv::{Host, OsvPackage, SourcePackage};

/// Bits of the filter per component: about one in this many is wrongly taken for a repeat.
const BITS: usize = 16;

/// Everything on which one evaluation depends.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    ecosystem: String,
    name: String,
    version: String,
    stream: Option<Stream>,
    /// Its repository or commit, as far as relevant.
    built_from: Option<[Option<String>; 3]>,
    /// Further ecosystems whose advisories apply to it: some depend on its name.
    also: Vec<String>,
    /// Its source package, if advisories may name either.
    source: Option<SourcePackage>,
    /// The branch of its host.
    host: Option<Host>,
    /// True if it is a Go module for certain.
    is_module: bool,
    /// Its source package in EPEL, its vendor, and true if EPEL's advisories can use no other name for it.
    epel: Option<(Option<SourcePackage>, Option<Vendor>, bool)>,
    /// True if no advisory can use another name for it, as when it is its own source.
    is_name_known: bool,
}

/// The result.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) standing: Standing,
    /// The ecosystems in which it was looked up, without suffix.
    pub(super) systems: [Option<&'static str>; 2],
    /// Its own range of the findings.
    pub(super) findings: Range<usize>,
    /// True if it may differ at another time of judgement.
    pub(super) depends_on_time: bool,
    /// Why it is undecided, if it is.
    pub(super) doubt: Option<Doubt>,
}

impl Judged {
    /// For a component without lookup.
    pub(super) fn without(standing: Standing) -> Self {
        Self {
            standing,
            systems: [None; 2],
            findings: 0..0,
            depends_on_time: false,
            doubt: None,
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
    /// Creates a filter for this many components.
    pub(super) fn among(components: usize) -> Self {
        let words = components.saturating_mul(BITS).div_ceil(64).next_power_of_two();
        Self {
            filter: vec![0; words],
            judged: BTreeMap::new(),
        }
    }

    /// Returns the name of a package version that may be a repeat; `None` for a first occurrence.
    pub(super) fn key(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        vendor: Option<Vendor>,
        is_own_source: impl Fn() -> bool,
    ) -> Option<Key> {
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
            also: package.also.clone(),
            source: package.source.clone(),
            host: package.host,
            is_module: package.is_module,
            epel: package
                .epel
                .as_ref()
                .map(|epel| (epel.source.clone(), vendor, epel.name_known || is_own_source())),
            is_name_known: package.name_known || is_own_source(),
        })
    }

    /// Returns the stored result, if there is one.
    pub(super) fn judged(&self, key: &Key) -> Option<&Judged> {
        self.judged.get(key)
    }

    /// Stores a result.
    pub(super) fn keep(&mut self, key: Key, judged: Judged) {
        self.judged.insert(key, judged);
    }
}
