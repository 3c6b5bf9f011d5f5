//! The store as the sync engine's replica.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use starling_protocol::{
    CertificateChain, ClaimKey, ClaimKind, ClaimNumber, ContentHash, ForkProof, Lane, PublicKey, SiteId,
    Source, VerifiedHead, json,
};
use starling_sync::{
    AppendOutcome, DeltaPage, HeldTip, Learned, LearnedHead, LogPosition, MissingBody, Replica, ReplicaError,
    WritableReplica,
};

use crate::SiteStore;
use crate::activity::events::Origin;
use crate::deltas::FrozenBy;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, LogNumber, claim_key, split_claim_key};
use crate::site::state::{LogId, State};

/// Most missing bodies of a log for which each body is offered a similar one as context.
const BASES_UP_TO: usize = 4_096;

/// A shared store that a sync engine reads, and its driver writes to.
#[derive(Debug, Clone)]
pub struct SharedReplica {
    store: Arc<SiteStore>,
    site: SiteId,
    /// The origin that events name for incoming changes.
    pub origin: Origin,
}

impl SharedReplica {
    /// Wraps a store.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn new(store: Arc<SiteStore>) -> Result<Self, StoreError> {
        let site = store.site()?;
        Ok(Self {
            store,
            site,
            origin: Origin::default(),
        })
    }
}

impl Replica for SharedReplica {
    fn site(&self) -> SiteId {
        self.site
    }

    fn chain(&self, site: &SiteId) -> Option<CertificateChain> {
        let state = self.store.read().ok()?;
        state.chains.get(site).filter(|_| state.may_hold(site)).cloned()
    }

    fn is_listed(&self, site: &SiteId) -> bool {
        self.store.read().is_ok_and(|state| state.may_hold(site))
    }

    fn awaits_a_chain(&self) -> bool {
        self.store.read().is_ok_and(|state| {
            let mut listed = state.listed.values().filter(|listed| listed.enabled);
            listed.any(|listed| !state.chains.contains_key(&listed.site))
        })
    }

    fn chains(&self) -> Vec<CertificateChain> {
        let Ok(state) = self.store.read() else {
            return Vec::new();
        };
        state
            .chains
            .values()
            .filter(|chain| state.may_hold(&chain.site()))
            .cloned()
            .collect()
    }

    fn authorised(&self, key: &PublicKey) -> Option<SiteId> {
        self.store.read().ok()?.authorised(key)
    }

    fn heads(&self) -> Vec<VerifiedHead> {
        let Ok(state) = self.store.read() else {
            return Vec::new();
        };
        let logs = state.logs.iter().filter(|(id, _)| state.may_hold(&id.site));
        logs.filter_map(|(_, log)| log.head.clone()).collect()
    }

    fn head(&self, site: &SiteId, lane: Lane) -> Option<VerifiedHead> {
        self.store
            .read()
            .ok()?
            .logs
            .get(&LogId { site: *site, lane })?
            .head
            .clone()
    }

    fn forks(&self) -> Vec<ForkProof> {
        let Ok(state) = self.store.read() else {
            return Vec::new();
        };
        state.logs.values().filter_map(|log| log.fork.clone()).collect()
    }

    fn positions(&self) -> Vec<LogPosition> {
        let Ok(state) = self.store.read() else {
            return Vec::new();
        };
        let logs = state.logs.iter().filter(|(id, _)| state.may_hold(&id.site));
        logs.map(|(id, log)| position(&crate::deltas::logs::overview(&state, *id, log)))
            .collect()
    }

    fn position(&self, site: &SiteId, lane: Lane) -> Option<LogPosition> {
        let log = self.store.log(LogId { site: *site, lane }).ok()??;
        Some(position(&log))
    }

    fn tip(&self, site: &SiteId, lane: Lane) -> Option<HeldTip> {
        self.store.held_tip(LogId { site: *site, lane }).ok().flatten()
    }

    fn deltas(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        max_bytes: usize,
    ) -> Result<DeltaPage, ReplicaError> {
        let run = self
            .store
            .deltas(LogId { site: *site, lane }, after, max_bytes)
            .map_err(|error| failed("reading deltas", error))?;
        Ok(DeltaPage {
            bytes: run.deltas.concat(),
            last: run.last,
            more: run.more,
        })
    }

    fn missing_bodies(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        limit: usize,
    ) -> Result<Vec<MissingBody>, ReplicaError> {
        self.store
            .missing(LogId { site: *site, lane }, after, limit)
            .map_err(|error| failed("finding missing bodies", error))
    }

    fn bodies(&self, hashes: &[ContentHash], max_bytes: usize) -> Result<Vec<Option<Vec<u8>>>, ReplicaError> {
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for hash in hashes {
            let body = match self.store.bodies.get(hash) {
                // A damaged body counts as absent: another peer may have an intact one.
                Err(StoreError::DamagedBody { .. }) => None,
                found => found.map_err(|error| failed("reading bodies", error))?,
            };
            bytes += body.as_ref().map_or(0, Vec::len);
            if bytes > max_bytes && !bodies.is_empty() {
                break;
            }
            bodies.push(body);
        }
        Ok(bodies)
    }
}

impl WritableReplica for SharedReplica {
    fn learn_chain(&mut self, chain: &CertificateChain) -> Result<Learned, ReplicaError> {
        self.store
            .learn_chain(chain)
            .map_err(|error| failed("learning a certificate chain", error))
    }

    fn learn_head(&mut self, head: &VerifiedHead) -> Result<LearnedHead, ReplicaError> {
        let is_newer = self
            .store
            .learn_head(head)
            .map_err(|error| failed("learning a head", error))?;
        // Asked afterwards: another writer may have appended the other branch meanwhile, and a head that contradicts the
        // held log is not taken for a newer one.
        if is_newer {
            return Ok(LearnedHead::Newer);
        }
        Ok(if self.store.head_contradicts(head.head()).unwrap_or(false) {
            LearnedHead::Diverges
        } else {
            LearnedHead::Known
        })
    }

    fn learn_fork(&mut self, proof: &ForkProof) -> Result<bool, ReplicaError> {
        self.store
            .learn_fork(proof)
            .map_err(|error| failed("keeping a fork proof", error))
    }

    fn append(&mut self, page: &[u8]) -> Result<AppendOutcome, ReplicaError> {
        self.store
            .append(page)
            .map_err(|error| failed("appending deltas", error))
    }

    fn store_bodies(&mut self, bodies: Vec<Vec<u8>>) -> Result<usize, ReplicaError> {
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        self.store
            .store_wanted(&bodies)
            .map_err(|error| failed("storing bodies", error))
    }

    fn accept(&mut self) -> Result<Vec<(SiteId, Lane, ClaimNumber)>, ReplicaError> {
        let accepted = self
            .store
            .accept(&self.origin)
            .map_err(|error| failed("accepting claims", error))?;
        Ok(accepted.logs)
    }
}

impl SiteStore {
    /// Returns bodies that claims of a log after `after` want, by claim number, each with one that is probably
    /// similar.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn missing(
        &self,
        id: LogId,
        after: ClaimNumber,
        limit: usize,
    ) -> Result<Vec<MissingBody>, StoreError> {
        let state = self.read()?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(Vec::new());
        };
        // A bulk page is enough context for itself; a look-up for every body would only slow it down.
        let with_base = log.wanted.len() <= BASES_UP_TO;
        let mut missing = Vec::new();
        // Bodies that came and were refused would be refused again.
        let wanted = log.wanted.after(&after);
        let wanted = wanted.filter(|(number, _)| !log.refused.contains_key(number));
        for (number, want) in wanted.take(limit) {
            let base = if with_base {
                self.similar_body(&want.key, log.number)?
            } else {
                None
            };
            missing.push(MissingBody {
                hash: want.hash,
                size: want.size,
                number: *number,
                base,
            });
        }
        Ok(missing)
    }

    /// Returns the content that a claim replaces, or that of the preceding neighbour in the same source and
    /// log.
    fn similar_body(&self, key: &ClaimKey, log: LogNumber) -> Result<Option<ContentHash>, StoreError> {
        let row_key = claim_key(key, log);
        let row = self
            .engine
            .get(Tree::Claims, &row_key)?
            .and_then(|row| ClaimRow::decode(&row));
        if let Some(prior) = row.and_then(|row| row.prior)
            && let Some((ClaimKind::SET, _, Some(content), _)) = prior.kind_and_content()
        {
            return Ok(Some(content));
        }
        let Some(source) = key.source() else {
            return Ok(None);
        };
        let prefix = ClaimKey::source_prefix(&source);
        let mut candidates = Vec::new();
        self.engine.scan(
            Tree::Claims,
            Bound::Included(&prefix),
            Bound::Excluded(&row_key),
            Direction::Reverse,
            &mut |found, row| {
                if split_claim_key(found).is_some_and(|(_, number)| number == log)
                    && let Some((ClaimKind::SET, _, Some(content), _)) =
                        ClaimRow::decode(row).and_then(|row| row.kind_and_content())
                {
                    candidates.push(content);
                }
                // A few steps are enough: neighbours that are missing too do not help.
                if candidates.len() >= 4 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        for content in candidates {
            if self.bodies.contains(&content)? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// Keeps bodies that are wanted and skips the others. Returns the number kept.
    ///
    /// Durable on return. A body that is not canonical JSON is not kept, and holds up the logs that name it; so
    /// does a claim with a wrong size.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the compressor.
    pub fn store_wanted(&self, bodies: &[&[u8]]) -> Result<usize, StoreError> {
        self.change(|state| {
            let mut by_source: BTreeMap<Option<Source>, Vec<(ContentHash, &[u8])>> = BTreeMap::new();
            let mut came = BTreeSet::new();
            for body in bodies {
                let hash = ContentHash::of(body);
                if state.wants(&hash) && !came.contains(&hash) && Self::is_as_claimed(state, &hash, body) {
                    came.insert(hash);
                    by_source
                        .entry(state.source_wanting(&hash))
                        .or_default()
                        .push((hash, *body));
                }
            }
            for (source, bodies) in &by_source {
                self.bodies.put(source.as_ref(), bodies)?;
            }
            if !came.is_empty() {
                // Peers learn up to where all bodies are here: that position must not fall through a loss of
                // power.
                self.bodies.make_durable()?;
            }
            for hash in &came {
                state.body_came(hash);
            }
            Ok(came.len())
        })
    }
}

impl SiteStore {
    /// Checks a wanted body against the claims that name it, and holds up their logs if it does not match.
    fn is_as_claimed(state: &mut State, hash: &ContentHash, body: &[u8]) -> bool {
        let is_canonical = json::is_record(body);
        let size = body.len();
        let mut is_good = false;
        for (id, number) in state.claims_wanting(hash) {
            let Some(log) = state.logs.get_mut(&id) else {
                continue;
            };
            // After a cut, the number may be of another claim.
            let Some(want) = log.wanted.get(&number).filter(|want| want.hash == *hash) else {
                continue;
            };
            let reason = if !is_canonical {
                format!(
                    "the record of {} ({hash}) is not canonical JSON of an object",
                    want.key
                )
            } else if usize::try_from(want.size) != Ok(size) {
                format!(
                    "the record of {} ({hash}) has {size} bytes; its claim says {}",
                    want.key, want.size
                )
            } else {
                is_good = true;
                continue;
            };
            let reason = format!("{reason}: its author must write it again");
            log.refused.insert(number, reason);
        }
        is_good
    }
}

fn position(log: &crate::deltas::logs::LogOverview) -> LogPosition {
    LogPosition {
        site: log.id.site,
        lane: log.id.lane,
        high_water: log.high_water,
        held: log.tip.cursor.number,
        accepted: log.accepted,
        body_complete: log.body_complete,
        frozen: log.frozen,
        forked: matches!(log.frozen_by, Some(FrozenBy::Fork { .. })),
        lost: log.lost,
    }
}

fn failed(attempted: &str, error: StoreError) -> ReplicaError {
    match error {
        StoreError::SiteNotListed { .. } | StoreError::Certificate(_) => ReplicaError::Refused {
            attempted: attempted.to_owned(),
            reason: error.to_string(),
        },
        error => ReplicaError::Storage {
            attempted: attempted.to_owned(),
            source: Box::new(error),
        },
    }
}
