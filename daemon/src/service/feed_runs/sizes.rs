//! How many records a source had on the last days: one that loses a little each day loses much in a month.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 3_600_000;
/// Days that are compared with.
const DAYS: u64 = 30;

/// The most records of each day, by days since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sizes(BTreeMap<u64, u64>);

impl Sizes {
    /// Returns the most records that the source had within the last days.
    pub(crate) fn most(&self, now_ms: u64) -> u64 {
        let first = (now_ms / DAY_MS).saturating_sub(DAYS);
        self.0
            .range(first..)
            .map(|(_, records)| *records)
            .max()
            .unwrap_or(0)
    }

    /// Notes how many it has now. What somebody approved is compared with no more.
    pub(crate) fn add(&mut self, now_ms: u64, records: u64, is_approved: bool) {
        if is_approved {
            self.0.clear();
        }
        let today = now_ms / DAY_MS;
        let most = self.0.entry(today).or_default();
        *most = records.max(*most);
        self.0 = self.0.split_off(&today.saturating_sub(DAYS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_the_last_days_counts_until_it_is_approved() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.most(0), 0);
        for (day, records) in [(100, 90), (101, 100), (101, 70), (110, 60)] {
            sizes.add(day * DAY_MS, records, false);
        }
        assert_eq!(sizes.most(110 * DAY_MS), 100);
        assert_eq!(sizes.most(132 * DAY_MS), 60);
        sizes.add(111 * DAY_MS, 20, true);
        assert_eq!(sizes.most(111 * DAY_MS), 20);
    }
}
