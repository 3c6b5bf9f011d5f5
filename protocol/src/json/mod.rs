//! Canonical JSON: the one byte form in which a record is hashed, signed, stored and sent.
//!
//! The form is RFC 8785 (JCS): no white space, object keys sorted by UTF-16 code units, the
//! shortest escapes, numbers as ECMAScript prints them. Two sites that read the same advisory in
//! different spellings get the same bytes and so the same hash. Where RFC 8785 would *lose*
//! something, this module does not follow it:
//!
//! * An integer literal keeps its digits, however many there are. RFC 8785 sends every number
//!   through an IEEE 754 double, which turns `9007199254740993` into `9007199254740992`. Up to
//!   2^53 the two rules agree. (`-0` is `0` in both.)
//! * A literal with a fraction or an exponent is refused when a double cannot carry its decimal
//!   value exactly as written (`1e400`, `0.1000000000000000055511151231257827`). RFC 8785 would
//!   round it.
//! * Repeated keys are refused; RFC 8785 leaves them to I-JSON, which forbids them too.
//!
//! The rule for numbers means that one huge value has two canonical spellings, `1e+21` and
//! `1000000000000000000000`; the source's spelling decides which one is used. No other value has two.
//!
//! The parser is our own because these bytes become signed identity: it must keep digits, detect repeated keys,
//! name the place of a fault, and never change with a library's version. Property tests compare it with
//! `serde_json` wherever the two promise the same.
//!
//! This module does not bound the size of a document; the caller bounds it before. Depth is bounded by
//! [`MAX_DEPTH`], and so is recursion. A byte order mark is not JSON; callers that read files strip it.

mod check;
mod error;
mod lexer;
mod number;
mod parser;
mod text;
mod value;
mod write;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod write_tests;

pub use error::{JsonError, JsonErrorKind};
pub use number::Number;
pub use text::cmp_utf16;
pub use value::{DuplicateKey, Object, Value};
pub use write::{WriteError, to_canonical};

/// The maximum nesting depth of arrays and objects.
///
/// Real OSV records use 8. 64 leaves room and keeps recursion far from any stack limit.
pub const MAX_DEPTH: usize = crate::limits::MAX_JSON_DEPTH;

/// Parses one JSON document. Borrows from `bytes` if the text needs no unescaping.
///
/// # Errors
/// If `bytes` is not exactly one JSON value in UTF-8, is nested deeper than [`MAX_DEPTH`], repeats a key, holds
/// a lone surrogate, or holds a number that could only be kept by rounding. The error names the place.
///
/// ```
/// use starling_protocol::json::parse;
/// let value = parse(br#"{"id": "X-1", "affected": [{"versions": ["1.0"]}]}"#)?;
/// assert_eq!(value.pointer("/affected/0/versions/0").and_then(|v| v.as_str()), Some("1.0"));
/// # Ok::<(), starling_protocol::json::JsonError>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    parser::parse(bytes)
}

/// Returns the canonical bytes of the JSON document in `bytes`.
///
/// A document that is already canonical is checked in one pass and copied.
///
/// # Errors
/// As [`parse`].
///
/// ```
/// use starling_protocol::json::canonicalize;
/// assert_eq!(canonicalize(br#"{ "b": 1.0, "a": "\u0041" }"#)?, br#"{"a":"A","b":1}"#);
/// # Ok::<(), starling_protocol::json::JsonError>(())
/// ```
pub fn canonicalize(bytes: &[u8]) -> Result<Vec<u8>, JsonError> {
    if is_canonical(bytes) {
        return Ok(bytes.to_vec());
    }
    let value = parse(bytes)?;
    let mut out = Vec::with_capacity(bytes.len());
    value.write_canonical(&mut out);
    Ok(out)
}

/// Returns true if `bytes` is a JSON document in canonical form.
///
/// True exactly when [`canonicalize`] succeeds and returns the same bytes. Builds no tree.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    check::is_canonical(bytes)
}

/// Returns true if `bytes` is a JSON object in canonical form, as each record must be. Nothing would read a
/// list, a text or a number.
#[must_use]
pub fn is_record(bytes: &[u8]) -> bool {
    // Canonical bytes begin with the value itself.
    bytes.first() == Some(&b'{') && is_canonical(bytes)
}
