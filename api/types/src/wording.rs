//! Turns what parsers and the operating system say about a file into sentences.
//!
//! The parsers of TOML, YAML and JSON all report through `serde`, whose messages have one grammar. Text in any other
//! form passes through unchanged, so a sentence of our own stays as it is.

mod alike;
mod nearest;
mod within;

use std::io;

pub use self::alike::grouped;
pub use self::nearest::{nearest, nearest_within};
pub use self::within::within;

/// Most known names listed in a sentence.
const LISTED: usize = 12;

/// Returns what is wrong with a document, from a parser's message, without its place.
///
/// `unknown field` and `unknown variant` name the nearest known word; `invalid type` says what was found and expected.
#[must_use]
pub fn sentence(message: &str) -> String {
    let message = &message.trim().replace('\n', ", ");
    let named = |rest: &str| quoted(rest).map(|(name, rest)| (name.to_owned(), rest.to_owned()));
    for (begin, what) in [("unknown field ", "key"), ("unknown variant ", "value")] {
        if let Some((name, rest)) = message.strip_prefix(begin).and_then(named) {
            return unknown(what, &name, &rest);
        }
    }
    if let Some((name, _)) = message.strip_prefix("missing field ").and_then(named) {
        return format!("the key `{name}` is missing");
    }
    if let Some((name, _)) = message.strip_prefix("duplicate field ").and_then(named) {
        return format!("the key `{name}` is given twice");
    }
    for begin in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message
            .strip_prefix(begin)
            .and_then(|rest| rest.split_once(", expected "))
        {
            return format!("expected {}, got {}", expectation(expected), thing(found));
        }
    }
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set ").next().unwrap_or(key);
        return format!("the key `{key}` is given twice");
    }
    if message.starts_with("cannot deserialize null into string") {
        return "expected a text, got nothing".to_owned();
    }
    if let Some(kind) = message
        .strip_prefix("unexpected event: expected ")
        .or(message.strip_prefix("expected "))
    {
        let plain = kind.strip_suffix(" start").unwrap_or(kind);
        let plain = plain.strip_suffix(" scalar").unwrap_or(plain);
        let plain = if plain == "mapping" { "map" } else { plain };
        let said = expectation(plain);
        if said != plain {
            return format!("expected {said}");
        }
    }
    if message.contains("did not match any variant of untagged enum") {
        return "the value has none of the forms that are possible here".to_owned();
    }
    syntax(message)
}

/// Returns a document's error with its place: `line 3, column 5: …`; without one, the sentence alone.
#[must_use]
pub fn at(place: Option<(usize, usize)>, message: &str) -> String {
    match place {
        Some((line, column)) => format!("line {line}, column {column}: {}", sentence(message)),
        None => sentence(message),
    }
}

/// Returns a document's error with its place and, if the message does not name it, the key whose value is wrong.
#[must_use]
pub fn in_text(text: &str, place: Option<(usize, usize)>, message: &str) -> String {
    let said = sentence(message);
    let key = place.and_then(|(number, column)| {
        let line = text.lines().nth(number.checked_sub(1)?)?;
        key_before(line, column).or_else(|| key_above(text, number, column))
    });
    let said = match key {
        Some(key) if !said.contains(key) => format!("{key}: {said}"),
        _ => said,
    };
    match place {
        Some((line, column)) => format!("line {line}, column {column}: {said}"),
        None => said,
    }
}

/// Returns the key of the value that begins at a column of a line of TOML, YAML or JSON.
fn key_before(line: &str, column: usize) -> Option<&str> {
    let before = line
        .char_indices()
        .nth(column.checked_sub(1)?)
        .map_or(line, |(at, _)| line.get(..at).unwrap_or(line));
    let key = before.trim_end().strip_suffix(['=', ':'])?.trim_end();
    let start = key.rfind([' ', '{', ',', '[']).map_or(0, |at| at + 1);
    let key = key.get(start..)?.trim_matches('"');
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(is_key)).then_some(key)
}

/// Returns the key of a YAML value that begins on a line of its own, perhaps as an entry of a list.
fn key_above(text: &str, number: usize, column: usize) -> Option<&str> {
    let own = text.lines().nth(number.checked_sub(1)?)?;
    let before = own.get(..column.checked_sub(1)?)?;
    if !before.chars().all(|c| matches!(c, ' ' | '-')) {
        return None;
    }
    let indent = before.find('-').unwrap_or(before.len());
    let above = text.lines().take(number - 1).collect::<Vec<_>>();
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let depth = |line: &str| line.len() - line.trim_start().len();
    // A list may stand as deep as its own key.
    let is_parent = |line: &str| depth(line) < indent || (before.contains('-') && depth(line) == indent);
    let is_entry = |line: &str| line.trim_start().starts_with('-');
    let mut lines = above.into_iter().rev().filter(|line| !is_blank(line));
    let parent = lines.find(|line| is_parent(line) && !(is_entry(line) && depth(line) == indent))?;
    let parent = parent.trim_end();
    key_before(parent, parent.chars().count() + 1)
}

/// Returns line and column, both counted from 1, of a byte in a text.
#[must_use]
pub fn place_of(text: &str, byte: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let column = text
        .get(start..before.len())
        .map_or(1, |text| text.chars().count() + 1);
    (line, column)
}

/// Returns the sentence for an error of `serde_json`, with its place.
#[must_use]
pub fn json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = (error.line() > 0).then(|| (error.line(), error.column()));
    let said = match place {
        Some((line, column)) => message.replace(&format!(" at line {line} column {column}"), ""),
        None => message,
    };
    at(place, &said)
}

/// Returns why the operating system refused something, without its error number.
#[must_use]
pub fn io_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not use it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder, not a file".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder".to_owned(),
        io::ErrorKind::AlreadyExists => "it exists already".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read only".to_owned(),
        io::ErrorKind::TimedOut => "it took too long".to_owned(),
        io::ErrorKind::ConnectionRefused => "nothing answers there".to_owned(),
        _ if error.raw_os_error().is_some() => lowered(&without_error_numbers(error.to_string())),
        _ => error.to_string(),
    }
}

/// Returns an error and all its causes on one line; what parsers of JSON and the operating system say is in words. A
/// cause that the text contains already is left out.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let said = |error: &(dyn std::error::Error + 'static)| {
        let of_json = error.downcast_ref::<serde_json::Error>().map(json);
        let of_system = || error.downcast_ref::<io::Error>().map(io_error);
        of_json.or_else(of_system).unwrap_or_else(|| error.to_string())
    };
    let mut text = said(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = said(error);
        if !text.contains(&next) && !text.contains(&error.to_string()) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    without_error_numbers(text)
}

/// Takes the error numbers of the operating system, as in ` (os error 21)`, out of a text.
#[must_use]
pub fn without_error_numbers(text: String) -> String {
    const BEGIN: &str = " (os error ";
    let mut rest = text.as_str();
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        out.push_str(before);
        rest = match after.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => {
                out.push_str(BEGIN);
                after
            }
        };
    }
    if out.is_empty() {
        return text;
    }
    out.push_str(rest);
    out
}

fn unknown(what: &str, name: &str, rest: &str) -> String {
    let mut known = all_quoted(rest);
    if known.is_empty() {
        let listed = rest.split_once("expected ").map_or("", |(_, listed)| listed);
        let listed = listed.strip_prefix("one of ").unwrap_or(listed);
        known = listed
            .split(", ")
            .filter(|name| !name.is_empty() && !name.contains(' '))
            .collect();
    }
    let shown: String = name.chars().take(80).collect();
    let mut text = format!("there is no {what} `{shown}` here");
    if let Some(meant) = nearest(name, known.iter().copied()) {
        text.push_str(&format!("; did you mean `{meant}`?"));
        return text;
    }
    if !known.is_empty() {
        let first: Vec<String> = known
            .iter()
            .take(LISTED)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = match known.len().checked_sub(LISTED).filter(|more| *more > 0) {
            Some(more) => format!(" and {more} more"),
            None => String::new(),
        };
        text.push_str(&format!("; possible: {}{more}", first.join(", ")));
    }
    text
}

/// Returns the text between the first two backticks of a message that begins with one, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('`')?.split_once('`')
}

fn all_quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Describes a found value, as `serde` names it, in words.
fn thing(found: &str) -> String {
    for (name, word) in [
        ("string ", "the text "),
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("boolean ", ""),
        ("character ", "the character "),
    ] {
        if let Some(value) = found.strip_prefix(name) {
            let value: String = value.chars().filter(|c| *c != '`').take(80).collect();
            return format!("{word}{value}");
        }
    }
    match found {
        "map" => "keys with values",
        "sequence" => "a list",
        "null" | "unit" | "unit value" | "Option value" => "nothing",
        "enum" | "unit variant" | "newtype variant" | "tuple variant" | "struct variant" => "a word",
        other => return other.to_owned(),
    }
    .to_owned()
}

/// Describes an expected value, as `serde` names it, in words.
fn expectation(expected: &str) -> String {
    match expected {
        "map" | "a map" => "keys with values".to_owned(),
        "sequence" | "a sequence" => "a list".to_owned(),
        "string" | "a string" | "str" | "borrowed string" => "a text".to_owned(),
        "a boolean" | "bool" | "boolean" => "true or false".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other
            if [
                "struct ",
                "internally tagged enum ",
                "enum ",
                "tuple struct ",
                "map with",
            ]
            .iter()
            .any(|begin| other.starts_with(begin)) =>
        {
            "keys with values".to_owned()
        }
        other => other.to_owned(),
    }
}

/// Says what the parsers mean by broken syntax.
fn syntax(message: &str) -> String {
    let said = |begin: &str| message.starts_with(begin);
    if said("EOF while parsing") {
        return "it ends in the middle: a bracket or a quotation mark is not closed, or the file was cut off"
            .to_owned();
    }
    if said("trailing characters") {
        return "something follows after the end of the document".to_owned();
    }
    if said("trailing comma") {
        return "a comma stands before the closing bracket".to_owned();
    }
    if said("key must be a string") {
        return "a key must be in quotation marks".to_owned();
    }
    if said("expected value") {
        return "expected a value".to_owned();
    }
    if said("expected ident") || said("expected `") {
        return format!("{message}, found something else");
    }
    message.to_owned()
}

fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsers_words_become_sentences() {
        for (message, expected) in [
            (
                "unknown field `shedule`, expected one of `name`, `schedule`, `source`",
                "there is no key `shedule` here; did you mean `schedule`?",
            ),
            (
                "unknown field `zzzzzz`, expected `a` or `b`",
                "there is no key `zzzzzz` here; possible: `a`, `b`",
            ),
            (
                "unknown variant `hgih`, expected one of `any`, `low`, `high`",
                "there is no value `hgih` here; did you mean `high`?",
            ),
            ("missing field `reason`", "the key `reason` is missing"),
            ("duplicate field `id`", "the key `id` is given twice"),
            (
                "invalid type: map, expected a string",
                "expected a text, got keys with values",
            ),
            (
                "invalid type: string \"x\", expected u64",
                "expected a whole number, not below 0, got the text \"x\"",
            ),
            (
                "invalid type: integer `7`, expected struct Feeds",
                "expected keys with values, got the number 7",
            ),
            (
                "invalid type: sequence, expected a span such as 7d",
                "expected a span such as 7d, got a list",
            ),
            (
                "unknown field `fial`, expected one of format, fail, warn",
                "there is no key `fial` here; did you mean `fail`?",
            ),
            (
                "duplicate mapping key: fail, set DuplicateKeyPolicy in Options if acceptable",
                "the key `fail` is given twice",
            ),
            ("expected string scalar", "expected a text"),
            ("unexpected event: expected sequence start", "expected a list"),
            (
                "data did not match any variant of untagged enum Informational",
                "the value has none of the forms that are possible here",
            ),
            ("two rules have the id \"a\"", "two rules have the id \"a\""),
        ] {
            assert_eq!(sentence(message), expected, "{message}");
        }
    }

    #[test]
    fn places_are_lines_and_columns() {
        assert_eq!(place_of("a = 1\nöb = 2\n", 8), (2, 2));
        assert_eq!(place_of("", 9), (1, 1));
        assert_eq!(
            at(Some((2, 1)), "missing field `a`"),
            "line 2, column 1: the key `a` is missing"
        );
        let error = serde_json::from_str::<Vec<u64>>("[1,\n x]").unwrap_err();
        assert_eq!(json(&error), "line 2, column 2: expected a value");
        let error = serde_json::from_str::<Vec<u64>>("[1,").unwrap_err();
        assert!(json(&error).contains("it ends in the middle"), "{}", json(&error));
    }

    #[test]
    fn key_of_a_wrong_value_is_named() {
        let message = "invalid type: string \"x\", expected u64";
        for (text, place) in [
            ("[store]\ncache = \"x\"\n", (2, 9)),
            ("fail: []\ncache: x\n", (2, 8)),
            ("fail:\n  - {a: 1, cache: x}\n", (2, 18)),
            ("{\n\"cache\":\"x\"}", (2, 9)),
        ] {
            let said = in_text(text, Some(place), message);
            assert!(
                said.contains(": cache: expected a whole number"),
                "{text}: {said}"
            );
        }
        let message = "unexpected event: expected sequence start";
        for (text, place) in [
            ("format: x\nrules:\n  id: a\n", (3, 3)),
            ("rules:\n  # none yet\n\n  id: a\n", (4, 3)),
            ("rules:\n- a\n- b\n", (3, 3)),
            ("rules:\n  - a\n  - b\n", (3, 5)),
            ("rules: a\n", (1, 8)),
        ] {
            let said = in_text(text, Some(place), message);
            assert!(said.ends_with(": rules: expected a list"), "{text}: {said}");
        }
        let message = "invalid type: string \"x\", expected u64";
        assert_eq!(
            in_text("- x", Some((1, 3)), message),
            "line 1, column 3: expected a whole number, not below 0, got the text \"x\""
        );
    }

    #[test]
    fn causes_are_in_words() {
        #[derive(Debug)]
        struct Unread(serde_json::Error);
        impl std::fmt::Display for Unread {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("cannot read the document")
            }
        }
        impl std::error::Error for Unread {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Unread(serde_json::from_str::<Vec<u64>>("[1 2]").unwrap_err());
        let said = chain(&error);
        assert!(
            said.starts_with("cannot read the document: line 1, column 4: "),
            "{said}"
        );
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(chain(&missing), "there is no such file or folder");
    }

    #[test]
    fn errors_of_the_system_have_no_numbers() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(io_error(&error), "there is no such file or folder");
        let odd = io::Error::from_raw_os_error(40);
        assert!(!io_error(&odd).contains("os error"), "{}", io_error(&odd));
        assert_eq!(io_error(&io::Error::other("our own words")), "our own words");
        for (text, said) in [
            (
                "a: Is a directory (os error 21); b (os error 2)",
                "a: Is a directory; b",
            ),
            ("c (os error x)", "c (os error x)"),
            ("d", "d"),
        ] {
            assert_eq!(without_error_numbers(text.to_owned()), said);
        }
    }
}
