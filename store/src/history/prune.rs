//! Limits the kept past by age and by bytes, oldest snapshots first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use starling_protocol::{ClaimNumber, ContentHash, Source, UnixMillis};

use super::{
    Floor, MOMENT, MomentNumber, SUPERSEDED, moment_key, moments_back_to, split_superseded_key,
    superseded_key,
};
use crate::SiteStore;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, LogNumber, damaged};
use crate::site::state::State;

/// The limits on age and size of the kept past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Moments older than this are forgotten, in milliseconds.
    pub millis: u64,
    /// The oldest snapshots are forgotten until the data that only the past needs (snapshots, replaced claims
    /// and their bodies) takes at most this many bytes of rows.
    pub bytes: u64,
}

impl Retention {
    /// Nothing of the past.
    pub const NONE: Self = Self { millis: 0, bytes: 0 };
}

/// A claim that another one replaced, with the data that decides about keeping it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Superseded {
    pub(crate) log: LogNumber,
    pub(crate) by: ClaimNumber,
    pub(crate) content: Option<ContentHash>,
    /// Bytes of the row.
    pub(crate) bytes: u64,
}

/// The kept part of the past.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) floor: Option<Floor>,
    /// Keys of rows that are not.
    pub(crate) dropped: Vec<Vec<u8>>,
    /// Bodies that the rest names.
    pub(crate) bodies: BTreeSet<ContentHash>,
}

/// The rows of each log that a walk back still needs: those after the least position seen so far.
struct Needs<'a> {
    /// The least position at which a source was ever accepted, and its last claim.
    least: BTreeMap<(LogNumber, Option<Source>), (ClaimNumber, ClaimNumber)>,
    /// By log and rising number of the replacing claim; needed rows are taken from the end.
    rows: BTreeMap<LogNumber, Vec<Superseded>>,
    body_bytes: &'a BTreeMap<ContentHash, u64>,
    needed: Vec<Superseded>,
    bytes: u64,
}

impl Needs<'_> {
    /// Includes a position. Returns true if more rows are needed for it.
    fn lower(&mut self, key: &(LogNumber, Option<Source>), accepted: ClaimNumber) {
        if accepted > ClaimNumber::NONE
            && let Some((least, _)) = self.least.get_mut(key)
        {
            *least = accepted.min(*least);
        }
    }

    /// Takes the rows that the positions seen so far need.
    fn take(&mut self, log: LogNumber) {
        let positions = self
            .least
            .range((log, None)..)
            .take_while(|((of, _), _)| *of == log);
        // A source without later claims needs nothing.
        let behind = positions.filter(|(_, (least, last))| least < last);
        let Some(bound) = behind.map(|(_, (least, _))| *least).min() else {
            return;
        };
        let Some(rows) = self.rows.get_mut(&log) else {
            return;
        };
        let first = rows.partition_point(|row| row.by <= bound);
        for row in rows.drain(first..) {
            let body = row.content.and_then(|hash| self.body_bytes.get(&hash));
            self.bytes += row.bytes + body.copied().unwrap_or(0);
            self.needed.push(row);
        }
    }
}

impl SiteStore {
    /// Returns every kept claim that another one replaced, in key order.
    pub(crate) fn superseded(&self) -> Result<Vec<Superseded>, StoreError> {
        let mut rows = Vec::new();
        let mut bad = None;
        self.engine.scan_prefix(
            Tree::History,
            &[SUPERSEDED],
            Direction::Forward,
            &mut |key, row| {
                let parts = split_superseded_key(key).zip(ClaimRow::decode(row));
                let Some(((log, by), claim)) = parts else {
                    bad = Some(damaged(Tree::History, key, "a replaced claim"));
                    return ControlFlow::Break(());
                };
                rows.push(Superseded {
                    log,
                    by,
                    content: claim.kind_and_content().and_then(|(.., content, _)| content),
                    bytes: (key.len() + row.len()) as u64,
                });
                ControlFlow::Continue(())
            },
        )?;
        bad.map_or(Ok(rows), Err)
    }

    /// Keys of the claims of a log that ones after `after` replaced.
    pub(crate) fn superseded_after(
        &self,
        txn: &Txn<'_>,
        log: LogNumber,
        after: ClaimNumber,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        let prefix = [&[SUPERSEDED], log.to_bytes().as_slice()].concat();
        txn.scan_prefix(Tree::History, &prefix, &mut |key, _| {
            if split_superseded_key(key).is_some_and(|(_, by)| by > after) {
                keys.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    /// Decides which part of the past is kept. `superseded` is all that exists; `body_bytes` returns the size
    /// of the bodies that nothing else names.
    pub(crate) fn past_to_keep(
        &self,
        state: &State,
        retention: &Retention,
        superseded: Vec<Superseded>,
        body_bytes: &BTreeMap<ContentHash, u64>,
    ) -> Result<Kept, StoreError> {
        let now = (self.clock)().max(state.history.last.at);
        // State that was first known exactly then, or later, is kept.
        let oldest = now
            .as_millis()
            .checked_sub(retention.millis)
            .map(UnixMillis::saturating);
        let mut needs = Needs {
            least: BTreeMap::new(),
            rows: BTreeMap::new(),
            body_bytes,
            needed: Vec::new(),
            bytes: 0,
        };
        for log in state.logs.values() {
            for (source, row) in &log.sources {
                let least = match row.accepted {
                    ClaimNumber::NONE => row.last,
                    accepted => accepted,
                };
                needs
                    .least
                    .insert((log.number, source.clone()), (least, row.last));
            }
        }
        for row in superseded {
            needs.rows.entry(row.log).or_default().push(row);
        }
        // Claims that wait for acceptance are needed after it.
        for log in state.logs.values() {
            needs.take(log.number);
        }
        let floor = state.history.floor();
        let mut cut = None;
        let mut needed = needs.needed.len();
        moments_back_to(self.engine.as_ref(), floor.through, &mut |number, moment| {
            let bytes = moment.encode().len() as u64 + moment_key(number).len() as u64;
            let too_old = oldest.is_some_and(|oldest| moment.at <= oldest);
            if !too_old {
                let mut logs = BTreeSet::new();
                for (key, before) in &moment.positions {
                    needs.lower(key, before.accepted);
                    logs.insert(key.0);
                }
                for log in logs {
                    needs.take(log);
                }
                needs.bytes += bytes;
            }
            if too_old || needs.bytes > retention.bytes {
                cut = Some(Floor {
                    at: moment.at,
                    through: number,
                });
                return ControlFlow::Break(());
            }
            needed = needs.needed.len();
            ControlFlow::Continue(())
        })?;
        let mut kept = Kept {
            floor: cut,
            ..Kept::default()
        };
        for (place, row) in needs.needed.iter().enumerate() {
            if place < needed {
                kept.bodies.extend(row.content);
            } else {
                kept.dropped.push(superseded_key(row.log, row.by));
            }
        }
        let unneeded = needs.rows.values().flatten();
        kept.dropped
            .extend(unneeded.map(|row| superseded_key(row.log, row.by)));
        kept.dropped
            .extend(self.moments_through(cut.unwrap_or(floor).through)?);
        Ok(kept)
    }

    fn moments_through(&self, through: MomentNumber) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        self.engine.scan(
            Tree::History,
            Bound::Included(&[MOMENT]),
            Bound::Included(&moment_key(through)),
            Direction::Forward,
            &mut |key, _| {
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            },
        )?;
        Ok(keys)
    }
}
