//! Fork proofs: kept, and the author frozen.

use starling_protocol::ForkProof;

use crate::SiteStore;
use crate::deltas::FrozenBy;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::sites;
use crate::site::state::LogId;

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
            // A fork that a later epoch settled is history.
            if state
                .chains
                .get(&id.site)
                .is_some_and(|chain| chain.epoch() > proof.epoch())
            {
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
            self.tell_frozen(&mut txn, state, id, FrozenBy::Fork { epoch })?;
            txn.commit()?;
            Ok(true)
        })
    }
}
