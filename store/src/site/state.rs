//! The state that a site's store keeps in memory: the allow-list, chains, tips and states. It is small and
//! always equal to its rows: it changes only after the commit that wrote them.

mod load;
mod log;
mod loss;
#[cfg(test)]
mod tests;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{
    CertificateChain, ClaimNumber, ContentHash, KnowledgeEntry, KnowledgeRoot, PublicKey, SiteId, SiteSlug,
    Source, knowledge_root,
};

use crate::error::StoreError;
use crate::history::History;
use crate::rows::{AuthorNumber, LogNumber, SourceRow};
use crate::site::shared_map::SharedMap;
use crate::trust::listing::ListedSite;

pub use self::log::LogId;
pub(crate) use self::log::{Log, Wanted, checks_of, encode_tip, head_of};
pub use self::loss::LossCause;
pub(crate) use self::loss::{Loss, NotedLoss};

/// Everything in memory.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) site: SiteId,
    pub(crate) authors: BTreeMap<SiteId, AuthorNumber>,
    pub(crate) sites: BTreeMap<AuthorNumber, SiteId>,
    pub(crate) listed: BTreeMap<SiteSlug, ListedSite>,
    pub(crate) chains: BTreeMap<SiteId, CertificateChain>,
    /// Chains that contradict the ones above: nothing new of these sites is trusted.
    pub(crate) rival_chains: BTreeMap<SiteId, CertificateChain>,
    pub(crate) logs: BTreeMap<LogId, Log>,
    /// The claims whose body is missing.
    wanted_by: SharedMap<ContentHash, BTreeSet<(LogId, ClaimNumber)>>,
    /// True if the view must be rebuilt before it may be read.
    pub(crate) rebuild: bool,
    /// The record of the state before each change.
    pub(crate) history: History,
    /// True while the entries of a repair are written or replayed.
    pub(crate) repairs: bool,
    /// The claims that are known to be missing, as the rows hold them.
    pub(crate) noted_losses: BTreeMap<LogNumber, NotedLoss>,
    /// On a copy restored to an earlier snapshot: the losses of that time.
    pub(crate) losses_then: Option<BTreeMap<LogNumber, Loss>>,
}

impl State {
    pub(crate) fn add_author(&mut self, site: SiteId, number: AuthorNumber) {
        self.authors.insert(site, number);
        self.sites.insert(number, site);
    }

    /// Returns the number of an author, and true if it is new and must be written.
    pub(crate) fn number_for(&self, site: &SiteId) -> Result<(AuthorNumber, bool), StoreError> {
        if let Some(number) = self.authors.get(site) {
            return Ok((*number, false));
        }
        let known = self.authors.len();
        match u16::try_from(known) {
            Ok(number) => Ok((AuthorNumber(number), true)),
            Err(_) => Err(StoreError::TooManyAuthors { known }),
        }
    }

    fn log_of(&self, key: &[u8]) -> Option<LogId> {
        self.log_id(LogNumber::from_bytes(key.get(1..4)?)?)
    }

    /// Returns the local number of a log whose author is known.
    pub(crate) fn log_number(&self, id: &LogId) -> Option<LogNumber> {
        Some(LogNumber {
            author: *self.authors.get(&id.site)?,
            lane: id.lane,
        })
    }

    pub(crate) fn log_id(&self, number: LogNumber) -> Option<LogId> {
        Some(LogId {
            site: *self.sites.get(&number.author)?,
            lane: number.lane,
        })
    }

    fn log_mut(&mut self, id: LogId) -> &mut Log {
        let author = self
            .authors
            .get(&id.site)
            .copied()
            .unwrap_or(AuthorNumber(u16::MAX));
        self.logs.entry(id).or_insert_with(|| {
            Log::new(LogNumber {
                author,
                lane: id.lane,
            })
        })
    }

    pub(crate) fn listed_by_site(&self, site: &SiteId) -> Option<&ListedSite> {
        self.listed.values().find(|listed| listed.site == *site)
    }

    /// Returns true if this site may hold logs of `site`: its own logs, and those of enabled listed sites.
    pub(crate) fn may_hold(&self, site: &SiteId) -> bool {
        *site == self.site || self.listed_by_site(site).is_some_and(|listed| listed.enabled)
    }

    /// Returns true if claims of this author about this source may enter the view.
    ///
    /// Claims that belong to no source (shared documents) are in scope for every listed author.
    pub(crate) fn in_scope(&self, author: &SiteId, source: Option<&Source>) -> bool {
        *author == self.site
            || self.listed_by_site(author).is_some_and(|listed| {
                listed.enabled && source.is_none_or(|source| listed.allowed_sources.allows(source))
            })
    }

    pub(crate) fn authorised(&self, key: &PublicKey) -> Option<SiteId> {
        let listed = self
            .listed
            .values()
            .filter(|listed| listed.enabled && listed.site != self.site);
        listed
            .filter_map(|listed| self.chains.get(&listed.site))
            .find(|chain| chain.is_current_key(key))
            .map(CertificateChain::site)
    }

    /// Returns the hash over all accepted knowledge in scope.
    pub(crate) fn knowledge_root(&self) -> KnowledgeRoot {
        self.root_over(|id, source, row| {
            self.in_scope(&id.site, source)
                .then_some(&row.accepted_state.state)
        })
    }

    /// Returns the same over claims that belong to a source alone.
    pub(crate) fn records_root(&self) -> KnowledgeRoot {
        self.root_over(|id, source, row| {
            (source.is_some() && self.in_scope(&id.site, source)).then_some(&row.accepted_state.state)
        })
    }

    /// Returns the hash over everything held: equal held roots prove that replication converged.
    pub(crate) fn held_root(&self) -> KnowledgeRoot {
        self.root_over(|_, _, row| Some(&row.held.state))
    }

    pub(crate) fn root_over<'a>(
        &'a self,
        choose: impl Fn(&LogId, Option<&Source>, &'a SourceRow) -> Option<&'a starling_protocol::LtHash>,
    ) -> KnowledgeRoot {
        let mut entries = Vec::new();
        for (id, log) in &self.logs {
            for (source, row) in &log.sources {
                if let Some(state) = choose(id, source.as_ref(), row) {
                    entries.push(KnowledgeEntry {
                        site: id.site,
                        lane: id.lane,
                        source: source.as_ref(),
                        state,
                    });
                }
            }
        }
        knowledge_root(entries)
    }

    /// Returns true if the view shows everything that is accepted.
    pub(crate) fn view_is_fresh(&self) -> bool {
        !self.rebuild
            && self
                .logs
                .values()
                .all(|log| log.sources.values().all(|row| row.viewed == row.accepted))
    }
}
