//! The bodies that are wanted, by content and by claim.

use std::collections::BTreeSet;

use starling_protocol::{ClaimNumber, ContentHash, Source};

use super::{LogId, State, Wanted};
use crate::site::shared_map::SharedMap;

impl State {
    /// Notes that a claim names a body that is not here.
    pub(crate) fn want(&mut self, id: LogId, number: ClaimNumber, wanted: Wanted) {
        self.unwant(id, number);
        if let Some(log) = self.logs.get_mut(&id) {
            self.wanted_by.entry_or_default(wanted.hash).insert((id, number));
            log.add_wanted(number, wanted);
        }
    }

    /// Notes that a claim needs no body any more: it is superseded, or out of scope.
    pub(crate) fn unwant(&mut self, id: LogId, number: ClaimNumber) {
        let Some(wanted) = self.logs.get_mut(&id).and_then(|log| log.take_wanted(number)) else {
            return;
        };
        if let Some(mut claims) = self.wanted_by.remove(&wanted.hash) {
            claims.remove(&(id, number));
            if !claims.is_empty() {
                self.wanted_by.insert(wanted.hash, claims);
            }
        }
    }

    /// Forgets all missing bodies, also those of logs that were read again from their rows meanwhile.
    pub(crate) fn unwant_everything(&mut self) {
        self.wanted_by = SharedMap::default();
        for log in self.logs.values_mut() {
            log.wanted = SharedMap::default();
            log.wanted_of.clear();
            log.refused.clear();
        }
    }

    /// Returns true if any claim wants a body.
    pub(crate) fn wants(&self, hash: &ContentHash) -> bool {
        self.wanted_by.contains_key(hash)
    }

    /// Returns the claims that want a body.
    pub(crate) fn claims_wanting(&self, hash: &ContentHash) -> Vec<(LogId, ClaimNumber)> {
        let claims = self.wanted_by.get(hash);
        claims.into_iter().flatten().copied().collect()
    }

    /// Returns how many bodies are wanted over all logs.
    pub(crate) fn wanted_count(&self) -> usize {
        self.wanted_by.len()
    }

    /// Returns a source that needs a body: its dictionary packs the body.
    pub(crate) fn source_wanting(&self, hash: &ContentHash) -> Option<Source> {
        let (id, number) = self.wanted_by.get(hash)?.first()?;
        self.logs.get(id)?.wanted.get(number)?.key.source()
    }

    /// Notes that a body is here now, for the claims that state its true size.
    pub(crate) fn body_came(&mut self, hash: &ContentHash) {
        let claims = self.wanted_by.remove(hash).unwrap_or_default();
        let mut lying = BTreeSet::new();
        for (id, number) in claims {
            let Some(log) = self.logs.get_mut(&id) else {
                continue;
            };
            // After a cut, the number may be of another claim.
            if log.wanted.get(&number).is_none_or(|want| want.hash != *hash) {
                continue;
            }
            if log.refused.contains_key(&number) {
                lying.insert((id, number));
            } else {
                log.take_wanted(number);
            }
        }
        if !lying.is_empty() {
            self.wanted_by.insert(*hash, lying);
        }
    }
}
