//! Numbers as LEB128 varints, in their shortest form only: seven bits a byte, lowest first.
//!
//! Every layout of ours that has varints uses these, on the wire and in the store.

/// The reason why bytes do not begin with a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end within the number.
    Cut,
    /// The number has more than 64 bits, or could have been written shorter.
    NotShortest,
}

/// Appends a varint in its shortest form.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Takes a varint of at most ten bytes from the beginning of `bytes`. After an error, `bytes` begins somewhere within
/// the number, or after it.
///
/// # Errors
/// [`VarintError`].
#[inline]
pub fn take(bytes: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(VarintError::Cut)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            // A last group of zero would be a longer form of the same number.
            return if byte == 0 && shift > 0 {
                Err(VarintError::NotShortest)
            } else {
                Ok(value)
            };
        }
    }
    Err(VarintError::NotShortest)
}
