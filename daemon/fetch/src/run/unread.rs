//! The unread parts of a source: they are named, and the source does not count as read to its end.
//!
//! One broken row or dead link of a large source must not make it stale for ever. An irregularity that lasts for a
//! week is named and counted at every run, but no longer prevents the source from being read to its end, if there are
//! few of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Executor, millis};
use crate::error::FetchError;
use crate::names::shorten;

/// Time after which the same irregularity counts as lasting.
const LASTING: Duration = Duration::from_secs(7 * 24 * 3600);
/// Number of lasting irregularities up to which their share does not matter, and their largest share in percent of
/// the rows.
const FEW: u64 = 10;
const MAX_LASTING_PERCENT: u64 = 1;
/// Most reasons in an error; further ones are counted.
const NAMED: usize = 3;

/// The parts of a source that a run could not read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    reasons: Vec<String>,
    count: u64,
    /// Number of lasting irregularities.
    pub(super) passed_over: u64,
    /// Names of the listed documents among them that are missing.
    pub(super) dead: BTreeSet<String>,
    /// Number of rows of all lists of this run.
    pub(super) rows: u64,
}

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the number of unread parts.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn add(&mut self, why: String) {
        self.count += 1;
        if self.reasons.len() < NAMED {
            self.reasons.push(why);
        }
    }

    /// Describes the unread parts.
    pub(super) fn words(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let words = self.reasons.join("; ");
        match self.count - self.reasons.len() as u64 {
            0 => Some(words),
            more => Some(format!("{words}; and {more} more")),
        }
    }
}

impl Executor<'_> {
    /// Adds an unread part.
    pub(super) fn not_read(&mut self, why: String) {
        self.is_complete = false;
        self.session.note(why.clone());
        self.unread.add(why);
    }

    /// Adds an unread part, unless it is a lasting irregularity. `key` is the same in each run.
    pub(super) fn not_read_unless_lasting(&mut self, key: &str, count: u64, why: String) {
        if self.is_lasting(key) {
            self.is_complete = false;
            self.unread.passed_over += count;
            self.session.note(why);
        } else {
            self.not_read(why);
        }
    }

    /// Returns true if an irregularity lasts. The position remembers it while each run reports it.
    pub(super) fn is_lasting(&mut self, key: &str) -> bool {
        let since_ms = self.old.odd_since_ms.get(key).copied();
        let since_ms = since_ms
            .filter(|since_ms| *since_ms <= self.began_ms)
            .unwrap_or(self.began_ms);
        self.new.odd_since_ms.insert(key.to_owned(), since_ms);
        self.began_ms - since_ms >= millis(LASTING)
    }

    /// Names a listed document that is missing and counts it, unless it was missing before. Ends the run if there are
    /// too many: that is an outage.
    pub(super) fn count_missing(
        &mut self,
        list: &str,
        name: &str,
        is_counted: bool,
    ) -> Result<(), FetchError> {
        let key = format!("missing:{list}:{name}");
        if self.is_lasting(&key) {
            self.unread.dead.insert(name.to_owned());
        }
        let why = format!("{} is listed and missing (404)", shorten(name));
        self.not_read_unless_lasting(&key, 1, why);
        if !is_counted {
            return Ok(());
        }
        self.missing += 1;
        let is_over = self.missing * 100 > self.listed * self.session.limits.max_missing_percent;
        let is_most = self.listed > 1 && self.missing * 2 > self.listed;
        if (is_over && self.missing >= FEW) || is_most {
            return Err(FetchError::Inconsistent {
                address: list.to_owned(),
                what: format!(
                    "{} of {} listed documents are missing (404), more than {} %: an outage or a move, not a deletion",
                    self.missing, self.listed, self.session.limits.max_missing_percent
                ),
            });
        }
        Ok(())
    }

    /// Sums up the unread parts at the end of a run. Lists with unread parts are read again next time.
    pub(super) fn close_unread(&mut self) {
        if self.missing > 0 {
            let text = format!(
                "{} of {} listed documents are missing (404)",
                self.missing, self.listed
            );
            self.session.note(text);
        }
        let passed_over = self.unread.passed_over;
        if passed_over > FEW && passed_over * 100 > self.unread.rows * MAX_LASTING_PERCENT {
            self.not_read(format!(
                "{passed_over} rows or documents of {} cannot be read for over a week, more than {MAX_LASTING_PERCENT} %",
                self.unread.rows
            ));
        }
        if !self.unread.is_empty() || self.unread.passed_over > 0 || self.more {
            for address in std::mem::take(&mut self.lists) {
                if let Some(seen) = self.new.documents.get_mut(&address) {
                    *seen = crate::position::Seen::default();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_and_more_are_counted() {
        let mut unread = Unread::default();
        assert_eq!(unread.words(), None);
        for number in 0..5 {
            unread.add(format!("reason {number}"));
        }
        assert_eq!(
            unread.words().as_deref(),
            Some("reason 0; reason 1; reason 2; and 2 more")
        );
    }
}
