//! Reads JSON leniently: `null` for a list, or a number for a text.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A text that some sources write as a number or as `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E>(self, v: &str) -> Result<Text, E> {
                Ok(Text(v.to_owned()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Like [`Text`], but borrows from the document if possible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TextRef<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for TextRef<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = TextRef<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<TextRef<'de>, E> {
                Ok(TextRef(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<TextRef<'de>, E> {
                Ok(TextRef(Cow::Owned(v.to_owned())))
            }
            fn visit_u64<E>(self, v: u64) -> Result<TextRef<'de>, E> {
                Ok(TextRef(Cow::Owned(v.to_string())))
            }
            fn visit_i64<E>(self, v: i64) -> Result<TextRef<'de>, E> {
                Ok(TextRef(Cow::Owned(v.to_string())))
            }
            fn visit_f64<E>(self, v: f64) -> Result<TextRef<'de>, E> {
                Ok(TextRef(Cow::Owned(v.to_string())))
            }
            fn visit_unit<E>(self) -> Result<TextRef<'de>, E> {
                Ok(TextRef::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A version: a text, a whole number, or `null`. A number with decimals is refused: `1.10` would become `1.1`, which is
/// another version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VersionRef<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for VersionRef<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = VersionRef<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a version as text, because a number loses its last zeros")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<VersionRef<'de>, E> {
                Ok(VersionRef(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<VersionRef<'de>, E> {
                Ok(VersionRef(Cow::Owned(v.to_owned())))
            }
            fn visit_u64<E>(self, v: u64) -> Result<VersionRef<'de>, E> {
                Ok(VersionRef(Cow::Owned(v.to_string())))
            }
            fn visit_i64<E>(self, v: i64) -> Result<VersionRef<'de>, E> {
                Ok(VersionRef(Cow::Owned(v.to_string())))
            }
            fn visit_unit<E>(self) -> Result<VersionRef<'de>, E> {
                Ok(VersionRef::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Same as [`VersionRef`], but owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VersionText(pub(crate) String);

impl<'de> Deserialize<'de> for VersionText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let VersionRef(text) = VersionRef::deserialize(deserializer)?;
        Ok(Self(text.into_owned()))
    }
}

/// Reads a text, or a number as text; anything else is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AnyText<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for AnyText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AnyText<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<AnyText<'de>, E> {
                Ok(AnyText(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<AnyText<'de>, E> {
                Ok(AnyText(Cow::Owned(v.to_owned())))
            }
            fn visit_u64<E>(self, v: u64) -> Result<AnyText<'de>, E> {
                Ok(AnyText(Cow::Owned(v.to_string())))
            }
            fn visit_i64<E>(self, v: i64) -> Result<AnyText<'de>, E> {
                Ok(AnyText(Cow::Owned(v.to_string())))
            }
            fn visit_f64<E>(self, v: f64) -> Result<AnyText<'de>, E> {
                Ok(AnyText(Cow::Owned(v.to_string())))
            }
            fn visit_bool<E>(self, _: bool) -> Result<AnyText<'de>, E> {
                Ok(AnyText::default())
            }
            fn visit_unit<E>(self) -> Result<AnyText<'de>, E> {
                Ok(AnyText::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AnyText<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(AnyText::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyText<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AnyText::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Skips a value of an unexpected type.
macro_rules! pass_over {
    ($value:expr; $($kind:ident)*) => {$(pass_over!(@ $kind, $value);)*};
    (@ unit, $value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ scalars, $value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ text, $value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ list, $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
    (@ object, $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}

pub(crate) use pass_over;

/// Visits a list's entries; any other value has none.
pub(crate) struct Entries<T, F>(pub(crate) F, pub(crate) PhantomData<T>);

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Entries<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element()? {
            (self.0)(entry);
        }
        Ok(())
    }

    pass_over!((); unit scalars text object);
}

/// Visits an object's fields as texts; any other value has none.
pub(crate) struct Fields<F>(pub(crate) F);

impl<'de, F: FnMut(&str, AnyText<'de>)> Visitor<'de> for Fields<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((AnyText(key), value)) = map.next_entry::<AnyText<'de>, AnyText<'de>>()? {
            (self.0)(&key, value);
        }
        Ok(())
    }

    pass_over!((); unit scalars text list);
}

/// Reads `null` as the type's default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
