//! Acceptance: held claims become knowledge. The view follows ([`show`](super::show)).
//!
//! Acceptance moves per log and source, in one transaction, as soon as every live body in scope is here. The
//! view then catches up delta by delta. Each step is idempotent and its position is published with it, so after
//! a crash anywhere the replay continues at the next start.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::{BundleHash, Claim, ClaimKey, ClaimNumber, Delta, Lane, SiteId, Source};

use super::counts::ViewCounts;
use crate::SiteStore;
use crate::activity::events::Origin;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key, damaged, sites, source_text};
use crate::site::state::{LogId, State, Wanted};

/// The result of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Logs whose accepted position moved, with that position.
    pub logs: Vec<(SiteId, Lane, ClaimNumber)>,
    /// The changes of the view.
    pub view: ViewCounts,
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
        if any {
            log.note_backed();
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
pub(super) fn settle(
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

/// Returns the claims of a stored delta with their numbers. Its signature was checked when it was stored.
pub(crate) fn claims_of(bytes: &[u8]) -> Option<Vec<(ClaimNumber, Claim)>> {
    Delta::decode(bytes).ok()?.reopen().ok()
}
