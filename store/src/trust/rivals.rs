//! Keeps and reports evidence that an author, or its root key, signed twice.

use starling_protocol::{CertificateChain, CertificateError, Lane, SiteId, VerifiedHead};

use crate::SiteStore;
use crate::deltas::FrozenBy;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::write_rival_chain;
use crate::rows::txn::Txn;
use crate::site::state::{Log, LogId, State};

impl SiteStore {
    /// Keeps a chain that contradicts the known one: proof that the root key signed twice.
    pub(super) fn keep_rival_chain(&self, chain: &CertificateChain) -> Result<(), StoreError> {
        self.change(|state| {
            let site = chain.site();
            let mut txn = self.txn();
            write_rival_chain(&mut txn, state, chain);
            let bytes = chain.to_bytes();
            txn.log(Entry::RivalChain { site, bytes });
            if let Some(epoch) = rival_epoch(state, &site) {
                let lane = Lane::Federation;
                self.tell_frozen(
                    &mut txn,
                    state,
                    LogId { site, lane },
                    FrozenBy::Certificates { epoch },
                )?;
            }
            txn.commit()
        })
    }

    /// Keeps a head that contradicts the held log, which freezes the log.
    pub(super) fn keep_rival_head(&self, head: &VerifiedHead) -> Result<(), StoreError> {
        self.change(|state| {
            let mut txn = self.txn();
            self.note_rival_head(&mut txn, state, head)?;
            txn.commit()
        })
    }

    /// As [`keep_rival_head`](Self::keep_rival_head), within a transaction.
    pub(crate) fn note_rival_head(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        head: &VerifiedHead,
    ) -> Result<(), StoreError> {
        let log = LogId {
            site: head.head().site,
            lane: head.head().lane,
        };
        if state.logs.get(&log).is_some_and(Log::is_frozen) {
            return Ok(());
        }
        let bytes = head.as_bytes().to_vec();
        self.apply_rival_head(txn, state, log, &bytes)?;
        txn.log(Entry::RivalHead { log, bytes });
        let number = head.head().number;
        self.tell_frozen(txn, state, log, FrozenBy::Head { number })
    }

    /// Returns the first epoch for which two certificates of a site were seen.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn distrusted_since(&self, site: &SiteId) -> Result<Option<u32>, StoreError> {
        Ok(rival_epoch(&*self.read()?, site))
    }
}

/// Returns the first epoch for which two certificates of a site were seen.
pub(crate) fn rival_epoch(state: &State, site: &SiteId) -> Option<u32> {
    let (known, rival) = (state.chains.get(site)?, state.rival_chains.get(site)?);
    match known.merge(rival) {
        Err(CertificateError::Conflict { epoch, .. }) => Some(epoch),
        _ => None,
    }
}
