//! Builds JSON values, and reads those of a document.

use std::borrow::Cow;

use starling_protocol::json::{Object, Value};

/// Returns a text as a value.
pub(crate) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Value<'a> {
    Value::String(text.into())
}

/// Returns a list of texts as a value.
pub(crate) fn texts<'a, T: Into<Cow<'a, str>>>(list: impl IntoIterator<Item = T>) -> Value<'a> {
    Value::Array(list.into_iter().map(text).collect())
}

/// Returns an object; of repeated keys, the first is used.
pub(crate) fn object<'a, K: Into<Cow<'a, str>>>(
    members: impl IntoIterator<Item = (K, Value<'a>)>,
) -> Value<'a> {
    let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (key, value) in members {
        let key = key.into();
        if seen.insert(key.to_string()) {
            kept.push((key, value));
        }
    }
    Value::Object(Object::from_entries(kept).unwrap_or_default())
}

/// Returns an object without some of its members.
pub(crate) fn without<'a>(value: Value<'a>, keys: &[&str]) -> Value<'a> {
    match value {
        Value::Object(object) => {
            let rest = object.into_entries().into_iter();
            let rest = rest.filter(|(key, _)| !keys.contains(&key.as_ref())).collect();
            Value::Object(Object::from_entries(rest).unwrap_or_default())
        }
        other => other,
    }
}

/// Returns true for empty values: null, an empty text, list or object.
pub(crate) fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Returns the trimmed text under a key; `None` if it is missing or blank.
pub(crate) fn str_of<'v>(value: &'v Value<'_>, key: &str) -> Option<&'v str> {
    value
        .get(key)?
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Returns the items of the list under a key; none for any other value.
pub(crate) fn list_of<'v, 'a>(value: &'v Value<'a>, key: &str) -> &'v [Value<'a>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

/// Returns the items of the list under a key; an object in the place of the list is its only item.
pub(crate) fn items_of<'v, 'a>(value: &'v Value<'a>, key: &str) -> &'v [Value<'a>] {
    match value.get(key) {
        Some(item @ Value::Object(_)) => std::slice::from_ref(item),
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

/// Returns the trimmed, non-blank texts of the list under a key.
pub(crate) fn strs_of<'v>(value: &'v Value<'_>, key: &str) -> impl Iterator<Item = &'v str> {
    let texts = list_of(value, key).iter().filter_map(Value::as_str);
    texts.map(str::trim).filter(|text| !text.is_empty())
}

/// Returns a text or number as text.
pub(crate) fn plain(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Returns the whole number that a member of an object states, with or without quotes.
pub(crate) fn count_of(members: &[(String, &[u8])], name: &str) -> Option<usize> {
    let (_, value) = members.iter().find(|(key, _)| key == name)?;
    let text = std::str::from_utf8(value).ok()?;
    text.trim().trim_matches('"').trim().parse().ok()
}

/// Returns how many entries are before a page that has a number, from 1 on, and a size.
pub(crate) fn start_of(members: &[(String, &[u8])], page: &str, size: &str) -> Option<usize> {
    count_of(members, page)?
        .checked_sub(1)?
        .checked_mul(count_of(members, size)?)
}

/// Returns the nesting depth of lists and objects.
pub(crate) fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}
