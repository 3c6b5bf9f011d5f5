//! The model: what it keeps, and how tests and worlds change it. `port` is its [`Replica`](crate::Replica).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use starling_protocol::{
    CertificateChain, Claim, ClaimNumber, ContentHash, Delta, DeltaError, ForkProof, KnowledgeEntry,
    KnowledgeRoot, Lane, PublicKey, SiteId, SiteSlug, Source, Succession, UnixMillis, VerifiedHead,
    knowledge_root,
};

use super::author::ModelKeys;
use super::log::{ModelLog, Surroundings};
use crate::LogKey;
use crate::replica::{AppendProblem, LogPosition, Replica, ReplicaError};

pub(super) static EMPTY: std::sync::LazyLock<ModelLog> = std::sync::LazyLock::new(ModelLog::default);

/// A site's store in memory. Cloning it is a backup.
#[derive(Debug, Clone)]
pub struct ModelReplica {
    pub(super) keys: ModelKeys,
    pub(super) own: SiteId,
    pub(super) listed: BTreeSet<SiteId>,
    pub(super) chains: BTreeMap<SiteId, CertificateChain>,
    /// Current operating keys of other sites.
    pub(super) operators: BTreeMap<PublicKey, SiteId>,
    pub(super) heads: BTreeMap<LogKey, VerifiedHead>,
    pub(super) forks: BTreeMap<LogKey, ForkProof>,
    pub(super) logs: BTreeMap<LogKey, ModelLog>,
    pub(super) bodies: BTreeMap<ContentHash, Arc<[u8]>>,
    pub(super) scope: Option<Vec<Source>>,
    /// Writes that still succeed before the store fails; `None` means no limit.
    pub(super) writes_left: Option<u32>,
    /// True if the next append is kept but reported as failed.
    pub(super) hides_append: bool,
    /// The result of an append that was reported as failed; it becomes visible with the next write.
    pub(super) hidden: Option<Box<ModelReplica>>,
}

impl ModelReplica {
    /// Returns a new site.
    #[must_use]
    pub fn new(slug: SiteSlug, keys: ModelKeys, now: UnixMillis) -> Self {
        let chain = keys.genesis(slug, now);
        Self {
            keys,
            own: chain.site(),
            listed: BTreeSet::new(),
            chains: BTreeMap::from([(chain.site(), chain)]),
            operators: BTreeMap::new(),
            heads: BTreeMap::new(),
            forks: BTreeMap::new(),
            logs: BTreeMap::new(),
            bodies: BTreeMap::new(),
            scope: None,
            writes_left: None,
            hides_append: false,
            hidden: None,
        }
    }

    /// Puts a site on the allow-list.
    pub fn list(&mut self, site: SiteId) {
        self.listed.insert(site);
    }

    /// Takes a site off the allow-list; knowledge from it stays.
    pub fn unlist(&mut self, site: &SiteId) {
        self.listed.remove(site);
    }

    /// Limits the sources whose bodies are wanted here, for deltas that are appended later.
    pub fn set_scope(&mut self, sources: Vec<Source>) {
        self.scope = Some(sources);
    }

    /// Makes the store fail after a number of further successful writes; `None` heals it.
    pub fn fail_after(&mut self, writes: Option<u32>) {
        self.writes_left = writes;
    }

    /// Makes the next append be kept but reported as failed, like a store that wrote its log and had no room
    /// for the derived rows. It becomes visible with the next write.
    pub fn hide_next_append(&mut self) {
        self.hides_append = true;
    }

    /// This site's own chain.
    #[must_use]
    pub fn own_chain(&self) -> &CertificateChain {
        &self.chains[&self.own]
    }

    /// Returns the key by which peers know this site.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.keys.operating.public()
    }

    /// Returns the secret keys.
    #[must_use]
    pub fn keys(&self) -> &ModelKeys {
        &self.keys
    }

    /// Replaces the own chain (and keys), as an operator does with the root key in hand.
    pub fn rotate(&mut self, chain: CertificateChain, keys: ModelKeys) {
        self.keys = keys;
        self.chains.insert(self.own, chain);
        self.follow_chain(self.own);
    }

    /// Adds a claim to the state of a log that is not in its deltas, as damaged rows would.
    pub fn miscount(&mut self, site: &SiteId, lane: Lane, claim: &Claim) {
        if let Some(log) = self.logs.get_mut(&(*site, lane)) {
            log.state.apply(claim, None);
        }
    }

    /// Returns a body, if it is here.
    #[must_use]
    pub fn body(&self, hash: &ContentHash) -> Option<&[u8]> {
        self.bodies.get(hash).map(|body| &body[..])
    }

    /// Drops a body, as a purge does.
    pub fn purge_body(&mut self, hash: &ContentHash) {
        self.bodies.remove(hash);
    }

    /// Returns live bodies up to the accepted positions that are not here. A correct model returns none.
    #[must_use]
    pub fn accepted_without_body(&self) -> Vec<(SiteId, Lane, ContentHash)> {
        let mut found = Vec::new();
        for ((site, lane), log) in &self.logs {
            if log.accepted < log.held() {
                continue;
            }
            for (key, content) in log.live_contents() {
                let in_scope = match (&self.scope, key.source()) {
                    (Some(scope), Some(source)) => scope.contains(&source),
                    _ => true,
                };
                if in_scope && !self.bodies.contains_key(&content) {
                    found.push((*site, *lane, content));
                }
            }
        }
        found
    }

    /// Returns the hash over all accepted states.
    #[must_use]
    pub fn knowledge_root(&self) -> KnowledgeRoot {
        knowledge_root(self.logs.iter().flat_map(|(&(site, lane), log)| {
            let sources = log.accepted_state.sources().iter();
            sources.map(move |(source, state)| KnowledgeEntry {
                site,
                lane,
                source: source.as_ref(),
                state: &state.state,
            })
        }))
    }

    /// Returns the hash over the held states of federation logs: equal hashes prove that replication converged.
    #[must_use]
    pub fn held_root(&self) -> KnowledgeRoot {
        let logs = self
            .logs
            .iter()
            .filter(|((_, lane), _)| *lane == Lane::Federation);
        knowledge_root(logs.flat_map(|(&(site, lane), log)| {
            log.state
                .sources()
                .iter()
                .map(move |(source, state)| KnowledgeEntry {
                    site,
                    lane,
                    source: source.as_ref(),
                    state: &state.state,
                })
        }))
    }

    /// Returns the exact bytes of every delta of a log, in order.
    #[must_use]
    pub fn log_bytes(&self, site: &SiteId, lane: Lane) -> Vec<u8> {
        let kept = self.log(site, lane).after(ClaimNumber::NONE).iter();
        kept.flat_map(|kept| kept.bytes.iter().copied()).collect()
    }

    pub(super) fn log(&self, site: &SiteId, lane: Lane) -> &ModelLog {
        self.logs.get(&(*site, lane)).unwrap_or(&EMPTY)
    }

    pub(super) fn put_head(&mut self, head: VerifiedHead) {
        self.heads.insert((head.head().site, head.head().lane), head);
    }

    pub(super) fn put_body(&mut self, body: &[u8]) {
        self.bodies.insert(ContentHash::of(body), body.into());
    }

    pub(super) fn put_chain(&mut self, chain: CertificateChain) {
        let site = chain.site();
        self.operators.retain(|_, operator| *operator != site);
        self.operators.insert(chain.current().body().operating_key, site);
        self.chains.insert(site, chain);
        self.follow_chain(site);
    }

    /// Gives up the claims that the newest chain of a site closes.
    pub(super) fn follow_chain(&mut self, site: SiteId) {
        let Some(chain) = self.chains.get(&site).cloned() else {
            return;
        };
        for lane in Lane::ALL {
            let key = (site, lane);
            let is_closed = |epoch: u32, number: ClaimNumber| {
                let end = chain.epoch_end(epoch, lane);
                end.is_some_and(|end| number > end.number)
            };
            self.heads
                .retain(|log, head| *log != key || !is_closed(head.head().epoch, head.head().number));
            let settled = self
                .forks
                .get(&key)
                .is_some_and(|fork| fork.epoch() < chain.epoch());
            let Some(log) = self.logs.get(&key) else { continue };
            if settled || is_closed(log.tip.epoch, log.held()) {
                let around = Surroundings {
                    bodies: &self.bodies,
                    scope: self.scope.as_deref(),
                };
                let mut log = log.cut(&chain, lane, &around);
                log.accept();
                self.logs.insert(key, log);
                self.forks.remove(&key);
            }
        }
    }

    pub(super) fn write(&mut self, attempted: &str) -> Result<(), ReplicaError> {
        if let Some(hidden) = self.hidden.take() {
            *self = *hidden;
        }
        match &mut self.writes_left {
            Some(0) => Err(ReplicaError::Storage {
                attempted: attempted.to_owned(),
                source: "the store was set to fail".into(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn demand_listed(&self, site: &SiteId, attempted: &str) -> Result<(), ReplicaError> {
        if self.is_listed(site) {
            return Ok(());
        }
        Err(ReplicaError::Refused {
            attempted: format!("{attempted} of {site}"),
            reason: "the site is not on the allow-list; add it first".to_owned(),
        })
    }

    pub(super) fn is_frozen(&self, key: &LogKey) -> bool {
        let chain = self.chains.get(&key.0);
        self.forks
            .get(key)
            .is_some_and(|fork| !chain.is_some_and(|chain| ModelLog::resolved_by(chain, fork.epoch())))
    }

    pub(super) fn position_of(&self, key: LogKey) -> LogPosition {
        let log = self.log(&key.0, key.1);
        let head = self
            .heads
            .get(&key)
            .map_or(ClaimNumber::NONE, |head| head.head().number);
        LogPosition {
            site: key.0,
            lane: key.1,
            high_water: head.max(log.held()).max(log.witnessed),
            held: log.held(),
            accepted: log.accepted,
            body_complete: log.body_complete,
            frozen: self.is_frozen(&key),
            forked: self.is_frozen(&key),
            lost: self.is_lost(key),
        }
    }

    pub(super) fn append_one(&mut self, delta: &Delta<'_>) -> Result<bool, AppendProblem> {
        let header = *delta.header();
        let (site, lane) = (header.site, header.lane);
        if !self.is_listed(&site) {
            return Err(AppendProblem::UnknownSite { site });
        }
        let chain = self
            .chains
            .get(&site)
            .ok_or(AppendProblem::UnknownSite { site })?;
        let verified = delta.verify(chain).map_err(|error| match error {
            DeltaError::UnknownEpoch { site, epoch, .. } => AppendProblem::UnknownEpoch { site, epoch },
            closed if closed.was_true_once(chain) => AppendProblem::Closed {
                site,
                lane,
                epoch: header.epoch,
            },
            other => AppendProblem::Invalid {
                reason: other.to_string(),
            },
        })?;
        let log = self.log(&site, lane);
        let overlap = log.overlapping(header.first, header.last());
        if let Some(kept) = overlap.filter(|kept| kept.hash != verified.hash()) {
            let bytes = kept.bytes.clone();
            return Err(self.prove_fork(delta, &bytes, site, lane));
        }
        match log.tip.place(&header, chain) {
            Succession::AtOrBefore => Ok(false),
            Succession::Gap { missing_from } => Err(AppendProblem::Gap {
                site,
                lane,
                missing_from,
                found: header.first,
            }),
            Succession::OtherBranch => Err(AppendProblem::Diverges { site, lane }),
            Succession::Refused(reason) => Err(AppendProblem::Refused {
                site,
                lane,
                reason: reason.to_owned(),
            }),
            Succession::Next if self.is_frozen(&(site, lane)) => Err(AppendProblem::Frozen { site, lane }),
            Succession::Next => {
                let around = Surroundings {
                    bodies: &self.bodies,
                    scope: self.scope.as_deref(),
                };
                let log = self.logs.entry((site, lane)).or_default();
                let refused = |reason| AppendProblem::Refused { site, lane, reason };
                log.apply(&verified, &around).map_err(refused)?;
                Ok(true)
            }
        }
    }

    pub(super) fn prove_fork(
        &mut self,
        delta: &Delta<'_>,
        kept: &[u8],
        site: SiteId,
        lane: Lane,
    ) -> AppendProblem {
        let proof = Delta::decode(kept)
            .map_err(|error| error.to_string())
            .and_then(|kept| {
                ForkProof::of(delta, &kept, &self.chains[&site]).map_err(|error| error.to_string())
            });
        match proof {
            Ok(proof) => {
                self.forks.entry((site, lane)).or_insert_with(|| proof.clone());
                AppendProblem::Fork {
                    proof: Box::new(proof),
                }
            }
            Err(reason) => AppendProblem::Refused { site, lane, reason },
        }
    }
}
