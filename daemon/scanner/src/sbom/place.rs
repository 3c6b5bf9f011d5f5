//! A place in a document, for people and for tools that jump to it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_path_to_error::Segment;

/// Where something stands in a document.
#[derive(Debug, Clone, Eq)]
pub enum Place {
    /// A JSON pointer (RFC 6901).
    Pointer(String),
    /// An entry of a list: the pointer to the list, and the entry's index. Written as the pointer that it is; large
    /// documents have one for each component, so the list's pointer is not copied for each.
    Entry {
        /// The list.
        list: Arc<str>,
        /// The entry.
        index: usize,
    },
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
            Self::Entry { list, index } => Self::Pointer(format!("{list}/{index}")).child(step),
            Self::Line { .. } => self.clone(),
        }
    }

    /// Returns the places of a list's entries, whatever its length, given the place of the list.
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

/// Places are equal if they are written alike.
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

/// Reads one JSON value and nothing after it; an error comes with its place.
pub(super) fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, (Place, String)> {
    // Whether it is UTF-8 is seen faster of all of it than of each string.
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    if let Ok(value) = read {
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
