//! The meaning of scalars: the core schema of YAML 1.2, §10.3.2.

use std::borrow::Cow;

use saphyr_parser::{ScalarStyle, Tag};
use starling_protocol::json::{Number, Value};

use super::YamlErrorKind;

/// Converts a scalar to a value. Only a plain one without a tag can be something else than text.
pub(super) fn resolve<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Value<'a>, YamlErrorKind> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain {
            resolve_plain(text)
        } else {
            Ok(Value::String(text))
        };
    };
    if is_non_specific(tag) {
        return Ok(Value::String(text));
    }
    if !tag.is_yaml_core_schema() {
        return Err(YamlErrorKind::Tag(tag.to_string()));
    }
    let fits: fn(&Value<'_>) -> bool = match tag.suffix.as_str() {
        // Times stay text, as everywhere.
        "str" | "timestamp" => return Ok(Value::String(text)),
        "null" => |value| value.is_null(),
        "bool" => |value| value.as_bool().is_some(),
        "int" | "float" => |value| value.as_number().is_some(),
        _ => return Err(YamlErrorKind::Tag(tag.to_string())),
    };
    let value = resolve_plain(text)?;
    if fits(&value) {
        Ok(value)
    } else {
        Err(YamlErrorKind::Tag(tag.to_string()))
    }
}

/// Accepts the tag of a sequence (`seq`) or mapping (`map`): none, `!`, or the core schema's own.
pub(super) fn check_collection_tag(tag: Option<&Tag>, kind: &str) -> Result<(), YamlErrorKind> {
    let fits = |tag: &Tag| is_non_specific(tag) || (tag.is_yaml_core_schema() && tag.suffix == kind);
    match tag.filter(|tag| !fits(tag)) {
        Some(tag) => Err(YamlErrorKind::Tag(tag.to_string())),
        None => Ok(()),
    }
}

/// Returns true for the tag `!`, which means "not plain": text, sequence or mapping by the node's kind.
fn is_non_specific(tag: &Tag) -> bool {
    tag.suffix == "!" && tag.handle.is_empty()
}

fn resolve_plain(text: Cow<'_, str>) -> Result<Value<'_>, YamlErrorKind> {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        Some(b'0'..=b'9' | b'.') => ("", text.as_ref()),
        // Most texts end here.
        _ => return Ok(Value::String(text)),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text.as_ref(), ".nan" | ".NaN" | ".NAN") {
        return Err(YamlErrorKind::NotFinite(text.into_owned()));
    }
    match number_literal(sign, digits, &text) {
        Some(literal) => match Number::parse(&literal) {
            Ok(number) => Ok(Value::Number(number.into_owned())),
            Err(error) => Err(YamlErrorKind::Number(error)),
        },
        None => Ok(Value::String(text)),
    }
}

/// Converts a core-schema number to a JSON literal of the same value; `None` if it is not one.
fn number_literal(sign: &str, digits: &str, text: &str) -> Option<String> {
    // §10.3.2: octal and hexadecimal take no sign.
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            // Beyond 128 bits it stays text: no advisory contains such a number.
            let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
            return u128::from_str_radix(digits, radix)
                .ok()
                .filter(|_| plain)
                .map(|value| value.to_string());
        }
    }
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    if !has_digits || !all_digits(whole) || !all_digits(fraction.unwrap_or_default()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if unsigned.is_empty() || !all_digits(unsigned) {
            return None;
        }
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    let mut literal = format!("{sign}{whole}");
    if let Some(fraction) = fraction.filter(|fraction| !fraction.is_empty()) {
        literal.push('.');
        literal.push_str(fraction);
    } else if fraction.is_some() {
        // `1.` is a fraction in YAML; JSON needs a digit after the point.
        literal.push_str(".0");
    }
    if let Some(exponent) = exponent {
        literal.push('e');
        literal.push_str(exponent);
    }
    Some(literal)
}
