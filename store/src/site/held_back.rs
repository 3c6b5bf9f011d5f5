//! A home that was restored from a backup or copied: it takes its own log from others and signs nothing.

use std::sync::atomic::Ordering;

use starling_protocol::{CertificateChain, Lane, LaneResume, PublicKey};

use super::SiteStore;
use super::state::{LogId, State};
use crate::error::StoreError;

impl SiteStore {
    /// Stops this site from signing, or allows it again. While it may not sign, it also takes deltas of its own
    /// log from peers and bundles that go beyond every head it knows: it may have written them before it was
    /// restored.
    pub fn hold_back(&self, is_held_back: bool) {
        self.held_back.store(is_held_back, Ordering::SeqCst);
    }

    /// Returns true if this site signs nothing for now.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::SeqCst)
    }

    /// Returns true if this site's own log was repaired past a loss and is known to continue beyond the held
    /// part. Peers then bring the missing part, and it continues as before.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn was_repaired(&self) -> Result<bool, StoreError> {
        let state = self.read()?;
        let mut own = state.logs.iter().filter(|(id, _)| id.site == state.site);
        Ok(self.past_damage || own.any(|(_, log)| log.witnessed.0 > 0))
    }

    /// Returns the positions from which the next epoch of this site resumes: the end of each non-empty log.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if a log is known to continue beyond the held part, unless that part is given up.
    pub fn resume_points(&self, gives_up_the_rest: bool) -> Result<Vec<LaneResume>, StoreError> {
        let state = self.read()?;
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let id = LogId {
                site: state.site,
                lane,
            };
            let Some(log) = state.logs.get(&id) else {
                continue;
            };
            // An epoch that resolves a fork names the held branch, however long the other one is.
            if !log.is_frozen() && !gives_up_the_rest {
                crate::trust::check_not_behind(&state, id)?;
            }
            if log.tip.cursor.number.0 > 0 {
                lanes.push(LaneResume {
                    lane,
                    number: log.tip.cursor.number,
                    header: log.tip.header,
                });
            }
        }
        Ok(lanes)
    }

    /// Refuses to sign for a restored home that may not sign yet, or with a key that another copy of the home
    /// has replaced.
    pub(crate) fn check_may_sign(&self, state: &State, key: &PublicKey) -> Result<(), StoreError> {
        if self.is_held_back() {
            return Err(StoreError::HeldBack);
        }
        match state.chains.get(&state.site) {
            Some(chain) if !chain.is_current_key(key) => Err(StoreError::Superseded {
                epoch: chain.epoch(),
                since: issued_at(chain),
            }),
            _ => Ok(()),
        }
    }
}

fn issued_at(chain: &CertificateChain) -> starling_protocol::UnixMillis {
    chain.current().body().issued_at
}
