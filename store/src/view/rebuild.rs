//! Rebuilds the view from the start: after a change of its settings, or because its rows cannot be used.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use starling_protocol::KeyRef;
use starling_view::RecordKey;

use super::accept::settle;
use super::counts::ViewCounts;
use super::show::{RECORDS_PER_STEP, warn_of_problems};
use crate::SiteStore;
use crate::activity::events::Origin;
use crate::engine::{Direction, PageLimit, ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::history::SettingsBefore;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, damaged, meta, sites, source_text, split_claim_key};
use crate::site::state::State;
use crate::view::rows::tree_of;
use crate::view::unindexed;

impl SiteStore {
    /// Wipes the view and folds every accepted claim again, in key order.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the view.
    pub(crate) fn rebuild_view(&self, state: &mut State) -> Result<(), StoreError> {
        let mut txn = Txn::new(self.engine.as_ref());
        txn.put(Tree::Meta, meta::REBUILD, Vec::new());
        unindexed::forget_base(&mut txn);
        txn.put(Tree::Meta, meta::ADVISORIES, 0_u64.to_le_bytes().to_vec());
        let mut counts = Vec::new();
        self.engine
            .scan_prefix(Tree::Meta, meta::RECORDS, Direction::Forward, &mut |key, _| {
                counts.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
        for key in counts {
            txn.delete(Tree::Meta, &key);
        }
        txn.commit()?;
        state.rebuild = true;
        for table in starling_view::Table::ALL {
            self.wipe(tree_of(table))?;
        }
        let mut counted = ViewCounts::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let limit = PageLimit {
                rows: RECORDS_PER_STEP,
                bytes: usize::MAX,
            };
            let page = self
                .engine
                .page(Tree::Claims, start, Bound::Unbounded, Direction::Forward, limit)?;
            let mut records = BTreeSet::new();
            for (key, _) in &page.rows {
                let (claim_key, _) =
                    split_claim_key(key).ok_or_else(|| damaged(Tree::Claims, key, "a claim's key"))?;
                if let KeyRef::Record(source, id) = claim_key.parse() {
                    records.insert(RecordKey::new(source, id));
                }
            }
            let mut txn = Txn::new(self.engine.as_ref());
            self.update_view(&mut txn, state, &records, None, &mut counted)?;
            if !txn.is_empty() {
                txn.commit()?;
            }
            match page.rows.into_iter().next_back() {
                Some((key, _)) if page.more => after = Some(key),
                _ => break,
            }
        }
        warn_of_problems(&counted);
        self.settle_all(state)?;
        let mut txn = self.txn();
        for log in state.logs.values_mut() {
            for (source, row) in &mut log.sources {
                row.viewed = row.accepted;
                txn.put(
                    Tree::Sites,
                    &sites::source(log.number, source_text(source.as_ref())),
                    row.encode(),
                );
            }
        }
        self.write_settings_mark(&mut txn, state)?;
        txn.delete(Tree::Meta, meta::REBUILD);
        txn.commit()?;
        state.rebuild = false;
        Ok(())
    }

    /// Settles every accepted claim, after a replay or a rebuild that did not settle them one by one.
    fn settle_all(&self, state: &State) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let limit = PageLimit {
                rows: ROWS_PER_COMMIT,
                bytes: usize::MAX,
            };
            let page = self
                .engine
                .page(Tree::Claims, start, Bound::Unbounded, Direction::Forward, limit)?;
            let mut txn = Txn::new(self.engine.as_ref());
            for (key, row) in &page.rows {
                let parts = split_claim_key(key).zip(ClaimRow::decode(row));
                let Some(((claim_key, number), row)) = parts else {
                    return Err(damaged(Tree::Claims, key, "a claim"));
                };
                if row.prior.is_none() && !row.is_tombstone() {
                    continue;
                }
                let log = state.log_id(number).and_then(|id| state.logs.get(&id));
                if let Some(log) = log {
                    settle(&mut txn, key, &log.sources, &claim_key)?;
                }
            }
            if !txn.is_empty() {
                txn.commit()?;
            }
            match page.rows.into_iter().next_back() {
                Some((key, _)) if page.more => after = Some(key),
                _ => return Ok(()),
            }
        }
    }

    pub(crate) fn wipe(&self, tree: Tree) -> Result<(), StoreError> {
        loop {
            let limit = PageLimit {
                rows: ROWS_PER_COMMIT,
                bytes: usize::MAX,
            };
            let page = self.engine.page(
                tree,
                Bound::Unbounded,
                Bound::Unbounded,
                Direction::Forward,
                limit,
            )?;
            let mut txn = Txn::new(self.engine.as_ref());
            for (key, _) in &page.rows {
                txn.delete(tree, key);
            }
            if txn.is_empty() {
                return Ok(());
            }
            txn.commit()?;
        }
    }

    /// Asks for a rebuild when the view was built with other settings.
    pub(crate) fn note_settings(&self, state: &mut State) -> Result<(), StoreError> {
        let mut txn = self.txn();
        let found = self.engine.get(Tree::Meta, meta::VIEW_SETTINGS)?;
        match found {
            Some(found) if found == self.settings_mark()? => {
                let rows = self.engine.get(Tree::Meta, meta::VIEW_ROWS)?;
                if rows.as_deref() != Some(&self.rows_fingerprint()?[..]) {
                    state.rebuild = true;
                }
            }
            Some(_) => state.rebuild = true,
            // A new store: nothing was folded yet.
            None => {
                self.write_settings_mark(&mut txn, state)?;
                txn.commit()?;
            }
        }
        Ok(())
    }

    fn rows_fingerprint(&self) -> Result<[u8; 32], StoreError> {
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        Ok(settings.rows_fingerprint())
    }

    fn settings_mark(&self) -> Result<Vec<u8>, StoreError> {
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        Ok(settings.mark().to_vec())
    }

    /// Writes the settings of the fold, and the former settings into the history.
    fn write_settings_mark(&self, txn: &mut Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        txn.put(Tree::Meta, meta::VIEW_ROWS, settings.rows_fingerprint().to_vec());
        let mark = settings.mark();
        let before = self.engine.get(Tree::Meta, meta::VIEW_SETTINGS)?;
        let policy = self.engine.get(Tree::Meta, meta::VIEW_POLICY)?;
        let written = settings.policy.written();
        let written = serde_json::to_string(written)
            .map_err(|_| damaged(Tree::Meta, meta::VIEW_POLICY, "a policy to write"))?;
        let mut begins_history = false;
        match (before, policy.map(String::from_utf8)) {
            // An identical mark is not written again.
            (Some(before), _) if before == mark => return Ok(()),
            (None, _) => {}
            (Some(before), Some(Ok(policy))) if folds_alike(&settings, &before, &policy) => {
                if let Ok(mark) = before.try_into() {
                    state.history.note_settings(SettingsBefore { mark, policy });
                    state.history.write(txn);
                }
            }
            // It was folded by other rules than this build's: that view cannot be rebuilt.
            _ => {
                state.history.begin_anew(txn);
                begins_history = true;
            }
        }
        txn.log(Entry::Settings {
            fingerprint: mark,
            policy: written.clone(),
            begins_history,
        });
        txn.put(Tree::Meta, meta::VIEW_SETTINGS, mark.to_vec());
        txn.put(Tree::Meta, meta::VIEW_POLICY, written.into_bytes());
        Ok(())
    }

    /// Uses other settings for the fold from now on, and rebuilds the view if they differ.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the view.
    pub fn set_settings(&self, settings: starling_view::Settings) -> Result<(), StoreError> {
        self.change(|state| {
            // Decisions of operators hold under every policy.
            let mut settings = settings;
            settings.decisions = crate::activity::decisions_in(self.engine.as_ref())?;
            // Set only now: everything published meanwhile was folded with the former settings.
            let settings = Arc::new(settings);
            let before = std::mem::replace(
                &mut *self.settings.write().map_err(|_| StoreError::Poisoned)?,
                settings,
            );
            if let Err(error) = self.note_settings(state) {
                // The rows are still those folded with the former settings.
                *self.settings.write().map_err(|_| StoreError::Poisoned)? = before;
                return Err(error);
            }
            self.show(state, &Origin::default()).map(|_| ())
        })
    }
}

/// Returns true if these settings with another policy have the mark; otherwise more than the policy differs.
fn folds_alike(settings: &starling_view::Settings, mark: &[u8], policy: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<starling_view::ViewPolicy>(policy) else {
        return false;
    };
    let mut then = settings.clone();
    then.policy = policy.compile(settings.policy.local());
    then.mark() == mark
}
