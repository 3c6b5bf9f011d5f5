//! Numbers about the view: what a replay changed, and the counts that are kept with it.

use serde::{Deserialize, Serialize};

use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{damaged, meta};

/// Counts of the changes that a replay made in the view.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ViewCounts {
    /// Canonical advisories that are new.
    pub created: u64,
    /// Canonical advisories with other content now.
    pub updated: u64,
    /// Canonical advisories that are gone, withdrawn or redirected.
    pub removed: u64,
    /// Records looked at that changed nothing.
    pub skipped: u64,
    /// Ties between records and advisories that are new.
    pub edges_added: u64,
    /// Records that were stated before and no longer are.
    pub deletions: u64,
    /// Canonical advisories that are withdrawn now and were not before.
    #[serde(default)]
    pub withdrawn: u64,
    /// Records of which something cannot be looked up.
    #[serde(skip)]
    pub problems: starling_view::ProblemCounts,
}

impl ViewCounts {
    pub(super) fn add(&mut self, changes: &starling_view::Changes, looked_at: usize) {
        use starling_view::Action;
        let mut touched = 0;
        for change in &changes.advisories {
            touched += 1;
            match change.action {
                Action::Created => self.created += 1,
                Action::Updated => self.updated += 1,
                Action::Withdrawn => {
                    self.removed += 1;
                    self.withdrawn += 1;
                }
                Action::Removed | Action::Redirected { .. } => self.removed += 1,
            }
        }
        self.skipped += (looked_at as u64).saturating_sub(touched);
        self.edges_added += changes.edges_added;
        self.deletions += changes.records_removed;
        self.problems.add(&changes.problems);
    }
}

/// Keeps the number of advisories, so that it never has to be counted by walking over them.
pub(super) fn count_advisories(
    txn: &mut Txn<'_>,
    changes: &starling_view::Changes,
) -> Result<(), StoreError> {
    use starling_view::Action;
    let (mut come, mut gone) = (0_u64, 0_u64);
    for change in &changes.advisories {
        match change.action {
            Action::Created => come += 1,
            Action::Removed | Action::Redirected { .. } => gone += 1,
            Action::Updated | Action::Withdrawn => {}
        }
    }
    if come == gone {
        return Ok(());
    }
    let before = match txn.get(Tree::Meta, meta::ADVISORIES)? {
        Some(row) => decode_count(&row)?,
        None => 0,
    };
    let after = (before + come).saturating_sub(gone);
    txn.put(Tree::Meta, meta::ADVISORIES, after.to_le_bytes().to_vec());
    Ok(())
}

/// Keeps the number of live records per source, for the same reason.
pub(super) fn count_records(txn: &mut Txn<'_>, changes: &starling_view::Changes) -> Result<(), StoreError> {
    for (source, change) in &changes.live {
        let key = meta::records(source);
        let before = match txn.get(Tree::Meta, &key)? {
            Some(row) => decode_count(&row)?,
            None => 0,
        };
        match (before + change.come).saturating_sub(change.gone) {
            0 => txn.delete(Tree::Meta, &key),
            after => txn.put(Tree::Meta, &key, after.to_le_bytes().to_vec()),
        }
    }
    Ok(())
}

/// Reads a row in which a number of the view is kept.
pub(crate) fn decode_count(row: &[u8]) -> Result<u64, StoreError> {
    let count = <[u8; 8]>::try_from(row).map(u64::from_le_bytes);
    count.map_err(|_| damaged(Tree::Meta, meta::ADVISORIES, "a number that the view keeps"))
}
