//! Counts the records of an input that no scan can match, by reason.

use std::collections::BTreeMap;

use starling_api_types as types;
use starling_feeds::osv::About;
use starling_protocol::{RecordId, UnixMillis};
use starling_scanner::knowledge::JudgedAt;
use starling_scanner::reach::{OutOfReach, is_met, out_of_reach};

use super::Seen;
use crate::clock::now;
use crate::service::reach::Reasons;

/// Cache of ecosystems: true if a package URL can name it. Records name the same few ecosystems.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<String, bool>);

/// Most ecosystems in the cache.
const MOST: usize = 10_000;
/// Members of a record that contain its CPE names.
const MEMBERS: [&[u8]; 5] = [
    b"\"configurations\"",
    b"\"cpeApplicability\"",
    b"\"cpes\"",
    b"\"vuln-software-list\"",
    b"\"vulnerable-configuration\"",
];

/// The parts of a record that no scan can match.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The reason why no scan can match any of it, if none can.
    pub(super) out: Option<OutOfReach>,
    /// The reasons why scans cannot match some entries, if they can match others.
    pub(super) partly: Vec<OutOfReach>,
    /// A description of its CPE names that cannot be looked up.
    pub(super) unusable: Option<String>,
}

/// Returns true if a record is withdrawn at a time. A later withdrawal, or a text that is not a time, is ignored.
pub(super) fn is_withdrawn(about: &About, at: UnixMillis) -> bool {
    let until = about.withdrawn.as_deref().and_then(JudgedAt::of_withdrawal);
    until.is_some_and(|until| until <= JudgedAt::from_unix_millis(at.as_millis()))
}

impl Met {
    /// Returns the parts of a record that no scan can match now.
    pub(super) fn why_not(&mut self, about: &About, body: &[u8]) -> Reach {
        if is_withdrawn(about, now()) {
            return Reach::default();
        }
        // Parses the body a second time only if it may have CPE names.
        let has_names = MEMBERS
            .iter()
            .any(|name| memchr::memmem::find(body, name).is_some());
        let read = has_names.then(|| starling_scanner::cpe::configurations(body));
        let unusable = read
            .as_ref()
            .and_then(starling_scanner::cpe::Configurations::unusable);
        let ecosystems = about.ecosystems.iter().map(String::as_str);
        let why = out_of_reach(ecosystems, about.names_commits, |ecosystem| {
            self.is_met(ecosystem)
        });
        // A component with a CPE name can match the record's products.
        let has_products = || read.is_some_and(|read| !read.products().is_empty());
        let out = why.filter(|_| !has_products());
        let mut partly = Vec::new();
        if out.is_none() {
            for ecosystem in &about.ecosystems {
                if !self.is_met(ecosystem) {
                    partly.push(OutOfReach::NoUrl(ecosystem.clone()));
                }
            }
            if about.entries_without_package > 0 {
                partly.push(OutOfReach::Entries);
            }
        }
        Reach {
            out,
            partly,
            unusable,
        }
    }

    fn is_met(&mut self, ecosystem: &str) -> bool {
        if let Some(known) = self.0.get(ecosystem) {
            return *known;
        }
        let met = is_met(ecosystem);
        if self.0.len() < MOST {
            self.0.insert(ecosystem.to_owned(), met);
        }
        met
    }
}

/// Returns the records of an input that no scan can match, by reason; and those of which scans can match only some entries.
pub(super) fn by_reason(seen: &BTreeMap<RecordId, Seen>) -> (Vec<types::OutOfReach>, Vec<types::OutOfReach>) {
    let (mut reasons, mut partly) = (Reasons::default(), Reasons::default());
    for (id, seen) in seen {
        if let Some(why) = &seen.reach.out {
            reasons.count(why, id.as_str());
        }
        for why in &seen.reach.partly {
            partly.count(why, id.as_str());
        }
    }
    (reasons.into_list(), partly.into_list())
}
