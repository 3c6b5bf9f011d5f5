//! Fork proofs: kept, and the author frozen.

use starling_protocol::{CertificateChain, ForkProof};

use crate::SiteStore;
use crate::deltas::FrozenBy;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::sites;
use crate::site::state::{LogId, State};

impl SiteStore {
    /// Keeps a fork proof and freezes its log. Returns true if it is new.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`], or of the engine.
    pub fn learn_fork(&self, proof: &ForkProof) -> Result<bool, StoreError> {
        self.change(|state| {
            let id = LogId {
                site: proof.site(),
                lane: proof.lane(),
            };
            if !state.may_hold(&id.site) {
                return Err(StoreError::SiteNotListed {
                    site: id.site.to_string(),
                });
            }
            // A fork that a later epoch settled is history, unless the held log may be of the branch that lost.
            let newest = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
            let is_closed = newest > proof.epoch();
            if is_closed && !self.may_have_lost(state, id, proof)? {
                return Ok(false);
            }
            let mut txn = self.txn();
            let number = self.ensure_log(&mut txn, state, id)?;
            let Some(log) = state.logs.get_mut(&id) else {
                return Ok(false);
            };
            if log.fork.is_some() {
                return Ok(false);
            }
            let bytes = proof.to_bytes();
            txn.put(Tree::Sites, &sites::by_log(sites::FORK, number), bytes.clone());
            txn.log(Entry::Fork { log: id, bytes });
            log.fork = Some(proof.clone());
            let epoch = proof.epoch();
            if !is_closed {
                self.tell_frozen(&mut txn, state, id, FrozenBy::Fork { epoch })?;
            }
            txn.commit()?;
            if is_closed {
                self.follow_chain(state, id)?;
            }
            Ok(true)
        })
    }

    /// Returns true if the held log has one side of a fork, and does not reach the end of that epoch, which would tell
    /// which side is valid.
    fn may_have_lost(&self, state: &State, id: LogId, proof: &ForkProof) -> Result<bool, StoreError> {
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&id.site)) else {
            return Ok(false);
        };
        if chain.is_past(proof.epoch(), id.lane, log.tip.cursor.number) {
            return Ok(false);
        }
        for header in proof.headers() {
            let header = header.header();
            let held = self.position_in(state, id, header.last())?;
            if held.is_some_and(|held| held.header == header.hash()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
