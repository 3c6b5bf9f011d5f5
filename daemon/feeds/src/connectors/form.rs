//! The form of a document's members: what is written otherwise than its schema says, and is understood all the same.
//!
//! A version without its quotes is read as it stands. A list of one entry without its brackets is read as it is meant, and
//! reported. Anything else is reported: readers take it as missing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use starling_protocol::json::{Object, Value};

use crate::osv::numbers::decimals_as_texts;

/// The members of a kind of document that have a certain form, at any depth.
pub(crate) struct Form {
    /// Lists of objects.
    pub(crate) lists: &'static [&'static str],
    /// Lists of texts.
    pub(crate) texts: &'static [&'static str],
    /// Versions, which are texts.
    pub(crate) versions: &'static [&'static str],
}

/// The handling of a member.
enum Mend {
    /// It is the only entry of its list.
    Enlist,
    /// It is a number in place of a text.
    Quote,
    /// Nothing.
    Leave,
}

impl Form {
    /// Returns a document in which decimals in place of versions are texts: as numbers, they would lose their last zeros.
    pub(crate) fn quoted<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let is_version = |key: &[u8]| self.versions.iter().any(|own| own.as_bytes() == key);
        decimals_as_texts(bytes, is_version)
    }

    /// Returns a value in this form, and what was written otherwise.
    pub(crate) fn read<'a>(&self, value: Value<'a>) -> (Value<'a>, BTreeSet<String>) {
        let mut odd = BTreeSet::new();
        if self.collect(&value, &mut odd) {
            (self.mended(value), odd)
        } else {
            (value, odd)
        }
    }

    /// Collects what is written otherwise; returns true if any of it can be mended.
    fn collect(&self, value: &Value<'_>, odd: &mut BTreeSet<String>) -> bool {
        match value {
            Value::Array(items) => {
                let mut is_any = false;
                for item in items {
                    is_any |= self.collect(item, odd);
                }
                is_any
            }
            Value::Object(object) => {
                let mut is_any = false;
                for (key, member) in object.iter().filter(|(key, _)| is_of_schema(key)) {
                    if let Some((mend, what)) = self.fault_of(key, member) {
                        odd.extend(what);
                        is_any |= !matches!(mend, Mend::Leave);
                    }
                    is_any |= self.collect(member, odd);
                }
                is_any
            }
            _ => false,
        }
    }

    /// Returns what is to be done about a member, and what is to be reported of it.
    fn fault_of(&self, key: &str, member: &Value<'_>) -> Option<(Mend, Option<String>)> {
        let (is_list, is_texts) = (self.lists.contains(&key), self.texts.contains(&key));
        let found = member.type_name();
        match member {
            Value::Null => None,
            Value::Object(_) if is_list => Some((Mend::Enlist, Some(only_entry(key, found)))),
            Value::String(_) if is_texts => Some((Mend::Enlist, Some(only_entry(key, found)))),
            Value::Array(items) if is_list => {
                let other = items.iter().find(|item| item.as_object().is_none())?;
                let found = other.type_name();
                let what = format!("{key} has an entry that is {found} instead of an object");
                Some((Mend::Leave, Some(what)))
            }
            Value::Array(items) if is_texts => {
                let other = items.iter().find(|item| item.as_str().is_none())?;
                let found = other.type_name();
                let what = format!("{key} has an entry that is {found} instead of a text");
                Some((Mend::Leave, Some(what)))
            }
            _ if is_list || is_texts => {
                Some((Mend::Leave, Some(format!("{key} is {found} instead of a list"))))
            }
            Value::Number(_) if self.versions.contains(&key) => Some((Mend::Quote, None)),
            _ => None,
        }
    }

    fn mended<'a>(&self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.mended(item)).collect()),
            Value::Object(object) => {
                let members = object.into_entries().into_iter();
                let members = members.map(|(key, member)| self.mended_member(key, member));
                // The keys are those of an object.
                Value::Object(Object::from_entries(members.collect()).unwrap_or_default())
            }
            other => other,
        }
    }

    fn mended_member<'a>(&self, key: Cow<'a, str>, member: Value<'a>) -> (Cow<'a, str>, Value<'a>) {
        if !is_of_schema(&key) {
            return (key, member);
        }
        let mend = self.fault_of(&key, &member).map(|(mend, _)| mend);
        let member = match (mend, self.mended(member)) {
            (Some(Mend::Enlist), member) => Value::Array(vec![member]),
            (Some(Mend::Quote), Value::Number(number)) => {
                Value::String(Cow::Owned(number.as_str().to_owned()))
            }
            (_, member) => member,
        };
        (key, member)
    }
}

fn only_entry(key: &str, found: &str) -> String {
    format!("{key} is {found} instead of a list, and is read as its only entry")
}

/// Returns false for extensions: members of other schemas, such as a record in a former format.
fn is_of_schema(key: &str) -> bool {
    !key.starts_with("x_")
}

#[cfg(test)]
mod tests {
    use starling_protocol::json;

    use super::*;

    const FORM: Form = Form {
        lists: &["list"],
        texts: &["texts"],
        versions: &["version"],
    };

    fn read(text: &str) -> (String, String) {
        let quoted = FORM.quoted(text.as_bytes());
        let (value, odd) = FORM.read(json::parse(&quoted).unwrap());
        let odd = odd.into_iter().collect::<Vec<_>>().join("; ");
        (String::from_utf8(value.to_canonical()).unwrap(), odd)
    }

    #[test]
    fn understood_members_are_mended() {
        for (text, mended, odd) in [
            (
                r#"{"list":{"version":2.10}}"#,
                r#"{"list":[{"version":"2.10"}]}"#,
                "list is an object instead of a list, and is read as its only entry",
            ),
            (
                r#"{"texts":"a"}"#,
                r#"{"texts":["a"]}"#,
                "texts is a string instead of a list, and is read as its only entry",
            ),
            (r#"{"version":2}"#, r#"{"version":"2"}"#, ""),
        ] {
            assert_eq!(read(text), (mended.to_owned(), odd.to_owned()), "{text}");
            assert_eq!(read(mended), (mended.to_owned(), String::new()), "{text}");
        }
    }

    #[test]
    fn other_members_stay_and_are_reported_if_they_are_lists() {
        for (text, odd) in [
            (r#"{"list":7}"#, "list is a number instead of a list"),
            (
                r#"{"list":[7]}"#,
                "list has an entry that is a number instead of an object",
            ),
            (r#"{"texts":{}}"#, "texts is an object instead of a list"),
            (
                r#"{"texts":[1]}"#,
                "texts has an entry that is a number instead of a text",
            ),
            (r#"{"list":[{"texts":["a"],"version":"1"}],"other":{}}"#, ""),
            (r#"{"list":null,"version":null}"#, ""),
            (r#"{"x_former":{"list":{},"version":1}}"#, ""),
        ] {
            assert_eq!(read(text), (text.to_owned(), odd.to_owned()), "{text}");
        }
    }
}
