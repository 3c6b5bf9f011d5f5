//! The times in which claims were known to be missing, so that a question about the past names them too.
//!
//! A loss may begin or end without a snapshot, as by a head that names claims which are not here. A row therefore holds
//! the times as well: it counts from its beginning on, and not before. The rows are derived: a replay writes them again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{ClaimNumber, UnixMillis};

use super::MomentNumber;
use crate::SiteStore;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{LogNumber, damaged, meta, take_u64};
use crate::site::state::{Loss, LossCause, NotedLoss, State};

/// The end of a loss that lasts, in its row.
const LASTS: [u8; 16] = [0xff; 16];

/// A point of the history: the newest snapshot then, and the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HistoryPoint {
    pub(super) moment: MomentNumber,
    pub(super) at: UnixMillis,
}

impl HistoryPoint {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (moment, at) = bytes.split_at_mut(8);
        moment.copy_from_slice(&self.moment.0.to_be_bytes());
        at.copy_from_slice(&self.at.as_millis().to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (moment, at) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            moment: MomentNumber(u64::from_be_bytes(*moment)),
            at: UnixMillis::new(u64::from_be_bytes(at.try_into().ok()?)).ok()?,
        })
    }
}

/// A loss in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    log: LogNumber,
    since: HistoryPoint,
    /// The first point at which it was over; `None` while it lasts.
    until: Option<HistoryPoint>,
    loss: Loss,
}

impl Noted {
    /// Encodes the key: the log and the beginning.
    fn key(&self) -> Vec<u8> {
        let (log, since) = (self.log.to_bytes(), self.since.to_bytes());
        [meta::LOSSES, &log, &since].concat()
    }

    /// Encodes the value: the end, the last held claim, the last known one (u64 LE), and the cause.
    fn value(&self) -> Vec<u8> {
        let Loss { held, last, cause } = self.loss;
        let until = self.until.map_or(LASTS, HistoryPoint::to_bytes);
        let numbers = [held.0, last.0].map(u64::to_le_bytes).concat();
        [until.as_slice(), &numbers, &[cause.code()]].concat()
    }

    fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let (log, since) = key.strip_prefix(meta::LOSSES)?.split_at_checked(3)?;
        let (until, mut value) = value.split_first_chunk::<16>()?;
        let until = match *until {
            LASTS => None,
            until => Some(HistoryPoint::from_bytes(&until)?),
        };
        let (held, last) = (take_u64(&mut value)?, take_u64(&mut value)?);
        let [cause] = *value else { return None };
        Some(Self {
            log: LogNumber::from_bytes(log)?,
            since: HistoryPoint::from_bytes(since)?,
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

    fn counts_at(&self, at: HistoryPoint) -> bool {
        self.since <= at && self.until.is_none_or(|until| at < until)
    }

    /// Returns its beginning, and its end if it is over.
    fn points(&self) -> impl Iterator<Item = HistoryPoint> + use<> {
        [Some(self.since), self.until].into_iter().flatten()
    }
}

/// Returns the losses in the rows that last.
///
/// # Errors
/// Of the engine, or a damaged row.
pub(crate) fn lasting_losses(engine: &dyn Engine) -> Result<BTreeMap<LogNumber, NotedLoss>, StoreError> {
    let noted = Noted::all(engine)?;
    let lasting = noted.into_iter().filter(|noted| noted.until.is_none());
    let read = lasting.map(|noted| {
        let Noted { since, loss, .. } = noted;
        (noted.log, NotedLoss { since, loss })
    });
    Ok(read.collect())
}

/// Returns the losses that were known at a point of the history.
///
/// # Errors
/// Of the engine, or a damaged row.
pub(super) fn losses_at(
    engine: &dyn Engine,
    state: &State,
    moment: MomentNumber,
    at: UnixMillis,
) -> Result<BTreeMap<LogNumber, Loss>, StoreError> {
    let at = HistoryPoint { moment, at };
    let noted = Noted::all(engine)?.into_iter();
    let known = noted.filter(|noted| noted.counts_at(at));
    let known = known.map(|noted| (noted.log, noted.loss));
    // It is not known when those began that no row names, as in rows of an earlier build that cannot be written.
    let now = state.losses_by_number().into_iter();
    let not_noted = now.filter(|(log, _)| !state.noted_losses.contains_key(log));
    let mut losses: BTreeMap<LogNumber, Loss> = BTreeMap::new();
    for (log, loss) in known.chain(not_noted) {
        let all = losses.entry(log).or_insert(loss);
        *all = all.with(loss);
    }
    Ok(losses)
}

impl SiteStore {
    /// Returns the newest time up to `at`, with the snapshot `moment` as the newest, at which claims were first known to be
    /// missing or were back.
    ///
    /// # Errors
    /// Of the engine, or a damaged row.
    pub fn losses_changed(
        &self,
        moment: MomentNumber,
        at: UnixMillis,
    ) -> Result<Option<UnixMillis>, StoreError> {
        let state = self.read()?;
        let noted = Noted::all(state.rows())?;
        let points = noted.iter().flat_map(Noted::points);
        let changes = points.filter(|point| point.moment == moment && point.at <= at);
        Ok(changes.map(|point| point.at).max())
    }

    /// Begins to note losses in rows of a build that did not. It is not known when the present ones began: they count for
    /// all of the kept past.
    pub(crate) fn begin_losses(&self, state: &mut State) -> Result<(), StoreError> {
        if self.journal.is_read_only() || self.engine.get(Tree::Meta, meta::LOSSES_NOTED)?.is_some() {
            return Ok(());
        }
        let mut txn = Txn::new(self.engine.as_ref());
        let floor = state.history.floor();
        let since = HistoryPoint {
            moment: floor.through,
            at: floor.at,
        };
        for (log, loss) in state.losses_by_number() {
            if !state.noted_losses.contains_key(&log) {
                begin(&mut txn, state, log, NotedLoss { since, loss });
            }
        }
        txn.put(Tree::Meta, meta::LOSSES_NOTED, Vec::new());
        txn.commit()
    }

    /// Writes which losses began or ended, at the end of a change.
    pub(crate) fn note_losses(&self, state: &mut State) -> Result<(), StoreError> {
        let before = state.noted_losses.clone();
        let mut txn = Txn::new(self.engine.as_ref());
        self.note_losses_in(&mut txn, state)?;
        if txn.is_empty() {
            return Ok(());
        }
        // The next change tries again.
        txn.commit().inspect_err(|_| state.noted_losses = before)
    }

    /// As [`note_losses`](Self::note_losses), in a transaction. Nothing is written if nothing changed.
    pub(crate) fn note_losses_in(&self, txn: &mut Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        if state.losses_then.is_some() {
            return Ok(());
        }
        let now = state.losses_by_number();
        let is_same = |(log, noted): (&LogNumber, &NotedLoss)| now.get(log) == Some(&noted.loss);
        if now.len() == state.noted_losses.len() && state.noted_losses.iter().all(is_same) {
            return Ok(());
        }
        let oldest = state.history.floor();
        let mut at = state.history.point();
        for noted in Noted::all(self.engine.as_ref())? {
            // Points never go back, as the clock may.
            at = noted.points().fold(at, HistoryPoint::max);
            if noted.until.is_some_and(|until| until.moment < oldest.through) {
                txn.delete(Tree::Meta, &noted.key());
            }
        }
        at = state
            .noted_losses
            .values()
            .fold(at, |at, noted| at.max(noted.since));
        for (log, noted) in std::mem::take(&mut state.noted_losses) {
            if now.get(&log) == Some(&noted.loss) {
                state.noted_losses.insert(log, noted);
                continue;
            }
            let NotedLoss { since, loss } = noted;
            let until = Some(at);
            let ended = Noted {
                log,
                since,
                until,
                loss,
            };
            if since < at {
                txn.put(Tree::Meta, &ended.key(), ended.value());
            } else {
                txn.delete(Tree::Meta, &ended.key());
            }
        }
        for (log, loss) in now {
            if !state.noted_losses.contains_key(&log) {
                begin(txn, state, log, NotedLoss { since: at, loss });
            }
        }
        Ok(())
    }
}

fn begin(txn: &mut Txn<'_>, state: &mut State, log: LogNumber, noted: NotedLoss) {
    let lasts = Noted {
        log,
        since: noted.since,
        until: None,
        loss: noted.loss,
    };
    txn.put(Tree::Meta, &lasts.key(), lasts.value());
    state.noted_losses.insert(log, noted);
}
