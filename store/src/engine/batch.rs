//! A batch: ordered puts and deletes over several trees, kept in one buffer.

use super::row;
use super::tree::Tree;

/// An ordered list of puts and deletes over any number of trees.
///
/// Order matters only between operations on one key: the last one wins. Sizes are checked when the
/// batch is committed, not while it is filled.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// For every operation: tree number, key and, for a put, the value with its checksum and marker.
    bytes: Vec<u8>,
    ops: Vec<Op>,
}

/// The position of one operation in [`Batch::bytes`].
#[derive(Clone, Debug)]
struct Op {
    tree: Tree,
    start: usize,
    /// End of the key, which starts with the tree number.
    key_end: usize,
    /// End of the value with its checksum and marker; `None` for a delete.
    value_end: Option<usize>,
}

/// One operation of a [`Batch`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOp<'a> {
    /// The tree of the operation.
    pub tree: Tree,
    /// The key within the tree.
    pub key: &'a [u8],
    /// The value to store, or `None` to delete the key.
    pub value: Option<&'a [u8]>,
}

impl Batch {
    /// Creates an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty batch with room for `rows` operations of `bytes` bytes in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        // The tree number before the key, checksum and marker after the value.
        let bytes = bytes.saturating_add(rows.saturating_mul(1 + row::overhead()));
        Self {
            bytes: Vec::with_capacity(bytes),
            ops: Vec::with_capacity(rows),
        }
    }

    /// Appends: store `value` under `key`, replacing any old value.
    pub fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) {
        let (start, key_end) = self.push_key(tree, key);
        self.bytes.extend_from_slice(value);
        row::seal_inline(start..key_end, &mut self.bytes);
        self.ops.push(Op {
            tree,
            start,
            key_end,
            value_end: Some(self.bytes.len()),
        });
    }

    /// Appends: remove `key`; a missing key is not an error.
    pub fn delete(&mut self, tree: Tree, key: &[u8]) {
        let (start, key_end) = self.push_key(tree, key);
        self.ops.push(Op {
            tree,
            start,
            key_end,
            value_end: None,
        });
    }

    /// Returns the number of operations.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Returns true if there is no operation.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns the size of all keys and values in bytes, with at most six bytes for each operation.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Removes all operations and keeps the memory for the next use.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ops.clear();
    }

    /// Returns the operations in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = BatchOp<'_>> {
        self.ops.iter().map(|op| BatchOp {
            tree: op.tree,
            key: &self.bytes[op.start + 1..op.key_end],
            value: op.value_end.map(|end| row::body_of(&self.bytes[op.key_end..end])),
        })
    }

    /// Returns the operations as stored rows, sorted by stored key, the last of each key only.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = self
            .ops
            .iter()
            .map(|op| Row {
                tree: op.tree,
                key: &self.bytes[op.start..op.key_end],
                value: op.value_end.map(|end| &self.bytes[op.key_end..end]),
            })
            .collect();
        // Reversed, a stable sort puts the last operation of a key first, which dedup keeps.
        rows.reverse();
        rows.sort_by(|a, b| a.key.cmp(b.key));
        rows.dedup_by(|later, kept| later.key == kept.key);
        rows
    }

    fn push_key(&mut self, tree: Tree, key: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.push(tree.number());
        self.bytes.extend_from_slice(key);
        (start, self.bytes.len())
    }
}

/// One operation in stored form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) tree: Tree,
    /// Tree number, then the key.
    pub(super) key: &'a [u8],
    /// The value with its checksum and marker; `None` for a delete.
    pub(super) value: Option<&'a [u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_the_last_operation_of_a_key_wins() {
        let mut batch = Batch::new();
        batch.put(Tree::Logs, b"b", b"1");
        batch.delete(Tree::Meta, b"z");
        batch.put(Tree::Logs, b"a", b"2");
        batch.delete(Tree::Logs, b"b");
        batch.put(Tree::Meta, b"z", b"3");
        let rows: Vec<_> = batch
            .rows()
            .iter()
            .map(|r| (r.tree, r.key.to_vec(), r.value.is_some()))
            .collect();
        assert_eq!(
            rows,
            vec![
                (Tree::Meta, b"\x01z".to_vec(), true),
                (Tree::Logs, b"\x02a".to_vec(), true),
                (Tree::Logs, b"\x02b".to_vec(), false),
            ]
        );
    }

    #[test]
    fn iter_returns_what_was_added_in_order() {
        let mut batch = Batch::new();
        batch.put(Tree::Bodies, b"", b"");
        batch.delete(Tree::View, b"k");
        let ops: Vec<_> = batch.iter().collect();
        assert_eq!(
            ops[0],
            BatchOp {
                tree: Tree::Bodies,
                key: b"",
                value: Some(b"")
            }
        );
        assert_eq!(
            ops[1],
            BatchOp {
                tree: Tree::View,
                key: b"k",
                value: None
            }
        );
        assert_eq!(batch.byte_len(), 1 + 5 + 2);
    }
}
