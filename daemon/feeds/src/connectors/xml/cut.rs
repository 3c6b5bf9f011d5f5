//! Cuts record elements out of a document, as bytes.

/// One record element as its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slice<'a> {
    /// The element's name without prefix.
    pub(crate) name: &'a str,
    /// Its bytes, from the first bracket to the last.
    pub(crate) bytes: &'a [u8],
}

/// The reason why a record element could not be cut out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The document ends inside of it.
    #[error("the document is cut off in this element")]
    Cut,
    /// Another record begins before its end.
    #[error("the element is not closed")]
    NotClosed,
    /// Its first tag does not end.
    #[error("the element's first tag is longer than {MAX_TAG_BYTES} bytes, or is cut off")]
    LongTag,
}

/// Cuts the elements with these names out of a document, at any depth, but not inside each other.
pub(crate) fn records<'a>(bytes: &'a [u8], names: &'a [&'a str]) -> Records<'a> {
    Records {
        bytes,
        at: 0,
        names,
        root: None,
        is_cut: false,
    }
}

/// The record elements of a document.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    names: &'a [&'a str],
    /// The element around the records, until it is closed.
    root: Option<&'a str>,
    /// The document ends too early, which is not reported yet.
    is_cut: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Slice<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (start, name, tag_end) = loop {
            let Some(tag) = self.next_tag() else {
                let is_cut = self.is_cut || self.root.is_some();
                (self.is_cut, self.root) = (false, None);
                return is_cut.then_some(Err(Fault::Cut));
            };
            match tag {
                Tag::Open {
                    start,
                    name,
                    end,
                    is_empty,
                } if self.names.contains(&name) => {
                    if is_empty {
                        let bytes = self.bytes.get(start..end).unwrap_or_default();
                        return Some(Ok(Slice { name, bytes }));
                    }
                    break (start, name, end);
                }
                // The first tag is the element around the records.
                Tag::Open {
                    start,
                    name,
                    is_empty,
                    ..
                } => {
                    if self.root.is_none() && !is_empty && self.is_first(start) {
                        self.root = Some(name);
                    }
                }
                Tag::Endless { start, name } if self.names.contains(&name) => {
                    self.at = start + 1;
                    return Some(Err(Fault::LongTag));
                }
                Tag::Endless { .. } => {}
                Tag::Close { name, .. } => {
                    self.root = self.root.filter(|root| *root != name);
                }
            }
        };
        self.at = tag_end;
        loop {
            match self.next_tag() {
                None => {
                    (self.is_cut, self.root) = (false, None);
                    return Some(Err(Fault::Cut));
                }
                Some(Tag::Close { name: closed, end }) if closed == name => {
                    let bytes = self.bytes.get(start..end).unwrap_or_default();
                    return Some(Ok(Slice { name, bytes }));
                }
                Some(
                    Tag::Open {
                        name: opened, start, ..
                    }
                    | Tag::Endless {
                        name: opened, start, ..
                    },
                ) if opened == name => {
                    self.at = start;
                    return Some(Err(Fault::NotClosed));
                }
                Some(_) => {}
            }
        }
    }
}

enum Tag<'a> {
    Open {
        start: usize,
        name: &'a str,
        end: usize,
        is_empty: bool,
    },
    Close {
        name: &'a str,
        end: usize,
    },
    /// Returns true for a start tag whose closing bracket is not within the limit or before the next tag.
    Endless {
        start: usize,
        name: &'a str,
    },
}

impl<'a> Records<'a> {
    /// Returns true if only declarations and comments are before `start`.
    fn is_first(&self, start: usize) -> bool {
        let before = self.bytes.get(..start).unwrap_or_default();
        let mut rest = before;
        while let Some(at) = memchr::memchr(b'<', rest) {
            rest = rest.get(at..).unwrap_or_default();
            if !matches!(rest.get(1), Some(b'?' | b'!')) {
                return false;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        true
    }

    /// Moves after the next tag; skips comments, text sections and declarations.
    fn next_tag(&mut self) -> Option<Tag<'a>> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let start = self.at + memchr::memchr(b'<', rest)?;
            let tag = self.bytes.get(start..)?;
            let skipped = match tag {
                [b'<', b'!', b'-', b'-', ..] => Some("-->"),
                _ if tag.starts_with(b"<![CDATA[") => Some("]]>"),
                [b'<', b'?', ..] => Some("?>"),
                _ => None,
            };
            if let Some(end) = skipped {
                match memchr::memmem::find(tag, end.as_bytes()) {
                    Some(length) => self.at = start + length + end.len(),
                    None => {
                        self.is_cut = true;
                        self.at = self.bytes.len();
                    }
                }
                continue;
            }
            if tag.starts_with(b"<!DOCTYPE") {
                match doctype_end(tag) {
                    Some(length) => self.at = start + length,
                    None => {
                        self.is_cut = true;
                        self.at = self.bytes.len();
                    }
                }
                continue;
            }
            let is_close = tag.get(1) == Some(&b'/');
            let name_start = if is_close { 2 } else { 1 };
            let name = name_at(tag.get(name_start..).unwrap_or_default());
            let Some(name) = name else {
                self.at = start + 1;
                continue;
            };
            let length = match tag_end(tag) {
                TagEnd::At(length) => length,
                TagEnd::NoTag => {
                    self.at = start + 1;
                    continue;
                }
                TagEnd::Beyond if is_close => {
                    self.at = start + 1;
                    continue;
                }
                TagEnd::Beyond => {
                    self.at = start + 1;
                    return Some(Tag::Endless { start, name });
                }
            };
            let end = start + length;
            self.at = end;
            return Some(if is_close {
                Tag::Close { name, end }
            } else {
                let is_empty = tag.get(length.saturating_sub(2)) == Some(&b'/');
                Tag::Open {
                    start,
                    name,
                    end,
                    is_empty,
                }
            });
        }
    }
}

/// Returns the name at the start of a tag, without its prefix.
pub(super) fn name_at(text: &[u8]) -> Option<&str> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte);
    let end = text.iter().position(|byte| !is_name(byte)).unwrap_or(text.len());
    let name = std::str::from_utf8(text.get(..end)?).ok()?;
    let name = name.rsplit(':').next()?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        .then_some(name)
}

/// Longest tag with its attributes, in bytes.
const MAX_TAG_BYTES: usize = 16 << 10;

/// The end of a tag.
enum TagEnd {
    /// The offset after its closing bracket.
    At(usize),
    /// Another tag begins inside: the bracket belongs to unescaped text.
    NoTag,
    /// Not within the limit, or the document.
    Beyond,
}

/// Finds a tag's closing bracket, ignoring brackets in attributes.
fn tag_end(tag: &[u8]) -> TagEnd {
    let tag = tag.get(..tag.len().min(MAX_TAG_BYTES)).unwrap_or_default();
    let mut quoted = None;
    for (at, byte) in tag.iter().enumerate().skip(1) {
        match (quoted, byte) {
            (None, b'"' | b'\'') => quoted = Some(*byte),
            (Some(quote), byte) if quote == *byte => quoted = None,
            (None, b'>') => return TagEnd::At(at + 1),
            (None, b'<') => return TagEnd::NoTag,
            _ => {}
        }
    }
    TagEnd::Beyond
}

/// Returns the offset after a document type with its internal subset.
fn doctype_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<Result<usize, Fault>> {
        records(text.as_bytes(), &["r"])
            .map(|slice| slice.map(|slice| slice.bytes.len()))
            .collect()
    }

    #[test]
    fn unterminated_record_tag_is_an_error() {
        let long = format!("<r a=\"{}\">x</r>", "a".repeat(MAX_TAG_BYTES));
        assert_eq!(
            cut(&format!("<all><r>1</r>{long}<r>2</r></all>")),
            [Ok(8), Err(Fault::LongTag), Ok(8)]
        );
        assert_eq!(
            cut(&format!("<all><r>not closed {long}<r>2</r></all>")),
            [Err(Fault::NotClosed), Err(Fault::LongTag), Ok(8)]
        );
        assert_eq!(cut("<r a=\"x"), [Err(Fault::LongTag)]);
        assert_eq!(
            cut("<all>1 <r 2 <r>3</r></all>"),
            [Ok(8)],
            "text that was not escaped"
        );
        assert_eq!(
            cut(&long.replace("<r ", "<other ")),
            [],
            "an element that is not a record"
        );
    }
}
