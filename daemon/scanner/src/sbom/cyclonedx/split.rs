//! Cutting a long document between its components, so that its parts are read at the same time.
//!
//! Nothing is decided here. The cuts are right for every document that is JSON; whether it is shows when the parts and
//! what is around them are read, and one that is not is read again as a whole, which says what is wrong and where.

use std::ops::Range;

use crate::sbom::MAX_COMPONENTS;

/// Documents below are read at once before they would be cut, in bytes.
const LEAST_BYTES: usize = 128 * 1024;

/// Deepest nesting that is cut: the reader's own limit counts from a part's beginning, so parts must stay clear of it.
const MAX_DEPTH: usize = 64;

/// A document in parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// The document with no components.
    pub(super) around: String,
    /// Its components.
    pub(super) parts: Vec<Part<'a>>,
}

/// Components that stand one after another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Their text, with the commas between them.
    text: &'a str,
    /// The index of the first in the document.
    pub(super) first: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl Part<'_> {
    /// The list of them.
    pub(super) fn list(&self) -> String {
        ["[", self.text, "]"].concat()
    }
}

/// Cuts a document into so many parts, if it is long enough for each to have `least` components.
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

/// Where the first list of components is, without its brackets, and where the commas between them are.
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
            // More components than are taken: their places are not worth the memory.
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

/// What follows the string that goes on at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // What is escaped ends no string.
        at += 2;
    }
}

/// What follows the white space at `at`.
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
        // One cannot be cut, and what is too deep, open or no list is left to the reader.
        assert_eq!(cut("1"), None);
        assert_eq!(cut(&format!("1,{}{}", "[".repeat(80), "]".repeat(80))), None);
        assert_eq!(cut("1,\"2"), None);
        // Nor are the places of more than are taken kept.
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
