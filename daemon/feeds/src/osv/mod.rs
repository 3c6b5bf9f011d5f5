//! Converts one OSV document to records: the canonical bytes that are hashed, signed and stored.
//!
//! A record is a JSON object with an `id` and any other field of the OSV schema. Fields outside of the OSV schema are kept.
//! Invalid fields of the schema are kept unchanged and reported as [`Warning`]s: real feeds contain them, and a
//! missing record helps no one. `modified` in particular is only passed on: real sources set it back, or leave it at
//! year 1.
//!
//! The text may be JSON or YAML, detected from its first character. It may contain one record, a list of records, an
//! object with a list under `vulns` (the answer form of the OSV API), or, in YAML, several documents. Streams of many
//! records (NDJSON) are split before by [`input`](crate::input).

mod about;
pub(crate) mod numbers;
pub mod parts;
pub mod unless;
mod warnings;

#[cfg(test)]
mod tests;

use starling_protocol::json::{self, JsonError, Object, Value};
use starling_protocol::limits::MAX_RECORD_BYTES;
use starling_protocol::{ContentHash, NameError, RecordId};

pub use about::About;
pub use warnings::{Warning, WarningKind};

use self::warnings::Checked;

use crate::identity::Identity;
use crate::yaml::{self, YamlError};

/// Fields that identify an object as an advisory, even a broken one. Without any of them, a JSON or YAML file among
/// the records is something else: a manifest, a configuration.
const TELLING_FIELDS: [&str; 9] = [
    "id",
    "schema_version",
    "modified",
    "published",
    "withdrawn",
    "aliases",
    "affected",
    "details",
    "severity",
];

/// The member of an answer of the OSV API by which the next page is asked for.
pub(crate) const NEXT_PAGE: &str = "next_page_token";
const FURTHER_PAGES: &str =
    "the answer has further pages (next_page_token): these are not all of its records";

/// Fields of the OSV schema beside `id`, as far as they are texts, and as far as they are lists.
const TEXT_FIELDS: [&str; 6] = [
    "schema_version",
    "modified",
    "published",
    "withdrawn",
    "summary",
    "details",
];
const LIST_FIELDS: [&str; 7] = [
    "affected",
    "aliases",
    "related",
    "upstream",
    "severity",
    "references",
    "credits",
];

/// One source's advisory, ready for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRecord {
    /// The record's OSV id.
    pub id: RecordId,
    /// The text of the `modified` field, if it has one. For information only; it is not used for ordering.
    pub modified: Option<String>,
    /// The canonical JSON, at most [`MAX_RECORD_BYTES`].
    pub canonical: Vec<u8>,
    /// The plain BLAKE3 of `canonical`.
    pub hash: ContentHash,
    /// Its subjects.
    pub about: About,
    /// Problems of the record that were accepted, in document order.
    pub warnings: Vec<Warning>,
    /// True if it is in a document unchanged, and only the orders of versions show whether its rules have more
    /// problems.
    pub needs_orders: bool,
}

/// The result of one value in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A record.
    Record(FeedRecord),
    /// A value that is meant to be a record but is not valid.
    Rejected(Rejected),
    /// A value that is not meant to be a record.
    NoRecord(NoRecord),
    /// Unusual or lost data of the document as a whole.
    Noted(String),
    /// The document's statement about the list of which it is a page.
    Page(Page),
}

/// A document's statement about the list of which it is a page. A list can be in several documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Page {
    /// The number of entries in the list.
    pub total: u64,
    /// The number of entries before the page, if the page says so.
    pub start: Option<u64>,
    /// The number of entries on the page.
    pub count: u64,
    /// Its first entry, which distinguishes it from other pages if no page states its start.
    pub first: String,
}

/// One value of a document, with its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// JSON pointer to the value; empty for the whole document. In a YAML stream of several documents the first
    /// segment is the document's number, from 0.
    pub pointer: String,
    /// The result.
    pub outcome: Outcome,
    /// Of a part that was rejected: what it is known by, if its bytes were cut out of the document.
    pub identity: Option<Identity>,
}

impl Part {
    pub(crate) fn new(pointer: String, outcome: Outcome) -> Self {
        Self {
            pointer,
            outcome,
            identity: None,
        }
    }
}

/// The reason why a value that is meant to be a record was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The document only contains white space.
    #[error("the document is empty")]
    Empty,
    /// The document, or its canonical form, is longer than a record may be.
    #[error("a record may have at most {MAX_RECORD_BYTES} bytes, got {bytes}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are not text.
    #[error("the document is not UTF-8 text at byte {offset}")]
    NotUtf8 {
        /// Position of the first invalid byte.
        offset: usize,
    },
    /// JSON that cannot be a record.
    #[error("reading JSON: {0}")]
    Json(JsonError),
    /// YAML that cannot be a record.
    #[error("reading YAML: {0}")]
    Yaml(YamlError),
    /// The value is not an object.
    #[error("expected a JSON object, found {found}")]
    NotAnObject {
        /// The type found.
        found: &'static str,
    },
    /// The object has no `id`.
    #[error("the record has no id")]
    NoId,
    /// The `id` is not text.
    #[error("the record's id must be a string, found {found}")]
    IdNotText {
        /// The type found.
        found: &'static str,
    },
    /// The `id` is not valid as a record's name.
    #[error(transparent)]
    BadId(NameError),
    /// The object has an `id`, and is of another schema.
    #[error("it has an id and nothing else of an OSV record")]
    OnlyAnId,
    /// A connector's reason for a document of another kind.
    #[error("{0}")]
    Native(String),
}

/// The reason why a document has no record and need not have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRecord {
    /// A list without items.
    #[error("an empty list")]
    EmptyList,
    /// An object without any field of an advisory.
    #[error("an object without any field of an advisory")]
    OtherObject,
    /// A connector's reason for a document of another kind.
    #[error("{0}")]
    Native(String),
}

/// Reads one document: JSON if its first character is `{` or `[`, else YAML.
///
/// Returns at least one part. Never fails as a whole: each part has its own result.
#[must_use]
pub fn read(bytes: &[u8]) -> Vec<Part> {
    let whole = |outcome| vec![Part::new(String::new(), outcome)];
    let bytes = strip_byte_order_mark(bytes);
    if bytes.len() > MAX_RECORD_BYTES {
        return whole(Outcome::Rejected(Rejected::TooLarge { bytes: bytes.len() }));
    }
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => whole(Outcome::Rejected(Rejected::Empty)),
        Some(b'{' | b'[') => match json::parse(&numbers::versions_as_texts(bytes)) {
            Ok(value) => read_value(&value, String::new()),
            Err(error) => whole(Outcome::Rejected(Rejected::Json(error))),
        },
        Some(_) => match parse_yaml(bytes) {
            Ok(documents) => match documents.as_slice() {
                [] => whole(Outcome::Rejected(Rejected::Empty)),
                [value] => read_value(value, String::new()),
                several => {
                    let numbered = several.iter().enumerate();
                    numbered
                        .flat_map(|(index, value)| read_value(value, format!("/{index}")))
                        .collect()
                }
            },
            Err(rejected) => whole(Outcome::Rejected(rejected)),
        },
    }
}

/// Removes the byte order mark that some editors write before UTF-8.
pub(crate) fn strip_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

fn parse_yaml(bytes: &[u8]) -> Result<Vec<Value<'_>>, Rejected> {
    let text = std::str::from_utf8(bytes).map_err(|error| Rejected::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    yaml::parse(text).map_err(Rejected::Yaml)
}

/// Reads a document's value: a record, or a list of records in one of its two forms.
fn read_value(value: &Value<'_>, pointer: String) -> Vec<Part> {
    let (items, list) = match value {
        Value::Array(items) => (items.as_slice(), ""),
        Value::Object(object) => match vulns(object) {
            Some(items) => (items, "/vulns"),
            None => {
                return vec![Part::new(pointer, read_record(value))];
            }
        },
        other => {
            let outcome = Outcome::Rejected(Rejected::NotAnObject {
                found: other.type_name(),
            });
            return vec![Part::new(pointer, outcome)];
        }
    };
    let next = value.get(NEXT_PAGE).and_then(Value::as_str).unwrap_or_default();
    let note =
        (!next.is_empty()).then(|| Part::new(pointer.clone(), Outcome::Noted(FURTHER_PAGES.to_owned())));
    if items.is_empty() && note.is_none() {
        return vec![Part::new(pointer, Outcome::NoRecord(NoRecord::EmptyList))];
    }
    let numbered = items.iter().enumerate();
    numbered
        .map(|(index, item)| Part::new(format!("{pointer}{list}/{index}"), read_record(item)))
        .chain(note)
        .collect()
}

/// Returns the list of an OSV API answer: under `vulns`, in an object that is not a record itself.
fn vulns<'v, 'a>(object: &'v Object<'a>) -> Option<&'v [Value<'a>]> {
    if object.get("id").is_some() {
        None
    } else {
        object.get("vulns")?.as_array()
    }
}

fn read_record(value: &Value<'_>) -> Outcome {
    let Value::Object(object) = value else {
        return Outcome::Rejected(Rejected::NotAnObject {
            found: value.type_name(),
        });
    };
    if !TELLING_FIELDS.iter().any(|field| object.get(field).is_some()) {
        return Outcome::NoRecord(NoRecord::OtherObject);
    }
    match record_of(value, object, true) {
        Ok(_) if !is_of_the_schema(object) => Outcome::Rejected(Rejected::OnlyAnId),
        Ok(record) => Outcome::Record(record),
        Err(rejected) => Outcome::Rejected(rejected),
    }
}

/// Returns true if an object has a field of the OSV schema beside `id`, of the schema's type: other schemas have ids too.
fn is_of_the_schema(object: &Object<'_>) -> bool {
    let is_text = |field: &&str| matches!(object.get(field), Some(Value::String(_)));
    let is_list = |field: &&str| matches!(object.get(field), Some(Value::Array(_)));
    TEXT_FIELDS.iter().any(is_text)
        || LIST_FIELDS.iter().any(is_list)
        || matches!(object.get("database_specific"), Some(Value::Object(_)))
}

/// Converts a connector's value to a record.
pub(crate) fn record_of_value(value: &Value<'_>) -> Result<FeedRecord, Rejected> {
    match value {
        Value::Object(object) => record_of(value, object, false),
        other => Err(Rejected::NotAnObject {
            found: other.type_name(),
        }),
    }
}

fn record_of(value: &Value<'_>, object: &Object<'_>, is_document: bool) -> Result<FeedRecord, Rejected> {
    let id = match object.get("id") {
        Some(Value::String(text)) => text.parse::<RecordId>().map_err(Rejected::BadId)?,
        Some(other) => {
            return Err(Rejected::IdNotText {
                found: other.type_name(),
            });
        }
        None => return Err(Rejected::NoId),
    };
    let Checked {
        mut warnings,
        needs_orders,
    } = warnings::check(object, is_document);
    let cleaned = parts::without_note(object);
    if cleaned.is_some() {
        warnings.push(Warning {
            pointer: "/database_specific/starling".to_owned(),
            kind: WarningKind::NoteOfParts,
        });
    }
    let canonical = cleaned.as_ref().unwrap_or(value).to_canonical();
    if canonical.len() > MAX_RECORD_BYTES {
        return Err(Rejected::TooLarge {
            bytes: canonical.len(),
        });
    }
    Ok(FeedRecord {
        id,
        modified: object.get("modified").and_then(Value::as_str).map(str::to_owned),
        hash: ContentHash::of(&canonical),
        canonical,
        about: About::of(object),
        warnings,
        needs_orders,
    })
}
