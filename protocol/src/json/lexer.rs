//! Tokens of RFC 8259, with a flag for canonical spelling.

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind, quote};
use super::number::Number;
use super::text::find_special;

/// A cursor over a document that is known to be UTF-8.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
}

/// A string token.
pub(super) struct StringToken<'a> {
    pub(super) value: Cow<'a, str>,
    /// No escape was used that RFC 8785 would write differently.
    pub(super) minimal: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Lexer { text, bytes, pos: 0 }),
            Err(error) => Err(JsonError::new(JsonErrorKind::NotUtf8, error.valid_up_to())),
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.pos
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// Steps over the byte that [`Lexer::peek`] showed.
    pub(super) fn bump(&mut self) {
        self.pos += 1;
    }

    /// Skips `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    pub(super) fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
        }
    }

    /// Builds the error "expected something else here".
    pub(super) fn expected(&self, expected: &'static str) -> JsonError {
        let found = match self.text.get(self.pos..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("{character:?}"),
            None => "the end of the document".to_owned(),
        };
        JsonError::new(JsonErrorKind::Syntax { expected, found }, self.pos)
    }

    /// Reads `null`, `true` or `false`.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if !self.bytes[self.pos..].starts_with(word.as_bytes()) {
            return Err(self.expected("a JSON value"));
        }
        self.pos += word.len();
        Ok(())
    }

    /// Reads a number. Returns it with true if its literal is its canonical text.
    pub(super) fn number(&mut self) -> Result<(Number<'a>, bool), JsonError> {
        let start = self.pos;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let literal = &self.text[start..self.pos];
        match Number::from_literal(literal) {
            Some(number) => {
                let canonical = number.as_str() == literal;
                Ok((number, canonical))
            }
            None => Err(JsonError::new(
                JsonErrorKind::InexactNumber {
                    literal: quote(literal),
                },
                start,
            )),
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.pos;
        while let Some(b'0'..=b'9') = self.peek() {
            self.pos += 1;
        }
        if self.pos == start {
            Err(self.expected("a digit"))
        } else {
            Ok(())
        }
    }

    /// Reads a string. The caller has seen its opening quote.
    pub(super) fn string(&mut self) -> Result<StringToken<'a>, JsonError> {
        if !self.eat(b'"') {
            return Err(self.expected("a string"));
        }
        let mut start = self.pos;
        let mut unescaped = String::new();
        let mut minimal = true;
        loop {
            self.pos += find_special(&self.bytes[self.pos..]);
            // The run ends before an ASCII byte or at the end, so it contains whole characters.
            let run = &self.text[start..self.pos];
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    let value = if unescaped.is_empty() {
                        Cow::Borrowed(run)
                    } else {
                        unescaped.push_str(run);
                        Cow::Owned(unescaped)
                    };
                    return Ok(StringToken { value, minimal });
                }
                Some(b'\\') => {
                    if unescaped.is_empty() {
                        // Long texts contain many escaped line breaks and quotes: grow once.
                        unescaped.reserve(run.len() * 2);
                    }
                    unescaped.push_str(run);
                    minimal &= self.escape(&mut unescaped)?;
                    start = self.pos;
                }
                _ => return Err(self.expected("the rest of a string (control characters are escaped)")),
            }
        }
    }

    /// Decodes one escape into `out`. Returns true if RFC 8785 would write it the same way.
    fn escape(&mut self, out: &mut String) -> Result<bool, JsonError> {
        let start = self.pos;
        self.pos += 1;
        let (character, minimal) = match self.peek() {
            Some(b'"') => ('"', true),
            Some(b'\\') => ('\\', true),
            Some(b'/') => ('/', false),
            Some(b'b') => ('\u{8}', true),
            Some(b'f') => ('\u{C}', true),
            Some(b'n') => ('\n', true),
            Some(b'r') => ('\r', true),
            Some(b't') => ('\t', true),
            Some(b'u') => {
                self.pos += 1;
                let (character, minimal) = self.unicode_escape(start)?;
                out.push(character);
                return Ok(minimal);
            }
            _ => return Err(self.expected("an escape such as \\n or \\u0020")),
        };
        self.pos += 1;
        out.push(character);
        Ok(minimal)
    }

    /// Reads the digits after `\u`, and the second half of a surrogate pair.
    fn unicode_escape(&mut self, start: usize) -> Result<(char, bool), JsonError> {
        let digits_at = self.pos;
        let unit = self.hex4()?;
        let lone = |unit| JsonError::new(JsonErrorKind::LoneSurrogate { unit }, start);
        if let 0xD800..=0xDBFF = unit {
            if !(self.eat(b'\\') && self.eat(b'u')) {
                return Err(lone(unit));
            }
            let low = self.hex4()?;
            let mut pair = char::decode_utf16([unit, low]);
            return match pair.next() {
                Some(Ok(character)) => Ok((character, false)),
                _ => Err(lone(unit)),
            };
        }
        let character = char::from_u32(u32::from(unit)).ok_or_else(|| lone(unit))?;
        let short_form = matches!(character, '\u{8}' | '\t' | '\n' | '\u{C}' | '\r');
        let lower_case = !self.bytes[digits_at..self.pos].iter().any(u8::is_ascii_uppercase);
        Ok((character, character < ' ' && !short_form && lower_case))
    }

    fn hex4(&mut self) -> Result<u16, JsonError> {
        let mut unit = 0u16;
        for _ in 0..4 {
            let digit = match self.peek() {
                Some(byte @ b'0'..=b'9') => byte - b'0',
                Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
                Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
                _ => return Err(self.expected("four hexadecimal digits")),
            };
            unit = unit << 4 | u16::from(digit);
            self.pos += 1;
        }
        Ok(unit)
    }
}
