//! Positions in a log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::shorten;
use crate::time::UnixMillis;

/// The number of a claim in its log: the first is 1, and numbers continue across epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimNumber(pub u64);

impl ClaimNumber {
    /// Before the first claim.
    pub const NONE: Self = Self(0);
    /// The last number that a claim may have: 2^63 − 1.
    pub const MAX: Self = Self(u64::MAX / 2);
}

impl fmt::Display for ClaimNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:04}", self.0)
    }
}

/// A cursor text that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading a cursor: expected a form like 2025-01-15T10:30:00.000Z#0042, found {found:?}")]
pub struct CursorError {
    /// The text found, shortened to 80 characters.
    pub found: String,
}

/// A position in a log: hybrid logical time and claim number, shown as `2025-01-15T10:30:00.000Z#0042`.
///
/// Order is by number alone; the time is for people. Hence `Cursor` has no `Ord`: compare `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Cursor {
    /// Hybrid logical time of the delta that holds the claim.
    pub time: UnixMillis,
    /// Number of the claim.
    pub number: ClaimNumber,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.time, self.number)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let refused = || CursorError { found: shorten(text) };
        let (time, number) = text.split_once('#').ok_or_else(refused)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        Ok(Self {
            time: time.parse().map_err(|_| refused())?,
            number: ClaimNumber(number.parse().map_err(|_| refused())?),
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_text_round_trips_and_pads_to_four_digits() {
        let text = "2025-01-15T10:30:00.000Z#0042";
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!(cursor.number, ClaimNumber(42));
        assert_eq!(cursor.to_string(), text);
        assert_eq!(
            "2025-01-15T10:30:00.000Z#1234567"
                .parse::<Cursor>()
                .unwrap()
                .number
                .0,
            1_234_567
        );
        for bad in [
            "",
            "#1",
            "2025-01-15T10:30:00.000Z",
            "2025-01-15T10:30:00.000Z#",
            "2025-01-15T10:30:00.000Z#-1",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
