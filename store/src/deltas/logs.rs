//! Reads logs: deltas by position, and the position of each log.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};

use starling_protocol::limits::MAX_DELTA_CLAIMS;
use starling_protocol::{ClaimNumber, Cursor, Delta, DeltaHash, DeltaHeader, LogTip, Source, VerifiedHead};

use crate::SiteStore;
use crate::engine::{Direction, EngineError, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{DeltaRow, LogNumber, damaged, delta_key};
use crate::site::state::{Log, LogId, State};
use crate::trust::rival_epoch;

/// Whole deltas of one log, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaRun {
    /// Their exact bytes, one delta an entry.
    pub deltas: Vec<Vec<u8>>,
    /// The last claim of the last delta; the requested position if there is none.
    pub last: ClaimNumber,
    /// True if more are held.
    pub more: bool,
}

/// The reason why nothing more is appended to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrozenBy {
    /// Two deltas contradict each other, and the proof is kept.
    Fork {
        /// The epoch in which they do.
        epoch: u32,
    },
    /// A head names another delta than the one held.
    Head {
        /// The claim of the contradicting head.
        number: ClaimNumber,
    },
    /// Two certificates of its author for one epoch were seen.
    Certificates {
        /// The epoch.
        epoch: u32,
    },
}

impl FrozenBy {
    /// Returns the author's action in words.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Fork { .. } => "the author signed two histories".to_owned(),
            Self::Head { number } => format!(
                "the author signed two histories: its head at claim {number} contradicts what is held"
            ),
            Self::Certificates { epoch } => {
                format!("two certificates of the author for epoch {epoch} exist")
            }
        }
    }
}

/// The positions of a log, for people and for peers.
#[derive(Debug, Clone)]
pub struct LogOverview {
    /// The log.
    pub id: LogId,
    /// Its last held delta.
    pub tip: LogTip,
    /// Newest number that a verified head or a held delta names.
    pub high_water: ClaimNumber,
    /// The newest verified head.
    pub head: Option<VerifiedHead>,
    /// The position up to which it is in the view: the claim before the first in-scope claim that is not. Falls
    /// only if the scope grows or a certificate names an earlier position.
    pub accepted: ClaimNumber,
    /// The position up to which all live in-scope bodies are here: the claim before the first that waits for
    /// one.
    pub body_complete: ClaimNumber,
    /// The number of missing bodies.
    pub wanted: usize,
    /// The number of those that may still come: 0 if something else holds the log up.
    pub awaited: usize,
    /// Live entries held.
    pub live: u64,
    /// Sources with live entries that are outside the author's scope here.
    pub out_of_scope: Vec<Source>,
    /// Live entries of these sources.
    pub live_out_of_scope: u64,
    /// True if no more of it is taken.
    pub frozen: bool,
    /// True if the newest certificate names another delta than the last one held: the held branch lost.
    pub lost: bool,
    /// The reason why it is frozen.
    pub frozen_by: Option<FrozenBy>,
    /// The reason why acceptance waits, if it does.
    pub hold_reason: Option<String>,
}

/// The reason why claims of a lost branch wait.
const OTHER_BRANCH: &str = "its author's newest certificate names another branch of the log than the one held here; the \
    claims in which the two differ are replaced when a peer or a bundle of the whole log brings that branch";

/// The callback of a walk over delta rows: key, number of the first claim and row in, whether to continue out.
type RowVisitor<'v> = dyn FnMut(&[u8], ClaimNumber, &[u8]) -> ControlFlow<()> + 'v;

impl SiteStore {
    /// Returns whole deltas of a log from the one that contains the claim after `after`, at least one if there
    /// is one.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn deltas(&self, id: LogId, after: ClaimNumber, max_bytes: usize) -> Result<DeltaRun, StoreError> {
        let none = DeltaRun {
            deltas: Vec::new(),
            last: after,
            more: false,
        };
        let (number, end) = {
            let state = self.read()?;
            match state.logs.get(&id) {
                Some(log) => (log.number, log.tip.cursor.number),
                None => return Ok(none),
            }
        };
        if after >= end {
            return Ok(none);
        }
        let mut run = none;
        let mut bytes = 0;
        self.scan_deltas(number, after, end, &mut |_, delta| {
            if !run.deltas.is_empty() && bytes + delta.len() > max_bytes {
                run.more = true;
                return ControlFlow::Break(());
            }
            bytes += delta.len();
            run.deltas.push(delta.to_vec());
            ControlFlow::Continue(())
        })?;
        if let Some(delta) = run.deltas.last() {
            run.last = header_of(delta)
                .ok_or_else(|| damaged(Tree::Logs, &[], "a delta"))?
                .last();
        }
        Ok(run)
    }

    /// Reads the delta to which a row points.
    ///
    /// # Errors
    /// Names the frame if it is damaged.
    pub(crate) fn delta_of<'r>(&self, key: &[u8], row: &'r [u8]) -> Result<Cow<'r, [u8]>, StoreError> {
        // Read in place: a row on a copy contains the delta itself.
        if let Some((&1, rest)) = row.split_first()
            && let Some((_, bytes)) = rest.split_first_chunk::<2>()
        {
            return Ok(Cow::Borrowed(bytes));
        }
        match DeltaRow::decode(row) {
            Some(DeltaRow::Placed { place, .. }) => Ok(Cow::Owned(self.journal.delta(&place)?)),
            _ => Err(damaged(Tree::Logs, key, "the place of a delta")),
        }
    }

    /// Visits the deltas with claims after `after` and up to `end`, in order, with their first numbers.
    pub(crate) fn scan_deltas(
        &self,
        log: LogNumber,
        after: ClaimNumber,
        end: ClaimNumber,
        visit: &mut dyn FnMut(ClaimNumber, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut failed = None;
        self.scan_delta_rows(
            log,
            after,
            end,
            &mut |key, first, row| match self.delta_of(key, row) {
                Ok(bytes) => visit(first, &bytes),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failed.map_or(Ok(()), Err)
    }

    /// Visits the rows of the deltas with claims after `after` and up to `end`, with keys and first numbers.
    pub(crate) fn scan_delta_rows(
        &self,
        log: LogNumber,
        after: ClaimNumber,
        end: ClaimNumber,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), EngineError> {
        let wanted = ClaimNumber(after.0.saturating_add(1));
        // The delta that contains claim N begins at N or up to a full delta earlier.
        let lowest = ClaimNumber(wanted.0.saturating_sub(MAX_DELTA_CLAIMS as u64 - 1));
        let (start, stop) = (delta_key(log, lowest), delta_key(log, end));
        self.engine.scan(
            Tree::Logs,
            Bound::Included(&start),
            Bound::Included(&stop),
            Direction::Forward,
            &mut |key, row| {
                let first = ClaimNumber(
                    key.last_chunk::<8>()
                        .map_or(0, |first| u64::from_be_bytes(*first)),
                );
                if first < wanted && DeltaRow::last(row, first).is_some_and(|last| last < wanted) {
                    return ControlFlow::Continue(());
                }
                visit(key, first, row)
            },
        )
    }

    /// Returns the held delta that shares a claim number with `header`, the latest one if there are several.
    pub(crate) fn held_overlap(
        &self,
        txn: &Txn<'_>,
        log: LogNumber,
        header: &DeltaHeader,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        // A replay is the usual case, and costs one look-up.
        let key = delta_key(log, header.first);
        if let Some(row) = txn.get(Tree::Logs, &key)?
            && let delta = self.delta_of(&key, &row)?
            && header_of(&delta).is_some_and(|held| held.hash() == header.hash())
        {
            return Ok(Some(delta.into_owned()));
        }
        // Include the transaction's own writes: a page may contain a fork.
        let mut found = None;
        let lowest = header.first.0.saturating_sub(MAX_DELTA_CLAIMS as u64 - 1);
        txn.scan_prefix(Tree::Logs, &log.to_bytes(), &mut |key, row| {
            let first = key
                .last_chunk::<8>()
                .map_or(0, |first| u64::from_be_bytes(*first));
            if first > header.last().0 {
                return ControlFlow::Break(());
            }
            let last = DeltaRow::last(row, ClaimNumber(first));
            if first >= lowest && last.is_some_and(|last| last >= header.first) {
                found = Some((key.to_vec(), row.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        let Some((key, row)) = found else {
            return Ok(None);
        };
        Ok(Some(self.delta_of(&key, &row)?.into_owned()))
    }

    /// Returns the last held delta if it ends at `number`: a position that a bundle or an epoch may name.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPosition`] if no held delta ends there.
    pub fn position_at(&self, id: LogId, number: ClaimNumber) -> Result<(Cursor, DeltaHash), StoreError> {
        if number == ClaimNumber::NONE {
            return Ok((Cursor::default(), DeltaHash::ZERO));
        }
        let end = self
            .read()?
            .logs
            .get(&id)
            .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        let run = self.deltas(id, ClaimNumber(number.0 - 1), 0)?;
        let header = run.deltas.first().and_then(|delta| header_of(delta));
        match header {
            Some(header) if header.last() == number => Ok((header.cursor(), header.hash())),
            _ => Err(StoreError::NoSuchPosition {
                site: id.site,
                lane: id.lane,
                number,
                end,
            }),
        }
    }

    /// Returns every log, ordered by site and lane.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn logs(&self) -> Result<Vec<LogOverview>, StoreError> {
        let state = self.read()?;
        Ok(state
            .logs
            .iter()
            .map(|(id, log)| overview(&state, *id, log))
            .collect())
    }

    /// Returns one log.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn log(&self, id: LogId) -> Result<Option<LogOverview>, StoreError> {
        let state = self.read()?;
        Ok(state.logs.get(&id).map(|log| overview(&state, id, log)))
    }
}

pub(crate) fn overview(state: &State, id: LogId, log: &Log) -> LogOverview {
    let tip = log.tip.cursor.number;
    let in_scope = |source: &Option<Source>| state.in_scope(&id.site, source.as_ref());
    // A source's position is the claim before its first claim that is not accepted, or its last claim.
    let behind = log
        .sources
        .iter()
        .filter(|(source, row)| in_scope(source) && row.accepted < row.last);
    let accepted = behind.map(|(_, row)| row.accepted).min().unwrap_or(tip);
    // The body of each earlier claim is here, out of scope or superseded.
    let first_wanted = log.wanted.iter().next();
    let body_complete = first_wanted.map_or(tip, |(first, _)| ClaimNumber(first.0.saturating_sub(1)));
    let refused = log.refused.values().next();
    let lost = state.is_lost(id, log);
    let hold_reason = match (log.hold.as_ref().or(refused), log.wanted.len()) {
        _ if lost => Some(OTHER_BRANCH.to_owned()),
        (Some(reason), _) => Some(reason.clone()),
        (None, 0) => None,
        (None, wanted) => {
            let first = log.wanted.iter().next();
            let named = first
                .map(|(_, want)| format!(", among them {} of {}", want.hash, want.key))
                .unwrap_or_default();
            Some(format!("{wanted} record bodies are missing{named}"))
        }
    };
    let frozen_by = match (&log.fork, &log.rival, rival_epoch(state, &id.site)) {
        (_, _, Some(epoch)) => Some(FrozenBy::Certificates { epoch }),
        (Some(proof), _, _) => Some(FrozenBy::Fork { epoch: proof.epoch() }),
        (None, Some(head), _) => Some(FrozenBy::Head {
            number: head.head().number,
        }),
        (None, None, None) => None,
    };
    let out_of_scope = || {
        let held = log.sources.iter();
        held.filter(|(source, row)| row.held.live > 0 && !in_scope(source))
    };
    LogOverview {
        id,
        tip: log.tip,
        high_water: log.high_water(),
        head: log.head.clone(),
        accepted,
        body_complete,
        wanted: log.wanted.len(),
        awaited: if log.hold.is_some() || refused.is_some() {
            0
        } else {
            log.wanted.len()
        },
        live: log.sources.values().map(|row| row.held.live).sum(),
        out_of_scope: out_of_scope().filter_map(|(source, _)| source.clone()).collect(),
        live_out_of_scope: out_of_scope().map(|(_, row)| row.held.live).sum(),
        frozen: frozen_by.is_some(),
        lost,
        frozen_by,
        hold_reason,
    }
}

/// Returns the header of a stored delta; its signature was checked when it was stored.
pub(crate) fn header_of(delta: &[u8]) -> Option<DeltaHeader> {
    Delta::decode(delta).ok().map(|delta| *delta.header())
}
