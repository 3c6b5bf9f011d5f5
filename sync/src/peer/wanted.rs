//! The facts that a peer's notes mention and that this site lacks.

use std::collections::BTreeSet;

use starling_protocol::SiteId;

use crate::LogKey;
use crate::limits::MAX_FACTS;
use crate::wire::FactsWanted;

/// Facts to request from one peer.
#[derive(Debug, Default)]
pub(crate) struct WantedFacts {
    chains: BTreeSet<SiteId>,
    heads: BTreeSet<LogKey>,
    forks: BTreeSet<LogKey>,
    /// True while a request is not answered.
    is_open: bool,
}

impl WantedFacts {
    pub(crate) fn chain(&mut self, site: SiteId) {
        self.chains.insert(site);
    }

    pub(crate) fn head(&mut self, log: LogKey) {
        self.heads.insert(log);
    }

    pub(crate) fn fork(&mut self, log: LogKey) {
        self.forks.insert(log);
    }

    /// Returns true if something is wanted, and the request before it was answered.
    pub(crate) fn is_due(&self) -> bool {
        !self.is_open && (!self.chains.is_empty() || !self.heads.is_empty() || !self.forks.is_empty())
    }

    /// Returns true if neither the chain of a log's author nor the log's head is wanted, and no request is open.
    pub(crate) fn has_all_of(&self, log: LogKey) -> bool {
        !self.is_open && !self.heads.contains(&log) && !self.chains.contains(&log.0)
    }

    /// Takes what fits into one request.
    pub(crate) fn take(&mut self) -> FactsWanted {
        self.is_open = true;
        FactsWanted {
            chains: take_some(&mut self.chains),
            heads: take_some(&mut self.heads),
            forks: take_some(&mut self.forks),
        }
    }

    pub(crate) fn closed(&mut self) {
        self.is_open = false;
    }
}

fn take_some<T: Ord>(wanted: &mut BTreeSet<T>) -> Vec<T> {
    let mut taken = Vec::new();
    while taken.len() < MAX_FACTS
        && let Some(fact) = wanted.pop_first()
    {
        taken.push(fact);
    }
    taken
}
