//! Restores the store, on a copy: inverts every change since a snapshot.
//!
//! Positions, checks, allow-list and settings are restored from the snapshots. Then each key that a log
//! mentions after its position gets the claim that the first such mention replaced, or none. The result must
//! have the hash recorded in the snapshot, or no answer is given. The view follows by folding only the affected
//! records, as after a change forwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use starling_protocol::{
    ClaimKey, ClaimKind, ClaimNumber, KeyRef, SiteSlug, Source, SourceState, UnixMillis,
};
use starling_view::RecordKey;

use super::losses::losses_at;
use super::moment::state_hash;
use super::{MomentNumber, PositionBefore, SettingsBefore, moments_back_to, superseded_key};
use crate::SiteStore;
use crate::activity::decisions_until;
use crate::engine::{self, Engine, EngineError, EngineKind, EngineOptions, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, LogNumber, SourceRow, claim_key, damaged, sites, source_text};
use crate::site::state::{LogId, State};
use crate::trust::listing::ListedSite;
use crate::view::accept::claims_of;
use crate::view::counts::ViewCounts;
use crate::view::show::RECORDS_PER_STEP;
use crate::view::unindexed::forget_base;

/// The state to restore, over all snapshots that are undone.
#[derive(Debug, Default)]
struct Undone {
    positions: BTreeMap<(LogNumber, Option<Source>), PositionBefore>,
    checks: BTreeMap<(LogNumber, Source), Option<UnixMillis>>,
    listed: BTreeMap<SiteSlug, Option<ListedSite>>,
    settings: Option<SettingsBefore>,
}

impl SiteStore {
    /// Runs `work` on a store in the state of a snapshot. The view, the knowledge root, the sources and the
    /// settings are those of that time, and so are the decisions made up to `decided` and the losses known then;
    /// logs are held as they are now. Writes go to an engine from `layer`, empty each time; nothing here changes.
    ///
    /// # Errors
    /// [`StoreError::BeforeHistory`] if the snapshot was forgotten, [`StoreError::HistoryDamaged`] if the
    /// restored state does not match the recorded one, or an error of the engines. The result of `work` is
    /// passed through.
    pub fn as_of<T>(
        &self,
        moment: MomentNumber,
        decided: UnixMillis,
        layer: impl Fn() -> Result<Arc<dyn Engine>, EngineError>,
        work: impl FnOnce(Self) -> T,
    ) -> Result<T, StoreError> {
        self.dry_run(layer, |copy| {
            copy.rewind(moment, decided)?;
            Ok(work(copy))
        })?
    }

    /// Returns the approximate number of claims between a snapshot and now: the cost of going back to it.
    ///
    /// # Errors
    /// As [`as_of`](Self::as_of).
    pub fn claims_since(&self, moment: MomentNumber) -> Result<u64, StoreError> {
        let state = self.read()?;
        let undone = undone(&state, state.rows(), moment)?;
        let mut claims = 0;
        if undone.settings.is_some() {
            // Everything is folded again.
            claims = state
                .logs
                .values()
                .flat_map(|log| log.sources.values())
                .map(|row| row.accepted_state.live)
                .sum();
        }
        for ((number, source), before) in &undone.positions {
            let log = state.log_id(*number).and_then(|id| state.logs.get(&id));
            if let Some(log) = log {
                let now = log
                    .sources
                    .get(source)
                    .map_or(ClaimNumber::NONE, |row| row.accepted);
                let from = now.min(before.accepted);
                claims += log.tip.cursor.number.0.saturating_sub(from.0);
            }
        }
        Ok(claims)
    }

    fn rewind(&self, to: MomentNumber, decided: UnixMillis) -> Result<(), StoreError> {
        self.change(|state| {
            let undone = undone(state, self.engine.as_ref(), to)?;
            state.losses_then = Some(losses_at(self.engine.as_ref(), state, to, decided)?);
            let mut touched = self.put_all_back(state, &undone)?;
            touched.extend(self.put_back_decisions(decided)?);
            if let Some(before) = undone.settings {
                self.put_back_settings(&before)?;
                return self.rebuild_view(state);
            }
            // No index is built from the past, so nobody needs the changes of its view.
            let mut txn = Txn::new(self.engine.as_ref());
            forget_base(&mut txn);
            txn.commit()?;
            let touched: Vec<RecordKey> = touched.into_iter().collect();
            for some in touched.chunks(RECORDS_PER_STEP) {
                let mut txn = Txn::new(self.engine.as_ref());
                let some = some.iter().cloned().collect();
                self.update_view(&mut txn, state, &some, None, &mut ViewCounts::default())?;
                if !txn.is_empty() {
                    txn.commit()?;
                }
            }
            Ok(())
        })
    }

    /// Tries on a copy to restore the state of the oldest snapshot, without folding its view.
    ///
    /// # Errors
    /// As [`as_of`](Self::as_of).
    pub(crate) fn try_history(&self, state: &State) -> Result<(), StoreError> {
        let layer = engine::open(EngineKind::Memory, Path::new(""), &EngineOptions::default())?;
        let settings = Arc::clone(&*self.settings.read().map_err(|_| StoreError::Poisoned)?);
        let copy = self.copy_of(self.engine.clone(), layer, state, &settings)?;
        let floor = state.history.floor();
        copy.change(|state| {
            let undone = undone(state, copy.engine.as_ref(), floor.through)?;
            copy.put_all_back(state, &undone).map(|_| ())
        })
    }

    /// Restores everything but the view. Returns the records whose advisories may differ then.
    fn put_all_back(&self, state: &mut State, undone: &Undone) -> Result<BTreeSet<RecordKey>, StoreError> {
        for (slug, before) in &undone.listed {
            match before {
                Some(listed) => state.listed.insert(slug.clone(), listed.clone()),
                None => state.listed.remove(slug),
            };
        }
        let mut by_log: BTreeMap<LogNumber, BTreeMap<Option<Source>, PositionBefore>> = BTreeMap::new();
        for ((log, source), before) in &undone.positions {
            by_log.entry(*log).or_default().insert(source.clone(), *before);
        }
        let mut touched = BTreeSet::new();
        for (log, positions) in by_log {
            self.put_back(state, log, &positions, &mut touched)?;
        }
        put_back_checks(state, &undone.checks);
        Ok(touched)
    }

    /// Restores the claims and positions of one log, and notes the records whose view that changes.
    fn put_back(
        &self,
        state: &mut State,
        number: LogNumber,
        positions: &BTreeMap<Option<Source>, PositionBefore>,
        touched: &mut BTreeSet<RecordKey>,
    ) -> Result<(), StoreError> {
        let bad = || StoreError::HistoryDamaged {
            what: "a log in the history is not held",
        };
        let id = state.log_id(number).ok_or_else(bad)?;
        let log = state.logs.get(&id).ok_or_else(bad)?;
        let accepted = |source: &Option<Source>| {
            log.sources
                .get(source)
                .map_or(ClaimNumber::NONE, |row| row.accepted)
        };
        let mut then: BTreeMap<Option<Source>, SourceState> = BTreeMap::new();
        for (source, before) in positions {
            let held = log.sources.get(source).map(|row| row.held.clone());
            let begins = before.accepted > ClaimNumber::NONE;
            then.insert(source.clone(), held.filter(|_| begins).unwrap_or_default());
        }
        let least =
            |(source, before): (&Option<Source>, &PositionBefore)| before.accepted.min(accepted(source));
        let from = positions.iter().map(least).min().unwrap_or(ClaimNumber::NONE);
        let mut deltas = Vec::new();
        self.scan_deltas(number, from, log.tip.cursor.number, &mut |first, _| {
            deltas.push(first);
            ControlFlow::Continue(())
        })?;
        let mut seen: BTreeSet<ClaimKey> = BTreeSet::new();
        for first in deltas {
            let key = crate::rows::delta_key(number, first);
            let row = self.engine.get(Tree::Logs, &key)?;
            let claims = match &row {
                Some(row) => claims_of(&self.delta_of(&key, row)?),
                None => None,
            };
            let mut txn = Txn::new(self.engine.as_ref());
            for (by, claim) in claims.ok_or_else(|| damaged(Tree::Logs, &key, "a delta"))? {
                let source = claim.key().source();
                let Some(before) = positions.get(&source) else {
                    continue;
                };
                if by > before.accepted.min(accepted(&source))
                    && let KeyRef::Record(source, record) = claim.key().parse()
                {
                    touched.insert(RecordKey::new(source, record));
                }
                // Without any accepted claim, no claim applies, whatever its row says.
                let counts = before.accepted > ClaimNumber::NONE && by > before.accepted;
                if counts && seen.insert(claim.key().clone()) {
                    let state = then.entry(source).or_default();
                    self.put_claim_back(&mut txn, number, claim.key(), by, state)?;
                }
            }
            if !txn.is_empty() {
                txn.commit()?;
            }
        }
        for (source, before) in positions {
            let found = then.remove(source).unwrap_or_default();
            if state_hash(&found) != before.state {
                return Err(StoreError::HistoryDamaged {
                    what: "the restored claims do not hash to the accepted state",
                });
            }
            put_position_back(state, id, source, before.accepted, found);
        }
        self.write_positions(state, id, positions.keys())
    }

    /// Restores the claim that `by`, the first claim of its key after the position, replaced.
    fn put_claim_back(
        &self,
        txn: &mut Txn<'_>,
        number: LogNumber,
        key: &ClaimKey,
        by: ClaimNumber,
        state: &mut SourceState,
    ) -> Result<(), StoreError> {
        let row_key = claim_key(key, number);
        let bad = || damaged(Tree::Claims, &row_key, "a claim");
        let now = self.engine.get(Tree::Claims, &row_key)?;
        let now = now
            .map(|row| ClaimRow::decode(&row).ok_or_else(bad))
            .transpose()?;
        if let Some(row) = now.filter(|row| !row.is_tombstone()) {
            state.state.remove(&row.frame(key).ok_or_else(bad)?);
            state.live = state.live.saturating_sub(1);
        }
        let kept_key = superseded_key(number, by);
        let Some(kept) = self.engine.get(Tree::History, &kept_key)? else {
            txn.delete(Tree::Claims, &row_key);
            return Ok(());
        };
        let row =
            ClaimRow::decode(&kept).ok_or_else(|| damaged(Tree::History, &kept_key, "a replaced claim"))?;
        let bad = || damaged(Tree::History, &kept_key, "a replaced claim");
        state.state.add(&row.frame(key).ok_or_else(bad)?);
        state.live += 1;
        if let Some((ClaimKind::SET, _, Some(hash), _)) = row.kind_and_content()
            && !self.bodies.contains(&hash)?
        {
            return Err(StoreError::MissingBody { hash });
        }
        txn.put(Tree::Claims, &row_key, kept);
        Ok(())
    }

    fn write_positions<'a>(
        &self,
        state: &State,
        id: LogId,
        sources: impl Iterator<Item = &'a Option<Source>>,
    ) -> Result<(), StoreError> {
        let mut txn = Txn::new(self.engine.as_ref());
        if let Some(log) = state.logs.get(&id) {
            for source in sources {
                if let Some(row) = log.sources.get(source) {
                    let key = sites::source(log.number, source_text(source.as_ref()));
                    txn.put(Tree::Sites, &key, row.encode());
                }
            }
        }
        txn.commit()
    }

    /// Folds with the decisions of that time. Returns the records with a different decision.
    fn put_back_decisions(&self, until: UnixMillis) -> Result<Vec<RecordKey>, StoreError> {
        let then = decisions_until(self.engine.as_ref(), until)?;
        let mut settings = self.settings.write().map_err(|_| StoreError::Poisoned)?;
        let now = &settings.decisions;
        let decided = now.keys().chain(then.keys());
        let others = decided.filter(|record| now.get(*record) != then.get(*record));
        let others: Vec<RecordKey> = others.cloned().collect();
        if !others.is_empty() {
            Arc::make_mut(&mut settings).decisions = then;
        }
        Ok(others)
    }

    fn put_back_settings(&self, before: &SettingsBefore) -> Result<(), StoreError> {
        let bad = || StoreError::HistoryDamaged {
            what: "the view policy of that time cannot be read",
        };
        let policy: starling_view::ViewPolicy = serde_json::from_str(&before.policy).map_err(|_| bad())?;
        let mut settings = self.settings.write().map_err(|_| StoreError::Poisoned)?;
        let compiled = policy.compile(settings.policy.local());
        Arc::make_mut(&mut settings).policy = compiled;
        if settings.mark() == before.mark {
            Ok(())
        } else {
            Err(bad())
        }
    }
}

fn undone(state: &State, rows: &dyn Engine, to: MomentNumber) -> Result<Undone, StoreError> {
    let floor = state.history.floor();
    if to < floor.through {
        return Err(StoreError::BeforeHistory {
            asked: UnixMillis::EPOCH,
            oldest: floor.at,
        });
    }
    let mut undone = Undone::default();
    moments_back_to(rows, to, &mut |_, moment| {
        // Newest first, so that an older snapshot overrides with the earlier state.
        undone.positions.extend(moment.positions);
        undone.checks.extend(moment.checks);
        undone.listed.extend(moment.listed);
        undone.settings = moment.settings.or(undone.settings.take());
        ControlFlow::Continue(())
    })?;
    Ok(undone)
}

fn put_back_checks(state: &mut State, checks: &BTreeMap<(LogNumber, Source), Option<UnixMillis>>) {
    for ((number, source), checked) in checks {
        let Some(id) = state.log_id(*number) else {
            continue;
        };
        if let Some(log) = state.logs.get_mut(&id) {
            let mut then = log.checks();
            match checked {
                Some(time) => then.insert(source.clone(), *time),
                None => then.remove(source),
            };
            log.checks_then = Some(then);
        }
    }
}

fn put_position_back(
    state: &mut State,
    id: LogId,
    source: &Option<Source>,
    accepted: ClaimNumber,
    then: SourceState,
) {
    if let Some(log) = state.logs.get_mut(&id) {
        let row = SourceRow {
            held: then.clone(),
            last: accepted,
            accepted,
            accepted_state: then,
            viewed: accepted,
        };
        log.sources.insert(source.clone(), row);
    }
}
