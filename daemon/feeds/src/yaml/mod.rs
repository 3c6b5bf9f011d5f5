//! Converts YAML to JSON values, for sources that publish OSV records as YAML.
//!
//! The grammar is from `saphyr-parser`. The meaning of its events is defined here, because the result becomes signed
//! bytes: plain scalars follow the core schema of YAML 1.2 (§10.3), which has no timestamps, so times stay texts.
//! Values without a JSON form are refused with a reason: merge keys, keys that are not text, foreign tags,
//! infinities, numbers that would be rounded.
//!
//! Aliases are expanded, with a limit on copied data, so that a small document cannot grow into a large one ("billion
//! laughs").

mod builder;
mod scalar;

#[cfg(test)]
mod tests;

use saphyr_parser::{Event, Parser};
use starling_protocol::json::{DuplicateKey, JsonError, Value};
use starling_protocol::limits::MAX_RECORD_BYTES;

use builder::Builder;

/// Most bytes that anchors and aliases of one stream may copy, strings and 16 per node.
pub const MAX_COPIED_BYTES: usize = MAX_RECORD_BYTES;

/// The error of a refused YAML stream, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at line {line}, column {column}")]
pub struct YamlError {
    /// The problem.
    pub kind: YamlErrorKind,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// The kinds of error in a YAML stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlErrorKind {
    /// The text is not YAML.
    #[error("not YAML: {0}")]
    Syntax(String),
    /// A mapping contains one key twice.
    #[error(transparent)]
    DuplicateKey(#[from] DuplicateKey),
    /// A mapping's key is a collection, or null.
    #[error("a key must be text, found {found}")]
    Key {
        /// The type found.
        found: &'static str,
    },
    /// A merge key of YAML 1.1, which YAML 1.2 removed and programs interpret differently.
    #[error("merge keys (<<) are not supported: write the members in full")]
    MergeKey,
    /// A tag that is not in the core schema, or that does not fit its scalar.
    #[error("the tag {0} is not supported here")]
    Tag(String),
    /// An infinity or not-a-number.
    #[error("{0} is a number that JSON does not have")]
    NotFinite(String),
    /// A number that would have to be rounded.
    #[error("{0}")]
    Number(JsonError),
    /// An alias of an incomplete or missing node.
    #[error("an alias refers to an anchor that is not complete before it")]
    Alias,
    /// Nested deeper than a record may be.
    #[error("nested deeper than {} levels", starling_protocol::json::MAX_DEPTH)]
    TooDeep,
    /// Aliases would copy more than [`MAX_COPIED_BYTES`].
    #[error("aliases would expand to more than {MAX_COPIED_BYTES} bytes")]
    TooMuchCopied,
}

/// Parses a YAML stream: one value per document, borrowing from `text` if possible.
///
/// # Errors
/// If the text is not YAML, or contains values without a JSON form.
pub fn parse(text: &str) -> Result<Vec<Value<'_>>, YamlError> {
    let mut builder = Builder::default();
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            kind: YamlErrorKind::Syntax(error.info().to_owned()),
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        if let Event::StreamEnd = event {
            break;
        }
        let document = builder.handle(event).map_err(|kind| YamlError {
            kind,
            line: span.start.line(),
            column: span.start.col() + 1,
        })?;
        documents.extend(document);
    }
    Ok(documents)
}
