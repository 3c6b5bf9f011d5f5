//! Parses bytes into a [`Value`].

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind};
use super::lexer::Lexer;
use super::value::{Object, Value};
use super::{MAX_DEPTH, cmp_utf16};

pub(super) fn parse(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    let mut lexer = Lexer::new(bytes)?;
    lexer.skip_white_space();
    let value = parse_value(&mut lexer, 0)?;
    lexer.skip_white_space();
    match lexer.peek() {
        None => Ok(value),
        Some(_) => Err(lexer.expected("the end of the document")),
    }
}

/// Parses the value that starts at the cursor, inside `depth` arrays and objects.
fn parse_value<'a>(lexer: &mut Lexer<'a>, depth: usize) -> Result<Value<'a>, JsonError> {
    match lexer.peek() {
        Some(b'"') => Ok(Value::String(lexer.string()?.value)),
        Some(b'{') => parse_object(lexer, depth),
        Some(b'[') => parse_array(lexer, depth),
        Some(b'-' | b'0'..=b'9') => Ok(Value::Number(lexer.number()?.0)),
        Some(b't') => lexer.word("true").map(|()| Value::Bool(true)),
        Some(b'f') => lexer.word("false").map(|()| Value::Bool(false)),
        Some(b'n') => lexer.word("null").map(|()| Value::Null),
        _ => Err(lexer.expected("a JSON value")),
    }
}

fn parse_array<'a>(lexer: &mut Lexer<'a>, depth: usize) -> Result<Value<'a>, JsonError> {
    enter(lexer, depth)?;
    let mut items = Vec::new();
    if lexer.eat(b']') {
        return Ok(Value::Array(items));
    }
    loop {
        let item = parse_value(lexer, depth + 1).map_err(|error| error.under_index(items.len()))?;
        items.push(item);
        lexer.skip_white_space();
        if lexer.eat(b',') {
            lexer.skip_white_space();
        } else if lexer.eat(b']') {
            return Ok(Value::Array(items));
        } else {
            return Err(lexer.expected("',' or ']'"));
        }
    }
}

fn parse_object<'a>(lexer: &mut Lexer<'a>, depth: usize) -> Result<Value<'a>, JsonError> {
    let start = lexer.offset();
    enter(lexer, depth)?;
    let mut entries: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
    let mut sorted = true;
    if lexer.eat(b'}') {
        return Ok(Value::Object(Object::default()));
    }
    loop {
        let key = lexer.string()?.value;
        lexer.skip_white_space();
        if !lexer.eat(b':') {
            return Err(lexer.expected("':'"));
        }
        lexer.skip_white_space();
        let value = parse_value(lexer, depth + 1).map_err(|error| error.under_key(&key))?;
        sorted = sorted
            && entries
                .last()
                .is_none_or(|(last, _)| cmp_utf16(last, &key).is_lt());
        entries.push((key, value));
        lexer.skip_white_space();
        if lexer.eat(b',') {
            lexer.skip_white_space();
        } else if lexer.eat(b'}') {
            break;
        } else {
            return Err(lexer.expected("',' or '}'"));
        }
    }
    if sorted {
        return Ok(Value::Object(Object::from_sorted(entries)));
    }
    Object::from_entries(entries)
        .map(Value::Object)
        .map_err(|duplicate| JsonError::new(JsonErrorKind::DuplicateKey, start).under_key(&duplicate.key))
}

/// Steps over an opening bracket and the white space after it; refuses nesting deeper than [`MAX_DEPTH`].
fn enter(lexer: &mut Lexer<'_>, depth: usize) -> Result<(), JsonError> {
    if depth >= MAX_DEPTH {
        return Err(JsonError::new(JsonErrorKind::TooDeep, lexer.offset()));
    }
    lexer.bump();
    lexer.skip_white_space();
    Ok(())
}
