//! A place in a document, for people and for tools that jump to it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// Where something stands in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A JSON pointer (RFC 6901).
    Pointer(String),
    /// A line and a column, from 1.
    Line {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
}

impl Place {
    /// The whole document.
    pub(super) fn root() -> Self {
        Self::Pointer(String::new())
    }

    /// The beginning of a line.
    pub(super) fn line(line: usize) -> Self {
        Self::Line { line, column: 1 }
    }

    /// Returns the pointer one step deeper; a line stays as it is.
    pub(super) fn child(&self, step: impl fmt::Display) -> Self {
        match self {
            Self::Pointer(pointer) => Self::Pointer(format!(
                "{pointer}/{}",
                step.to_string().replace('~', "~0").replace('/', "~1")
            )),
            Self::Line { .. } => self.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => f.write_str("the document's root"),
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::Line { line, column } => write!(f, "line {line}, column {column}"),
        }
    }
}

/// Reads one JSON value and nothing after it; an error comes with its place.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, (Place, String)> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // A second reading keeps track of the path, which costs too much to do for every document.
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

/// The reader appends "at line L column C", which the place already says.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason)
        .to_owned()
}

/// Turns an error of the JSON reader into a place: where the syntax breaks, the line says it; where
/// a value has the wrong shape, the path to it does.
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
