//! A place in a document, for people and for tools that jump to it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_path_to_error::Segment;

/// A position in a document.
#[derive(Debug, Clone, Eq)]
pub enum Place {
    /// A JSON pointer (RFC 6901).
    Pointer(String),
    /// An entry of a list: the pointer to the list, and the entry's index. Written as the complete pointer; a large
    /// document has one for each component, so the list's pointer is not copied.
    Entry {
        /// The list.
        list: Arc<str>,
        /// The entry.
        index: usize,
    },
    /// A line and a column, counted from 1.
    Line {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
}

impl Place {
    /// Returns the whole document.
    pub(super) fn root() -> Self {
        Self::Pointer(String::new())
    }

    /// Returns the beginning of a line.
    pub(super) fn line(line: usize) -> Self {
        Self::Line { line, column: 1 }
    }

    /// Returns the pointer one level deeper; a line is not changed.
    pub(super) fn child(&self, step: impl fmt::Display) -> Self {
        match self {
            Self::Pointer(pointer) => Self::Pointer(format!(
                "{pointer}/{}",
                step.to_string().replace('~', "~0").replace('/', "~1")
            )),
            Self::Entry { list, index } => Self::Pointer(format!("{list}/{index}")).child(step),
            Self::Line { .. } => self.clone(),
        }
    }

    /// Returns the places of a list's entries, for any length, from the place of the list.
    pub(super) fn entries(&self) -> impl Fn(usize) -> Self + Sync + use<> {
        let list: Result<Arc<str>, Self> = match self {
            Self::Pointer(pointer) => Ok(pointer.as_str().into()),
            Self::Entry { list, index } => Ok(format!("{list}/{index}").into()),
            Self::Line { .. } => Err(self.clone()),
        };
        move |index| match &list {
            Ok(list) => Self::Entry {
                list: Arc::clone(list),
                index,
            },
            Err(line) => line.clone(),
        }
    }
}

/// Places are equal if their text forms are equal.
impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => f.write_str("the document's root"),
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::Entry { list, index } => write!(f, "{list}/{index}"),
            Self::Line { line, column } => write!(f, "line {line}, column {column}"),
        }
    }
}

/// Reads one JSON value and nothing after it; an error has its place.
pub(super) fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, (Place, String)> {
    // Checking UTF-8 at once is faster than for each string.
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    if let Ok(value) = read {
        return Ok(value);
    }
    // A second parse tracks the path, which is too expensive for every document.
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| of_json_error(&error))?;
    reader
        .end()
        .map_err(|error| (of_line(&error), reason_of(&error)))?;
    Ok(value)
}

fn of_line(error: &serde_json::Error) -> Place {
    Place::Line {
        line: error.line(),
        column: error.column(),
    }
}

/// Removes the reader's suffix "at line L column C", which the place already contains.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason)
        .to_owned()
}

/// Converts an error of the JSON reader to a place: for a syntax error the line; for a value of a wrong type the path
/// to it.
pub(super) fn of_json_error(error: &serde_path_to_error::Error<serde_json::Error>) -> (Place, String) {
    let inner = error.inner();
    if !inner.is_data() {
        return (of_line(inner), reason_of(inner));
    }
    let mut place = Place::root();
    for segment in error.path().iter() {
        place = match segment {
            Segment::Seq { index } => place.child(index),
            Segment::Map { key } => place.child(key),
            Segment::Enum { .. } | Segment::Unknown => place,
        };
    }
    (place, reason_of(inner))
}
