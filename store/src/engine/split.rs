//! Splits large values into named pieces, in the layout of `layered.rs`.

use std::collections::BTreeMap;

use super::MAX_VALUE_BYTES;
use super::batch::Row;
use super::kv::KvOp;
use super::row;
use super::tree::Tree;

/// First byte of a piece's key.
pub(super) const PIECES: u8 = 0xFF;
/// length, piece size, hash.
const HEAD_BYTES: usize = 8 + 4 + 32;
/// The size of a piece's key beyond the value's own key: marker, tree, key length, index.
const PIECE_KEY_OVERHEAD: usize = 1 + 1 + 2 + 4;
/// The least piece: about the space that the smallest row limit leaves beside the longest key. Keeps a damaged
/// row from requesting millions of pieces.
const MIN_PIECE_BYTES: usize = 1_024;

/// The content of a split value's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) piece: usize,
    pub(super) hash: [u8; 32],
}

impl Head {
    /// Reads the body of a split value's row.
    pub(super) fn decode(body: &[u8]) -> Result<Self, String> {
        let found = || format!("a split value's row of {} bytes", body.len());
        if body.len() != HEAD_BYTES {
            return Err(found());
        }
        let (length, rest) = body.split_first_chunk::<8>().ok_or_else(found)?;
        let (piece, rest) = rest.split_first_chunk::<4>().ok_or_else(found)?;
        let (hash, _) = rest.split_first_chunk::<32>().ok_or_else(found)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let piece = usize::try_from(u32::from_le_bytes(*piece)).unwrap_or(usize::MAX);
        if length > MAX_VALUE_BYTES || piece < MIN_PIECE_BYTES || piece > length {
            return Err(format!("a split value of {length} bytes in pieces of {piece}"));
        }
        Ok(Self {
            length,
            piece,
            hash: *hash,
        })
    }

    /// Returns the body of a split value's row.
    fn encode(self) -> Vec<u8> {
        let mut row = Vec::with_capacity(HEAD_BYTES + row::overhead());
        row.extend_from_slice(&(self.length as u64).to_le_bytes());
        // A piece fits a row, far below 4 GiB.
        row.extend_from_slice(&u32::try_from(self.piece).unwrap_or(u32::MAX).to_le_bytes());
        row.extend_from_slice(&self.hash);
        row
    }

    /// Returns the number of pieces.
    pub(super) fn pieces(self) -> usize {
        self.length.div_ceil(self.piece)
    }
}

/// Rows that a batch's large values add or replace.
#[derive(Default)]
pub(super) struct LargeRows {
    /// Pieces to write, or to remove if there is no value.
    pieces: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// By stored key, the row content of a split value.
    heads: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The trees of those rows.
    pub(super) split_trees: Vec<Tree>,
}

impl LargeRows {
    /// Returns all rows to write, sorted: pieces come last, because their first byte is the highest.
    pub(super) fn merge<'a>(&'a self, rows: &[Row<'a>]) -> Vec<KvOp<'a>> {
        let mut ops = Vec::with_capacity(rows.len() + self.pieces.len());
        for row in rows {
            let value = self.heads.get(row.key).map(Vec::as_slice).or(row.value);
            ops.push(KvOp { key: row.key, value });
        }
        ops.extend(self.pieces.iter().map(|(key, value)| KvOp {
            key,
            value: value.as_deref(),
        }));
        ops
    }

    /// Notes that a stored piece of an earlier value must be removed, unless a new one replaces it.
    pub(super) fn remove_piece(&mut self, key: &[u8]) {
        self.pieces.insert(key.to_vec(), None);
    }

    /// Splits the value of `row` if its row would exceed `max_row_bytes`.
    pub(super) fn split(&mut self, row: &Row<'_>, max_row_bytes: usize) {
        let Some(marked) = row.value else { return };
        if row.key.len() + marked.len() <= max_row_bytes {
            return;
        }
        let value = row::body_of(marked);
        let piece = max_row_bytes - row.key.len() - PIECE_KEY_OVERHEAD;
        for (index, bytes) in (0..).zip(value.chunks(piece)) {
            self.pieces
                .insert(piece_key(row.key, index), Some(bytes.to_vec()));
        }
        let head = Head {
            length: value.len(),
            piece,
            hash: *blake3::hash(value).as_bytes(),
        };
        let mut sealed = head.encode();
        row::seal_split(row.key, &mut sealed);
        self.heads.insert(row.key.to_vec(), sealed);
        self.split_trees.push(row.tree);
    }
}

/// Returns the key of one piece. `key` is the stored key of the value: the tree's number, then the key.
pub(super) fn piece_key(key: &[u8], index: u32) -> Vec<u8> {
    let mut piece = Vec::with_capacity(key.len() + PIECE_KEY_OVERHEAD);
    piece.push(PIECES);
    piece.push(key[0]);
    // The length keeps the pieces of one key from mixing with those of a longer one.
    let length = u16::try_from(key.len() - 1).unwrap_or(u16::MAX);
    piece.extend_from_slice(&length.to_be_bytes());
    piece.extend_from_slice(&key[1..]);
    piece.extend_from_slice(&index.to_be_bytes());
    piece
}

/// Returns the first and the last possible key of a value's pieces.
pub(super) fn piece_range(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (piece_key(key, 0), piece_key(key, u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            length: 10_000,
            piece: 4_096,
            hash: [7; 32],
        }
    }

    #[test]
    fn head_reads_back() {
        assert_eq!(Head::decode(&head().encode()), Ok(head()));
        assert_eq!(head().pieces(), 3);
    }

    #[test]
    fn damaged_head_is_refused() {
        let row = head().encode();
        assert!(Head::decode(&row[1..]).is_err(), "too short");
        assert!(
            Head::decode(&[row.as_slice(), &[1]].concat()).is_err(),
            "too long"
        );
        for (length, piece) in [
            (10_000, 0),
            (10_000, 1),
            (10_000, 20_000),
            (MAX_VALUE_BYTES + 1, 4_096),
        ] {
            let row = Head {
                length,
                piece,
                hash: [7; 32],
            }
            .encode();
            assert!(Head::decode(&row).is_err(), "{length} in pieces of {piece}");
        }
    }

    #[test]
    fn pieces_of_a_key_do_not_mix_with_those_of_a_longer_one() {
        let (first, last) = piece_range(b"\x04a");
        let other = piece_key(b"\x04a\0\0\0\0", 0);
        assert!(other < first || other > last);
    }
}
