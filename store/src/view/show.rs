//! Lets the view follow what is accepted, delta by delta. Each step publishes its position with its rows.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::{ClaimKey, ClaimNumber, KeyRef, SiteId};
use starling_view::RecordKey;

use super::accept::{claims_of, settle};
use super::counts::{ViewCounts, count_advisories, count_records};
use crate::SiteStore;
use crate::activity::events::{EventContext, Origin};
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{claim_key, damaged, sites, source_text};
use crate::site::state::{LogId, State};
use crate::view::rows::Ports;
use crate::view::unindexed;

/// Changed records after which a step of the replay commits: at some five rows each, see
/// [`ROWS_PER_COMMIT`](crate::engine::ROWS_PER_COMMIT).
pub(crate) const RECORDS_PER_STEP: usize = 1_024;

impl SiteStore {
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
        warn_of_problems(&counts);
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
}

/// Logs which of the folded records cannot be looked up as a whole.
pub(super) fn warn_of_problems(counts: &ViewCounts) {
    for problem in counts.problems.sentences() {
        tracing::warn!(%problem, "not everything of a record can be looked up");
    }
}

struct Step {
    records: BTreeSet<RecordKey>,
    /// Keys whose rows may still carry the replaced claim.
    settled: BTreeSet<ClaimKey>,
    up_to: ClaimNumber,
}
