//! Reads JSON one level at a time, from bytes, so that a long document never becomes a tree and a bad item does not
//! affect its neighbours.
//!
//! Only the structure is followed: brackets, strings, commas. A value is passed on as its bytes;
//! [`starling_protocol::json`] checks if it is valid.

use std::borrow::Cow;

use starling_protocol::json::{self, Value};

/// The place and kind of an error in the structure of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub(crate) struct Fault {
    /// Position in the text, in bytes.
    pub(crate) offset: usize,
    /// The fault there.
    pub(crate) what: &'static str,
}

/// The key (empty in a list) and the bytes of the value.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a [u8]);

const CUT: &str = "the text is cut off";

/// Iterates over the members of an object, or the items of a list.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    is_object: bool,
    is_first: bool,
    is_done: bool,
    /// The key and the start of the value in which the text ends early.
    broken: Option<(Cow<'a, str>, usize)>,
}

/// Returns an iterator over the items of a list; `None` if the text is not a list.
pub(crate) fn items(text: &[u8]) -> Option<Walk<'_>> {
    Walk::begin(text, b'[')
}

/// Returns an iterator over the members of an object; `None` if the text is not an object.
pub(crate) fn members(text: &[u8]) -> Option<Walk<'_>> {
    Walk::begin(text, b'{')
}

impl<'a> Walk<'a> {
    fn begin(text: &'a [u8], open: u8) -> Option<Self> {
        let at = skip_white(text, 0);
        (text.get(at) == Some(&open)).then_some(Self {
            text,
            at: at + 1,
            is_object: open == b'{',
            is_first: true,
            is_done: false,
            broken: None,
        })
    }

    fn fail(&mut self, offset: usize, what: &'static str) -> Option<Result<Member<'a>, Fault>> {
        self.is_done = true;
        Some(Err(Fault { offset, what }))
    }

    /// Returns the text after the object or list, when the iterator has ended.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the truncated member at the end of the text, with its existing part.
    pub(crate) fn broken(&self) -> Option<(&str, &'a [u8])> {
        let (key, at) = self.broken.as_ref()?;
        Some((key, self.text.get(*at..)?))
    }

    fn step(&mut self) -> Option<Result<Member<'a>, Fault>> {
        if self.is_done {
            return None;
        }
        let mut at = skip_white(self.text, self.at);
        let close = if self.is_object { b'}' } else { b']' };
        if !self.is_first {
            match self.text.get(at) {
                // Some sources publish a comma before the bracket.
                Some(b',') => at = skip_white(self.text, at + 1),
                Some(byte) if *byte == close => {}
                Some(_) => return self.fail(at, "a comma or bracket is missing"),
                None => return self.fail(at, CUT),
            }
        }
        self.is_first = false;
        match self.text.get(at) {
            None => return self.fail(at, CUT),
            Some(byte) if *byte == close => {
                self.at = at + 1;
                self.is_done = true;
                return None;
            }
            Some(_) => {}
        }
        let mut key = Cow::Borrowed("");
        if self.is_object {
            let end = match skip_string(self.text, at) {
                Ok(end) => end,
                Err(fault) => return self.fail(fault.offset, fault.what),
            };
            key = key_of(self.text.get(at..end).unwrap_or_default());
            at = skip_white(self.text, end);
            match self.text.get(at) {
                Some(b':') => at = skip_white(self.text, at + 1),
                Some(_) => return self.fail(at, "a colon is missing"),
                None => return self.fail(at, CUT),
            }
        }
        match skip_value(self.text, at) {
            Ok(end) => {
                self.at = end;
                Some(Ok((key, self.text.get(at..end).unwrap_or_default())))
            }
            Err(fault) => {
                self.broken = Some((key, at));
                self.fail(fault.offset, fault.what)
            }
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Member<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step()
    }
}

/// Returns the bytes of the member `key`, up to the end of the text; `None` if it is not found.
pub(crate) fn member<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    members(text)?
        .map_while(Result::ok)
        .find(|(own, _)| own == key)
        .map(|(_, value)| value)
}

/// Returns the text of a JSON string; none if it is not one.
pub(crate) fn string(text: &[u8]) -> Option<String> {
    match json::parse(text).ok()? {
        Value::String(text) => Some(text.into_owned()),
        _ => None,
    }
}

fn key_of(quoted: &[u8]) -> Cow<'_, str> {
    match json::parse(quoted) {
        Ok(Value::String(text)) => text,
        // An invalid string: the parser rejects its record; here it equals no key.
        _ => Cow::Borrowed("\u{FFFD}"),
    }
}

fn skip_white(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns the offset after the string that begins at `at`.
fn skip_string(text: &[u8], at: usize) -> Result<usize, Fault> {
    if text.get(at) != Some(&b'"') {
        let what = if at < text.len() {
            "a quote is missing"
        } else {
            CUT
        };
        return Err(Fault { offset: at, what });
    }
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            None => {
                return Err(Fault {
                    offset: text.len(),
                    what: CUT,
                });
            }
            Some(found) if rest.get(found) == Some(&b'"') => return Ok(at + found + 1),
            Some(found) => at += found + 2,
        }
    }
}

/// Returns the offset after the value that begins at `at`. The depth does not need stack.
fn skip_value(text: &[u8], at: usize) -> Result<usize, Fault> {
    let mut open = 0_usize;
    let mut at = at;
    loop {
        match text.get(at) {
            None => {
                return Err(Fault {
                    offset: at,
                    what: CUT,
                });
            }
            Some(b'"') => at = skip_string(text, at)?,
            Some(b'{' | b'[') => {
                open += 1;
                at += 1;
                continue;
            }
            Some(b'}' | b']') => {
                if open == 0 {
                    return Err(Fault {
                        offset: at,
                        what: "a value is missing",
                    });
                }
                open -= 1;
                at += 1;
            }
            Some(b',' | b':') if open > 0 => {
                at += 1;
                continue;
            }
            Some(b',' | b':') => {
                return Err(Fault {
                    offset: at,
                    what: "a value is missing",
                });
            }
            Some(byte) if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            Some(_) => {
                let rest = text.get(at..).unwrap_or_default();
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}[{\"".contains(byte);
                at += rest.iter().position(ends).unwrap_or(rest.len());
                if at == text.len() && open > 0 {
                    return Err(Fault {
                        offset: at,
                        what: CUT,
                    });
                }
            }
        }
        if open == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walked(text: &str) -> Vec<Result<(String, String), &'static str>> {
        let walk = members(text.as_bytes())
            .or_else(|| items(text.as_bytes()))
            .unwrap();
        walk.map(|step| match step {
            Ok((key, value)) => Ok((key.into_owned(), String::from_utf8_lossy(value).into_owned())),
            Err(fault) => Err(fault.what),
        })
        .collect()
    }

    fn pair(key: &str, value: &str) -> Result<(String, String), &'static str> {
        Ok((key.to_owned(), value.to_owned()))
    }

    #[test]
    fn members_and_items_are_returned_as_bytes() {
        assert_eq!(
            walked(r#" {"a" : [1, {"b":"}"}], "c\u0041":"x\"", "d": -1.5e3 ,} tail"#),
            [
                pair("a", r#"[1, {"b":"}"}]"#),
                pair("cA", r#""x\"""#),
                pair("d", "-1.5e3")
            ]
        );
        assert_eq!(
            walked("[1,[2],\"3\"]"),
            [pair("", "1"), pair("", "[2]"), pair("", "\"3\"")]
        );
        assert_eq!(walked("{}"), []);
        assert!(members(b"[1]").is_none());
    }

    #[test]
    fn broken_text_gives_complete_items_then_an_error() {
        assert_eq!(walked(r#"[{"a":1},{"b":"#), [pair("", r#"{"a":1}"#), Err(CUT)]);
        assert_eq!(
            walked(r#"{"a":1 "b":2}"#),
            [pair("a", "1"), Err("a comma or bracket is missing")]
        );
        assert_eq!(walked(r#"{"a"}"#), [Err("a colon is missing")]);
        assert_eq!(walked("[,]"), [Err("a value is missing")]);
        assert_eq!(walked("{\"a\":\"x"), [Err(CUT)]);
        assert_eq!(walked(r#"{"a":}"#), [Err("a value is missing")]);
    }

    proptest! {
        #[test]
        fn any_text_is_walked_to_an_end(text in r#"[\[{][\[\]{}",:a1\\ ]{0,60}"#) {
            let _ = walked(&text);
        }

        #[test]
        fn items_of_valid_json_are_those_of_another_reader(
            list in prop::collection::vec(r#"(-?[1-9][0-9]{0,3}|"[a-z\\"]{0}[a-z ]{0,5}"|\[1, ?2\]|\{"k": ?"v]"\}|null)"#, 0..8),
        ) {
            let text = format!("[{}]", list.join(" , "));
            let ours: Vec<serde_json::Value> = items(text.as_bytes())
                .unwrap()
                .map(|item| serde_json::from_slice(item.unwrap().1).unwrap())
                .collect();
            prop_assert_eq!(serde_json::Value::Array(ours), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }
    }
}
