//! The number of records of a source on each of the last days: a source that loses a few records each day loses many in a
//! month, and no single import shows that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 3_600_000;
/// Number of days before today that are kept and compared.
const DAYS: u64 = 30;

/// The largest number of records on each day. The key is the number of days since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sizes(BTreeMap<u64, u64>);

impl Sizes {
    /// Returns the largest number of records of the last days; 0 if none is known.
    pub(crate) fn most(&self, now_ms: u64) -> u64 {
        let first = (now_ms / DAY_MS).saturating_sub(DAYS);
        self.0
            .range(first..)
            .map(|(_, records)| *records)
            .max()
            .unwrap_or(0)
    }

    /// Records the current number of records. An approval forgets the earlier numbers, so that the approved loss is not
    /// reported again.
    pub(crate) fn add(&mut self, now_ms: u64, records: u64, is_approved: bool) {
        if is_approved {
            self.0.clear();
        }
        let today = now_ms / DAY_MS;
        let most_today = self.0.entry(today).or_default();
        *most_today = records.max(*most_today);
        self.0 = self.0.split_off(&today.saturating_sub(DAYS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approval_forgets_earlier_sizes() {
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
