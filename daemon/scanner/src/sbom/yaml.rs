//! Converts YAML to JSON values, for SPDX documents in YAML, with `saphyr-parser`. Plain scalars stay texts, because
//! every field of this reader is a text. Aliases are refused: no tool writes them into an SBOM, and they could expand
//! a small document into a large one.

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

use super::Place;

/// Deepest nesting that is followed, as in JSON.
const MAX_DEPTH: usize = 128;

/// A collection while it is read.
enum Open {
    List(Vec<Value>),
    /// With the key of the next value.
    Object(Map<String, Value>, Option<String>),
}

/// Reads the only document of a YAML stream.
pub(super) fn read(text: &str) -> Result<Value, (Place, String)> {
    let mut open: Vec<Open> = Vec::new();
    let mut whole = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = Place::Line {
                line: error.marker().line(),
                column: error.marker().col() + 1,
            };
            (place, error.info().to_owned())
        })?;
        let refuse = |reason: &str| {
            let place = Place::Line {
                line: span.start.line(),
                column: span.start.col() + 1,
            };
            Err((place, reason.to_owned()))
        };
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => {
                return refuse("it is nested deeper than 128 levels");
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Object(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(list)) => Value::Array(list),
                Some(Open::Object(object, _)) => Value::Object(object),
                None => return refuse("a collection ends that did not begin"),
            },
            Event::Scalar(text, style, ..) => {
                let is_null =
                    style == saphyr_parser::ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                if is_null {
                    Value::Null
                } else {
                    Value::String(text.into_owned())
                }
            }
            Event::Alias(_) => return refuse("aliases are not read in SBOMs; write the value out"),
            _ => continue,
        };
        match open.last_mut() {
            None if whole.is_some() => return refuse("a second document follows"),
            None => whole = Some(done),
            Some(Open::List(list)) => list.push(done),
            Some(Open::Object(object, key)) => match (key.take(), done) {
                (Some(key), value) => {
                    if object.insert(key, value).is_some() {
                        return refuse("a key is given twice");
                    }
                }
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => return refuse("a key is not text"),
            },
        }
    }
    whole.ok_or_else(|| (Place::line(1), "the document is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_texts_and_collections_nest() {
        let value = read("---\na: 1.10\nb:\n- x: \"y\"\n- ~\n- null\nc: {d: [e]}\n").unwrap();
        let expected = serde_json::json!({"a": "1.10", "b": [{"x": "y"}, null, null], "c": {"d": ["e"]}});
        assert_eq!(value, expected);
    }

    #[test]
    fn aliases_and_duplicate_keys_are_refused() {
        for (text, line) in [
            ("a: &x [1]\nb: *x\n", 2),
            ("a: 1\na: 2\n", 2),
            ("a: [\n", 2),
            ("[a]: 1\n", 1),
            ("a: 1\n---\nb: 2\n", 3),
        ] {
            match read(text) {
                Err((Place::Line { line: at, .. }, _)) => assert!(at.abs_diff(line) <= 1, "{text:?}: {at}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read("").is_err());
    }
}
