//! The findings of a check of a whole store.

use std::collections::BTreeMap;

use super::row::{self, Layout, Opened, hex};
use super::split::{Head, PIECES, piece_key};
use super::tree::Tree;

/// Rows and damage of a store. An empty list of problems means that every row could be read and that every
/// large value has its hash. The layers above check the meaning of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Per tree that holds rows, in the order of their numbers.
    pub trees: Vec<TreeCount>,
    /// The damage, at most [`CheckReport::MAX_PROBLEMS`] entries.
    pub problems: Vec<String>,
    /// The number of problems beyond the listed ones.
    pub more_problems: u64,
}

/// The contents of one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeCount {
    /// The tree.
    pub tree: Tree,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its keys.
    pub key_bytes: u64,
    /// Bytes of its values.
    pub value_bytes: u64,
}

impl CheckReport {
    /// The number of listed problems: enough to see a pattern, and bounded.
    pub const MAX_PROBLEMS: usize = 100;

    /// Returns true if nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Collects a [`CheckReport`] from rows in stored order.
pub(super) struct Inspector {
    layout: Layout,
    report: CheckReport,
    counts: BTreeMap<Tree, TreeCount>,
    /// Pieces expected from the split rows seen so far: rows come before their pieces.
    split: BTreeMap<Vec<u8>, u32>,
}

impl Inspector {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            report: CheckReport::default(),
            counts: BTreeMap::new(),
            split: BTreeMap::new(),
        }
    }

    /// Checks one stored row; `join` assembles a split value and returns its length.
    pub(super) fn row(
        &mut self,
        key: &[u8],
        row: &[u8],
        join: &mut dyn FnMut(Head) -> Result<usize, String>,
    ) {
        match key.first() {
            Some(&PIECES) => self.piece(key),
            // The layer's own rows, which were checked when the store was opened.
            Some(0) => {}
            Some(&number) => match Tree::from_number(number) {
                Some(tree) => self.tree_row(tree, key, row, join),
                None => self.problem(format!("a row of unknown tree {number}")),
            },
            None => self.problem("a row with no key".to_owned()),
        }
    }

    pub(super) fn finish(mut self) -> CheckReport {
        self.report.trees = self.counts.into_values().collect();
        self.report
    }

    fn tree_row(
        &mut self,
        tree: Tree,
        key: &[u8],
        row: &[u8],
        join: &mut dyn FnMut(Head) -> Result<usize, String>,
    ) {
        let named = |found| format!("{}: {found}", row::name(key));
        let value_bytes = match self.layout.open(key, row) {
            Ok(Opened::Inline(value)) => Ok(value.len()),
            Ok(Opened::Split(body)) => Head::decode(body)
                .and_then(|head| {
                    // Keyed by the start of its pieces' keys, which the index follows.
                    let start = piece_key(key, 0);
                    self.split
                        .insert(start[..start.len() - 4].to_vec(), index_limit(head));
                    join(head)
                })
                .map_err(named),
            Err(found) => Err(found),
        };
        match value_bytes {
            Ok(value_bytes) => {
                let count = self.counts.entry(tree).or_insert(TreeCount {
                    tree,
                    rows: 0,
                    key_bytes: 0,
                    value_bytes: 0,
                });
                count.rows += 1;
                count.key_bytes += key.len() as u64 - 1;
                count.value_bytes += value_bytes as u64;
            }
            Err(found) => self.problem(found),
        }
    }

    fn piece(&mut self, key: &[u8]) {
        let owned = key.split_last_chunk::<4>().is_some_and(|(start, index)| {
            self.split
                .get(start)
                .is_some_and(|pieces| u32::from_be_bytes(*index) < *pieces)
        });
        if !owned {
            self.problem(format!("piece {} does not belong to a value", hex(key)));
        }
    }

    pub(super) fn problem(&mut self, text: String) {
        if self.report.problems.len() < CheckReport::MAX_PROBLEMS {
            self.report.problems.push(text);
        } else {
            self.report.more_problems += 1;
        }
    }
}

fn index_limit(head: Head) -> u32 {
    u32::try_from(head.pieces()).unwrap_or(u32::MAX)
}
