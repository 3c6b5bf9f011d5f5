//! Percent-encoding of purl-spec: letters, digits, `.-_~` and `:` are not encoded.

use std::borrow::Cow;
use std::fmt;

use super::Mode;

/// Decodes `%XX` escapes; a `%` without two hexadecimal digits is refused or, in lenient mode, kept.
pub(super) fn decode(text: &str, mode: Mode) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        match (first, rest) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(*high) << 4 | hex_value(*low));
                bytes = after;
            }
            (b'%', _) if mode == Mode::Strict => {
                return Err("a '%' is not followed by two hexadecimal digits");
            }
            _ => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| "an escape does not decode to UTF-8")
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// Writes a text with all but the unreserved characters escaped.
pub(super) fn encode(text: &str) -> Encoded<'_> {
    Encoded(text)
}

pub(super) struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':');
        let mut rest = self.0;
        while !rest.is_empty() {
            let end = rest.bytes().position(|byte| !plain(byte)).unwrap_or(rest.len());
            // Unreserved characters are ASCII, so the text can be split there.
            let (head, tail) = rest.split_at(end);
            f.write_str(head)?;
            let escaped = tail.chars().next().map_or(0, char::len_utf8);
            let (character, tail) = tail.split_at(escaped);
            for byte in character.bytes() {
                write!(f, "%{byte:02X}")?;
            }
            rest = tail;
        }
        Ok(())
    }
}
