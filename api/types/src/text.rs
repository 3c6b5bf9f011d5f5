//! Names in text form. Each type checks its form on input.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Longest site or source name, in bytes; the protocol's own bound.
const NAME_MAX_BYTES: usize = starling_protocol::limits::MAX_SLUG_BYTES;
/// Longest cursor in text, in bytes: a timestamp, `#` and a 64-bit number need 45.
const CURSOR_MAX_BYTES: usize = 64;
/// Longest public key in text, in bytes.
const KEY_MAX_BYTES: usize = 128;

/// A text that does not have the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading `{found}` as a {what}: expected {expected}")]
pub struct TextError {
    /// The expected kind of name.
    pub what: &'static str,
    /// The text, cut to 80 characters.
    pub found: String,
    /// The expected form.
    pub expected: &'static str,
}

fn is_name(text: &str) -> bool {
    let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_MAX_BYTES
        && text.bytes().next().is_some_and(ok)
        && text
            .bytes()
            .all(|byte| ok(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_pattern(text: &str) -> bool {
    text == "*" || is_name(text)
}

fn is_cursor(text: &str) -> bool {
    let Some((time, number)) = text.split_once('#') else {
        return false;
    };
    text.len() <= CURSOR_MAX_BYTES
        && time.ends_with('Z')
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'T' | b'Z' | b'+'))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_key(text: &str) -> bool {
    text.len() <= KEY_MAX_BYTES && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path, $expected:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks the form of `text` and stores it.
            ///
            /// # Errors
            /// The expected form.
            pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                if $check(&text) {
                    return Ok(Self(text));
                }
                Err(TextError { what: $what, found: text.chars().take(80).collect(), expected: $expected })
            }

            /// Stores text that the protocol has checked.
            #[allow(dead_code, reason = "not every name is one of the protocol")]
            pub(crate) fn from_checked(text: String) -> Self {
                debug_assert!($check(&text), concat!("not a ", $what, ": {}"), text);
                Self(text)
            }

            /// Returns the text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::Type(Type::String))
                    .description(Some(concat!("A ", $what, ": ", $expected, ".")))
                    .pattern(Some($pattern))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

text_type!(
    /// A site's readable name, such as `site-us-west-1`.
    SiteSlug,
    "site name",
    is_name,
    "1 to 64 of a-z, 0-9, `-`, `_`, `.`, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9._-]{0,63}$"
);
text_type!(
    /// The name of a source of advisories, such as `ghsa`.
    SourceName,
    "source name",
    is_name,
    "1 to 64 of a-z, 0-9, `-`, `_`, `.`, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9._-]{0,63}$"
);
text_type!(
    /// The name of a feed that a site fetches, such as `nvd`.
    FeedName,
    "feed name",
    is_name,
    "1 to 64 of a-z, 0-9, `-`, `_`, `.`, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9._-]{0,63}$"
);
text_type!(
    /// One entry of an allow-list of sources: a source's name, or `*` for every source.
    SourcePattern,
    "source pattern",
    is_pattern,
    "a source name, or `*`",
    "^([*]|[a-z0-9][a-z0-9._-]{0,63})$"
);
text_type!(
    /// A position in a log, such as `2025-01-15T10:30:00.000Z#0042`: hybrid logical time, `#`, claim number.
    ///
    /// Cursors are ordered by number within one log, never by text: use `starling-protocol` to compare.
    Cursor,
    "cursor",
    is_cursor,
    "a time in UTC, `#` and a claim number, as in 2025-01-15T10:30:00.000Z#0042",
    "^[0-9TZ:.+-]+Z#[0-9]+$"
);
text_type!(
    /// A public key in text, as `starling keys show` prints it.
    PublicKey,
    "public key",
    is_key,
    "up to 128 printable ASCII characters without spaces",
    "^[!-~]{1,128}$"
);

impl From<SourceName> for SourcePattern {
    fn from(source: SourceName) -> Self {
        Self::from_checked(source.0)
    }
}

impl SourcePattern {
    /// Returns true if the pattern matches `source`.
    pub fn covers(&self, source: &str) -> bool {
        self.0 == "*" || self.0 == source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_accept_slugs_only() {
        for good in ["site-us-west-1", "a", "ghsa", "osv.dev", "0day"] {
            assert!(SiteSlug::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "../x", "a b", "Site", "sité", &"a".repeat(65)] {
            assert!(SiteSlug::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn star_is_a_pattern_but_not_a_source() {
        assert!(SourcePattern::new("*").is_ok());
        assert!(SourceName::new("*").is_err());
        assert!(SourcePattern::new("gh*").is_err());
        let one = SourcePattern::from(SourceName::new("ghsa").unwrap());
        assert!(one.covers("ghsa") && !one.covers("nvd"));
        assert!(SourcePattern::new("*").unwrap().covers("nvd"));
    }

    #[test]
    fn cursors_need_a_utc_time_and_a_number() {
        assert!(Cursor::new("2025-01-15T10:30:00.000Z#0042").is_ok());
        for bad in [
            "",
            "#",
            "2025-01-15T10:30:00.000Z",
            "2025-01-15T10:30:00.000Z#",
            "now#1",
            "Z#-1",
        ] {
            assert!(Cursor::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}") {
            let _ = (Cursor::new(text.clone()), SiteSlug::new(text.clone()), PublicKey::new(text));
        }
    }
}
