//! A CPE name: parsed from a formatted string (`cpe:2.3:…`) or a URI (`cpe:/…`), written as a formatted string.
//!
//! Source: NISTIR 7695, section 6. Real names are looser than that, so the reader is lenient where the meaning is
//! clear: attributes that are missing at the end are `*`, and punctuation without its backslash is taken as it stands.
//! Wildcards inside of a value, control characters, and more than eleven attributes are errors.

use std::fmt;

use super::value::{Value, Wild};

/// Longest name, in bytes.
pub const MAX_CPE_BYTES: usize = 1_024;

/// Number of attributes.
const ATTRIBUTES: usize = 11;
/// Names of the attributes, in order.
pub(super) const NAMES: [&str; ATTRIBUTES] = [
    "part",
    "vendor",
    "product",
    "version",
    "update",
    "edition",
    "language",
    "sw_edition",
    "target_sw",
    "target_hw",
    "other",
];

/// A name of a product, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpe([Value; ATTRIBUTES]);

/// The reason why a text is not a CPE name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpeError {
    /// It is too long.
    #[error("a CPE name has {found} bytes, more than the limit of {MAX_CPE_BYTES}")]
    TooLong {
        /// Its length, in bytes.
        found: usize,
    },
    /// It begins as no name does.
    #[error("{0:?} is not a CPE name: expected cpe:2.3:… or cpe:/…")]
    Prefix(String),
    /// An attribute cannot be read.
    #[error("the {attribute} of the CPE name {name:?} cannot be read: {why}")]
    Attribute {
        /// The name, shortened.
        name: String,
        /// The attribute.
        attribute: &'static str,
        /// The problem.
        why: &'static str,
    },
    /// It has too many attributes.
    #[error("the CPE name {0:?} has more than eleven attributes")]
    TooManyAttributes(String),
    /// Its part is none of `a`, `o`, `h` and `*`.
    #[error("the part of the CPE name {0:?} is not a, o or h")]
    Part(String),
}

impl Cpe {
    /// Parses a name in either form, without regard to case; white space around it is part of it.
    ///
    /// # Errors
    /// If it is too long or not a name.
    pub fn parse(text: &str) -> Result<Self, CpeError> {
        if text.len() > MAX_CPE_BYTES {
            return Err(CpeError::TooLong { found: text.len() });
        }
        let starts = |prefix: &str| {
            let head = text.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix)
                .then(|| text.get(prefix.len()..).unwrap_or_default())
        };
        let cpe = if let Some(rest) = starts("cpe:2.3:") {
            formatted(text, rest)?
        } else if let Some(rest) = starts("cpe:/") {
            uri(text, rest)?
        } else {
            return Err(CpeError::Prefix(shown(text)));
        };
        match cpe.part() {
            Value::Any => Ok(cpe),
            part if matches!(part.plain(), Some("a" | "o" | "h")) => Ok(cpe),
            _ => Err(CpeError::Part(shown(text))),
        }
    }

    /// Builds a name from its attributes, in order.
    pub fn from_values(values: [Value; ATTRIBUTES]) -> Self {
        Self(values)
    }

    /// Returns the attributes with their names, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        NAMES.into_iter().zip(&self.0)
    }

    /// Returns the part: `a` for applications, `o` for operating systems, `h` for hardware.
    pub fn part(&self) -> &Value {
        &self.0[0]
    }

    /// Returns the vendor.
    pub fn vendor(&self) -> &Value {
        &self.0[1]
    }

    /// Returns the product.
    pub fn product(&self) -> &Value {
        &self.0[2]
    }

    /// Returns the version.
    pub fn version(&self) -> &Value {
        &self.0[3]
    }

    /// Returns the update, such as `beta1`.
    pub fn update(&self) -> &Value {
        &self.0[4]
    }

    /// Returns the attributes after the update, with their names.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.attributes().skip(5)
    }

    /// Returns the same name for every version.
    pub(super) fn any_version(&self) -> Self {
        let mut any = self.clone();
        any.0[3] = Value::Any;
        any
    }

    /// Returns the name by which its product is found, `part:vendor:product`; `None` if one of the three is not a plain
    /// text.
    pub fn product_name(&self) -> Option<String> {
        let plain = |value: &Value| value.plain().map(|_| value.to_string());
        Some(format!(
            "{}:{}:{}",
            plain(self.part())?,
            plain(self.vendor())?,
            plain(self.product())?
        ))
    }
}

/// Writes the formatted string.
impl fmt::Display for Cpe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cpe:2.3")?;
        self.0.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

/// Returns the start of a foreign text, for a message.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    text.chars().take(MOST).collect()
}

/// Reads the attributes of a formatted string.
fn formatted(name: &str, rest: &str) -> Result<Cpe, CpeError> {
    let mut values = Vec::with_capacity(ATTRIBUTES);
    let mut start = 0;
    let mut is_escaped = false;
    let bytes = rest.as_bytes();
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            Some(_) if is_escaped => is_escaped = false,
            Some(b'\\') => is_escaped = true,
            Some(b':') | None => {
                let raw = rest.get(start..at).unwrap_or_default();
                start = at + 1;
                let attribute = NAMES.get(values.len()).copied();
                let Some(attribute) = attribute else {
                    // An empty end is what a stray colon leaves.
                    if raw.is_empty() && at == bytes.len() {
                        continue;
                    }
                    return Err(CpeError::TooManyAttributes(shown(name)));
                };
                let value = formatted_value(raw).map_err(|why| CpeError::Attribute {
                    name: shown(name),
                    attribute,
                    why,
                })?;
                values.push(value);
            }
            Some(_) => {}
        }
    }
    values.resize(ATTRIBUTES, Value::Any);
    Ok(Cpe(values.try_into().unwrap_or_default()))
}

/// A character of a value: taken as it stands, or a wildcard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plain(char),
    Any,
    One,
}

fn formatted_value(raw: &str) -> Result<Value, &'static str> {
    match raw {
        "" | "*" => return Ok(Value::Any),
        "-" => return Ok(Value::Na),
        _ => {}
    }
    let mut signs = Vec::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        signs.push(match character {
            '\\' => Sign::Plain(characters.next().ok_or("it ends with a backslash")?),
            '*' => Sign::Any,
            '?' => Sign::One,
            other => Sign::Plain(other),
        });
    }
    value_of(&signs)
}

/// Builds a value from its characters: wildcards may only stand at the ends.
fn value_of(signs: &[Sign]) -> Result<Value, &'static str> {
    let is_plain = |sign: &&Sign| matches!(sign, Sign::Plain(_));
    let first = signs
        .iter()
        .position(|sign| is_plain(&sign))
        .unwrap_or(signs.len());
    let last = signs
        .iter()
        .rposition(|sign| is_plain(&sign))
        .map_or(first, |at| at + 1);
    let (before, rest) = signs.split_at(first);
    let (inner, after) = rest.split_at(last - first);
    let mut text = String::with_capacity(inner.len());
    for sign in inner {
        match sign {
            Sign::Plain(character) if character.is_control() => return Err("it has a control character"),
            Sign::Plain(character) => text.extend(character.to_lowercase()),
            Sign::Any | Sign::One => return Err("it has a wildcard inside"),
        }
    }
    let wild = |signs: &[Sign]| match signs {
        [] => Ok(Wild::None),
        [Sign::Any] => Ok(Wild::Any),
        signs if signs.iter().all(|sign| *sign == Sign::One) => {
            Ok(Wild::UpTo(u16::try_from(signs.len()).unwrap_or(u16::MAX)))
        }
        _ => Err("its wildcards are neither one * nor some ?"),
    };
    Ok(Value::Text {
        text,
        before: wild(before)?,
        after: wild(after)?,
    })
}

/// Reads the attributes of a URI: seven of them, the sixth may hold the last five packed with `~`.
fn uri(name: &str, rest: &str) -> Result<Cpe, CpeError> {
    const UNPACKED: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];
    const PACKED: [usize; 5] = [5, 7, 8, 9, 10];
    let mut values: [Value; ATTRIBUTES] = Default::default();
    let fault = |at: usize, why| CpeError::Attribute {
        name: shown(name),
        attribute: NAMES.get(at).copied().unwrap_or("other"),
        why,
    };
    let mut put = |at: usize, raw: &str| {
        let value = uri_value(raw).map_err(|why| fault(at, why))?;
        if let Some(place) = values.get_mut(at) {
            *place = value;
        }
        Ok(())
    };
    for (index, raw) in rest.split(':').enumerate() {
        let Some(at) = UNPACKED.get(index) else {
            if raw.is_empty() {
                continue;
            }
            return Err(CpeError::TooManyAttributes(shown(name)));
        };
        match raw.strip_prefix('~').filter(|_| *at == 5) {
            Some(packed) => {
                let mut parts = packed.split('~');
                for at in PACKED {
                    put(at, parts.next().unwrap_or_default())?;
                }
                if parts.any(|part| !part.is_empty()) {
                    return Err(CpeError::TooManyAttributes(shown(name)));
                }
            }
            None => put(*at, raw)?,
        }
    }
    Ok(Cpe(values))
}

fn uri_value(raw: &str) -> Result<Value, &'static str> {
    match raw {
        "" => return Ok(Value::Any),
        "-" => return Ok(Value::Na),
        _ => {}
    }
    let mut bytes = Vec::with_capacity(raw.len());
    // Wildcards are kept apart from characters that look like them.
    let mut signs = Vec::with_capacity(raw.len());
    let flush = |bytes: &mut Vec<u8>, signs: &mut Vec<Sign>| {
        let text = std::str::from_utf8(bytes).map_err(|_| "its bytes are not UTF-8")?;
        signs.extend(text.chars().map(Sign::Plain));
        bytes.clear();
        Ok::<(), &'static str>(())
    };
    let mut rest = raw.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let Some((digits, after)) = rest.split_first_chunk::<2>() else {
            return Err("it ends within a percent sign's code");
        };
        rest = after;
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let [high, low] = *digits;
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err("a percent sign is not followed by two digits of base 16");
        };
        match high << 4 | low {
            1 => {
                flush(&mut bytes, &mut signs)?;
                signs.push(Sign::One);
            }
            2 => {
                flush(&mut bytes, &mut signs)?;
                signs.push(Sign::Any);
            }
            byte => bytes.push(byte),
        }
    }
    flush(&mut bytes, &mut signs)?;
    match signs.as_slice() {
        [Sign::Any] => Ok(Value::Any),
        signs => value_of(signs),
    }
}
