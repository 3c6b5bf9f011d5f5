//! Which records of an input no scan can ever come across, counted by reason.

use std::collections::BTreeMap;

use starling_api_types as types;
use starling_feeds::osv::About;
use starling_protocol::RecordId;
use starling_scanner::reach::{OutOfReach, is_met, out_of_reach};

use super::Seen;
use crate::service::reach::Reasons;

/// True for each ecosystem that a package URL can name, as far as it was looked up: records name the same few.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<String, bool>);

/// Ecosystems that are remembered.
const MOST: usize = 10_000;
/// Members of a record in which its CPE names stand.
const MEMBERS: [&[u8]; 4] = [
    b"\"configurations\"",
    b"\"cpeApplicability\"",
    b"\"cpes\"",
    b"\"vulnerable-configuration\"",
];

impl Met {
    /// Returns why no scan can come across what a record is about, and which of its CPE names cannot be looked up.
    pub(super) fn why_not(&mut self, about: &About, body: &[u8]) -> (Option<OutOfReach>, Option<String>) {
        if about.is_withdrawn {
            return (None, None);
        }
        // The body is parsed once more for them, so only if there may be any.
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
        // A component may have the name of a product that it calls affected.
        let has_products = || read.is_some_and(|read| !read.products().is_empty());
        (why.filter(|_| !has_products()), unusable)
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

/// The records of an input that no scan can come across, by reason.
pub(super) fn told(seen: &BTreeMap<RecordId, Seen>) -> Vec<types::OutOfReach> {
    let mut reasons = Reasons::default();
    for (id, seen) in seen {
        if let Some(why) = &seen.out_of_reach {
            reasons.count(why, id.as_str());
        }
    }
    reasons.into_told()
}
