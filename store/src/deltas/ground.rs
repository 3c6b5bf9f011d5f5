//! Answers the bundle check's questions about a site's own logs.

use starling_protocol::bundle::HeldLog;
use starling_protocol::{CertificateChain, ClaimKey, ClaimNumber, ContentHash, Delta, Head, VerifiedHead};
use starling_sync::HeldTip;

use crate::SiteStore;
use crate::deltas::logs::header_of;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::{ClaimRow, claim_key, damaged};
use crate::site::state::LogId;

impl SiteStore {
    /// Returns the held end of a log with its state; the beginning if the log is not held.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn held_log(&self, id: LogId) -> Result<HeldLog, StoreError> {
        let state = self.read()?;
        Ok(state.logs.get(&id).map_or_else(HeldLog::default, |log| HeldLog {
            tip: log.tip,
            state: log.state(),
        }))
    }

    /// Returns the end of the held part of a log, with the root of its rows and the root that its author
    /// signed.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or of a delta that cannot be read.
    pub fn held_tip(&self, id: LogId) -> Result<Option<HeldTip>, StoreError> {
        let held = self.held_log(id)?;
        let number = held.tip.cursor.number;
        let Some(delta) = self.delta_with(id, number)? else {
            return Ok(None);
        };
        let signed = header_of(&delta).filter(|header| header.hash() == held.tip.header);
        Ok(signed.map(|signed| HeldTip {
            number,
            header: held.tip.header,
            root: held.state.root(),
            signed_root: signed.state_root,
        }))
    }

    /// Returns the held delta that contains a claim.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn delta_with(&self, id: LogId, number: ClaimNumber) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(before) = number.0.checked_sub(1) else {
            return Ok(None);
        };
        Ok(self.deltas(id, ClaimNumber(before), 0)?.deltas.into_iter().next())
    }

    /// Returns the frame of a log's live claim on a key.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn live_frame(&self, id: LogId, key: &ClaimKey) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.read()?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(None);
        };
        let row_key = claim_key(key, log.number);
        let bad = || damaged(Tree::Claims, &row_key, "a claim");
        match state.rows().get(Tree::Claims, &row_key)? {
            None => Ok(None),
            Some(row) => {
                let row = ClaimRow::decode(&row).ok_or_else(bad)?;
                if row.is_tombstone() {
                    return Ok(None);
                }
                row.frame(key).map(Some).ok_or_else(bad)
            }
        }
    }

    /// Returns true if a body is here.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn has_body(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        self.bodies.contains(hash)
    }

    /// Returns true if a head names another delta than the one held for its number, or another state after it.
    /// Its author then signed two histories.
    ///
    /// The head of a closed epoch may belong to a branch that was given up, and contradicts nothing.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn head_contradicts(&self, head: &Head) -> Result<bool, StoreError> {
        let id = LogId {
            site: head.site,
            lane: head.lane,
        };
        {
            let state = self.read()?;
            let newest = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
            let Some(log) = state.logs.get(&id).filter(|_| head.epoch == newest) else {
                return Ok(false);
            };
            let kept = log.head.as_ref().map(VerifiedHead::head);
            let other = kept.filter(|kept| (kept.epoch, kept.number) == (head.epoch, head.number));
            if other.is_some_and(|other| other.header != head.header) {
                return Ok(true);
            }
            let tip = &log.tip;
            if head.number == ClaimNumber::NONE || head.number > tip.cursor.number {
                return Ok(false);
            }
            let named = state.chains.get(&id.site);
            let named = named.and_then(|chain| chain.epoch_start(newest, id.lane));
            let is_named = named.is_some_and(|at| (at.number, at.header) == (head.number, head.header));
            if is_named && tip.cursor.number == head.number && tip.header != head.header {
                // The certificate names the head's delta: the held branch lost, and nothing is contradicted.
                return Ok(false);
            }
            if head.number == tip.cursor.number {
                let state = log.state();
                let said = (head.header, head.time, head.live_entries, head.state_root);
                return Ok(said != (tip.header, tip.cursor.time, state.live(), state.root()));
            }
        }
        let held = self.delta_with(id, head.number)?;
        let held = held.as_deref().and_then(|bytes| Delta::decode(bytes).ok());
        Ok(held.is_some_and(|held| {
            let header = held.header();
            let said = (head.header, head.time, head.live_entries, head.state_root);
            let is_so = (header.hash(), header.time, header.live_entries, header.state_root);
            header.last() != head.number || said != is_so
        }))
    }
}
