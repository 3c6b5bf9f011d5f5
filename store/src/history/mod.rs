//! The earlier knowledge of the site: enough to restore the store, on a copy, to an earlier snapshot.
//!
//! A log keeps every claim, so most of the past is already in it. Three things are not, and are kept here: the
//! time at which this site accepted each claim ([`Moment`]), the claim that another one replaced, and the
//! bodies of such claims. All records point backwards: a snapshot holds the state before its change, so that
//! going back means restoring it, and forgetting the oldest snapshots does not affect the others.
//!
//! Rows commit in the transaction of the change that they describe. New data costs one row per change; only
//! replaced data costs a further row, of about 60 bytes.

mod check;
mod cursor;
pub(crate) mod gc;
mod losses;
mod moment;
mod prune;
mod rewind;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use starling_protocol::{ClaimNumber, SiteSlug, Source, UnixMillis};

pub use self::cursor::CursorAt;
pub use self::gc::Collected;
pub(crate) use self::losses::{HistoryPoint, lasting_losses};
pub(crate) use self::moment::{Moment, PositionBefore, SettingsBefore};
pub use self::prune::Retention;

use crate::SiteStore;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, LogNumber, SourceRow};
use crate::site::state::State;
use crate::trust::listing::ListedSite;

/// Key of the row with the oldest available snapshot.
pub(crate) const FLOOR: &[u8] = b"f";
/// First byte of the keys of moments; their number (u64 BE) follows.
const MOMENT: u8 = b'm';
/// First byte of the keys of replaced claims; the log and the number of the replacing claim (u64 BE) follow.
const SUPERSEDED: u8 = b's';

/// The number of a change of the site's knowledge; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MomentNumber(pub(crate) u64);

/// A snapshot to which the site can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownMoment {
    /// Its place.
    pub number: MomentNumber,
    /// The time since which the site had this knowledge, by its own clock, which never goes back here.
    pub at: UnixMillis,
}

/// The range of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySpan {
    /// The oldest available snapshot.
    pub since: UnixMillis,
    /// The number of changes since then.
    pub moments: u64,
}

/// The start of the kept history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor {
    /// The time of the newest forgotten snapshot; the state right after it is available.
    pub(crate) at: UnixMillis,
    /// Its number.
    pub(crate) through: MomentNumber,
}

impl Floor {
    fn encode(self) -> Vec<u8> {
        [self.at.as_millis().to_le_bytes(), self.through.0.to_le_bytes()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (at, through) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            at: UnixMillis::new(u64::from_le_bytes(*at)).ok()?,
            through: MomentNumber(u64::from_le_bytes(through.try_into().ok()?)),
        })
    }
}

/// The writer of the history, in memory with the rest of the small state.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// `None` if the rows do not say: a store from before there was a history, or damage. The history then
    /// starts again.
    floor: Option<Floor>,
    last: KnownMoment,
    /// The snapshot of the current change, after it has changed something.
    open: Option<Moment>,
    now: UnixMillis,
    /// True if nothing is noted: replayed changes carry their own history.
    paused: bool,
}

impl History {
    /// Reads the state of the history.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub(crate) fn load(engine: &dyn Engine) -> Result<Self, StoreError> {
        let floor = engine.get(Tree::History, FLOOR)?;
        let mut floor = floor.and_then(|row| Floor::decode(&row));
        let newest = engine.first(
            Tree::History,
            Bound::Included(&[MOMENT]),
            Bound::Excluded(&[MOMENT + 1]),
            Direction::Reverse,
        )?;
        let mut last = KnownMoment {
            number: floor.map_or(MomentNumber(0), |floor| floor.through),
            at: floor.map_or(UnixMillis::EPOCH, |floor| floor.at),
        };
        if let Some((key, row)) = newest {
            match (moment_number(&key), Moment::<LogNumber>::decode(&row)) {
                (Some(number), Some(moment)) if number > last.number => {
                    last = KnownMoment {
                        number,
                        at: moment.at,
                    };
                }
                (Some(number), None) if number > last.number => {
                    last.number = number;
                    floor = None;
                }
                _ => {}
            }
        }
        Ok(Self {
            floor,
            last,
            open: None,
            now: UnixMillis::EPOCH,
            paused: false,
        })
    }

    /// Begins a change: all further notes belong to one snapshot.
    pub(crate) fn begin(&mut self, now: UnixMillis) {
        self.open = None;
        self.now = now;
        self.paused = false;
    }

    /// Notes nothing until the next change begins.
    pub(crate) fn pause(&mut self) {
        self.open = None;
        self.paused = true;
    }

    /// Continues a change that the log records in several groups. `read` returns rows of the history; `noted`
    /// is true if an earlier group of the change wrote its snapshot.
    ///
    /// # Errors
    /// The errors of `read`.
    pub(crate) fn go_on<E>(
        &mut self,
        now: UnixMillis,
        noted: bool,
        read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        self.now = now;
        let kept = self.floor.is_some_and(|floor| self.last.number > floor.through);
        if self.open.is_none() && noted && kept && !self.paused {
            let row = read(&moment_key(self.last.number))?;
            self.open = row.and_then(|row| Moment::decode(&row));
        }
        Ok(())
    }

    /// Takes over the number and time of a snapshot that was written unchanged.
    pub(crate) fn follow(&mut self, number: MomentNumber, at: UnixMillis) {
        self.last = KnownMoment { number, at };
    }

    fn moment(&mut self) -> &mut Moment {
        let at = self.now.max(self.last.at);
        if self.open.is_none() {
            self.last = KnownMoment {
                number: MomentNumber(self.last.number.0.saturating_add(1)),
                at,
            };
        }
        self.open.get_or_insert_with(|| Moment::new(at))
    }

    /// Notes the accepted position of a source before it moves.
    pub(crate) fn note_position(&mut self, log: LogNumber, source: Option<&Source>, before: &SourceRow) {
        if self.paused {
            return;
        }
        let key = (log, source.cloned());
        self.moment()
            .positions
            .entry(key)
            .or_insert_with(|| PositionBefore::of(before));
    }

    /// Notes the times of the last checks of sources before a head changes them.
    pub(crate) fn note_checks(
        &mut self,
        log: LogNumber,
        before: &BTreeMap<Source, UnixMillis>,
        after: &BTreeMap<Source, UnixMillis>,
    ) {
        if self.paused {
            return;
        }
        for source in before.keys().chain(after.keys()) {
            let checked = before.get(source).copied();
            if checked != after.get(source).copied() {
                let key = (log, source.clone());
                self.moment().checks.entry(key).or_insert(checked);
            }
        }
    }

    /// Notes an entry of the allow-list before it changes; `None` if there was none.
    pub(crate) fn note_listed(&mut self, slug: &SiteSlug, before: Option<&ListedSite>) {
        if self.paused {
            return;
        }
        let listed = &mut self.moment().listed;
        listed.entry(slug.clone()).or_insert_with(|| before.cloned());
    }

    /// Notes the settings of the fold before they change.
    pub(crate) fn note_settings(&mut self, before: SettingsBefore) {
        if !self.paused {
            self.moment().settings.get_or_insert(before);
        }
    }

    /// Writes the notes; must be called before each commit of a change that notes anything.
    pub(crate) fn write(&self, txn: &mut Txn<'_>) {
        if let Some(moment) = &self.open {
            txn.put(Tree::History, &moment_key(self.last.number), moment.encode());
        }
    }

    /// Starts the history now: no earlier state is available any more.
    pub(crate) fn begin_anew(&mut self, txn: &mut Txn<'_>) {
        // The open snapshot also describes a past that cannot be restored; its number is not reused.
        self.open = None;
        self.last.at = self.last.at.max(self.now);
        let floor = Floor {
            at: self.last.at,
            through: self.last.number,
        };
        txn.put(Tree::History, FLOOR, floor.encode());
        self.floor = Some(floor);
    }

    /// Forgets the moments up to one.
    pub(crate) fn raise_floor(&mut self, txn: &mut Txn<'_>, floor: Floor) {
        // A history that was carried over begins with its floor.
        if self.last.number < floor.through {
            self.last = KnownMoment {
                number: floor.through,
                at: floor.at,
            };
        }
        txn.put(Tree::History, FLOOR, floor.encode());
        self.floor = Some(floor);
    }

    /// Returns the point of the history after the current change.
    fn point(&self) -> HistoryPoint {
        HistoryPoint {
            moment: self.last.number,
            at: self.now.max(self.last.at),
        }
    }

    fn floor(&self) -> Floor {
        self.floor.unwrap_or(Floor {
            at: self.last.at,
            through: self.last.number,
        })
    }
}

/// Returns the row that keeps a claim which `by` replaces in its log.
pub(crate) fn superseded_row(log: LogNumber, by: ClaimNumber, claim: &ClaimRow) -> (Vec<u8>, Vec<u8>) {
    let row = ClaimRow {
        prior: None,
        ..claim.clone()
    };
    (superseded_key(log, by), row.encode())
}

pub(crate) fn superseded_key(log: LogNumber, by: ClaimNumber) -> Vec<u8> {
    [[SUPERSEDED].as_slice(), &log.to_bytes(), &by.0.to_be_bytes()].concat()
}

fn split_superseded_key(key: &[u8]) -> Option<(LogNumber, ClaimNumber)> {
    let (&SUPERSEDED, rest) = key.split_first()? else {
        return None;
    };
    let (log, by) = rest.split_at_checked(3)?;
    Some((
        LogNumber::from_bytes(log)?,
        ClaimNumber(u64::from_be_bytes(by.try_into().ok()?)),
    ))
}

/// Returns true if a row's key is a moment's.
pub(crate) fn is_moment(key: &[u8]) -> bool {
    key.first() == Some(&MOMENT)
}

pub(crate) fn moment_key(number: MomentNumber) -> Vec<u8> {
    [[MOMENT].as_slice(), &number.0.to_be_bytes()].concat()
}

pub(crate) fn moment_number(key: &[u8]) -> Option<MomentNumber> {
    let (&MOMENT, number) = key.split_first()? else {
        return None;
    };
    Some(MomentNumber(u64::from_be_bytes(number.try_into().ok()?)))
}

impl SiteStore {
    /// Starts the history if there is none, or if it cannot be read.
    pub(crate) fn begin_history(&self, state: &mut State) -> Result<(), StoreError> {
        if state.history.floor.is_none() {
            let mut txn = self.txn();
            txn.log(Entry::HistoryBegins);
            state.history.begin_anew(&mut txn);
            txn.commit()?;
        }
        Ok(())
    }

    /// Returns the range in which [`as_of`](Self::as_of) can go back.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn history(&self) -> Result<HistorySpan, StoreError> {
        let state = self.read()?;
        let floor = state.history.floor();
        let mut moments = 0;
        state.rows().scan(
            Tree::History,
            Bound::Excluded(&moment_key(floor.through)),
            Bound::Excluded(&[MOMENT + 1]),
            Direction::Forward,
            &mut |_, _| {
                moments += 1;
                ControlFlow::Continue(())
            },
        )?;
        Ok(HistorySpan {
            since: floor.at,
            moments,
        })
    }

    /// Returns the snapshot that was the newest at a time.
    ///
    /// # Errors
    /// [`StoreError::BeforeHistory`], or of the engine.
    pub fn moment_at(&self, at: UnixMillis) -> Result<KnownMoment, StoreError> {
        let state = self.read()?;
        let floor = state.history.floor();
        let oldest = KnownMoment {
            number: floor.through,
            at: floor.at,
        };
        if at < floor.at {
            return Err(StoreError::BeforeHistory {
                asked: at,
                oldest: floor.at,
            });
        }
        let mut found = oldest;
        moments_back_to(state.rows(), floor.through, &mut |number, moment| {
            if moment.at <= at {
                found = KnownMoment {
                    number,
                    at: moment.at,
                };
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

/// Visits the moments after `through`, newest first.
fn moments_back_to(
    rows: &dyn Engine,
    through: MomentNumber,
    visit: &mut dyn FnMut(MomentNumber, Moment) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut bad = None;
    rows.scan(
        Tree::History,
        Bound::Excluded(&moment_key(through)),
        Bound::Excluded(&[MOMENT + 1]),
        Direction::Reverse,
        &mut |key, row| match moment_number(key).zip(Moment::decode(row)) {
            Some((number, moment)) => visit(number, moment),
            None => {
                bad = Some(crate::rows::damaged(
                    Tree::History,
                    key,
                    "a moment of the history",
                ));
                ControlFlow::Break(())
            }
        },
    )?;
    bad.map_or(Ok(()), Err)
}
