//! A parsed document, its accessors and its canonical bytes.

use std::borrow::Cow;

use super::number::Number;
use super::text::{cmp_utf16, write_string};

/// The number of entries up to which comparing every key is faster than a binary search.
const SMALL_OBJECT_ENTRIES: usize = 16;

/// A JSON value. Strings and numbers borrow from the document unless they had to be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value<'a> {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number in its canonical text.
    Number(Number<'a>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object, keys sorted and distinct.
    Object(Object<'a>),
}

/// The entries of a JSON object: sorted by [`cmp_utf16`], no key twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// A key is repeated in one object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {key:?} is repeated in one object")]
pub struct DuplicateKey {
    /// The key, unescaped.
    pub key: String,
}

impl<'a> Object<'a> {
    /// Sorts `entries` into an object.
    ///
    /// # Errors
    /// If a key is repeated.
    pub fn from_entries(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Self, DuplicateKey> {
        // Equal keys are refused, so an unstable sort gives one result.
        entries.sort_unstable_by(|a, b| cmp_utf16(&a.0, &b.0));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(DuplicateKey {
                key: pair[0].0.to_string(),
            }),
            None => Ok(Object(entries)),
        }
    }

    /// Wraps entries that the caller has checked to be strictly rising.
    pub(super) fn from_sorted(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Object(entries)
    }

    /// Returns the value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        // Real objects are small, and unequal strings mostly differ in length.
        if self.0.len() <= SMALL_OBJECT_ENTRIES {
            return self
                .0
                .iter()
                .find(|(other, _)| other == key)
                .map(|(_, value)| value);
        }
        let index = self.0.binary_search_by(|(other, _)| cmp_utf16(other, key)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// Iterates over the entries in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the entries in canonical order.
    #[must_use]
    pub fn into_entries(self) -> Vec<(Cow<'a, str>, Value<'a>)> {
        self.0
    }
}

impl<'a> Value<'a> {
    /// Appends the canonical bytes of this value to `out`.
    ///
    /// Recurses once per level. Values from [`parse`](super::parse) have at most
    /// [`MAX_DEPTH`](super::MAX_DEPTH) levels; callers that build other values must respect that limit too.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
            Value::String(text) => write_string(text, out),
            Value::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_canonical(out);
                }
                out.push(b']');
            }
            Value::Object(object) => {
                out.push(b'{');
                for (index, (key, value)) in object.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    value.write_canonical(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Returns the canonical bytes of this value.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_canonical(&mut out);
        out
    }

    /// Returns the member `key` if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_object()?.get(key)
    }

    /// Returns the value at a JSON pointer (RFC 6901); the empty pointer is this value.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value<'a>> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer
            .strip_prefix('/')?
            .split('/')
            .try_fold(self, |value, segment| match value {
                Value::Object(object) => object.get(&segment.replace("~1", "/").replace("~0", "~")),
                // RFC 6901 §4: no sign, no leading zero.
                Value::Array(items) if segment == "0" || !segment.starts_with(['0', '+']) => {
                    items.get(segment.parse::<usize>().ok()?)
                }
                _ => None,
            })
    }

    /// Returns the text when this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items when this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries when this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Returns the number when this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number<'a>> {
        match self {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the truth value when this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Returns true if this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Names the JSON type, for messages: "a string", "an object", ….
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// Copies all borrowed parts, so that the value outlives its document.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(truth) => Value::Bool(truth),
            Value::Number(number) => Value::Number(number.into_owned()),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(Object(entries)) => Value::Object(Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (Cow::Owned(key.into_owned()), value.into_owned()))
                    .collect(),
            )),
        }
    }
}
