//! Finds the snapshot at which this site had accepted a log up to a cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::{ClaimNumber, Cursor, SiteId, Source};

use super::{KnownMoment, moments_back_to};
use crate::SiteStore;
use crate::deltas::logs::header_of;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::damaged;
use crate::site::state::LogId;
use crate::view::accept::claims_of;

/// The claims up to which each source of a log was accepted.
type Positions = BTreeMap<Option<Source>, ClaimNumber>;

/// The meaning of a cursor in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorAt {
    /// The moment at which the log was first accepted up to there.
    Moment(KnownMoment),
    /// It is held and was accepted before the history begins.
    BeforeHistory,
    /// It is held and not accepted up to there.
    NotAccepted,
}

impl SiteStore {
    /// Returns the logs with a delta that has the cursor's time and contains its number: one, or none if it is
    /// not held. Several only if authors wrote as many claims in the same millisecond.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn logs_with_cursor(&self, author: Option<SiteId>, cursor: Cursor) -> Result<Vec<LogId>, StoreError> {
        let state = self.read()?;
        let mut found = Vec::new();
        if cursor.number == ClaimNumber::NONE {
            return Ok(found);
        }
        let before = ClaimNumber(cursor.number.0 - 1);
        for (id, log) in &state.logs {
            if author.is_some_and(|author| author != id.site) || log.tip.cursor.number < cursor.number {
                continue;
            }
            self.scan_deltas(log.number, before, cursor.number, &mut |_, delta| {
                if header_of(delta).is_some_and(|header| header.cursor().time == cursor.time) {
                    found.push(*id);
                }
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    /// Returns the time at which this site had accepted a log up to `number`, in its scope of that time.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn moment_of(&self, id: LogId, number: ClaimNumber) -> Result<CursorAt, StoreError> {
        let state = self.read()?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(CursorAt::NotAccepted);
        };
        let floor = state.history.floor();
        let mut positions: Positions = log
            .sources
            .iter()
            .map(|(source, row)| (source.clone(), row.accepted))
            .collect();
        // The accepted positions of this log, newest first, each with the snapshot from which it applied.
        let mut walk: Vec<(Option<KnownMoment>, Positions)> = Vec::new();
        moments_back_to(state.rows(), floor.through, &mut |place, moment| {
            let since = KnownMoment {
                number: place,
                at: moment.at,
            };
            let mut before = positions.clone();
            for ((log_number, source), position) in moment.positions {
                if log_number == log.number {
                    before.insert(source, position.accepted);
                }
            }
            if before != positions {
                walk.push((Some(since), std::mem::replace(&mut positions, before)));
            }
            ControlFlow::Continue(())
        })?;
        walk.push((None, positions));
        // The claims up to `number` that some of these positions lack: the last one of each source.
        let least = walk.iter().flat_map(|(_, positions)| positions.values()).min();
        let mut last: Positions = BTreeMap::new();
        let mut bad = false;
        let from = least.copied().unwrap_or(ClaimNumber::NONE).min(number);
        self.scan_deltas(log.number, from, number, &mut |_, delta| {
            let Some(claims) = claims_of(delta) else {
                bad = true;
                return ControlFlow::Break(());
            };
            for (place, claim) in claims.into_iter().filter(|(place, _)| *place <= number) {
                last.insert(claim.key().source(), place);
            }
            ControlFlow::Continue(())
        })?;
        if bad {
            return Err(damaged(Tree::Logs, &log.number.to_bytes(), "a delta"));
        }
        // Sources of the log that this site never accepted in that time are out of its scope.
        let in_scope: BTreeSet<&Option<Source>> = last
            .keys()
            .filter(|source| {
                walk.iter().any(|(_, positions)| {
                    positions
                        .get(*source)
                        .is_some_and(|accepted| *accepted > ClaimNumber::NONE)
                })
            })
            .collect();
        if in_scope.is_empty() && !last.is_empty() {
            return Ok(CursorAt::NotAccepted);
        }
        let position = |of: &Positions, source| of.get(source).copied().unwrap_or_default();
        let reached = |positions: &Positions| {
            let mut sources = in_scope.iter();
            sources.all(|source| position(positions, source) >= position(&last, source))
        };
        let earliest = walk.iter().rev().find(|(_, positions)| reached(positions));
        Ok(match earliest {
            None => CursorAt::NotAccepted,
            Some((None, _)) => CursorAt::BeforeHistory,
            Some((Some(moment), _)) => CursorAt::Moment(*moment),
        })
    }
}
