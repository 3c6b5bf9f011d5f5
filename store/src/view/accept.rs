//! Acceptance and the replay: held claims become knowledge, and the view follows.
//!
//! Acceptance moves per log and source, in one transaction, as soon as every live body in scope is here. The
//! view then catches up delta by delta. Each step is idempotent and its position is published with it, so after
//! a crash anywhere the replay continues at the next start.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_protocol::{BundleHash, Claim, ClaimKey, ClaimNumber, Delta, KeyRef, Lane, SiteId, Source};
use starling_view::RecordKey;

use crate::SiteStore;
use crate::activity::events::{EventContext, Origin};
use crate::engine::{Direction, PageLimit, Tree};
use crate::error::StoreError;
use crate::history::SettingsBefore;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key, damaged, meta, sites, source_text, split_claim_key};
use crate::site::state::{LogId, State, Wanted};
use crate::view::rows::{Ports, tree_of};
use crate::view::unindexed;

/// Changed records after which a step of the replay commits.
pub(crate) const RECORDS_PER_STEP: usize = 2_048;
/// Rows that a wipe of the view removes in one commit.
const ROWS_PER_WIPE: usize = 8_192;

/// The result of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Logs whose accepted position moved, with that position.
    pub logs: Vec<(SiteId, Lane, ClaimNumber)>,
    /// The changes of the view.
    pub view: ViewCounts,
}

/// Counts of the changes that a replay made in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ViewCounts {
    /// Canonical advisories that are new.
    pub created: u64,
    /// Canonical advisories with other content now.
    pub updated: u64,
    /// Canonical advisories that are gone, withdrawn or redirected.
    pub removed: u64,
    /// Records looked at that changed nothing.
    pub skipped: u64,
    /// Ties between records and advisories that are new.
    pub edges_added: u64,
    /// Records that were stated before and no longer are.
    pub deletions: u64,
    /// Canonical advisories that are withdrawn now and were not before.
    #[serde(default)]
    pub withdrawn: u64,
}

impl SiteStore {
    /// Accepts everything that is complete, and brings the view up to date.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the view.
    pub fn accept(&self, origin: &Origin) -> Result<Accepted, StoreError> {
        self.change(|state| {
            let mut txn = self.txn();
            let logs = accept_complete(&mut txn, state, origin.bundle);
            if !txn.is_empty() {
                self.bodies.sync(&mut txn)?;
                txn.commit()?;
            }
            let view = self.show(state, origin)?;
            Ok(Accepted { logs, view })
        })
    }

    /// Accepts claims that a crash or a change of scope left complete but not accepted.
    pub(crate) fn accept_whole(&self, state: &mut State) -> Result<(), StoreError> {
        let mut txn = self.txn();
        accept_complete(&mut txn, state, None);
        if txn.is_empty() {
            return Ok(());
        }
        self.bodies.sync(&mut txn)?;
        txn.commit()
    }

    /// Shows accepted claims in the view that it does not show yet.
    pub(crate) fn show(&self, state: &mut State, origin: &Origin) -> Result<ViewCounts, StoreError> {
        let mut counts = ViewCounts::default();
        if state.rebuild {
            self.rebuild_view(state)?;
        }
        let behind: Vec<LogId> = state
            .logs
            .iter()
            .filter(|(_, log)| log.sources.values().any(|row| row.viewed < row.accepted))
            .map(|(id, _)| *id)
            .collect();
        for id in behind {
            self.show_log(state, id, origin, &mut counts)?;
        }
        self.follow_documents(state, origin)?;
        Ok(counts)
    }

    fn show_log(
        &self,
        state: &mut State,
        id: LogId,
        origin: &Origin,
        counts: &mut ViewCounts,
    ) -> Result<(), StoreError> {
        loop {
            let Some(step) = self.next_step(state, id)? else {
                return Ok(());
            };
            let mut txn = Txn::new(self.engine.as_ref());
            self.update_view(&mut txn, state, &step.records, Some((id.site, origin)), counts)?;
            let Some(log) = state.logs.get_mut(&id) else {
                return Ok(());
            };
            for key in &step.settled {
                settle(&mut txn, &claim_key(key, log.number), &log.sources, key)?;
            }
            for (source, row) in &mut log.sources {
                let reached = row.accepted.min(step.up_to);
                if row.viewed < reached {
                    row.viewed = reached;
                    txn.put(
                        Tree::Sites,
                        &sites::source(log.number, source_text(source.as_ref())),
                        row.encode(),
                    );
                }
            }
            txn.commit()?;
        }
    }

    /// Returns the next whole deltas that the view does not show, with the records that they changed.
    fn next_step(&self, state: &State, id: LogId) -> Result<Option<Step>, StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(None);
        };
        let due = log.sources.values().filter(|row| row.viewed < row.accepted);
        let Some(from) = due.clone().map(|row| row.viewed).min() else {
            return Ok(None);
        };
        let to = due.map(|row| row.accepted).max().unwrap_or(from);
        let mut step = Step {
            records: BTreeSet::new(),
            settled: BTreeSet::new(),
            up_to: to,
        };
        let mut bad = false;
        let scanned = self.scan_deltas(log.number, from, to, &mut |_, bytes| {
            let Some(claims) = claims_of(bytes) else {
                bad = true;
                return ControlFlow::Break(());
            };
            let mut last = from;
            for (number, claim) in claims {
                last = number;
                let source = claim.key().source();
                let row = log.sources.get(&source);
                if row.is_some_and(|row| number > row.viewed && number <= row.accepted) {
                    step.settled.insert(claim.key().clone());
                    if let KeyRef::Record(source, id) = claim.key().parse() {
                        step.records.insert(RecordKey::new(source, id));
                    }
                }
            }
            step.up_to = last;
            if step.settled.len() >= RECORDS_PER_STEP {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        scanned?;
        if bad {
            return Err(damaged(Tree::Logs, &log.number.to_bytes(), "a delta"));
        }
        if step.settled.len() < RECORDS_PER_STEP {
            step.up_to = to;
        }
        Ok(Some(step))
    }

    /// Recomputes records in the view, inside a transaction, and writes the events.
    pub(crate) fn update_view(
        &self,
        txn: &mut Txn<'_>,
        state: &State,
        records: &BTreeSet<RecordKey>,
        context: Option<(SiteId, &Origin)>,
        counts: &mut ViewCounts,
    ) -> Result<(), StoreError> {
        let ports = Ports {
            engine: self.engine.as_ref(),
            bodies: &self.bodies,
            state,
        };
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        let changes = starling_view::update(txn, &ports, &ports, &settings, records)?;
        counts.add(&changes, records.len());
        count_advisories(txn, &changes)?;
        count_records(txn, &changes)?;
        unindexed::note(txn, records, &changes)?;
        if let Some((author, origin)) = context {
            self.write_events(txn, state, &EventContext { author, origin }, &changes)?;
        }
        Ok(())
    }

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
            self.update_view(&mut txn, state, &records, None, &mut ViewCounts::default())?;
            if !txn.is_empty() {
                txn.commit()?;
            }
            match page.rows.into_iter().next_back() {
                Some((key, _)) if page.more => after = Some(key),
                _ => break,
            }
        }
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
                rows: ROWS_PER_WIPE,
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
                rows: ROWS_PER_WIPE,
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

    /// Finds the live bodies in scope that are not here: after loading, and after a change of scope.
    pub(crate) fn find_wanted(&self, state: &mut State) -> Result<(), StoreError> {
        // A failed change may have stored bodies without making them durable.
        self.bodies.make_durable()?;
        state.unwant_everything();
        let ids: Vec<LogId> = state.logs.keys().copied().collect();
        for id in ids {
            for (number, wanted) in self.wanted_of(state, id)? {
                state.want(id, number, wanted);
            }
        }
        Ok(())
    }

    fn wanted_of(&self, state: &State, id: LogId) -> Result<Vec<(ClaimNumber, Wanted)>, StoreError> {
        let mut wanted = Vec::new();
        let Some(log) = state.logs.get(&id) else {
            return Ok(wanted);
        };
        let behind = |source: &Option<Source>| {
            state.in_scope(&id.site, source.as_ref())
                && log.sources.get(source).is_some_and(|row| row.accepted < row.last)
        };
        let behind_rows = log.sources.iter().filter(|(source, _)| behind(source));
        let Some(from) = behind_rows.map(|(_, row)| row.accepted).min() else {
            return Ok(wanted);
        };
        let mut deltas = Vec::new();
        self.scan_deltas(log.number, from, log.tip.cursor.number, &mut |_, bytes| {
            deltas.push(bytes.to_vec());
            ControlFlow::Continue(())
        })?;
        for bytes in deltas {
            let claims =
                claims_of(&bytes).ok_or_else(|| damaged(Tree::Logs, &log.number.to_bytes(), "a delta"))?;
            for (number, claim) in claims {
                let source = claim.key().source();
                let accepted = log
                    .sources
                    .get(&source)
                    .map_or(ClaimNumber::NONE, |row| row.accepted);
                if !behind(&source) || number <= accepted {
                    continue;
                }
                let key = claim_key(claim.key(), log.number);
                let row = self
                    .engine
                    .get(Tree::Claims, &key)?
                    .and_then(|row| ClaimRow::decode(&row));
                let live = row.is_some_and(|row| row.number == number);
                if let Some((hash, size)) = claim.content()
                    && live
                    && !self.bodies.contains(&hash)?
                {
                    wanted.push((
                        number,
                        Wanted {
                            hash,
                            size,
                            key: claim.key().clone(),
                        },
                    ));
                }
            }
        }
        Ok(wanted)
    }
}

struct Step {
    records: BTreeSet<RecordKey>,
    /// Keys whose rows may still carry the replaced claim.
    settled: BTreeSet<ClaimKey>,
    up_to: ClaimNumber,
}

/// Moves the accepted position of every source whose live bodies are here.
pub(crate) fn accept_complete(
    txn: &mut Txn<'_>,
    state: &mut State,
    bundle: Option<BundleHash>,
) -> Vec<(SiteId, Lane, ClaimNumber)> {
    let mut moved = Vec::new();
    let mut positions = Vec::new();
    let ids: Vec<LogId> = state.logs.keys().copied().collect();
    for id in ids {
        let in_scope: BTreeSet<Option<Source>> = match state.logs.get(&id) {
            Some(log) if log.hold.is_none() => log
                .sources
                .keys()
                .filter(|source| state.in_scope(&id.site, source.as_ref()))
                .cloned()
                .collect(),
            _ => continue,
        };
        let State { logs, history, .. } = &mut *state;
        let Some(log) = logs.get_mut(&id) else {
            continue;
        };
        let ready: BTreeSet<Option<Source>> =
            in_scope.into_iter().filter(|source| !log.waits(source)).collect();
        let mut any = false;
        for (source, row) in &mut log.sources {
            if ready.contains(source) && row.accepted < row.last {
                history.note_position(log.number, source.as_ref(), row);
                row.accepted = row.last;
                row.accepted_state = row.held.clone();
                positions.push((id, source.clone(), row.accepted));
                txn.put(
                    Tree::Sites,
                    &sites::source(log.number, source_text(source.as_ref())),
                    row.encode(),
                );
                any = true;
            }
        }
        if any && let Some(log) = state.logs.get(&id) {
            moved.push((
                id.site,
                id.lane,
                crate::deltas::logs::overview(state, id, log).accepted,
            ));
        }
    }
    if !positions.is_empty() {
        txn.log(Entry::Accepted { bundle, positions });
    }
    state.history.write(txn);
    moved
}

/// Rewrites a claim's row after its acceptance: the replaced claim is forgotten, a tombstone is removed.
fn settle(
    txn: &mut Txn<'_>,
    row_key: &[u8],
    sources: &std::collections::BTreeMap<Option<Source>, crate::rows::SourceRow>,
    key: &ClaimKey,
) -> Result<(), StoreError> {
    let Some(row) = txn.get(Tree::Claims, row_key)? else {
        return Ok(());
    };
    let row = ClaimRow::decode(&row).ok_or_else(|| damaged(Tree::Claims, row_key, "a claim"))?;
    let accepted = sources
        .get(&key.source())
        .map_or(ClaimNumber::NONE, |row| row.accepted);
    if row.number > accepted {
        return Ok(());
    }
    if row.is_tombstone() {
        txn.delete(Tree::Claims, row_key);
    } else if row.prior.is_some() {
        txn.put(Tree::Claims, row_key, ClaimRow { prior: None, ..row }.encode());
    }
    Ok(())
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

/// Keeps the number of advisories, so that it never has to be counted by walking over them.
fn count_advisories(txn: &mut Txn<'_>, changes: &starling_view::Changes) -> Result<(), StoreError> {
    use starling_view::Action;
    let (mut come, mut gone) = (0_u64, 0_u64);
    for change in &changes.advisories {
        match change.action {
            Action::Created => come += 1,
            Action::Removed | Action::Redirected { .. } => gone += 1,
            Action::Updated | Action::Withdrawn => {}
        }
    }
    if come == gone {
        return Ok(());
    }
    let before = match txn.get(Tree::Meta, meta::ADVISORIES)? {
        Some(row) => decode_count(&row)?,
        None => 0,
    };
    let after = (before + come).saturating_sub(gone);
    txn.put(Tree::Meta, meta::ADVISORIES, after.to_le_bytes().to_vec());
    Ok(())
}

/// Keeps the number of live records per source, for the same reason.
fn count_records(txn: &mut Txn<'_>, changes: &starling_view::Changes) -> Result<(), StoreError> {
    for (source, change) in &changes.live {
        let key = meta::records(source);
        let before = match txn.get(Tree::Meta, &key)? {
            Some(row) => decode_count(&row)?,
            None => 0,
        };
        match (before + change.come).saturating_sub(change.gone) {
            0 => txn.delete(Tree::Meta, &key),
            after => txn.put(Tree::Meta, &key, after.to_le_bytes().to_vec()),
        }
    }
    Ok(())
}

/// Reads a row in which a number of the view is kept.
pub(crate) fn decode_count(row: &[u8]) -> Result<u64, StoreError> {
    let count = <[u8; 8]>::try_from(row).map(u64::from_le_bytes);
    count.map_err(|_| damaged(Tree::Meta, meta::ADVISORIES, "a number that the view keeps"))
}

/// Returns the claims of a stored delta with their numbers. Its signature was checked when it was stored.
pub(crate) fn claims_of(bytes: &[u8]) -> Option<Vec<(ClaimNumber, Claim)>> {
    Delta::decode(bytes).ok()?.reopen().ok()
}

impl ViewCounts {
    fn add(&mut self, changes: &starling_view::Changes, looked_at: usize) {
        use starling_view::Action;
        let mut touched = 0;
        for change in &changes.advisories {
            touched += 1;
            match change.action {
                Action::Created => self.created += 1,
                Action::Updated => self.updated += 1,
                Action::Withdrawn => {
                    self.removed += 1;
                    self.withdrawn += 1;
                }
                Action::Removed | Action::Redirected { .. } => self.removed += 1,
            }
        }
        self.skipped += (looked_at as u64).saturating_sub(touched);
        self.edges_added += changes.edges_added;
        self.deletions += changes.records_removed;
    }
}
