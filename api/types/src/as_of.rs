//! An as-of time: a point in the past, given as a time or as a cursor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::text::{Cursor, TextError};
use crate::time::Timestamp;

/// Longest site name before the `@`, in bytes: an identity has 71.
const SITE_MAX_BYTES: usize = 128;
/// The end of a date's last millisecond, in UTC.
const END_OF_DAY: &str = "T23:59:59.999Z";
const EXPECTED: &str = "a time as in 2025-01-15T10:30:00.000Z, a date as in 2025-01-15, or a cursor as in 2025-01-15T10:30:00.000Z#0042, with SITE@ before it if several sites have it";

/// The point in the past whose knowledge is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOf {
    /// The site's knowledge at a time. A date stands for its last millisecond, in UTC.
    Time(Timestamp),
    /// The site's knowledge when it had accepted a log up to a cursor.
    Cursor {
        /// The log's author, by name or identity, if given.
        site: Option<String>,
        /// The position in the log.
        cursor: Cursor,
    },
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Cursor { site: None, cursor } => cursor.fmt(f),
            Self::Cursor {
                site: Some(site),
                cursor,
            } => write!(f, "{site}@{cursor}"),
        }
    }
}

impl FromStr for AsOf {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let refuse = || TextError {
            what: "moment",
            found: text.chars().take(80).collect(),
            expected: EXPECTED,
        };
        if !text.contains('#') {
            let date = text.len() == "2025-01-15".len();
            let time = if date {
                format!("{text}{END_OF_DAY}").parse()
            } else {
                text.parse()
            };
            return time.map(Self::Time).map_err(|_| refuse());
        }
        let (site, cursor) = match text.split_once('@') {
            Some((site, cursor)) => (Some(site), cursor),
            None => (None, text),
        };
        let named = |site: &str| {
            let printable = site.bytes().all(|byte| byte.is_ascii_graphic());
            !site.is_empty() && site.len() <= SITE_MAX_BYTES && printable
        };
        if !site.is_none_or(named) {
            return Err(refuse());
        }
        Ok(Self::Cursor {
            site: site.map(str::to_owned),
            cursor: cursor.parse().map_err(|_| refuse())?,
        })
    }
}

impl Serialize for AsOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for AsOf {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some(
                "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$",
            ))
            .description(Some(format!("A point in the past: {EXPECTED}.")))
            .into()
    }
}

impl ToSchema for AsOf {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_dates_and_cursors_are_distinguished() {
        let shown = |text: &str| text.parse::<AsOf>().map(|as_of| as_of.to_string()).ok();
        assert_eq!(shown("2025-01-15").as_deref(), Some("2025-01-15T23:59:59.999Z"));
        assert_eq!(
            shown("2025-01-15T11:30:00+01:00").as_deref(),
            Some("2025-01-15T10:30:00.000Z")
        );
        for cursor in [
            "2025-01-15T10:30:00.000Z#0042",
            "site-b@2025-01-15T10:30:00.000Z#0042",
        ] {
            assert_eq!(shown(cursor).as_deref(), Some(cursor));
            assert!(matches!(cursor.parse(), Ok(AsOf::Cursor { .. })));
        }
    }

    #[test]
    fn malformed_as_of_is_refused_with_its_text() {
        let long = format!("{}@2025-01-15T10:30:00.000Z#1", "x".repeat(200));
        for text in [
            "",
            "yesterday",
            "2025-13-45",
            "2025-01-15T10:30",
            "@2025-01-15T10:30:00.000Z#1",
            "a b@2025-01-15T10:30:00.000Z#1",
            "site@2025-01-15T10:30:00.000Z",
            "#",
            "2025-01-15#",
            "ééééé",
            long.as_str(),
        ] {
            let refused = text.parse::<AsOf>();
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }
}
