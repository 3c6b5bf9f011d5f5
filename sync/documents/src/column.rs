//! The columns of a change: run-length coded values, decoded with a bound on their number.
//!
//! A run states in a few bytes how often its value repeats, up to 2^63 times, so the number of values is
//! checked before any value is produced. The same values can be cut into runs in many ways, but Automerge names
//! a change by the hash of the form that it writes itself. So every other form is refused; otherwise a document
//! would hold changes under names that nobody finds again.

use starling_protocol::varint::{self, VarintError};

use crate::change::ChangeError;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], ChangeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ChangeError::Cut { what })?;
        self.0 = rest;
        Ok(taken)
    }

    /// Returns an unsigned varint in its shortest form.
    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, ChangeError> {
        varint::take(&mut self.0).map_err(|error| match error {
            VarintError::Cut => ChangeError::Cut { what },
            VarintError::NotShortest => ChangeError::Number { what },
        })
    }

    /// Returns a signed LEB128 number in its shortest form.
    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, ChangeError> {
        let before = self.0;
        let mut value = 0_i64;
        for (at, shift) in (0..64).step_by(7).enumerate() {
            let (&byte, rest) = self.0.split_first().ok_or(ChangeError::Cut { what })?;
            self.0 = rest;
            value |= i64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                if shift < 57 && byte & 0x40 != 0 {
                    value |= (-1_i64).wrapping_shl(shift + 7);
                }
                // Accept the shortest form within 64 bits only, so that encoding the value again gives the same
                // bytes.
                let same = signed_bytes(value);
                return (before.get(..=at) == Some(same.as_slice()))
                    .then_some(value)
                    .ok_or(ChangeError::Number { what });
            }
        }
        Err(ChangeError::Number { what })
    }

    /// Returns a length that is at most `limit`.
    pub(crate) fn length(&mut self, limit: usize, what: &'static str) -> Result<usize, ChangeError> {
        let found = self.number(what)?;
        let length = usize::try_from(found).ok().filter(|length| *length <= limit);
        length.ok_or(ChangeError::OverLimit {
            what,
            found,
            limit: limit as u64,
        })
    }

    pub(crate) fn text(&mut self, limit: usize, what: &'static str) -> Result<&'a str, ChangeError> {
        let length = self.length(limit, what)?;
        std::str::from_utf8(self.take(length, what)?).map_err(|_| ChangeError::NotText { what })
    }
}

fn signed_bytes(mut value: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        let done = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
        out.push(if done { byte } else { byte | 0x80 });
        if done {
            return out;
        }
    }
}

/// A stretch of a run-length coded column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stretch {
    Absent,
    Run,
    Literals,
}

/// Returns the values of a run-length coded column; absent values are `None`.
pub(crate) fn runs<'a, T: Clone + PartialEq>(
    bytes: &'a [u8],
    limit: usize,
    what: &'static str,
    mut read: impl FnMut(&mut Input<'a>) -> Result<T, ChangeError>,
) -> Result<Vec<Option<T>>, ChangeError> {
    let mut input = Input(bytes);
    let mut values: Vec<Option<T>> = Vec::new();
    let mut before = None;
    while !input.is_empty() {
        let from = values.len();
        let header = input.signed(what)?;
        let count = match header {
            0 => input.number(what)?,
            header => header.unsigned_abs(),
        };
        let left = limit.saturating_sub(values.len());
        let count = usize::try_from(count)
            .ok()
            .filter(|count| (1..=left).contains(count))
            .ok_or(ChangeError::OverLimit {
                what,
                found: count,
                limit: limit as u64,
            })?;
        let stretch = match header {
            0 => {
                values.extend(std::iter::repeat_n(None, count));
                Stretch::Absent
            }
            1.. => {
                let value = read(&mut input)?;
                values.extend(std::iter::repeat_n(Some(value), count));
                Stretch::Run
            }
            _ => {
                for _ in 0..count {
                    values.push(Some(read(&mut input)?));
                }
                Stretch::Literals
            }
        };
        if !is_shortest(&values, from, stretch, before) {
            return Err(ChangeError::Inconsistent {
                what: "a column is not cut into runs as Automerge does it",
            });
        }
        before = Some(stretch);
    }
    // A column of absent values only is written as an empty column.
    if !values.is_empty() && values.iter().all(Option::is_none) {
        return Err(ChangeError::Inconsistent {
            what: "a column lists nothing but absent values",
        });
    }
    Ok(values)
}

/// Returns true if the stretch that begins at `from` has the form that Automerge writes: equal values are one
/// run, different values are one list, and a value that could extend the previous stretch does not begin a new
/// one.
fn is_shortest<T: PartialEq>(
    values: &[Option<T>],
    from: usize,
    stretch: Stretch,
    before: Option<Stretch>,
) -> bool {
    let new = values.get(from..).unwrap_or_default();
    let last = from.checked_sub(1).and_then(|last| values.get(last));
    match stretch {
        Stretch::Absent => before != Some(Stretch::Absent),
        Stretch::Run => new.len() > 1 && last != new.first(),
        Stretch::Literals => {
            let different = new.windows(2).all(|pair| pair.first() != pair.last());
            different && last != new.first() && before != Some(Stretch::Literals)
        }
    }
}

/// Returns the values of a column of booleans. It lists the lengths of alternating runs, beginning with false.
pub(crate) fn flags(bytes: &[u8], limit: usize, what: &'static str) -> Result<Vec<bool>, ChangeError> {
    let mut input = Input(bytes);
    let mut values = Vec::new();
    let mut value = false;
    while !input.is_empty() {
        let count = input.length(limit.saturating_sub(values.len()), what)?;
        if count == 0 && (value || !values.is_empty()) {
            return Err(ChangeError::Inconsistent {
                what: "a column is not cut into runs as Automerge does it",
            });
        }
        values.extend(std::iter::repeat_n(value, count));
        value = !value;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 8;

    fn numbers(bytes: &[u8]) -> Result<Vec<Option<u64>>, ChangeError> {
        runs(bytes, LIMIT, "a column", |input| input.number("a value"))
    }

    #[test]
    fn runs_literals_and_gaps_are_read() {
        assert_eq!(
            numbers(&[3, 7, 0x7e, 1, 2, 0, 2]).unwrap(),
            [Some(7), Some(7), Some(7), Some(1), Some(2), None, None]
        );
        assert_eq!(flags(&[0, 2, 1], LIMIT, "flags").unwrap(), [true, true, false]);
    }

    #[test]
    fn long_run_is_refused_before_allocation() {
        // 2^62 times the value 1, and equally many absent values.
        let many = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x00];
        assert!(matches!(
            numbers(&[&many[..], &[1]].concat()),
            Err(ChangeError::OverLimit { .. })
        ));
        let absent = [0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
        assert!(matches!(numbers(&absent), Err(ChangeError::OverLimit { .. })));
        // -2^63: its length does not fit a signed number.
        let least = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert!(matches!(numbers(&least), Err(ChangeError::OverLimit { .. })));
        assert!(flags(&absent[1..], LIMIT, "flags").is_err());
    }

    #[test]
    fn long_forms_of_numbers_are_refused() {
        assert!(Input(&[0x80, 0]).number("x").is_err());
        assert!(Input(&[0x81, 0x00]).signed("x").is_err());
        assert!(Input(&[0xff, 0x7f]).signed("x").is_err());
        assert!(Input(&[0xff; 12]).number("x").is_err());
        assert!(Input(&[0xff; 12]).signed("x").is_err());
    }

    proptest! {
        #[test]
        fn signed_numbers_read_as_written(value in any::<i64>()) {
            prop_assert_eq!(Input(&signed_bytes(value)).signed("x").unwrap(), value);
        }

        #[test]
        fn column_decoder_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = numbers(&bytes);
            let _ = flags(&bytes, LIMIT, "flags");
            let _ = Input(&bytes).signed("x");
        }
    }
}
