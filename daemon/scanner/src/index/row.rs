//! A package's row in the directory.

use super::ROW_BYTES;
use super::cursor::Cursor;

/// Where one package lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) hash: u64,
    pub(super) screens: u64,
    pub(super) details: u64,
    pub(super) screens_length: u32,
    pub(super) details_length: u32,
}

impl Row {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.hash, self.screens, self.details] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.screens_length, self.details_length] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn read(bytes: &[u8; ROW_BYTES]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let [hash, screens, details] = [cursor.array()?, cursor.array()?, cursor.array()?];
        let [screens_length, details_length] = [cursor.array()?, cursor.array()?];
        Some(Self {
            hash: u64::from_le_bytes(hash),
            screens: u64::from_le_bytes(screens),
            details: u64::from_le_bytes(details),
            screens_length: u32::from_le_bytes(screens_length),
            details_length: u32::from_le_bytes(details_length),
        })
    }
}
