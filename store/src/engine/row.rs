//! The stored form of a row's value, in each layout that this build reads.
//!
//! ```text
//! layout 2: body, checksum:u32, mark     layout 1: body, mark
//! mark 0: the body is the value          mark 1: the body says where the value's pieces are (split.rs)
//! checksum = crc32 of the stored key (tree, then key), the key's length:u16 and the body
//! ```
//!
//! Numbers are little-endian. The checksum covers the key, so that a value under another key fails. Checksum
//! and marker come last, so that reading removes them without moving the value.

use std::fmt::Write as _;
use std::ops::Range;

use super::tree::Tree;

/// Trailing byte of a row whose body is the value.
const INLINE: u8 = 0;
/// Trailing byte of a row whose value is in pieces.
const SPLIT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// A layout of stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Written by earlier releases; read only for migration.
    Unchecked,
    /// Written by this build.
    Checked,
}

/// A stored row, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// The place of the value's pieces.
    Split(&'a [u8]),
}

impl Layout {
    /// Returns the layout's number in the store.
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Unchecked => 1,
            Self::Checked => 2,
        }
    }

    /// Verifies a row and splits it into its parts, or returns its fault.
    pub(super) fn open<'a>(self, key: &[u8], row: &'a [u8]) -> Result<Opened<'a>, String> {
        let wrong = |found: String| Err(format!("{}: {found}", name(key)));
        let Some((mark, rest)) = row.split_last() else {
            return wrong("the row is empty".to_owned());
        };
        let body = match self {
            Self::Unchecked => rest,
            Self::Checked => match rest.split_last_chunk::<CHECKSUM_BYTES>() {
                Some((body, stored)) if *stored == checksum(key, body) => body,
                Some(_) => return wrong("the row fails its checksum".to_owned()),
                None => return wrong(format!("a row of {} bytes has no checksum", row.len())),
            },
        };
        match *mark {
            INLINE => Ok(Opened::Inline(body)),
            SPLIT => Ok(Opened::Split(body)),
            mark => wrong(format!("the row ends in {mark} instead of a mark")),
        }
    }
}

/// Appends checksum and marker after a body that is a value. The buffer holds the stored key at `key`, followed
/// by the body.
pub(super) fn seal_inline(key: Range<usize>, buffer: &mut Vec<u8>) {
    let checksum = checksum(&buffer[key.clone()], &buffer[key.end..]);
    buffer.extend_from_slice(&checksum);
    buffer.push(INLINE);
}

/// Appends checksum and marker after a body that describes pieces.
pub(super) fn seal_split(key: &[u8], row: &mut Vec<u8>) {
    let checksum = checksum(key, row);
    row.extend_from_slice(&checksum);
    row.push(SPLIT);
}

/// Returns a row's value without checksum and marker, as the writer passed it.
pub(super) fn body_of(row: &[u8]) -> &[u8] {
    &row[..row.len() - CHECKSUM_BYTES - 1]
}

/// Returns the size that a row's value has beyond its body.
pub(super) const fn overhead() -> usize {
    CHECKSUM_BYTES + 1
}

fn checksum(key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    // Detects a byte that moved from the key to the body. A key is far below 64 KiB.
    hasher.update(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

/// Returns a stored key in words: its tree, and its first bytes in hexadecimal.
pub(super) fn name(key: &[u8]) -> String {
    let tree = key.first().and_then(|number| Tree::from_number(*number));
    match tree {
        Some(tree) => format!("tree {tree}, key {}", hex(&key[1..])),
        None => format!("a row of no tree, key {}", hex(key)),
    }
}

/// Returns the first bytes of a key in hexadecimal.
pub(super) fn hex(key: &[u8]) -> String {
    const SHOWN_BYTES: usize = 48;
    let mut text = String::with_capacity(2 * SHOWN_BYTES + 1);
    for byte in key.iter().take(SHOWN_BYTES) {
        let _ = write!(text, "{byte:02x}");
    }
    if key.len() > SHOWN_BYTES {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\x03key";

    fn row(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut buffer = [b"before", key, value].concat();
        seal_inline(6..6 + key.len(), &mut buffer);
        buffer.split_off(6 + key.len())
    }

    #[test]
    fn sealed_rows_open_to_their_bodies() {
        assert_eq!(
            Layout::Checked.open(KEY, &row(KEY, b"value")),
            Ok(Opened::Inline(b"value"))
        );
        assert_eq!(Layout::Checked.open(KEY, &row(KEY, b"")), Ok(Opened::Inline(b"")));
        let mut split = b"pieces".to_vec();
        seal_split(KEY, &mut split);
        assert_eq!(Layout::Checked.open(KEY, &split), Ok(Opened::Split(b"pieces")));
        assert_eq!(
            Layout::Unchecked.open(KEY, b"value\0"),
            Ok(Opened::Inline(b"value"))
        );
    }

    #[test]
    fn every_flipped_bit_and_cut_is_found() {
        let sound = row(KEY, b"some value");
        for bit in 0..8 * sound.len() {
            let mut row = sound.clone();
            row[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Layout::Checked.open(KEY, &row) != Ok(Opened::Inline(b"some value")),
                "bit {bit}"
            );
            // Only the marker is outside the checksum; a flip there makes it another marker or none.
            if bit / 8 < sound.len() - 1 {
                let found = Layout::Checked.open(KEY, &row).unwrap_err();
                assert_eq!(
                    found, "tree claims, key 6b6579: the row fails its checksum",
                    "bit {bit}"
                );
            }
        }
        for length in 0..sound.len() {
            assert!(
                Layout::Checked.open(KEY, &sound[..length]).is_err(),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn row_under_another_key_is_found() {
        let row = row(KEY, b"value");
        for other in [&b"\x04key"[..], b"\x03kez", b"\x03ke", b"\x03keyv"] {
            assert!(Layout::Checked.open(other, &row).is_err(), "{other:?}");
        }
        // A byte that moved from the value to the key.
        let moved = &self::row(b"\x03ke", b"yvalue")[1..];
        assert!(Layout::Checked.open(KEY, moved).is_err());
    }
}
