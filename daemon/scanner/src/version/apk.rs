//! apk-tools' order: `digits(.digits)*[letter](_suffix[number])*[~hash][-rN]`.
//!
//! If two versions continue with different kinds of part, the order of kinds decides: a pre-release suffix is below
//! the end, and above it come `-r`, hash, suffix number, suffix, letter, number. A number after the first one with a
//! leading zero is compared as text, like a fraction.
//!
//! apk-tools 2, which Alpine used up to 3.22, also reads a number after the letter and continues after it
//! (`7.3.1p1-r9`); apk-tools 3 stops there. Such versions are ordered as in apk-tools 2. If neither understands the
//! rest, two versions that are equal up to there have no order.

use super::key::{KeyWriter, split_digits, split_while};
use super::{Form, Reason};

const PRE_SUFFIX: u8 = 0x01;
/// The point where apk stops understanding: just below the end.
const BROKEN: u8 = 0x02;
const END: u8 = 0x03;
const REVISION: u8 = 0x04;
const HASH: u8 = 0x05;
const SUFFIX_NUMBER: u8 = 0x06;
const POST_SUFFIX: u8 = 0x07;
const LETTER: u8 = 0x08;
const LETTER_NUMBER: u8 = 0x09;
const DIGITS: u8 = 0x0a;

/// Below the plain version, oldest first.
const PRE_SUFFIXES: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// Above the plain version, oldest first.
const POST_SUFFIXES: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<Form, Reason> {
    let (first, rest) = split_digits(text);
    if first.is_empty() {
        return Err("it does not start with a digit");
    }
    key.number(first);
    // apk compares part by part, so the understood part of a malformed version still matters.
    let (form, end) = match write_rest(rest, key) {
        Some(form) => (form, END),
        None => (Form::Broken, BROKEN),
    };
    key.mark(end);
    Ok(form)
}

/// Writes the parts after the first number; `None` if something is not a valid part.
fn write_rest(text: &str, key: &mut KeyWriter) -> Option<Form> {
    let mut rest = text;
    let mut form = Form::Proper;
    let mut after_letter = false;
    loop {
        if after_letter {
            let (digits, after) = split_digits(rest);
            if digits.is_empty() {
                break;
            }
            // From here on only apk-tools 2 reads the text.
            form = Form::Tolerated;
            after_letter = false;
            key.mark(LETTER_NUMBER);
            key.number(digits);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (digits, after) = non_empty(split_digits(after))?;
            key.mark(DIGITS);
            if digits.starts_with('0') {
                key.mark(0);
                key.text(digits);
            } else {
                key.mark(1);
                key.number(digits);
            }
            rest = after;
        } else if let Some(letter) = rest.bytes().next().filter(u8::is_ascii_lowercase) {
            after_letter = true;
            key.mark(LETTER);
            key.mark(letter);
            rest = rest.get(1..).unwrap_or("");
        } else {
            break;
        }
    }
    while let Some(after) = rest.strip_prefix('_') {
        let (name, after) = split_while(after, |c| c.is_ascii_lowercase());
        write_suffix(name, key)?;
        let (digits, after) = split_digits(after);
        if !digits.is_empty() {
            key.mark(SUFFIX_NUMBER);
            key.number(digits);
        }
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('~') {
        let (hash, after) = non_empty(split_while(after, |c| matches!(c, '0'..='9' | 'a'..='f')))?;
        key.mark(HASH);
        key.text(hash);
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("-r") {
        let (digits, after) = non_empty(split_digits(after))?;
        key.mark(REVISION);
        key.number(digits);
        rest = after;
    }
    rest.is_empty().then_some(form)
}

fn non_empty<'a>(parts: (&'a str, &'a str)) -> Option<(&'a str, &'a str)> {
    (!parts.0.is_empty()).then_some(parts)
}

fn write_suffix(name: &str, key: &mut KeyWriter) -> Option<()> {
    let rank = |list: &[&str]| {
        list.iter()
            .position(|s| *s == name)
            .and_then(|i| u8::try_from(i).ok())
    };
    if let Some(rank) = rank(&PRE_SUFFIXES) {
        key.mark(PRE_SUFFIX);
        key.mark(rank);
    } else if let Some(rank) = rank(&POST_SUFFIXES) {
        key.mark(POST_SUFFIX);
        key.mark(rank);
    } else {
        return None;
    }
    Some(())
}
