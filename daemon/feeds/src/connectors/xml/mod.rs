//! XML documents as a sequence of record elements, each parsed separately.
//!
//! The records are found by their element's name, in the bytes. So a document of any size never becomes a tree, and a
//! broken or truncated element only affects itself. A document type is skipped: only XML's own five entities are
//! expanded, so nothing can grow.

mod cut;

use std::borrow::Cow;

use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use starling_protocol::json::Value;

use super::text::{self, quote};
use super::value;

use cut::name_at;
pub(crate) use cut::{Slice, records};

/// Deepest nesting of elements in one record: each is two levels of JSON, and a record may have 64.
const MAX_DEPTH: usize = 24;
/// Most elements in one record.
const MAX_ELEMENTS: usize = 200_000;

/// An element and its content. Names are without their prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// Its direct text.
    pub(crate) text: String,
}

impl Element {
    /// Returns the first child with this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the children with this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the children with this name in all children named `list`.
    pub(crate) fn items<'a>(&'a self, list: &'a str, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.all(list).flat_map(move |list| list.all(name))
    }

    /// Returns the trimmed text of the child with this name; `None` if it is missing or blank.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// Returns an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the element as JSON: attributes under `@name`, text under `#text`, children as lists by their name.
    pub(crate) fn to_value(&self) -> Value<'static> {
        let text = self.text.trim();
        if self.attributes.is_empty() && self.children.is_empty() {
            return value::text(text.to_owned());
        }
        let mut members: Vec<(String, Value<'static>)> = Vec::new();
        for (name, attribute) in &self.attributes {
            members.push((format!("@{name}"), value::text(attribute.clone())));
        }
        if !text.is_empty() {
            members.push(("#text".to_owned(), value::text(text.to_owned())));
        }
        for child in &self.children {
            match members.iter_mut().find(|(name, _)| *name == child.name) {
                Some((_, Value::Array(list))) => list.push(child.to_value()),
                _ => members.push((child.name.clone(), Value::Array(vec![child.to_value()]))),
            }
        }
        value::object(members)
    }
}

/// A parsed record element, and unusual details that were accepted.
pub(crate) struct Read {
    pub(crate) element: Element,
    pub(crate) warnings: Vec<String>,
}

/// Options for a source's elements.
pub(crate) struct Dialect {
    /// Encoding of bytes that are neither UTF-8 nor declared.
    pub(crate) fallback: &'static Encoding,
    /// The names of all elements in a record, for sources with unescaped brackets in texts; anything else is then text.
    pub(crate) known: &'static [&'static str],
}

/// Reads one record element.
///
/// # Errors
/// A description, if it is not well-formed or exceeds a limit.
pub(crate) fn read(
    slice: &Slice<'_>,
    declared: Option<&'static Encoding>,
    dialect: &Dialect,
) -> Result<Read, String> {
    let decoded = text::decode(slice.bytes, declared, dialect.fallback);
    let mut warnings: Vec<String> = decoded.warning.into_iter().collect();
    let failed = match parse(&decoded.text, &mut warnings) {
        Ok(element) => return Ok(Read { element, warnings }),
        Err(failed) => failed,
    };
    if dialect.known.is_empty() {
        return Err(failed);
    }
    warnings.truncate(usize::from(
        !warnings.is_empty() && matches!(decoded.text, Cow::Owned(_)),
    ));
    let repaired = repair(&decoded.text, dialect.known);
    let element = parse(&repaired, &mut warnings).map_err(|_| failed)?;
    warnings.push("brackets that are not escaped were taken for text".to_owned());
    Ok(Read { element, warnings })
}

/// Escapes each bracket that does not begin a known element, comment or section.
fn repair(text: &str, known: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let inner = tag.get(1..).unwrap_or_default();
        let named = inner.strip_prefix('/').unwrap_or(inner);
        let is_markup = inner.starts_with("!--")
            || inner.starts_with("![CDATA[")
            || name_at(named.as_bytes()).is_some_and(|name| known.contains(&name));
        out.push_str(if is_markup { "<" } else { "&lt;" });
        rest = inner;
    }
    out.push_str(rest);
    out
}

fn parse(text: &str, warnings: &mut Vec<String>) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0;
    let mut unknown: Vec<String> = Vec::new();
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("not well-formed: {error}"))?;
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() >= MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH} elements"));
                }
                if count > MAX_ELEMENTS {
                    return Err(format!("more than {MAX_ELEMENTS} elements in one record"));
                }
                open.push(begin(&start, &mut unknown)?);
            }
            Event::End(_) => {
                let closed = open.pop().ok_or("an element is closed that was not opened")?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => {
                        for name in unknown {
                            warnings.push(format!("the entity &{name}; is not expanded"));
                        }
                        return Ok(closed);
                    }
                }
            }
            Event::Text(content) => push(&mut open, &content.xml10_content()),
            Event::CData(content) => push(&mut open, &content.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                match resolved(&name) {
                    Some(text) => push(&mut open, &text),
                    None => {
                        push(&mut open, &format!("&{name};"));
                        remember(&mut unknown, &name);
                    }
                }
            }
            Event::Eof => return Err("the element does not end".to_owned()),
            _ => {}
        }
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn remember(unknown: &mut Vec<String>, name: &str) {
    let name = quote(name);
    if unknown.len() < 8 && !unknown.contains(&name) {
        unknown.push(name);
    }
}

fn begin(start: &BytesStart<'_>, unknown: &mut Vec<String>) -> Result<Element, String> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("not well-formed: {error}"))?;
        let name: &str = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let value = unescape(&attribute.value, unknown);
        element
            .attributes
            .push((attribute.key.local_name().as_ref().to_owned(), value));
    }
    Ok(element)
}

fn unescape(text: &str, unknown: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let name = reference.get(1..).and_then(|name| name.split_once(';'));
        match name.map(|(name, rest)| (name, resolved(name), rest)) {
            Some((_, Some(text), after)) => {
                out.push_str(&text);
                rest = after;
            }
            other => {
                if let Some((name, None, _)) = other
                    && name_at(name.as_bytes()) == Some(name)
                {
                    remember(unknown, name);
                }
                out.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Resolves XML's own five entities and character references; a document cannot define others here.
fn resolved(name: &str) -> Option<String> {
    let code = match name {
        "amp" => return Some("&".to_owned()),
        "lt" => return Some("<".to_owned()),
        "gt" => return Some(">".to_owned()),
        "apos" => return Some("'".to_owned()),
        "quot" => return Some("\"".to_owned()),
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => u32::from_str_radix(hex.get(1..)?, 16).ok()?,
            number => number.parse().ok()?,
        },
    };
    char::from_u32(code).map(String::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::cut::Fault;
    use super::*;

    const DIALECT: Dialect = Dialect {
        fallback: encoding_rs::WINDOWS_1252,
        known: &[],
    };

    fn cut(text: &str) -> Vec<Result<String, Fault>> {
        records(text.as_bytes(), &["r"])
            .map(|slice| slice.map(|slice| String::from_utf8_lossy(slice.bytes).into_owned()))
            .collect()
    }

    fn read_one(text: &str, dialect: &Dialect) -> Result<Read, String> {
        let slice = records(text.as_bytes(), &["r"]).next().unwrap().unwrap();
        read(&slice, declared(text), dialect)
    }

    fn declared(text: &str) -> Option<&'static Encoding> {
        text::declared_encoding(text.as_bytes())
    }

    #[test]
    fn record_elements_are_cut_out_of_a_document() {
        let document = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"<r>\">]><l><!-- <r> --><n:r a=\"<r>\">1</n:r>\
             <x><![CDATA[<r>]]></x><r/><rs></rs></l>";
        assert_eq!(
            cut(document),
            [Ok("<n:r a=\"<r>\">1</n:r>".to_owned()), Ok("<r/>".to_owned())]
        );
    }

    #[test]
    fn broken_record_element_only_affects_itself() {
        assert_eq!(
            cut("<l><r>1<r>2</r><r>3"),
            [Err(Fault::NotClosed), Ok("<r>2</r>".to_owned()), Err(Fault::Cut)]
        );
        for text in ["<l><r>2</r>", "<r>2</r><!-- ", "<!DOCTYPE x ["] {
            assert_eq!(cut(text).last(), Some(&Err(Fault::Cut)), "{text}");
        }
        assert_eq!(
            cut("<r>1</r><r>2</r>\n").len(),
            2,
            "records without an element around them"
        );
    }

    #[test]
    fn element_has_its_attributes_texts_and_children() {
        let read = read_one(
            "<r n=\"a&amp;&#x42;\"><p>1 &lt; 2<![CDATA[<]]></p><p/> t </r>",
            &DIALECT,
        )
        .unwrap();
        let element = read.element;
        assert_eq!(element.attribute("n"), Some("a&B"));
        assert_eq!(element.text_of("p"), Some("1 < 2<"));
        assert_eq!(element.all("p").count(), 2);
        assert_eq!(
            String::from_utf8(element.to_value().to_canonical()).unwrap(),
            r##"{"#text":"t","@n":"a&B","p":["1 < 2<",""]}"##
        );
        assert!(read.warnings.is_empty());
    }

    #[test]
    fn entities_of_a_document_are_never_expanded() {
        let bomb =
            "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l><r x=\"&b;\">&b; &b;</r></l>";
        let read = read_one(bomb, &DIALECT).unwrap();
        assert_eq!(read.element.text, "&b; &b;");
        assert_eq!(read.warnings, ["the entity &b; is not expanded"]);
        let deep = format!("<r>{}</r>", "<a>".repeat(100) + &"</a>".repeat(100));
        assert!(read_one(&deep, &DIALECT).is_err_and(|why| why.contains("nested deeper")));
    }

    #[test]
    fn unescaped_brackets_are_text_for_known_sources() {
        let dialect = Dialect {
            known: &["r", "p"],
            ..DIALECT
        };
        let text = "<r><p>versions <1.2 & <b 3</p></r>";
        let read = read_one(text, &dialect).unwrap();
        assert_eq!(read.element.text_of("p"), Some("versions <1.2 & <b 3"));
        assert_eq!(
            read.warnings,
            ["brackets that are not escaped were taken for text"]
        );
        assert!(read_one(text, &DIALECT).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_cut_and_read_without_a_panic(text in "(<r>|</r>|<p a=\"|\">|</p>|&|;|x|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<|>|\\PC){0,40}") {
            for slice in records(text.as_bytes(), &["r"]).flatten() {
                let _ = read(&slice, None, &DIALECT);
                let _ = read(&slice, None, &Dialect { known: &["r", "p"], ..DIALECT });
            }
        }

        #[test]
        fn any_bytes_are_cut_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = records(&bytes, &["r"]).count();
        }
    }
}
