//! Certificate chains: learned, kept, and followed. A new epoch may end the earlier one before claims that are held.

use std::ops::{Bound, ControlFlow};

use starling_protocol::{CertificateChain, CertificateError, ClaimNumber, Lane, LogTip, SiteId};
use starling_sync::Learned;

use super::rival_epoch;
use crate::SiteStore;
use crate::deltas::extend::{Entering, PlacedDelta};
use crate::engine::{Direction, PageLimit, ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::{ask_for_rebuild, end_fork, end_head, end_rival_head, write_chain};
use crate::rows::txn::Txn;
use crate::rows::{DeltaRow, LogNumber, damaged, sites, split_claim_key};
use crate::site::state::{Log, LogId, State};

/// Called with the key and the value of each row.
type RowVisitor<'v> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'v;

/// Claims of a log that is cut in steps; a shorter one is cut in one batch. A hundred times fewer in tests.
const LONG_LOG: u64 = if cfg!(test) { 655 } else { 65_536 };

/// Bytes of rows that are read at once while a log is cut.
const PAGE_BYTES: usize = 8 << 20;

impl SiteStore {
    /// Keeps a chain, this site's own or a listed site's, if it is longer than the known one.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`], or a chain that contradicts the known one.
    pub fn learn_chain(&self, chain: &CertificateChain) -> Result<Learned, StoreError> {
        let site = chain.site();
        {
            // Refused before anything changes: a refusal must cost its sender more than this site.
            let state = self.read()?;
            if site != state.site && state.listed_by_site(&site).is_none() {
                return Err(StoreError::SiteNotListed {
                    site: format!("{} ({site})", chain.slug()),
                });
            }
            let known = state.chains.get(&site);
            let merged = known.map(|known| known.merge(chain));
            match merged {
                Some(Err(error @ CertificateError::Conflict { .. })) if site != state.site => {
                    let is_news = !state.rival_chains.contains_key(&site);
                    drop(state);
                    if is_news {
                        self.keep_rival_chain(chain)?;
                    }
                    return Err(error.into());
                }
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(merged)) if known.is_some_and(|known| known.epoch() == merged.epoch()) => {
                    return Ok(Learned::Same);
                }
                _ => {}
            }
            if let Some(epoch) = rival_epoch(&state, &site) {
                return Err(CertificateError::Conflict { site, epoch }.into());
            }
        }
        self.change(|state| self.keep_chain(state, chain))
    }

    /// Returns a known chain.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn chain(&self, site: &SiteId) -> Result<Option<CertificateChain>, StoreError> {
        Ok(self.read()?.chains.get(site).cloned())
    }

    pub(crate) fn keep_chain(
        &self,
        state: &mut State,
        chain: &CertificateChain,
    ) -> Result<Learned, StoreError> {
        let site = chain.site();
        let (kept, learned) = match state.chains.get(&site) {
            None => (chain.clone(), Learned::New),
            Some(known) => {
                let merged = known.merge(chain)?;
                let longer = merged.epoch() > known.epoch();
                (merged, if longer { Learned::Longer } else { Learned::Same })
            }
        };
        if learned == Learned::Same {
            // A crash may have come between a chain and its consequences.
            for lane in Lane::ALL {
                self.follow_chain(state, LogId { site, lane })?;
            }
            return Ok(learned);
        }
        let mut txn = self.txn();
        write_chain(&mut txn, state, &kept)?;
        let bytes = kept.to_bytes();
        txn.log(Entry::Chain { site, bytes });
        for lane in Lane::ALL {
            self.end_former_witness(&mut txn, state, LogId { site, lane })?;
        }
        txn.commit()?;
        for lane in Lane::ALL {
            self.follow_chain(state, LogId { site, lane })?;
        }
        Ok(learned)
    }

    /// Ends what is known of a log's former end when a new certificate is learned: a new epoch states from where the log
    /// continues, and what was lost beyond that is history. One that was known before the loss says nothing about it.
    fn end_former_witness(&self, txn: &mut Txn<'_>, state: &mut State, log: LogId) -> Result<(), StoreError> {
        let (Some(found), Some(chain)) = (state.logs.get(&log), state.chains.get(&log.site)) else {
            return Ok(());
        };
        let newest = chain.epoch();
        let Some(start) = chain.epoch_start(newest, log.lane) else {
            return Ok(());
        };
        if found.witnessed <= start.number || newest <= found.tip.epoch {
            return Ok(());
        }
        let number = if start.number > found.tip.cursor.number {
            start.number
        } else {
            ClaimNumber::NONE
        };
        self.apply_witness(txn, state, log, number)?;
        txn.log(Entry::Witnessed { log, number });
        Ok(())
    }

    /// Makes a log agree with its author's newest chain: a branch that an epoch closed is given up.
    pub(crate) fn follow_chain(&self, state: &mut State, id: LogId) -> Result<(), StoreError> {
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&id.site)) else {
            return Ok(());
        };
        let newest = chain.epoch();
        let chain = chain.clone();
        // The least position that any later certificate names, not only the newest one's: that may be beyond
        // what an earlier one closed.
        let is_closed = |epoch: u32, number: ClaimNumber| {
            let end = chain.epoch_end(epoch, id.lane);
            end.is_some_and(|end| number > end.number)
        };
        if log
            .rival
            .as_ref()
            .is_some_and(|rival| rival.head().epoch < newest)
            || self.is_rival_named(state, id)?
        {
            let mut txn = self.txn();
            end_rival_head(&mut txn, state, id);
            txn.log(Entry::RivalHeadEnded(id));
            txn.commit()?;
            return self.follow_chain(state, id);
        }
        let forked = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        let past_end = is_closed(log.tip.epoch, log.tip.cursor.number);
        let stale_head = log
            .head
            .as_ref()
            .is_some_and(|head| is_closed(head.head().epoch, head.head().number));
        if stale_head || (forked && log.tip.epoch >= newest) {
            // The log continued in the new epoch: proof and head of the closed one are history. If the held
            // branch may be the one that lost, the proof is still needed.
            let settled = log.tip.epoch >= newest && log.fork.is_some();
            let mut txn = self.txn();
            if stale_head {
                end_head(&mut txn, state, id);
                txn.log(Entry::HeadEnded(id));
                state.history.write(&mut txn);
            }
            if settled {
                end_fork(&mut txn, state, id);
                txn.log(Entry::ForkEnded(id));
            }
            txn.commit()?;
        }
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let resolved = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        if !resolved && !past_end {
            return Ok(());
        }
        // Keep up to the position that the certificate names, if it is held; else up to one that earlier
        // certificates name.
        let mut keep = ClaimNumber::NONE;
        for epoch in (0..=newest).rev() {
            let Some(start) = chain.epoch_start(epoch, id.lane) else {
                continue;
            };
            match self.position_in(state, id, start.number)? {
                Some(tip) if tip.header == start.header => {
                    keep = start.number;
                    break;
                }
                _ => {}
            }
        }
        self.truncate(state, id, keep)
    }

    pub(crate) fn position_in(
        &self,
        state: &State,
        id: LogId,
        number: ClaimNumber,
    ) -> Result<Option<LogTip>, StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(None);
        };
        if number == ClaimNumber::NONE {
            return Ok(Some(LogTip::default()));
        }
        let mut found = None;
        self.scan_deltas(log.number, ClaimNumber(number.0 - 1), number, &mut |_, delta| {
            found = crate::deltas::logs::header_of(delta).filter(|header| header.last() == number);
            ControlFlow::Break(())
        })?;
        Ok(found.map(|header| LogTip {
            cursor: header.cursor(),
            header: header.hash(),
            epoch: header.epoch,
        }))
    }

    /// Gives up the claims of a log after `keep`, and derives the rest again from its deltas.
    pub(crate) fn truncate(&self, state: &mut State, id: LogId, keep: ClaimNumber) -> Result<(), StoreError> {
        let mut txn = self.txn();
        txn.log(Entry::Cut { log: id, keep });
        self.cut(&mut txn, state, id, keep)?;
        txn.commit()?;
        self.follow_cut(state)
    }

    /// Brings what follows from a log up to date after a cut.
    pub(crate) fn follow_cut(&self, state: &mut State) -> Result<(), StoreError> {
        self.find_wanted(state)?;
        self.accept_whole(state)?;
        self.show(state, &crate::activity::events::Origin::default())?;
        Ok(())
    }

    /// Writes the rows of a log that ends at `keep`; the history starts again with it.
    ///
    /// The rows of a long log are written in steps, after the entries of the transaction are in the site's log: a crash
    /// between two steps leaves a position before these entries, and the replay writes all the rows again. Whatever can be
    /// refused is refused before the first step.
    pub(crate) fn cut(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        keep: ClaimNumber,
    ) -> Result<(), StoreError> {
        // Also if a crash left no row of the log.
        let Some(number) = state.log_number(&id) else {
            return Ok(());
        };
        // Nothing may be read from the view before it is folded again.
        ask_for_rebuild(txn, state);
        // A log without a state lost its row to a crash between two steps.
        let log = state.logs.get(&id);
        let is_long = log.is_none_or(|log| log.tip.cursor.number.0 >= LONG_LOG);
        if is_long {
            self.check_kept(number, keep)?;
        }
        // A replay may have placed deltas of the log in this transaction: what follows reads committed rows.
        if is_long || txn.writes_to(Tree::Logs) || txn.writes_to(Tree::Claims) {
            txn.begin_steps()?;
        }
        let mut fresh = Log::new(number);
        if let Some(log) = state.logs.get(&id) {
            (fresh.head, fresh.witnessed, fresh.replaced) = (log.head.clone(), log.witnessed, log.replaced);
        }
        state.logs.insert(id, fresh);
        self.wipe_log(txn, number)?;
        let entering = if id.site == state.site {
            Entering::Own
        } else {
            Entering::Foreign
        };
        self.each_row(Tree::Logs, &number.to_bytes(), &mut |key, row| {
            let first = key.last_chunk::<8>().map(|first| u64::from_be_bytes(*first));
            if first.is_some_and(|first| first <= keep.0) {
                self.place_again(txn, state, id, (key, row), entering)?;
            } else {
                txn.delete(Tree::Logs, key);
            }
            txn.step()
        })?;
        // Numbers after `keep` will belong to other claims: earlier states cannot be restored.
        for key in self.superseded_after(txn, number, keep)? {
            txn.delete(Tree::History, &key);
            txn.step()?;
        }
        state.history.begin_anew(txn);
        Ok(())
    }

    /// Reads the deltas of a log up to `keep`, as a cut derives the log's rows from them again.
    fn check_kept(&self, number: LogNumber, keep: ClaimNumber) -> Result<(), StoreError> {
        self.each_row(Tree::Logs, &number.to_bytes(), &mut |key, row| {
            let first = key.last_chunk::<8>().map(|first| u64::from_be_bytes(*first));
            if first.is_some_and(|first| first <= keep.0) {
                let bad = |_| damaged(Tree::Logs, key, "a delta");
                let bytes = self.delta_of(key, row)?;
                let delta = starling_protocol::Delta::decode(&bytes).map_err(bad)?;
                delta.reopen().map_err(bad)?;
            }
            Ok(())
        })
    }

    /// Removes the rows that are derived from a log's deltas.
    fn wipe_log(&self, txn: &mut Txn<'_>, number: LogNumber) -> Result<(), StoreError> {
        self.each_row(Tree::Claims, &[], &mut |key, _| {
            if split_claim_key(key).is_some_and(|(_, log)| log == number) {
                txn.delete(Tree::Claims, key);
            }
            txn.step()
        })?;
        self.each_row(
            Tree::Sites,
            &sites::by_log(sites::SOURCE, number),
            &mut |key, _| {
                txn.delete(Tree::Sites, key);
                Ok(())
            },
        )?;
        for kind in [sites::LOG, sites::FORK, sites::RIVAL_HEAD] {
            txn.delete(Tree::Sites, &sites::by_log(kind, number));
        }
        Ok(())
    }

    /// Visits the committed rows below a prefix page by page, so that `visit` may write.
    fn each_row(&self, tree: Tree, prefix: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let start = match &after {
                Some(key) => Bound::Excluded(key.as_slice()),
                None => Bound::Included(prefix),
            };
            let limit = PageLimit {
                rows: ROWS_PER_COMMIT,
                bytes: PAGE_BYTES,
            };
            let page = self
                .engine
                .page(tree, start, Bound::Unbounded, Direction::Forward, limit)?;
            for (key, row) in &page.rows {
                if !key.starts_with(prefix) {
                    return Ok(());
                }
                visit(key, row)?;
            }
            match page.rows.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// Derives the rows of a held delta again, without judging it again.
    fn place_again(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        (key, row): (&[u8], &[u8]),
        entering: Entering,
    ) -> Result<(), StoreError> {
        let bad = |_| damaged(Tree::Logs, key, "a delta");
        let bytes = self.delta_of(key, row)?;
        let delta = starling_protocol::Delta::decode(&bytes).map_err(bad)?;
        let claims = delta.reopen().map_err(bad)?;
        let placed = PlacedDelta::replayed(&delta, &claims);
        let row = DeltaRow::decode(row).ok_or_else(|| damaged(Tree::Logs, key, "the place of a delta"))?;
        self.extend(txn, state, id, &placed, entering, Some(&row))
            .map(|_| ())
    }
}
