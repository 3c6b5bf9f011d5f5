//! Reads the outer shape of the pages of an API: the number of entries and the next page. The entries themselves are
//! not read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ListFault;

/// Deepest nesting that is read.
const MAX_DEPTH: u32 = 2;
/// Most members that are kept of one object.
const MAX_MEMBERS: usize = 64;

/// The outer shape of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Page {
    Object(BTreeMap<String, Page>),
    /// An array, with the number of its items.
    Items(u64),
    Number(u64),
    Text(String),
    Null,
    Other,
}

impl Page {
    /// Follows members, such as `links` and `next`.
    pub(crate) fn member(&self, path: &[&str]) -> Option<&Page> {
        path.iter().try_fold(self, |page, name| match page {
            Page::Object(members) => members.get(*name),
            _ => None,
        })
    }

    /// Returns the number of items of an array: the page itself if `member` is empty.
    pub(crate) fn items(&self, member: &str) -> Option<u64> {
        let page = match member {
            "" => Some(self),
            name => self.member(&[name]),
        };
        match page? {
            Page::Items(count) => Some(*count),
            _ => None,
        }
    }

    pub(crate) fn number(&self, member: &str) -> Option<u64> {
        match self.member(&[member])? {
            Page::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads the outer shape of an answer in JSON.
///
/// # Errors
/// If it is not JSON.
pub(crate) fn read_page(reader: &mut dyn Read) -> Result<Page, ListFault> {
    let mut text = serde_json::Deserializer::from_reader(reader);
    let page = Shape { depth: 0 }
        .deserialize(&mut text)
        .and_then(|page| text.end().map(|()| page));
    page.map_err(|error| ListFault::Broken(error.to_string()))
}

#[derive(Clone, Copy)]
struct Shape {
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        if self.depth > MAX_DEPTH {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(Page::Other);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Page, E> {
        Ok(Page::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Page, E> {
        Ok(Page::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Page, E> {
        Ok(Page::Number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Page, E> {
        Ok(Page::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Page, E> {
        const MAX_TEXT_BYTES: usize = 4096;
        Ok(match text.len() <= MAX_TEXT_BYTES {
            true => Page::Text(text.to_owned()),
            false => Page::Other,
        })
    }

    fn visit_unit<E>(self) -> Result<Page, E> {
        Ok(Page::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Page, A::Error> {
        let mut count = 0;
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Page::Items(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Page, A::Error> {
        let mut kept = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let depth = self.depth + 1;
            let page = members.next_value_seed(Self { depth })?;
            if kept.len() < MAX_MEMBERS {
                kept.insert(name, page);
            }
        }
        Ok(Page::Object(kept))
    }
}
