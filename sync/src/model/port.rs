//! The model as a replica.

use std::collections::BTreeSet;

use starling_protocol::{
    CertificateChain, ClaimNumber, ContentHash, Delta, ForkProof, Lane, PublicKey, SiteId, VerifiedHead,
};

use super::log::ModelLog;
use super::replica::ModelReplica;
use crate::LogKey;
use crate::replica::{
    AppendOutcome, AppendProblem, DeltaPage, HeldTip, Learned, LearnedHead, LogPosition, MissingBody,
    Replica, ReplicaError, WritableReplica,
};

impl ModelReplica {
    /// Returns true if a verified head names another delta for its number than the held delta or the kept head.
    fn contradicts(&self, head: &VerifiedHead) -> bool {
        let head = head.head();
        let newest = self.chains.get(&head.site).map_or(0, CertificateChain::epoch);
        if head.epoch != newest || head.number == ClaimNumber::NONE {
            return false;
        }
        let kept = self.heads.get(&(head.site, head.lane)).map(VerifiedHead::head);
        let kept = kept.filter(|kept| (kept.epoch, kept.number) == (head.epoch, head.number));
        let held = self
            .log(&head.site, head.lane)
            .overlapping(head.number, head.number);
        let chain = self.chains.get(&head.site);
        let named = chain.and_then(|chain| chain.epoch_start(newest, head.lane));
        // The certificate names the head's delta: the held branch lost.
        let is_named = named.is_some_and(|at| (at.number, at.header) == (head.number, head.header));
        let held = held.filter(|_| !is_named);
        kept.is_some_and(|kept| kept.header != head.header)
            || held.is_some_and(|held| (held.last, held.hash) != (head.number, head.header))
    }
}

impl Replica for ModelReplica {
    fn site(&self) -> SiteId {
        self.own
    }

    fn chain(&self, site: &SiteId) -> Option<CertificateChain> {
        self.chains.get(site).filter(|_| self.is_listed(site)).cloned()
    }

    fn is_listed(&self, site: &SiteId) -> bool {
        *site == self.own || self.listed.contains(site)
    }

    fn awaits_a_chain(&self) -> bool {
        self.listed.iter().any(|site| !self.chains.contains_key(site))
    }

    fn chains(&self) -> Vec<CertificateChain> {
        let chains = self.chains.values().filter(|chain| self.is_listed(&chain.site()));
        chains.cloned().collect()
    }

    fn authorised(&self, key: &PublicKey) -> Option<SiteId> {
        let site = self.operators.get(key)?;
        (*site != self.own && self.listed.contains(site)).then_some(*site)
    }

    fn heads(&self) -> Vec<VerifiedHead> {
        self.heads
            .values()
            .filter(|head| self.is_listed(&head.head().site))
            .cloned()
            .collect()
    }

    fn head(&self, site: &SiteId, lane: Lane) -> Option<VerifiedHead> {
        self.heads
            .get(&(*site, lane))
            .filter(|_| self.is_listed(site))
            .cloned()
    }

    fn forks(&self) -> Vec<ForkProof> {
        self.forks
            .values()
            .filter(|fork| self.is_listed(&fork.site()))
            .cloned()
            .collect()
    }

    fn positions(&self) -> Vec<LogPosition> {
        let keys: BTreeSet<LogKey> = self.logs.keys().chain(self.heads.keys()).copied().collect();
        let listed = keys.into_iter().filter(|(site, _)| self.is_listed(site));
        listed.map(|key| self.position_of(key)).collect()
    }

    fn position(&self, site: &SiteId, lane: Lane) -> Option<LogPosition> {
        let key = (*site, lane);
        let known = self.logs.contains_key(&key) || self.heads.contains_key(&key);
        (known && self.is_listed(site)).then(|| self.position_of(key))
    }

    fn tip(&self, site: &SiteId, lane: Lane) -> Option<HeldTip> {
        let log = self.log(site, lane);
        let signed = log.last_header()?;
        Some(HeldTip {
            number: log.held(),
            header: log.tip.header,
            root: log.state.root(),
            signed_root: signed.state_root,
        })
    }

    fn deltas(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        max_bytes: usize,
    ) -> Result<DeltaPage, ReplicaError> {
        let mut page = DeltaPage {
            bytes: Vec::new(),
            last: after,
            more: false,
        };
        for kept in self.log(site, lane).after(after) {
            if !page.bytes.is_empty() && page.bytes.len() + kept.bytes.len() > max_bytes {
                page.more = true;
                break;
            }
            page.bytes.extend_from_slice(&kept.bytes);
            page.last = kept.last;
        }
        Ok(page)
    }

    fn missing_bodies(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        limit: usize,
    ) -> Result<Vec<MissingBody>, ReplicaError> {
        let missing = self.log(site, lane).missing.range(ClaimNumber(after.0 + 1)..);
        Ok(missing.take(limit).map(|(_, missing)| missing.clone()).collect())
    }

    fn bodies(&self, hashes: &[ContentHash], max_bytes: usize) -> Result<Vec<Option<Vec<u8>>>, ReplicaError> {
        let mut answers: Vec<Option<Vec<u8>>> = Vec::new();
        let mut bytes = 0;
        for hash in hashes {
            let body = self.bodies.get(hash);
            bytes += body.map_or(0, |body| body.len());
            if bytes > max_bytes && !answers.is_empty() {
                break;
            }
            answers.push(body.map(|body| body.to_vec()));
        }
        Ok(answers)
    }
}

impl WritableReplica for ModelReplica {
    fn learn_chain(&mut self, chain: &CertificateChain) -> Result<Learned, ReplicaError> {
        let site = chain.site();
        self.demand_listed(&site, "learning the certificate chain")?;
        let Some(known) = self.chains.get(&site) else {
            self.write("keeping a certificate chain")?;
            self.put_chain(chain.clone());
            return Ok(Learned::New);
        };
        let merged = known.merge(chain).map_err(|error| ReplicaError::Refused {
            attempted: format!("learning the certificate chain of {site}"),
            reason: error.to_string(),
        })?;
        if merged.certificates().len() == known.certificates().len() {
            return Ok(Learned::Same);
        }
        self.write("keeping a certificate chain")?;
        self.put_chain(merged);
        Ok(Learned::Longer)
    }

    fn learn_head(&mut self, head: &VerifiedHead) -> Result<LearnedHead, ReplicaError> {
        let key = (head.head().site, head.head().lane);
        self.demand_listed(&key.0, "learning a head")?;
        if self.contradicts(head) {
            return Ok(LearnedHead::Diverges);
        }
        if self
            .heads
            .get(&key)
            .is_some_and(|known| !head.is_newer_than(known))
        {
            return Ok(LearnedHead::Known);
        }
        self.write("keeping a head")?;
        self.put_head(head.clone());
        Ok(LearnedHead::Newer)
    }

    fn learn_fork(&mut self, proof: &ForkProof) -> Result<bool, ReplicaError> {
        let key = (proof.site(), proof.lane());
        self.demand_listed(&key.0, "learning a fork proof")?;
        let chain = self.chains.get(&key.0);
        let settled = chain.is_some_and(|chain| ModelLog::resolved_by(chain, proof.epoch()));
        if settled || self.forks.contains_key(&key) {
            return Ok(false);
        }
        self.write("keeping a fork proof")?;
        self.forks.insert(key, proof.clone());
        Ok(true)
    }

    fn append(&mut self, page: &[u8]) -> Result<AppendOutcome, ReplicaError> {
        self.write("appending deltas")?;
        if std::mem::take(&mut self.hides_append) {
            let mut hidden = self.clone();
            hidden.append(page)?;
            self.hidden = Some(Box::new(hidden));
            return Err(ReplicaError::Storage {
                attempted: "appending deltas".to_owned(),
                source: "they are kept, but not visible yet".into(),
            });
        }
        let mut appended = 0;
        let mut gave_up_after = None;
        let mut rest = page;
        while !rest.is_empty() {
            let taken = Delta::decode_first(rest)
                .map_err(|error| AppendProblem::Invalid {
                    reason: error.to_string(),
                })
                .and_then(|(delta, tail)| {
                    gave_up_after = self.choose_branch(&delta)?.or(gave_up_after);
                    Ok((self.append_one(&delta)?, tail))
                });
            match taken {
                Ok((new, tail)) => {
                    appended += usize::from(new);
                    rest = tail;
                }
                Err(problem) => {
                    let problem = Some(problem);
                    return Ok(AppendOutcome {
                        appended,
                        problem,
                        gave_up_after,
                    });
                }
            }
        }
        Ok(AppendOutcome {
            appended,
            problem: None,
            gave_up_after,
        })
    }

    fn store_bodies(&mut self, bodies: Vec<Vec<u8>>) -> Result<usize, ReplicaError> {
        self.write("keeping bodies")?;
        let missing = self.logs.values().flat_map(|log| log.missing.values());
        let wanted: BTreeSet<ContentHash> = missing.map(|missing| missing.hash).collect();
        let mut kept = BTreeSet::new();
        for body in bodies {
            let hash = ContentHash::of(&body);
            if wanted.contains(&hash) && !self.bodies.contains_key(&hash) {
                self.bodies.insert(hash, body.into());
                kept.insert(hash);
            }
        }
        for log in self.logs.values_mut() {
            log.missing.retain(|_, missing| !kept.contains(&missing.hash));
        }
        Ok(kept.len())
    }

    fn accept(&mut self) -> Result<Vec<(SiteId, Lane, ClaimNumber)>, ReplicaError> {
        self.write("accepting")?;
        let frozen: Vec<LogKey> = self
            .logs
            .keys()
            .filter(|key| self.is_frozen(key))
            .copied()
            .collect();
        let mut moved = Vec::new();
        for (&(site, lane), log) in &mut self.logs {
            if !frozen.contains(&(site, lane))
                && let Some(accepted) = log.accept()
            {
                moved.push((site, lane, accepted));
            }
        }
        Ok(moved)
    }
}
