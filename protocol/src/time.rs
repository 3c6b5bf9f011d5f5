//! Times as values: milliseconds since 1970 in UTC, always passed in, never read from a clock here.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use serde::{Deserialize, Serialize};

use crate::hash::shorten;

/// 1970-01-01T00:00:00 in UTC.
const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// A time text that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "reading a time: expected RFC 3339 such as 2025-01-15T10:30:00.000Z between 1970 and 9999, found {found:?}"
)]
pub struct TimeError {
    /// The text found, shortened to 80 characters.
    pub found: String,
}

/// Milliseconds since 1970-01-01T00:00:00Z; shown as `2025-01-15T10:30:00.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct UnixMillis(u64);

impl TryFrom<u64> for UnixMillis {
    type Error = TimeError;

    fn try_from(millis: u64) -> Result<Self, TimeError> {
        Self::new(millis)
    }
}

impl From<UnixMillis> for u64 {
    fn from(time: UnixMillis) -> Self {
        time.0
    }
}

impl UnixMillis {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z: the last time that has a four-digit year.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Wraps a count of milliseconds.
    ///
    /// # Errors
    /// If it lies after the year 9999.
    pub fn new(millis: u64) -> Result<Self, TimeError> {
        let time = Self(millis);
        if time <= Self::MAX {
            Ok(time)
        } else {
            Err(TimeError {
                found: millis.to_string(),
            })
        }
    }

    /// Wraps a count of milliseconds, at most [`Self::MAX`].
    #[must_use]
    pub fn saturating(millis: u64) -> Self {
        Self(millis).min(Self::MAX)
    }

    /// Returns the count of milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time moved on by some milliseconds, at most to [`Self::MAX`].
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self::saturating(self.0.saturating_add(millis))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(i64::MAX);
        // A civil time, because jiff's timestamps end a day before the year 9999 does.
        let time = EPOCH.saturating_add(SignedDuration::from_millis(millis));
        write!(f, "{time:.3}Z")
    }
}

impl fmt::Debug for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for UnixMillis {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refused = || TimeError { found: shorten(text) };
        let millis = match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.as_millisecond().into(),
            Err(_) => millis_of_civil(text).ok_or_else(refused)?,
        };
        let millis = u64::try_from(millis).map_err(|_| refused())?;
        Self::new(millis).map_err(|_| refused())
    }
}

/// Returns the milliseconds since 1970 of a time in UTC, also of those after the last timestamp of jiff.
fn millis_of_civil(text: &str) -> Option<i128> {
    let time: DateTime = text.strip_suffix(['Z', 'z'])?.parse().ok()?;
    Some(time.duration_since(EPOCH).as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_times_of_the_year_9999_are_shown_and_read_back() {
        // The last timestamp of jiff is 9999-12-30T22:00:00.999Z.
        let times = [
            (253_402_207_200_999, "9999-12-30T22:00:00.999Z"),
            (253_402_207_201_000, "9999-12-30T22:00:01.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in times {
            let time = UnixMillis::new(millis).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse::<UnixMillis>().unwrap(), time);
        }
        assert_eq!(UnixMillis::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
        assert!("9999-12-31T24:00:00.000Z".parse::<UnixMillis>().is_err());
        assert!("1969-12-31T23:59:59.000Z".parse::<UnixMillis>().is_err());
        assert!("9999-12-31T23:59:59".parse::<UnixMillis>().is_err());
    }
}
