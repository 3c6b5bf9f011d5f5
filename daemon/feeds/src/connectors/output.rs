//! The output of a connector.

use std::borrow::Cow;

use starling_protocol::json::{self, Value};

use super::commas;
use super::draft::Draft;
use super::shallow;
use super::xml::{self, Dialect, Element};
use crate::identity::Identity;
use crate::osv::{NoRecord, Outcome, Page, Part, Rejected};

/// Takes each record element: its place, the element, and unusual details of its reading.
pub(crate) type EachElement<'e> = &'e mut dyn FnMut(&mut Output<'_>, String, Element, Vec<String>);

/// Largest JSON value of one record, in bytes: it becomes a tree, many times as large.
const MAX_VALUE_BYTES: usize = 64 << 20;

/// Collects the parts of one document, in order.
pub(crate) struct Output<'o> {
    each: &'o mut dyn FnMut(Part),
    parts: usize,
    /// The depth of the value that is being read.
    depth: usize,
    /// Parts of these values, from the first rejected one on: they wait until it has its identity.
    held: Vec<Part>,
}

impl<'o> Output<'o> {
    /// Creates an output that passes parts to `each`.
    pub(crate) fn new(each: &'o mut dyn FnMut(Part)) -> Self {
        Self {
            each,
            parts: 0,
            depth: 0,
            held: Vec::new(),
        }
    }

    fn part(&mut self, pointer: impl Into<String>, outcome: Outcome) {
        self.parts += 1;
        let part = Part::new(pointer.into(), outcome);
        let is_rejected = matches!(part.outcome, Outcome::Rejected(_));
        if self.depth > 0 && (is_rejected || !self.held.is_empty()) {
            self.held.push(part);
        } else {
            (self.each)(part);
        }
    }

    /// Reads a value from these bytes: what of it is rejected is known by them.
    pub(crate) fn within(&mut self, bytes: &[u8], read: impl FnOnce(&mut Self)) {
        let first = self.held.len();
        self.depth += 1;
        read(self);
        self.depth -= 1;
        let mut identity = None;
        for part in self.held.iter_mut().skip(first) {
            if matches!(part.outcome, Outcome::Rejected(_)) && part.identity.is_none() {
                let identity = identity.get_or_insert_with(|| Identity::of(bytes));
                part.identity = Some(identity.clone());
            }
        }
        if self.depth == 0 {
            std::mem::take(&mut self.held)
                .into_iter()
                .for_each(&mut *self.each);
        }
    }

    /// Reads a document of another kind that stands at this place of the document.
    pub(crate) fn nested(&mut self, pointer: &str, read: impl FnOnce(&mut Output<'_>)) {
        let mut parts = Vec::new();
        read(&mut Output::new(&mut |part| parts.push(part)));
        for part in parts {
            self.part(format!("{pointer}{}", part.pointer), part.outcome);
        }
    }

    /// Adds a record, or the reason why its draft is not valid.
    pub(crate) fn record(&mut self, pointer: impl Into<String>, draft: Draft<'_>) {
        let outcome = match draft.finish() {
            Ok(record) => Outcome::Record(record),
            Err(why) => Outcome::Rejected(why),
        };
        self.part(pointer, outcome);
    }

    /// Adds an entry that is already a record of the OSV schema.
    pub(crate) fn osv(&mut self, pointer: impl Into<String>, record: &Value<'_>) {
        let outcome = match crate::osv::record_of_value(record) {
            Ok(record) => Outcome::Record(record),
            Err(why) => Outcome::Rejected(why),
        };
        self.part(pointer, outcome);
    }

    /// Adds a document that is already in the OSV schema.
    pub(crate) fn osv_document(&mut self, bytes: &[u8]) {
        for part in crate::osv::read(bytes) {
            self.part(part.pointer, part.outcome);
        }
    }

    /// Rejects an entry of the document or, without a pointer, the document.
    pub(crate) fn reject(&mut self, pointer: impl Into<String>, why: impl Into<String>) {
        self.part(pointer, Outcome::Rejected(Rejected::Native(why.into())));
    }

    /// Skips an entry that certainly has no record.
    pub(crate) fn ignore(&mut self, pointer: impl Into<String>, why: impl Into<String>) {
        self.part(pointer, Outcome::NoRecord(NoRecord::Native(why.into())));
    }

    /// Reports unusual or lost data of the document as a whole.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        (self.each)(Part::new(String::new(), Outcome::Noted(what.into())));
    }

    /// Reports that the document is a page of a list. Facts that the page does not state are `None`; a document
    /// without a total is not a page.
    pub(crate) fn page(&mut self, total: Option<usize>, start: Option<usize>, count: usize, first: &str) {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let Some(total) = total.map(wide) else { return };
        let page = Page {
            total,
            start: start.map(wide),
            count: wide(count),
            first: super::text::quote(first),
        };
        (self.each)(Part::new(String::new(), Outcome::Page(page)));
    }

    /// Ends the document; reports it if nothing was found in it.
    pub(crate) fn end(&mut self, kind: &str) {
        if self.parts == 0 {
            self.ignore("", format!("a document of the kind {kind} without any entry"));
        }
    }

    /// Reads each item of a JSON list from its bytes. A broken item is rejected, and the rest is read.
    pub(crate) fn json_items(
        &mut self,
        pointer: &str,
        list: &[u8],
        each: &mut dyn FnMut(&mut Self, String, Value<'_>),
    ) {
        let Some(mut walk) = shallow::items(list) else {
            return self.reject(pointer, "expected a list");
        };
        let (outer, mut is_whole) = (pointer, true);
        for (index, item) in walk.by_ref().enumerate() {
            let pointer = format!("{outer}/{index}");
            match item {
                Ok((_, bytes)) => self.within(bytes, |out| {
                    if let Some(value) = out.value(&pointer, bytes) {
                        each(out, pointer, value);
                    }
                }),
                Err(fault) => {
                    is_whole = false;
                    self.reject(pointer, format!("the list breaks off here: {fault}"));
                }
            }
        }
        if is_whole {
            self.refuse_rest(outer, &walk);
        }
    }

    /// Rejects data after the last bracket of an object or list that was read completely.
    pub(crate) fn refuse_rest(&mut self, pointer: &str, walk: &shallow::Walk<'_>) {
        if !walk.rest().trim_ascii().is_empty() {
            self.reject(pointer, "more follows the end of the document");
        }
    }

    /// Reads the items of the lists under `keys` in a document's outermost object, or the items of a document that is
    /// a list. Returns the object's other members. Of a truncated document, the complete items are read. An object
    /// without any of these lists is rejected.
    pub(crate) fn json_lists<'a>(
        &mut self,
        bytes: &'a [u8],
        keys: &[&str],
        each: &mut dyn FnMut(&mut Self, String, Value<'_>),
    ) -> Vec<(String, &'a [u8])> {
        let bytes = crate::osv::strip_byte_order_mark(bytes);
        let mut rest = Vec::new();
        let Some(mut walk) = shallow::members(bytes) else {
            self.json_items("", bytes, each);
            return rest;
        };
        let (mut is_whole, mut has_list) = (true, false);
        while let Some(member) = walk.next() {
            match member {
                Ok((key, list)) if keys.contains(&key.as_ref()) => {
                    has_list = true;
                    self.json_items(&format!("/{key}"), list, each);
                }
                Ok((key, value)) => rest.push((key.into_owned(), value)),
                Err(fault) => {
                    is_whole = false;
                    if let Some((key, begun)) = walk.broken().filter(|(key, _)| keys.contains(key)) {
                        self.json_items(&format!("/{key}"), begun, each);
                    }
                    self.reject("", format!("the document breaks off: {fault}"));
                }
            }
        }
        if is_whole {
            self.refuse_rest("", &walk);
        }
        if is_whole && !has_list {
            // An answer that says what went wrong is not an empty page.
            let found: Vec<&str> = rest.iter().map(|(key, _)| key.as_str()).collect();
            self.reject(
                "",
                format!(
                    "expected a list under {}, found the members {}",
                    keys.join(" or "),
                    super::text::quote(&found.join(", "))
                ),
            );
        }
        rest
    }

    /// Reads each member of a JSON object from its bytes. A broken value is rejected, and the rest is read.
    pub(crate) fn json_members(
        &mut self,
        pointer: &str,
        object: &[u8],
        each: &mut dyn FnMut(&mut Self, String, &str, Value<'_>),
    ) {
        let Some(mut walk) = shallow::members(object) else {
            return self.reject(pointer, "expected an object");
        };
        let (outer, mut is_whole) = (pointer, true);
        for member in walk.by_ref() {
            match member {
                Ok((key, bytes)) => {
                    let pointer = format!("{outer}/{}", escape(&key));
                    self.within(bytes, |out| {
                        if let Some(value) = out.value(&pointer, bytes) {
                            each(out, pointer, &key, value);
                        }
                    });
                }
                Err(fault) => {
                    is_whole = false;
                    self.reject(pointer, format!("the object breaks off here: {fault}"));
                }
            }
        }
        if is_whole {
            self.refuse_rest(outer, &walk);
        }
    }

    /// Reads a complete JSON document as one value; `None` if it is invalid or too long, which is reported.
    pub(crate) fn json<'a>(&mut self, bytes: &'a [u8]) -> Option<Value<'a>> {
        self.value("", crate::osv::strip_byte_order_mark(bytes))
    }

    /// Reads a document that is one JSON value, a list of them, or one in each line.
    pub(crate) fn json_documents(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&mut Self, String, Value<'_>),
    ) {
        let cleaned = commas::without_trailing(crate::osv::strip_byte_order_mark(bytes));
        if matches!(cleaned, Cow::Owned(_)) {
            self.note("commas before a closing bracket, which JSON does not allow, are left out");
        }
        let body = cleaned.as_ref();
        if shallow::items(body).is_some() {
            return self.json_items("", body, each);
        }
        let lines = || body.split(|byte| *byte == b'\n').enumerate();
        let first = lines().find(|(_, line)| !line.trim_ascii().is_empty());
        let is_lines = first.is_some_and(|(index, line)| {
            let mut others = lines().skip(index + 1);
            others.any(|(_, line)| !line.trim_ascii().is_empty()) && is_whole_object(line)
        });
        if !is_lines {
            if let Some(value) = self.json(body) {
                each(self, String::new(), value);
            }
            return;
        }
        for (index, line) in lines().filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let pointer = format!("/line {}", index + 1);
            self.within(line, |out| {
                if let Some(value) = out.value(&pointer, line) {
                    each(out, pointer, value);
                }
            });
        }
    }

    fn value<'a>(&mut self, pointer: &str, bytes: &'a [u8]) -> Option<Value<'a>> {
        if bytes.len() > MAX_VALUE_BYTES {
            let most = MAX_VALUE_BYTES >> 20;
            self.reject(
                pointer,
                format!(
                    "a single record of {} bytes: at most {most} MiB are read",
                    bytes.len()
                ),
            );
            return None;
        }
        match json::parse(bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                self.part(pointer, Outcome::Rejected(Rejected::Json(error)));
                None
            }
        }
    }

    /// Reads each record element of an XML document. A broken element is rejected, and the rest is read.
    pub(crate) fn xml_records(
        &mut self,
        bytes: &[u8],
        names: &[&str],
        dialect: &Dialect,
        each: EachElement<'_>,
    ) {
        let declared = super::text::declared_encoding(bytes);
        let wide = declared.filter(|encoding| !encoding.is_ascii_compatible());
        let decoded = wide.map(|encoding| encoding.decode(bytes).0);
        let (bytes, declared) = match &decoded {
            Some(text) => (text.as_bytes(), None),
            None => (bytes, declared),
        };
        for (index, slice) in xml::records(bytes, names).enumerate() {
            let pointer = |name: &str| format!("/{name}/{index}");
            match slice {
                Ok(slice) => self.within(slice.bytes, |out| match xml::read(&slice, declared, dialect) {
                    Ok(read) => each(out, pointer(slice.name), read.element, read.warnings),
                    Err(why) => out.reject(pointer(slice.name), why),
                }),
                Err(fault) => self.reject(pointer(names.first().unwrap_or(&"")), fault.to_string()),
            }
        }
    }
}

/// Escapes a key for a JSON pointer.
fn escape(key: &str) -> String {
    super::text::quote(key).replace('~', "~0").replace('/', "~1")
}

/// Returns true if a text is one object and nothing else.
fn is_whole_object(text: &[u8]) -> bool {
    shallow::members(text).is_some_and(|mut walk| {
        walk.by_ref().all(|member| member.is_ok()) && walk.rest().trim_ascii().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(read: impl FnOnce(&mut Output<'_>)) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut each = |part: Part| {
            if let Outcome::Rejected(why) = part.outcome {
                reasons.push(why.to_string());
            }
        };
        read(&mut Output::new(&mut each));
        reasons
    }

    #[test]
    fn data_after_the_last_bracket_is_refused() {
        const MORE: &str = "more follows the end of the document";
        let items = |text: &str| reasons(|out| out.json_items("", text.as_bytes(), &mut |_, _, _| {}));
        let lists = |text: &str| {
            reasons(|out| {
                out.json_lists(text.as_bytes(), &["a"], &mut |_, _, _| {});
            })
        };
        let members = |text: &str| reasons(|out| out.json_members("", text.as_bytes(), &mut |_, _, _, _| {}));
        assert_eq!(items("[1] [2]"), [MORE]);
        assert_eq!(lists("[1]{}"), [MORE]);
        assert_eq!(lists("{\"a\":[1]}\n{\"a\":[2]}"), [MORE]);
        assert_eq!(members("{\"a\":1}}"), [MORE]);
        for reasons in [items("[1] \n"), lists("{\"a\":[1]}\r\n"), members("{\"a\":1} ")] {
            assert!(reasons.is_empty(), "{reasons:?}");
        }
        for reasons in [items("[1 2"), lists("{\"b\":1"), members("{\"a\":1")] {
            assert!(
                reasons.len() == 1 && reasons[0].contains("breaks off"),
                "{reasons:?}"
            );
        }
    }

    #[test]
    fn object_without_the_list_is_refused() {
        let lists = |text: &str| {
            reasons(|out| {
                out.json_lists(text.as_bytes(), &["a", "b"], &mut |_, _, _| {});
            })
        };
        assert_eq!(
            lists(r#"{"message":"busy","status":503}"#),
            ["expected a list under a or b, found the members message, status"]
        );
        for text in [r#"{"b":[]}"#, r#"{"x":1,"a":[1]}"#, "[]"] {
            assert!(lists(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn rejected_part_is_recognised_by_its_bytes_at_any_place() {
        let read = |text: &str| {
            let mut parts = Vec::new();
            let mut each = |part: Part| parts.push(part);
            Output::new(&mut each).json_items("", text.as_bytes(), &mut |out, pointer, value| {
                match value {
                    Value::Object(_) => out.reject(pointer.clone(), "bad"),
                    _ => out.ignore(pointer.clone(), "none"),
                }
                out.ignore(format!("{pointer}/after"), "none");
            });
            parts
        };
        let parts = read(r#"[{"id":"CVE-2026-1"},7,{"id":"CVE-2026-2"}]"#);
        let pointers: Vec<&str> = parts.iter().map(|part| part.pointer.as_str()).collect();
        assert_eq!(pointers, ["/0", "/0/after", "/1", "/1/after", "/2", "/2/after"]);
        let id = |at: usize| {
            parts[at]
                .identity
                .clone()
                .map(|identity| identity.id.unwrap().to_string())
        };
        let ids: Vec<_> = (0..6).map(id).collect();
        assert_eq!(ids[0].as_deref(), Some("CVE-2026-1"));
        assert_eq!(ids[4].as_deref(), Some("CVE-2026-2"));
        assert!([1, 2, 3, 5].iter().all(|at| ids[*at].is_none()));
        let moved = read(r#"[{"id":"CVE-2026-2"}]"#);
        assert_eq!(moved[0].identity, parts[4].identity);
    }

    #[test]
    fn single_record_that_is_too_long_is_refused_unread() {
        let mut text = vec![b' '; MAX_VALUE_BYTES - 2];
        text.extend_from_slice(b"{}");
        assert!(reasons(|out| assert!(out.json(&text).is_some())).is_empty());
        text.push(b' ');
        let expected = "a single record of 67108865 bytes: at most 64 MiB are read";
        assert_eq!(reasons(|out| assert!(out.json(&text).is_none())), [expected]);
        let list = format!("[\"{}\"]", "a".repeat(MAX_VALUE_BYTES));
        let items = reasons(|out| out.json_items("", list.as_bytes(), &mut |_, _, _| panic!("read")));
        assert!(
            items.len() == 1 && items[0].contains("at most 64 MiB"),
            "{items:?}"
        );
    }
}
