//! Numbers: digits kept exactly, fractions as ECMAScript prints them (RFC 8785 §3.2.2.3).

use std::borrow::Cow;
use std::fmt::Write as _;

use super::error::JsonError;
use super::lexer::Lexer;

/// The most significant digits that the shortest form of an IEEE 754 double can have.
const MAX_DOUBLE_DIGITS: usize = 17;

/// A JSON number, held as its canonical text.
///
/// Either an integer with all its digits, or a double in its shortest ECMAScript form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number<'a>(Cow<'a, str>);

impl<'a> Number<'a> {
    /// Reads one JSON number literal.
    ///
    /// # Errors
    /// If `literal` is anything else, or could only be kept by rounding.
    pub fn parse(literal: &'a str) -> Result<Self, JsonError> {
        let mut lexer = Lexer::new(literal.as_bytes())?;
        let (number, _) = lexer.number()?;
        match lexer.peek() {
            None => Ok(number),
            Some(_) => Err(lexer.expected("the end of the number")),
        }
    }

    /// Reads a literal that follows the JSON grammar. Returns `None` if keeping it would need rounding.
    pub(super) fn from_literal(literal: &'a str) -> Option<Self> {
        if !literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return Some(Number(Cow::Borrowed(if literal == "-0" { "0" } else { literal })));
        }
        let exact = Decimal::of_literal(literal)?;
        let double: f64 = literal.parse().ok().filter(|double: &f64| double.is_finite())?;
        let shortest = Decimal::of_double(double)?;
        if exact != shortest {
            return None;
        }
        let text = shortest.to_ecmascript();
        Some(Number(if text == literal {
            Cow::Borrowed(literal)
        } else {
            Cow::Owned(text)
        }))
    }

    /// Builds a number from a finite double. Returns `None` for NaN and the infinities, which JSON cannot
    /// express.
    #[must_use]
    pub fn from_f64(double: f64) -> Option<Number<'static>> {
        let decimal = double.is_finite().then(|| Decimal::of_double(double))??;
        Some(Number(Cow::Owned(decimal.to_ecmascript())))
    }

    /// Returns the canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the value when it is an integer within the range of `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Returns the value when it is an integer within the range of `u64`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// Returns the nearest double: exact for fractions, rounded for integers beyond 2^53.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        // The canonical text always parses; NaN could only come from a text that is not a number.
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Copies the text if it is borrowed.
    #[must_use]
    pub fn into_owned(self) -> Number<'static> {
        Number(Cow::Owned(self.0.into_owned()))
    }
}

impl From<i64> for Number<'static> {
    fn from(integer: i64) -> Self {
        Number(Cow::Owned(integer.to_string()))
    }
}

impl From<u64> for Number<'static> {
    fn from(integer: u64) -> Self {
        Number(Cow::Owned(integer.to_string()))
    }
}

/// A decimal value in a unique form: `0.d1d2…dn × 10^point`, `d1` and `dn` not zero; zero has no digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// ASCII digits, at most [`MAX_DOUBLE_DIGITS`].
    digits: String,
    point: i64,
}

impl Decimal {
    /// Returns the value of a JSON literal; `None` when it has more digits than any double's shortest form.
    fn of_literal(literal: &str) -> Option<Self> {
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = String::new();
        let mut leading_zeros = 0usize;
        let mut pending_zeros = 0usize;
        for digit in whole.chars().chain(fraction.chars()) {
            if digit != '0' {
                if digits.len() + pending_zeros >= MAX_DOUBLE_DIGITS {
                    return None;
                }
                digits.extend(std::iter::repeat_n('0', pending_zeros));
                digits.push(digit);
                pending_zeros = 0;
            } else if digits.is_empty() {
                leading_zeros += 1;
            } else {
                pending_zeros += 1;
            }
        }
        if digits.is_empty() {
            return Some(Decimal::zero());
        }
        // An exponent that does not fit is far outside what a double can hold.
        let exponent: i64 = exponent.parse().ok()?;
        let point = i64::try_from(whole.len())
            .ok()?
            .checked_sub(i64::try_from(leading_zeros).ok()?)?;
        Some(Decimal {
            negative,
            digits,
            point: point.checked_add(exponent)?,
        })
    }

    /// Returns the shortest decimal that reads back as `double`, which must be finite.
    fn of_double(double: f64) -> Option<Self> {
        // Rust prints the shortest digits that round-trip, and the closest of those: ECMAScript's rule.
        Decimal::of_literal(&format!("{double:e}"))
    }

    /// Returns zero, which has no sign here: RFC 8785 writes the negative zero as `0`.
    fn zero() -> Self {
        Decimal {
            negative: false,
            digits: String::new(),
            point: 0,
        }
    }

    /// Lays the digits out as ECMA-262 `Number::toString` does (its `k` digits, its `n` = point).
    fn to_ecmascript(&self) -> String {
        let mut out = String::with_capacity(24);
        if self.negative {
            out.push('-');
        }
        let digits = self.digits.as_str();
        let Some(first) = digits.get(..1) else {
            out.push('0');
            return out;
        };
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        match self.point {
            n if count <= n && n <= 21 => {
                out.push_str(digits);
                out.extend((count..n).map(|_| '0'));
            }
            n if 0 < n && n <= 21 => {
                let (whole, fraction) = digits.split_at(usize::try_from(n).unwrap_or(digits.len()));
                out.push_str(whole);
                out.push('.');
                out.push_str(fraction);
            }
            n if -6 < n && n <= 0 => {
                out.push_str("0.");
                out.extend((n..0).map(|_| '0'));
                out.push_str(digits);
            }
            n => {
                out.push_str(first);
                if count > 1 {
                    out.push('.');
                    out.push_str(&digits[1..]);
                }
                // Writing to a String cannot fail.
                let _ = write!(out, "e{:+}", n - 1);
            }
        }
        out
    }
}
