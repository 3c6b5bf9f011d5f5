//! Times as values: milliseconds since 1970 in UTC, always passed in, never read from a clock here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::shorten;

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
        let millis = i64::try_from(self.0.min(Self::MAX.0)).unwrap_or(0);
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
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
        let time: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        let millis = u64::try_from(time.as_millisecond()).map_err(|_| refused())?;
        Self::new(millis).map_err(|_| refused())
    }
}
