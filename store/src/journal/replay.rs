//! Replays the log into an engine: all of it into an empty one, the rest of it into one that is behind.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{BundleHash, ClaimNumber, Delta};

use super::{CONTINUES, Entry, MOMENT_NOTED, WITHOUT_HISTORY};
use crate::SiteStore;
use crate::activity::Origin;
use crate::engine::{ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::feed::FeedRow;
use crate::log::{Group, Log, LogError, LogPosition};
use crate::rows::meta;
use crate::rows::txn::Txn;
use crate::site::state::{LogId, State};

/// The number of groups behind the log from which the view is folded again at the end instead of followed.
pub(crate) const FOLLOWED_GROUPS: u64 = 256;

/// The progress of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Groups of the log that were applied.
    pub groups: u64,
    /// Groups of the log in all.
    pub of: u64,
}

/// Called now and then while a log is replayed.
pub type OnProgress<'a> = &'a (dyn Fn(ReplayProgress) + Sync);

impl SiteStore {
    /// Brings the engine's rows up to the end of the log.
    ///
    /// An engine that is a little behind is followed group by group, including the view and its events, as if
    /// the groups had just come. For an engine that is empty or far behind, the view is folded again at the
    /// end.
    ///
    /// # Errors
    /// Of the log, naming the damage; of the engine.
    pub(crate) fn replay(
        &self,
        state: &mut State,
        from: LogPosition,
        progress: OnProgress<'_>,
    ) -> Result<Skipped, StoreError> {
        let mut skipped = Skipped::default();
        let log = self.journal.log().clone();
        let end = log.end();
        let follows = from.group > 0 && end.group - from.group.min(end.group) <= FOLLOWED_GROUPS;
        let mut txn = Txn::new(self.engine.as_ref());
        if !follows && from < end {
            super::apply::ask_for_rebuild(&mut txn, state);
        }
        let mut untold = false;
        let groups = if self.past_damage {
            log.groups_past_damage(from)
        } else {
            log.groups(from)
        };
        for group in groups {
            let group = match group {
                // The damage was reported when the log was opened, and given up.
                Err(LogError::Damaged(damage)) if self.past_damage => {
                    skipped.holes.insert((damage.segment, damage.from, damage.to));
                    continue;
                }
                group => group?,
            };
            let (done, number) = (group.end, group.number);
            let origin = self.apply_group(&mut txn, state, group, &mut skipped)?;
            txn.reach(&done);
            if state.rebuild && from.group > 0 && !untold {
                // Events of these groups were written before, under numbers that will belong to others.
                self.begin_event_generation(&mut txn, &end);
                untold = true;
            }
            // Rebuilding the view may write entries: never before the log is replayed to its end.
            let shows = follows && origin.is_some() && !state.rebuild;
            if shows || txn.len() >= ROWS_PER_COMMIT {
                std::mem::replace(&mut txn, Txn::new(self.engine.as_ref())).commit()?;
                progress(ReplayProgress {
                    groups: number,
                    of: end.group,
                });
            }
            if let Some(origin) = origin.filter(|_| shows) {
                self.show(state, &origin)?;
            }
        }
        if !txn.is_empty() {
            txn.commit()?;
        }
        Ok(skipped)
    }

    /// Applies the entries of one group. Returns the origin for its events if it changed the accepted state.
    fn apply_group(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        group: Group,
        skipped: &mut Skipped,
    ) -> Result<Option<Origin>, StoreError> {
        if group.flags & WITHOUT_HISTORY != 0 {
            state.history.pause();
        } else if group.flags & CONTINUES == 0 {
            state.history.begin(group.time);
        } else {
            let noted = group.flags & MOMENT_NOTED != 0;
            state
                .history
                .go_on(group.time, noted, |key| txn.get(Tree::History, key))?;
        }
        state.repairs = false;
        let mut origin: Option<Option<BundleHash>> = None;
        for (place, frame) in group.frames {
            let entry = Entry::decode(&frame, place.sequence).map_err(StoreError::Entry)?;
            match &entry {
                Some(Entry::Accepted { bundle, .. }) => origin = Some(*bundle),
                Some(Entry::Delta { own: true, .. } | Entry::Listed(_) | Entry::Unlisted(_)) => {
                    origin.get_or_insert(None);
                }
                _ => {}
            }
            match entry {
                Some(entry) if self.past_damage && !follows(state, &entry) => skipped.note(&entry),
                Some(entry) => self.apply(txn, state, skipped.without_check(entry), &place)?,
                None => {}
            }
        }
        state.repairs = false;
        state.history.write(txn);
        self.note_losses_in(txn, state)?;
        Ok(origin.map(|bundle| Origin {
            bundle,
            at: group.time,
        }))
    }

    /// Returns the log position up to which the engine's rows follow.
    ///
    /// # Errors
    /// Of the engine, or a row that does not decode.
    pub(crate) fn engine_position(&self) -> Result<LogPosition, StoreError> {
        let row = self.engine.get(Tree::Meta, meta::POSITION)?;
        let row =
            row.ok_or_else(|| crate::rows::damaged(Tree::Meta, meta::POSITION, "the position in the log"))?;
        LogPosition::decode(&row)
            .ok_or_else(|| crate::rows::damaged(Tree::Meta, meta::POSITION, "the position in the log"))
    }
}

/// What a replay past damage left out.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// The ends of logs whose deltas were left out.
    ends: BTreeMap<LogId, ClaimNumber>,
    /// The damaged stretches before the current group that no earlier repair gave up.
    holes: BTreeSet<(u32, u64, u64)>,
}

impl Skipped {
    /// Returns the entry without the check of a source after a hole: the claims that make it true may have been in it.
    /// After a repair that knew of the hole, a check says again that the source was read as a whole.
    fn without_check(&mut self, entry: Entry) -> Entry {
        match entry {
            Entry::Repaired(stretches) => {
                for stretch in &stretches {
                    self.holes.remove(stretch);
                }
                Entry::Repaired(stretches)
            }
            Entry::Feed { source, row, names } if !self.holes.is_empty() => {
                let row = FeedRow {
                    checked_at: None,
                    ..row
                };
                Entry::Feed { source, row, names }
            }
            entry => entry,
        }
    }

    /// Returns the logs whose deltas were left out.
    pub(crate) fn logs(&self) -> impl Iterator<Item = LogId> + '_ {
        self.ends.keys().copied()
    }

    fn note(&mut self, entry: &Entry) {
        if let Entry::Delta { bytes, .. } = entry
            && let Ok(delta) = Delta::decode(bytes)
        {
            let header = delta.header();
            let id = LogId {
                site: header.site,
                lane: header.lane,
            };
            let last = self.ends.entry(id).or_default();
            *last = header.last().max(*last);
        }
    }

    /// Returns the last claim that was left out of a log.
    pub(crate) fn last(&self, id: &LogId) -> ClaimNumber {
        self.ends.get(id).copied().unwrap_or_default()
    }
}

/// Returns true if an entry can be applied although earlier entries are lost. A delta after a hole cannot: it
/// is fetched again with those before it.
fn follows(state: &State, entry: &Entry) -> bool {
    match entry {
        Entry::Delta { bytes, .. } => Delta::decode(bytes).is_ok_and(|delta| {
            let header = delta.header();
            let id = LogId {
                site: header.site,
                lane: header.lane,
            };
            let tip = state.logs.get(&id).map(|log| log.tip).unwrap_or_default();
            state.chains.contains_key(&id.site) && header.first == tip.next() && header.previous == tip.header
        }),
        Entry::Head { log, .. } | Entry::Fork { log, .. } => state.chains.contains_key(&log.site),
        Entry::Accepted { positions, .. } => positions.iter().all(|(log, source, _)| {
            let log = state.logs.get(log);
            log.is_some_and(|log| log.sources.contains_key(source))
        }),
        Entry::PastMoment { moment, .. } => moment.renamed(|log| state.log_number(&log)).is_some(),
        _ => true,
    }
}

/// Returns the damaged stretches of a log that were given up, which a replay skips.
///
/// # Errors
/// Of the log, except damage.
pub(crate) fn given_up(log: &Log) -> Result<BTreeSet<(u32, u64, u64)>, StoreError> {
    let mut given_up = BTreeSet::new();
    for group in log.groups_past_damage(LogPosition::START) {
        let group = match group {
            Err(LogError::Damaged(_)) => continue,
            group => group?,
        };
        for (place, frame) in group.frames {
            if let Ok(Some(Entry::Repaired(stretches))) = Entry::decode(&frame, place.sequence) {
                given_up.extend(stretches);
            }
        }
    }
    Ok(given_up)
}
