//! Conversions to and from the protocol's own types, which have the same meaning but no JSON schema.

use starling_protocol as protocol;

use crate::hash::{BundleHash, ContentHash, KnowledgeRoot, MergeHash, SiteId};
use crate::status::Lane;
use crate::text::{Cursor, PublicKey, SiteSlug, SourceName};
use crate::time::Timestamp;

macro_rules! same_hash {
    ($($name:ident),*) => {$(
        impl From<protocol::$name> for $name {
            fn from(hash: protocol::$name) -> Self {
                Self::from_bytes(*hash.as_bytes())
            }
        }

        impl From<$name> for protocol::$name {
            fn from(hash: $name) -> Self {
                Self::from_bytes(*hash.as_bytes())
            }
        }
    )*};
}

same_hash!(SiteId, MergeHash, KnowledgeRoot, ContentHash, BundleHash);

macro_rules! same_text {
    ($($from:ident => $to:ident),*) => {$(
        impl From<&protocol::$from> for $to {
            fn from(value: &protocol::$from) -> Self {
                Self::from_checked(value.to_string())
            }
        }

        impl From<protocol::$from> for $to {
            fn from(value: protocol::$from) -> Self {
                Self::from(&value)
            }
        }
    )*};
}

// Each type has the same text form as its counterpart, as the tests below check.
same_text!(SiteSlug => SiteSlug, Source => SourceName, Cursor => Cursor, PublicKey => PublicKey);

macro_rules! read_back {
    ($($from:ident => $to:ident, $error:ident);*) => {$(
        impl TryFrom<&$from> for protocol::$to {
            type Error = protocol::$error;

            fn try_from(value: &$from) -> Result<Self, Self::Error> {
                value.as_str().parse()
            }
        }
    )*};
}

read_back!(SiteSlug => SiteSlug, NameError; SourceName => Source, NameError; Cursor => Cursor, CursorError);

impl From<protocol::Lane> for Lane {
    fn from(lane: protocol::Lane) -> Self {
        match lane {
            protocol::Lane::Federation => Self::Federation,
            protocol::Lane::Direct => Self::Direct,
        }
    }
}

impl From<protocol::UnixMillis> for Timestamp {
    fn from(time: protocol::UnixMillis) -> Self {
        Self::saturating(u64::from(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_and_times_of_the_protocol_are_accepted(millis in 0..=253_402_300_799_999_u64, number: u64) {
            let time = protocol::UnixMillis::new(millis).unwrap();
            let shown = Cursor::from(protocol::Cursor { time, number: protocol::ClaimNumber(number) });
            prop_assert_eq!(Cursor::new(shown.as_str()), Ok(shown.clone()));
            let back = protocol::Cursor::try_from(&shown).unwrap();
            prop_assert_eq!((back.time, back.number.0), (time, number));
            prop_assert_eq!(Timestamp::from(time).to_string(), time.to_string());
        }

        #[test]
        fn names_of_the_protocol_and_of_the_api_are_the_same_names(text in "[a-zA-Z0-9._*-]{0,66}") {
            let here = SiteSlug::new(text.as_str()).is_ok();
            prop_assert_eq!(here, text.parse::<protocol::SiteSlug>().is_ok());
            prop_assert_eq!(here, text.parse::<protocol::Source>().is_ok());
        }
    }
}
