//! The times in which claims were known to be missing, so that a question about the past names them too.
//!
//! A row holds one log's loss from the snapshot in which it was known first to the last one before it ended. The rows
//! are derived: a replay writes them again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::ClaimNumber;

use super::MomentNumber;
use crate::SiteStore;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{LogNumber, damaged, meta, take_u64};
use crate::site::state::{Loss, LossCause, NotedLoss, State};

/// The end of a loss that lasts.
const LASTS: u64 = u64::MAX;

/// A loss in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    log: LogNumber,
    since: MomentNumber,
    until: u64,
    loss: Loss,
}

impl Noted {
    /// Encodes the key: log, and the first snapshot (u64 BE).
    fn key(&self) -> Vec<u8> {
        let (log, since) = (self.log.to_bytes(), self.since.0.to_be_bytes());
        [meta::LOSSES, &log, &since].concat()
    }

    /// Encodes the value: the last snapshot, the last held claim, the last known one (u64 LE), and the cause.
    fn value(&self) -> Vec<u8> {
        let Loss { held, last, cause } = self.loss;
        let numbers = [self.until, held.0, last.0].map(u64::to_le_bytes).concat();
        [numbers, vec![cause.code()]].concat()
    }

    fn decode(key: &[u8], mut value: &[u8]) -> Option<Self> {
        let (log, since) = key.strip_prefix(meta::LOSSES)?.split_at_checked(3)?;
        let until = take_u64(&mut value)?;
        let (held, last) = (take_u64(&mut value)?, take_u64(&mut value)?);
        let [cause] = *value else { return None };
        Some(Self {
            log: LogNumber::from_bytes(log)?,
            since: MomentNumber(u64::from_be_bytes(since.try_into().ok()?)),
            until,
            loss: Loss {
                held: ClaimNumber(held),
                last: ClaimNumber(last),
                cause: LossCause::from_code(cause)?,
            },
        })
    }

    fn all(engine: &dyn Engine) -> Result<Vec<Self>, StoreError> {
        let mut found = Vec::new();
        let mut bad = None;
        engine.scan_prefix(Tree::Meta, meta::LOSSES, Direction::Forward, &mut |key, row| {
            match Self::decode(key, row) {
                Some(noted) => found.push(noted),
                None => bad = Some(damaged(Tree::Meta, key, "claims that were missing")),
            }
            ControlFlow::Continue(())
        })?;
        bad.map_or(Ok(found), Err)
    }
}

/// Returns the losses in the rows that last.
///
/// # Errors
/// Of the engine, or a damaged row.
pub(crate) fn lasting_losses(engine: &dyn Engine) -> Result<BTreeMap<LogNumber, NotedLoss>, StoreError> {
    let noted = Noted::all(engine)?;
    let lasting = noted.into_iter().filter(|noted| noted.until == LASTS);
    let read = lasting.map(|noted| {
        let loss = NotedLoss {
            since: noted.since,
            all: noted.loss,
            now: noted.loss,
        };
        (noted.log, loss)
    });
    Ok(read.collect())
}

/// Returns the losses that were known in a snapshot.
///
/// # Errors
/// Of the engine, or a damaged row.
pub(super) fn losses_in(
    engine: &dyn Engine,
    at: MomentNumber,
) -> Result<BTreeMap<LogNumber, Loss>, StoreError> {
    let noted = Noted::all(engine)?;
    let known = noted
        .into_iter()
        .filter(|noted| noted.since <= at && at.0 <= noted.until);
    let mut losses: BTreeMap<LogNumber, Loss> = BTreeMap::new();
    for noted in known {
        let loss = losses.entry(noted.log).or_insert(noted.loss);
        *loss = loss.with(noted.loss);
    }
    Ok(losses)
}

impl SiteStore {
    /// Writes which losses began or ended, at the end of a change.
    pub(crate) fn note_losses(&self, state: &mut State) -> Result<(), StoreError> {
        let mut txn = Txn::new(self.engine.as_ref());
        self.note_losses_in(&mut txn, state)?;
        if txn.is_empty() {
            return Ok(());
        }
        txn.commit()
    }

    /// As [`note_losses`](Self::note_losses), in a transaction. Nothing is written if nothing changed.
    pub(crate) fn note_losses_in(&self, txn: &mut Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        if state.losses_then.is_some() {
            return Ok(());
        }
        let now = state.losses_by_number();
        let is_same = |(log, noted): (&LogNumber, &NotedLoss)| now.get(log) == Some(&noted.now);
        if now.len() == state.noted_losses.len() && state.noted_losses.iter().all(is_same) {
            return Ok(());
        }
        self.forget_old_losses(txn, state)?;
        let (last, before) = state.history.last_and_before();
        let noted = std::mem::take(&mut state.noted_losses);
        for (log, noted) in &noted {
            let goes_on = now.get(log);
            if goes_on == Some(&noted.now) || (goes_on.is_some() && noted.since == last) {
                continue;
            }
            let ended = Noted {
                log: *log,
                since: noted.since,
                until: before.0,
                loss: noted.all,
            };
            if before < noted.since {
                txn.delete(Tree::Meta, &ended.key());
            } else {
                txn.put(Tree::Meta, &ended.key(), ended.value());
            }
        }
        for (log, now) in now {
            let (since, all) = match noted.get(&log) {
                Some(noted) if noted.now == now => (noted.since, noted.all),
                // Both were so in one snapshot.
                Some(noted) if noted.since == last => (last, now.with(noted.all)),
                _ => (last, now),
            };
            let lasts = Noted {
                log,
                since,
                until: LASTS,
                loss: all,
            };
            txn.put(Tree::Meta, &lasts.key(), lasts.value());
            state.noted_losses.insert(log, NotedLoss { since, all, now });
        }
        Ok(())
    }

    /// Removes the losses that ended before the oldest available snapshot.
    fn forget_old_losses(&self, txn: &mut Txn<'_>, state: &State) -> Result<(), StoreError> {
        let oldest = state.history.oldest();
        for noted in Noted::all(self.engine.as_ref())? {
            if noted.until < oldest.0 {
                txn.delete(Tree::Meta, &noted.key());
            }
        }
        Ok(())
    }
}
