//! The records seen in a source that takes several runs to read (a *round*).
//!
//! A part of a source shows what the source has, not what it lacks. So a site that compares the source with other sites'
//! statements collects the records of all parts since the source's beginning. At the end of the round, records in none of
//! its parts become absent, and not before. The round is stored in one file with the position, so that a kill cannot separate
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_api_types::Timestamp;
use starling_protocol::{RecordId, UnixMillis};

use super::fetching::Brought;
use super::read_to::ReadTo;
use super::run_result::RunResult;
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::service::feeds::{RoundPart, SeenPart, absences_unknown};

/// Most records of a round, and most bytes of their ids: more than any source has.
const MOST_RECORDS: usize = 2_000_000;
const MOST_BYTES: usize = 64 << 20;
/// Time from the end of an inconclusive round to the next one, which fetches everything.
const AGAIN_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Most missing documents that are counted across rounds. More are an outage.
const MOST_DEAD: usize = 1_000;
/// Number of rounds in a row in which a listed document must be missing (404 or 410) to count as dropped by the source.
/// Otherwise a dead link would hide for ever which records the source lacks.
const DEAD_AFTER_ROUNDS: u32 = 3;

/// The records in the parts of a round.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Round {
    #[serde(default)]
    seen: BTreeSet<RecordId>,
    #[serde(default)]
    bytes: usize,
    /// The reason why the round is inconclusive: its end does not show which records the source lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blind: Option<String>,
    /// The time when it ended inconclusively.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl Round {
    /// Returns the records that were seen, and those of rejected documents.
    pub(crate) fn seen(&self) -> &BTreeSet<RecordId> {
        &self.seen
    }

    /// Returns the reason why the round is inconclusive, if it is.
    pub(crate) fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// Returns true until its last part was imported.
    pub(crate) fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Adds the records of a part. Too many records make the round inconclusive.
    pub(crate) fn add(&mut self, records: BTreeSet<RecordId>) {
        self.add_within(records, MOST_RECORDS, MOST_BYTES);
    }

    fn add_within(&mut self, records: BTreeSet<RecordId>, most_records: usize, most_bytes: usize) {
        if self.blind.is_some() {
            return;
        }
        for record in records {
            let bytes = record.as_str().len();
            if self.seen.insert(record) {
                self.bytes += bytes;
            }
        }
        if self.seen.len() > most_records || self.bytes > most_bytes {
            self.lose(format!(
                "it has more than {most_records} records, or their ids more than {most_bytes} bytes"
            ));
        }
    }

    /// Makes the round inconclusive; the first reason stays. The records are no longer needed.
    pub(crate) fn lose(&mut self, why: String) {
        self.seen.clear();
        self.bytes = 0;
        self.blind.get_or_insert(why);
    }

    /// Ends an inconclusive round.
    pub(crate) fn end(&mut self, now: UnixMillis) {
        self.seen.clear();
        self.bytes = 0;
        self.ended_at = Some(now.into());
    }

    /// Returns true if it ended inconclusively at least [`AGAIN_AFTER`] ago.
    pub(crate) fn is_due_again(&self, now: UnixMillis) -> bool {
        let span = i64::try_from(AGAIN_AFTER.as_millis()).unwrap_or(i64::MAX);
        let now = Timestamp::from(now).unix_millis();
        // Also true if the clock was set back by that much, so that the next round is not postponed for ever.
        self.ended_at
            .is_some_and(|ended| now.saturating_sub(ended.unix_millis()).abs() >= span)
    }
}

impl ReadTo {
    /// Records, before an import, whether the source is read in parts. Begins a round at the source's beginning.
    pub(super) fn begin_part(&mut self, spec: &FeedSpec, fetched: &Brought) {
        if fetched.whole && spec.entry.complete && fetched.unfinished.is_none() {
            self.in_parts = false;
            self.round = None;
            return;
        }
        if self.whole_at.is_none() {
            self.in_parts = true;
            if spec.entry.complete && self.others.is_some() && self.position.is_empty() {
                self.round = Some(Round::default());
            }
        }
        let gone = fetched.dead.iter().filter(|name| self.is_dead(name)).count() as u64;
        let passed_over = fetched.passed_over.saturating_sub(gone);
        if let Some(round) = self.round.as_mut().filter(|round| round.is_open())
            && passed_over > 0
        {
            round.lose(format!("{passed_over} rows or documents of it cannot be read"));
        }
    }

    /// Returns true if a listed document was missing in so many rounds that it counts as dropped.
    fn is_dead(&self, name: &str) -> bool {
        self.dead
            .get(name)
            .is_some_and(|rounds| *rounds >= DEAD_AFTER_ROUNDS)
    }

    /// Lists the documents that count as dropped at the end of a round.
    pub(super) fn dead_note(&self, missing: &BTreeSet<String>) -> Option<String> {
        let mut dead = missing.iter().filter(|name| self.is_dead(name));
        let first = dead.next().filter(|_| self.ends_round())?;
        Some(match dead.count() {
            0 => format!(
                "{first} is listed and was missing (404) in {DEAD_AFTER_ROUNDS} rounds: it counts as dropped by the source"
            ),
            more => format!(
                "{first} and {more} more are listed and were missing (404) in {DEAD_AFTER_ROUNDS} rounds: they count as \
                 dropped by the source"
            ),
        })
    }

    /// Counts the listed documents that are missing at the end of a round, and forgets those that were found.
    fn count_dead(&mut self, missing: &BTreeSet<String>) {
        let before = std::mem::take(&mut self.dead);
        let rounds = |name: &String| before.get(name).copied().unwrap_or(0).saturating_add(1);
        let counted = missing
            .iter()
            .take(MOST_DEAD)
            .map(|name| (name.clone(), rounds(name)));
        self.dead = counted.collect();
    }

    /// Returns the round for an input that is a part of it. The part is marked as the last one if the source counts as checked
    /// and the round is conclusive.
    pub(super) fn take_part(&mut self, is_checked: bool) -> Option<RoundPart> {
        let ends = is_checked && self.ends_round();
        self.round.take().map(|round| RoundPart {
            is_last: ends && round.blind().is_none(),
            others: self.others.clone(),
            round,
        })
    }

    /// Returns a sentence that it is unknown which records the source lacks, and why.
    pub(super) fn absences_unknown(&self) -> String {
        absences_unknown(self.round.as_ref().and_then(Round::blind))
    }

    /// Adds an imported part to the round.
    pub(super) fn end_part(
        &mut self,
        part: Option<SeenPart>,
        missing: Option<&BTreeSet<String>>,
        result: &mut RunResult,
    ) {
        let ends = self.ends_round();
        if let Some(missing) = missing.filter(|_| ends && part.is_some()) {
            self.count_dead(missing);
        }
        let (Some(part), Some(round)) = (part, &mut self.round) else {
            return;
        };
        if !round.is_open() {
            return;
        }
        if part.is_complete {
            self.in_parts = false;
            self.round = None;
            return;
        }
        round.add(part.records);
        if let Some(why) = part.lost {
            round.lose(why);
        }
        if part.is_outdated {
            let before = std::mem::take(self);
            *self = before.again("another site stated something of the source during the last run");
        } else if ends {
            round.end(now());
        } else if round.blind().is_none() {
            result.note(&format!(
                "the source is read in several runs, and {} of its records were seen so far: which it lacks is known \
                 after the last one",
                round.seen().len()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::Range<usize>) -> BTreeSet<RecordId> {
        numbers
            .map(|number| format!("EX-{number}").parse().unwrap())
            .collect()
    }

    #[test]
    fn parts_are_collected_until_there_are_too_many() {
        let mut round = Round::default();
        round.add_within(ids(0..3), 5, 1_000);
        round.add_within(ids(2..5), 5, 1_000);
        assert_eq!((round.seen(), round.blind()), (&ids(0..5), None));
        let stored = serde_json::to_string(&round).unwrap();
        assert_eq!(serde_json::from_str::<Round>(&stored).unwrap(), round);
        let mut long = round.clone();
        long.add_within(ids(5..6), 9, 20);
        round.add_within(ids(5..6), 5, 1_000);
        for round in [round, long] {
            assert!(round.seen().is_empty() && round.blind().unwrap().contains("more than"));
        }
    }

    #[test]
    fn inconclusive_round_begins_again_after_a_month() {
        let day = 24 * 3_600_000;
        let mut round = Round::default();
        assert!(round.is_open() && !round.is_due_again(UnixMillis::EPOCH.plus_millis(99 * day)));
        round.lose("a page is odd".to_owned());
        round.lose("another".to_owned());
        round.end(UnixMillis::EPOCH.plus_millis(day));
        assert_eq!((round.is_open(), round.blind()), (false, Some("a page is odd")));
        assert!(!round.is_due_again(UnixMillis::EPOCH.plus_millis(30 * day)));
        assert!(round.is_due_again(UnixMillis::EPOCH.plus_millis(31 * day)));
    }
}
