//! Errors of JSON documents, with their place.

use std::fmt;

/// The longest piece of foreign text quoted in an error, in bytes.
const MAX_QUOTE_BYTES: usize = 64;

/// A fault in a JSON document, with its place.
///
/// Boxed inside, to keep results small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: JsonErrorKind,
    offset: usize,
    /// Pointer segments from the fault outwards; the parser adds them as it unwinds.
    segments: Vec<String>,
}

/// The kinds of fault that make a document unfit to be a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The bytes are not UTF-8.
    #[error("the bytes are not UTF-8")]
    NotUtf8,
    /// The grammar expected something else.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// The expected token.
        expected: &'static str,
        /// The token found: a quoted character, or the end of the document.
        found: String,
    },
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nested deeper than {} levels", super::MAX_DEPTH)]
    TooDeep,
    /// An object has one key twice, so its meaning depends on the reader.
    #[error("the object has this key more than once")]
    DuplicateKey,
    /// A `\u` escape is half of a surrogate pair; no UTF-8 text can hold it.
    #[error("the string holds half of a surrogate pair (\\u{unit:04x})")]
    LoneSurrogate {
        /// The UTF-16 code unit that has no partner.
        unit: u16,
    },
    /// A fraction or exponent that an IEEE 754 double cannot carry as written.
    #[error("the number {literal} could only be kept by rounding it")]
    InexactNumber {
        /// The number as written, shortened when long.
        literal: String,
    },
}

impl JsonError {
    pub(super) fn new(kind: JsonErrorKind, offset: usize) -> Self {
        JsonError(Box::new(Inner {
            kind,
            offset,
            segments: Vec::new(),
        }))
    }

    /// Records that the fault lies under `key` of the object that is being unwound.
    pub(super) fn under_key(mut self, key: &str) -> Self {
        self.0
            .segments
            .push(quote(key).replace('~', "~0").replace('/', "~1"));
        self
    }

    /// Records that the fault lies in element `index` of the array that is being unwound.
    pub(super) fn under_index(mut self, index: usize) -> Self {
        self.0.segments.push(index.to_string());
        self
    }

    /// Returns the kind of the fault.
    #[must_use]
    pub fn kind(&self) -> &JsonErrorKind {
        &self.0.kind
    }

    /// Returns the byte of the document at which the fault was noticed, from 0.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// Returns the place as a JSON pointer (RFC 6901): empty for the document itself.
    ///
    /// A key longer than 64 bytes is cut, and ends in `…`.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.0
            .segments
            .iter()
            .rev()
            .flat_map(|segment| ["/", segment.as_str()])
            .collect()
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            offset,
            segments,
        } = &*self.0;
        if segments.is_empty() {
            write!(f, "{kind}, at byte {offset}")
        } else {
            write!(f, "{kind}, at byte {offset} ({})", self.pointer())
        }
    }
}

impl std::error::Error for JsonError {}

/// Cuts foreign text to a length fit for an error message.
pub(super) fn quote(text: &str) -> String {
    if text.len() <= MAX_QUOTE_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_QUOTE_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
