//! The names of sources, records, sites and lanes.
//!
//! A name keeps its original text. A name is refused only if it could not be displayed, stored as a key or
//! distinguished. Everything else that occurs in real data (spaces, non-ASCII) is kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::shorten;
use crate::limits::{MAX_RECORD_ID_BYTES, MAX_SLUG_BYTES, MAX_SOURCE_BYTES};

/// A name that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading a {kind}: {found:?} is refused; expected {expected}")]
pub struct NameError {
    /// The kind of value that was expected.
    pub kind: &'static str,
    /// The text found, shortened to 80 characters.
    pub found: String,
    /// The values that are allowed.
    pub expected: &'static str,
}

/// Defines a checked text newtype that is read through `FromStr` from every format.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Returns the text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { kind: $kind, found: shorten(text), expected: $expected })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// A source of advisories: `nvd`, `ghsa`, `rustsec`, …
    Source,
    "source name",
    "1 to 64 of a-z, 0-9, `.`, `_`, `-`, starting with a letter or digit",
    |text| is_slug(text, MAX_SOURCE_BYTES)
);
name_type!(
    /// A site's human name, such as `site-us-west-1`.
    SiteSlug,
    "site name",
    "1 to 64 of a-z, 0-9, `.`, `_`, `-`, starting with a letter or digit",
    |text| is_slug(text, MAX_SLUG_BYTES)
);
name_type!(
    /// A record's OSV `id` within its source.
    RecordId,
    "record id",
    "1 to 256 bytes of text without control characters",
    |text| !text.is_empty() && text.len() <= MAX_RECORD_ID_BYTES && !text.chars().any(char::is_control)
);

fn is_slug(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
}

/// The audience of a log: everyone, or only the author's direct peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Is relayed to all sites.
    Federation = 0,
    /// Is sent to the author's direct peers only, and never relayed.
    Direct = 1,
}

impl Lane {
    /// Every lane, in order.
    pub const ALL: [Self; 2] = [Self::Federation, Self::Direct];

    /// Returns the number of this lane in every byte layout.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the lane of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Federation),
            1 => Some(Self::Direct),
            _ => None,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Federation => "federation",
            Self::Direct => "direct",
        })
    }
}

impl FromStr for Lane {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "federation" => Ok(Self::Federation),
            "direct" => Ok(Self::Direct),
            _ => Err(NameError {
                kind: "lane",
                found: shorten(text),
                expected: "`federation` or `direct`",
            }),
        }
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u8(self.number())
        }
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if deserializer.is_human_readable() {
            Cow::<'de, str>::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom)
        } else {
            let number = u8::deserialize(deserializer)?;
            Self::from_number(number)
                .ok_or_else(|| D::Error::custom(format!("lane number {number} is unknown")))
        }
    }
}
