//! Positions: the end up to which a log was written, read or applied.

use super::frame::{HASH_BYTES, Reader, ShortHash, Writer};
use super::group::GROUP_FRAME_BYTES;

/// Bytes of an encoded position.
pub const POSITION_BYTES: usize = 48;

/// The end of a group, and with it every group up to there.
///
/// Two positions are equal only if all groups before them are, because `hash` covers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Groups up to here; the first group is 1.
    pub group: u64,
    /// The segment of the last group.
    pub segment: u32,
    /// The offset after the last group.
    pub offset: u64,
    /// Frames up to here, group frames included; the first frame is 1.
    pub sequence: u64,
    /// Bytes of the last group.
    pub length: u32,
    /// The hash of the last group's first frame, which covers the group and all groups before it.
    pub hash: ShortHash,
}

impl LogPosition {
    /// Before the first group.
    pub const START: Self = Self {
        group: 0,
        segment: 0,
        offset: 0,
        sequence: 0,
        length: 0,
        hash: [0; HASH_BYTES],
    };

    /// Encodes the position.
    pub fn encode(&self) -> [u8; POSITION_BYTES] {
        let mut bytes = [0; POSITION_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&self.group.to_le_bytes());
        writer.put(&self.segment.to_le_bytes());
        writer.put(&self.length.to_le_bytes());
        writer.put(&self.offset.to_le_bytes());
        writer.put(&self.sequence.to_le_bytes());
        writer.put(&self.hash);
        bytes
    }

    /// Decodes a position; `None` if the bytes cannot be one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != POSITION_BYTES {
            return None;
        }
        let mut reader = Reader(bytes);
        let position = Self {
            group: reader.u64(),
            segment: reader.u32(),
            length: reader.u32(),
            offset: reader.u64(),
            sequence: reader.u64(),
            hash: reader.take(),
        };
        (position == Self::START || position.is_possible()).then_some(position)
    }

    /// Returns the offset of the last group's first byte.
    pub(super) fn group_offset(&self) -> u64 {
        self.offset.saturating_sub(self.length.into())
    }

    fn is_possible(&self) -> bool {
        // Every group has at least its own frame, and numbers stay far from an overflow.
        self.group > 0
            && self.sequence >= self.group
            && self.sequence < u64::MAX / 2
            && self.segment > 0
            && self.length as usize >= GROUP_FRAME_BYTES
            && self.offset > u64::from(self.length)
            && self.offset <= u64::from(u32::MAX)
    }
}
