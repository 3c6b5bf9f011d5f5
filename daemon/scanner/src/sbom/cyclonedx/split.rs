//! Cuts a long document between its components, so that its parts are read at the same time.
//!
//! The cuts are correct for every valid JSON document. If the parts or their surroundings turn out to be invalid, the
//! document is read again as a whole, which reports the error and its place.

use std::ops::Range;

use crate::sbom::MAX_COMPONENTS;

/// Smaller documents are read faster than they are cut, in bytes.
const LEAST_BYTES: usize = 128 * 1024;

/// Deepest nesting that is cut: the reader's own limit starts at a part's beginning, so parts must stay below it.
const MAX_DEPTH: usize = 64;

/// A document in parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// The document without its components.
    pub(super) around: String,
    /// Its components.
    pub(super) parts: Vec<Part<'a>>,
}

/// Adjacent components.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Their text, with the commas between them.
    text: &'a str,
    /// The index of the first one in the document.
    pub(super) first: usize,
    /// Their number.
    pub(super) count: usize,
}

impl Part<'_> {
    /// Returns them as a list.
    pub(super) fn list(&self) -> String {
        ["[", self.text, "]"].concat()
    }
}

/// Cuts a document into this many parts, if each part has at least `least` components.
pub(super) fn split(text: &str, parts: usize, least: usize) -> Option<Split<'_>> {
    if parts < 2 || text.len() < LEAST_BYTES {
        return None;
    }
    let (list, commas) = components(text.as_bytes())?;
    let count = commas.len() + 1;
    let parts = parts.min(count / least);
    if parts < 2 {
        return None;
    }
    let size = count.div_ceil(parts);
    let mut cut = Vec::with_capacity(parts);
    let mut start = list.start;
    for first in (0..count).step_by(size) {
        let next = (first + size).min(count);
        // The comma before the component at `next`.
        let end = if next == count {
            list.end
        } else {
            *commas.get(next - 1)?
        };
        cut.push(Part {
            text: text.get(start..end)?,
            first,
            count: next - first,
        });
        start = end + 1;
    }
    Some(Split {
        around: [text.get(..list.start)?, text.get(list.end..)?].concat(),
        parts: cut,
    })
}

/// Returns the place of the first list of components, without its brackets, and the places of its commas.
fn components(bytes: &[u8]) -> Option<(Range<usize>, Vec<usize>)> {
    let (mut at, mut depth) = (0, 0_usize);
    let (mut start, mut commas) = (None, Vec::new());
    loop {
        match bytes.get(at)? {
            b'"' => {
                let end = string_end(bytes, at + 1)?;
                if depth == 1 && start.is_none() && bytes.get(at..end) == Some(b"\"components\"") {
                    let colon = space_end(bytes, end);
                    let value = space_end(bytes, colon + 1);
                    if (bytes.get(colon), bytes.get(value)) == (Some(&b':'), Some(&b'[')) {
                        start = Some(value + 1);
                        depth += 1;
                        at = value + 1;
                        continue;
                    }
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            // More components than allowed: their places are not worth the memory.
            b',' if depth == 2 && start.is_some() && commas.len() >= MAX_COMPONENTS => return None,
            b',' if depth == 2 && start.is_some() => commas.push(at),
            _ => {}
        }
        match start {
            Some(start) if depth < 2 => return Some((start..at, commas)),
            _ if depth > MAX_DEPTH => return None,
            _ => at += 1,
        }
    }
}

/// Returns the position after the string that continues at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // An escaped character does not end a string.
        at += 2;
    }
}

/// Returns the position after the white space at `at`.
fn space_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(list: &str) -> Option<(Vec<String>, String)> {
        let filler = " ".repeat(LEAST_BYTES);
        let document = format!(
            r#"{{"a":["components",{{"components":[1,2]}}],"components" : [{list}],"z":[3,4]{filler}}}"#
        );
        split(&document, 2, 1).map(|split| {
            let mut next = 0;
            for part in &split.parts {
                assert_eq!(part.first, next);
                next += part.count;
            }
            let lists = split.parts.iter().map(Part::list);
            (lists.collect(), split.around.replace(' ', ""))
        })
    }

    #[test]
    fn cuts_are_between_components_and_nowhere_else() {
        let (lists, around) = cut(r#"{"a":"],[{\"","b":[1,2]},{"c\\":","},null,[5,6]"#).unwrap();
        assert_eq!(
            lists,
            [r#"[{"a":"],[{\"","b":[1,2]},{"c\\":","}]"#, "[null,[5,6]]"]
        );
        assert_eq!(
            around,
            r#"{"a":["components",{"components":[1,2]}],"components":[],"z":[3,4]}"#
        );
        assert_eq!(cut("1,2,3").unwrap().0, ["[1,2]", "[3]"]);
        // A single component cannot be cut; too deep, unclosed or invalid input is left to the reader.
        assert_eq!(cut("1"), None);
        assert_eq!(cut(&format!("1,{}{}", "[".repeat(80), "]".repeat(80))), None);
        assert_eq!(cut("1,\"2"), None);
        // The places of more components than allowed are not kept.
        assert!(cut(&",".repeat(MAX_COMPONENTS)).is_some());
        assert_eq!(cut(&",".repeat(MAX_COMPONENTS + 1)), None);
        for document in [
            r#"{"components":3"#,
            "]]]",
            "",
            r#"{"components":"#,
            r#"{"components"#,
            "\"\\",
        ] {
            let long = format!("{document}{}", " ".repeat(LEAST_BYTES));
            assert_eq!(split(&long, 2, 1), None, "{document}");
        }
    }
}
