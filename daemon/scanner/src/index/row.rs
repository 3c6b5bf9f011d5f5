//! A package's row in the directory.

use super::ROW_BYTES;
use super::cursor::Cursor;

/// The place of one package.
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

/// Returns the first of the sorted rows whose hash is not less than this one.
///
/// Hashes are evenly distributed, so a row is near its hash's relative place. The search starts there and doubles its
/// steps until it has passed the place. If the distribution is uneven, only more steps are needed.
pub(super) fn first_at_least(rows: &[[u8; ROW_BYTES]], hash: u64) -> usize {
    let is_less = |row: &[u8; ROW_BYTES]| {
        row.first_chunk()
            .is_some_and(|first| u64::from_le_bytes(*first) < hash)
    };
    let guess = usize::try_from((u128::from(hash) * rows.len() as u128) >> 64).unwrap_or(rows.len());
    let (mut low, mut high) = (guess, guess);
    let mut step = 32;
    if rows.get(guess).is_some_and(is_less) {
        while rows.get(high).is_some_and(is_less) {
            low = high;
            high = high.saturating_add(step).min(rows.len());
            step *= 2;
        }
    } else {
        while low > 0 && !rows.get(low - 1).is_some_and(is_less) {
            high = low;
            low = low.saturating_sub(step);
            step *= 2;
        }
    }
    let between = rows.get(low..high).unwrap_or_default();
    low + between.partition_point(is_less)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_row_is_found_however_the_hashes_are_spread(
            mut hashes in prop::collection::vec(
                prop_oneof![any::<u64>(), 0_u64..40, Just(u64::MAX), Just(1 << 63)],
                0..400,
            ),
            asked in prop_oneof![any::<u64>(), 0_u64..40, Just(u64::MAX), Just(1 << 63)],
        ) {
            hashes.sort_unstable();
            let mut bytes = Vec::new();
            for hash in &hashes {
                let row = Row { hash: *hash, screens: 1, details: 2, screens_length: 3, details_length: 4 };
                row.write(&mut bytes);
            }
            let rows = bytes.as_chunks().0;
            for hash in hashes.iter().copied().chain([asked]) {
                prop_assert_eq!(first_at_least(rows, hash), hashes.partition_point(|row| *row < hash));
            }
        }
    }
}
