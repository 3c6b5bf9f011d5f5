//! The places of bodies: the small values that the engine keeps for them.

use std::fmt;
use std::num::NonZeroU32;

/// The number of a pack, used in its file name. Numbers begin at 1 and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackNumber(NonZeroU32);

impl PackNumber {
    /// Returns the number, or `None` for 0.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the name of the pack's file.
    pub(super) fn file_name(self) -> String {
        format!("{:08}.pack", self.get())
    }

    /// Parses the name of a pack's file; `None` for another file.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(".pack")?;
        let number = Self::new(digits.parse().ok()?)?;
        (number.file_name() == name).then_some(number)
    }
}

impl fmt::Display for PackNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.get())
    }
}

/// The random id of a pack, which distinguishes packs of the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub [u8; 16]);

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackId({self})")
    }
}

/// The place of a body: its whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyPlace {
    /// The pack.
    pub pack: PackNumber,
    /// The offset of the frame.
    pub offset: u64,
    /// Bytes of the frame.
    pub length: u32,
}

impl BodyPlace {
    /// Encodes the place in at most 16 bytes: 6 to 8 as a rule.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        self.encode_into(&mut out);
        out
    }

    /// Appends the output of [`encode`](Self::encode).
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.pack.get()));
        put_varint(out, self.offset);
        put_varint(out, u64::from(self.length));
    }

    /// Decodes the output of [`encode`](Self::encode); `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (place, rest) = Self::decode_prefix(bytes)?;
        rest.is_empty().then_some(place)
    }

    /// Decodes a place at the start of `bytes` and returns the bytes after it.
    #[must_use]
    pub fn decode_prefix(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (pack, rest) = take_varint(bytes)?;
        let (offset, rest) = take_varint(rest)?;
        let (length, rest) = take_varint(rest)?;
        let place = Self {
            pack: PackNumber::new(u32::try_from(pack).ok()?)?,
            // No pack reaches 4 GiB, because offsets of dictionaries are u32.
            offset: u64::from(u32::try_from(offset).ok()?),
            length: u32::try_from(length).ok()?,
        };
        Some((place, rest))
    }
}

/// A position in the sequence of all frames: everything before it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackPosition {
    /// The pack's number; 0 is before the first.
    pub pack: u32,
    /// Offset in the pack: the end of the last known frame.
    pub offset: u64,
}

impl PackPosition {
    /// Before everything.
    pub const START: Self = Self { pack: 0, offset: 0 };

    /// Encodes the position; the order of the bytes is that of positions.
    #[must_use]
    pub fn encode(&self) -> [u8; 12] {
        let mut out = [0; 12];
        out[..4].copy_from_slice(&self.pack.to_be_bytes());
        out[4..].copy_from_slice(&self.offset.to_be_bytes());
        out
    }

    /// Decodes the output of [`encode`](Self::encode); `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (pack, offset) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            pack: u32::from_be_bytes(*pack),
            offset: u64::from_be_bytes(offset.try_into().ok()?),
        })
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Reads a varint of at most five bytes in its shortest form.
fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let is_shortest = at == 0 || *byte != 0;
            return is_shortest.then_some((value, &bytes[at + 1..]));
        }
    }
    None
}
