//! Times: milliseconds since 1970 in memory, RFC 3339 in UTC in text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// A time, to the millisecond, between the years -9999 and 9999.
///
/// In text and JSON: `2025-01-15T10:30:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// A time outside of the supported range, or an unreadable one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading `{found}` as a time: expected RFC 3339 as in 2025-01-15T10:30:00.000Z")]
pub struct TimestampError {
    /// The given text, cut to 80 characters.
    pub found: String,
}

impl Timestamp {
    /// Creates the time `millis` milliseconds after the start of 1970 in UTC.
    ///
    /// # Errors
    /// If the time is outside the years -9999 to 9999.
    pub fn from_unix_millis(millis: i64) -> Result<Self, TimestampError> {
        jiff::Timestamp::from_millisecond(millis)
            .map(Self)
            .map_err(|_| TimestampError {
                found: format!("{millis} ms since 1970"),
            })
    }

    /// Same as [`Self::from_unix_millis`], but returns the last supported time for every later one.
    pub fn saturating(millis: u64) -> Self {
        // The last whole second: its text is read back.
        let last = jiff::Timestamp::MAX.as_second().saturating_mul(1_000);
        let millis = i64::try_from(millis).unwrap_or(i64::MAX).min(last);
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Returns the milliseconds since the start of 1970 in UTC.
    pub fn unix_millis(self) -> i64 {
        self.0.as_millisecond()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3}", self.0))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refuse = || TimestampError {
            found: text.chars().take(80).collect(),
        };
        let exact: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
        Self::from_unix_millis(exact.as_millisecond()).map_err(|_| refuse())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_milliseconds_and_utc() {
        let moment = Timestamp::from_unix_millis(1_736_937_000_000).unwrap();
        assert_eq!(moment.to_string(), "2025-01-15T10:30:00.000Z");
        assert_eq!("2025-01-15T11:30:00+01:00".parse::<Timestamp>().unwrap(), moment);
        assert_eq!("2025-01-15T10:30:00.0009Z".parse::<Timestamp>().unwrap(), moment);
        assert_eq!(moment.unix_millis(), 1_736_937_000_000);
    }

    #[test]
    fn last_time_is_read_back() {
        for millis in [u64::MAX, 1_000 * 999_999_999_999] {
            let last = Timestamp::saturating(millis);
            assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
            assert_eq!(Timestamp::from_unix_millis(last.unix_millis()).unwrap(), last);
        }
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        assert!(Timestamp::from_unix_millis(i64::MAX).is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
