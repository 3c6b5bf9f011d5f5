//! Rows that a list no longer has. The loss is accepted if a second run finds the same, or if a large loss lasts.

use std::collections::{BTreeMap, BTreeSet};

use super::Executor;
use crate::fetched::Gone;
use crate::list::Rows;
use crate::plan::{ListFormat, ListStep};

/// The percentage of lost rows above which a list is not trusted at first.
const MAX_LOST_PERCENT: usize = 20;
/// Number of lost rows up to which the percentage does not matter.
const FEW_LOST: usize = 10;

impl Executor<'_> {
    /// Finds what a list lost, and names it as gone once a second run finds the same. Of a list that lost much nothing is
    /// believed until that lasts. Returns the rows that are remembered, because their loss is not believed yet.
    pub(super) fn compare_rows(&mut self, step: &ListStep, rows: &Rows) -> Vec<(String, String)> {
        let key = lost_key(step);
        let before = self.new.rows.remove(&key).unwrap_or_default();
        let Some(known) = self.old.rows.get(&step.id).filter(|_| !step.by_time) else {
            return Vec::new();
        };
        let now: BTreeSet<&str> = rows.rows.iter().map(|row| row.name.as_str()).collect();
        let lost: BTreeMap<String, String> = known
            .iter()
            .filter(|(name, _)| !now.contains(name.as_str()))
            .map(|(name, fingerprint)| (name.clone(), fingerprint.clone()))
            .collect();
        if lost.is_empty() {
            return Vec::new();
        }
        let is_much = is_much(lost.len(), known.len());
        let all = known.len();
        if is_much && !self.is_lasting(&format!("lost:{}", step.id)) {
            self.not_read(format!(
                "{} lost {} of {all} rows: not believed unless it stays so for a week",
                step.address,
                lost.len()
            ));
            return lost.into_iter().collect();
        }
        if rows.odd_count > 0 || rows.is_open {
            let text = format!(
                "{} lost {} of {all} rows, and is not understood to its end: not believed",
                step.address,
                lost.len()
            );
            self.not_read(text);
            return lost.into_iter().collect();
        }
        let (certain, open): (BTreeMap<_, _>, BTreeMap<_, _>) = lost
            .into_iter()
            .partition(|(name, _)| is_much || before.contains_key(name));
        if !open.is_empty() {
            self.session.note(format!(
                "{} lost {} of {all} rows: the next run looks whether they are gone",
                step.address,
                open.len()
            ));
            self.is_complete = false;
            self.more = true;
            self.new.rows.insert(key, open.clone());
        }
        for name in certain.into_keys() {
            self.gone.push(Gone {
                address: step
                    .documents
                    .join(&name)
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
                name: format!("{}{name}", step.prefix),
                reason: format!("{} does not list it any more", step.address),
            });
        }
        open.into_iter().collect()
    }

    /// Compares the length of a list whose rows are not remembered one by one with the longest that was seen.
    pub(super) fn compare_count(&mut self, step: &ListStep, rows: &Rows) {
        // The log of the CVE list contains only the last weeks.
        if !step.by_time || step.format == ListFormat::CveDeltaLog {
            return;
        }
        let count = rows.rows.len() as u64;
        let before = self.old.counts.get(&step.id).copied().unwrap_or(0);
        let lost = usize::try_from(before.saturating_sub(count)).unwrap_or(usize::MAX);
        let is_short = is_much(lost, usize::try_from(before).unwrap_or(usize::MAX));
        if is_short && !self.is_lasting(&format!("short:{}", step.id)) {
            self.not_read(format!(
                "{} lists {count} documents, and listed {before} before: not believed unless it stays so for a week",
                step.address
            ));
            return;
        }
        let longest = if is_short { count } else { count.max(before) };
        self.new.counts.insert(step.id.clone(), longest);
    }
}

/// Returns the key under which a position keeps the lost rows of a list until a second run confirms the loss.
fn lost_key(step: &ListStep) -> String {
    format!("lost:{}", step.id)
}

/// Returns true if so many rows were lost that the list is not trusted at first.
fn is_much(lost: usize, known: usize) -> bool {
    lost > FEW_LOST && lost.saturating_mul(100) > known.saturating_mul(MAX_LOST_PERCENT)
}
