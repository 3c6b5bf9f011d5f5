//! Time spans and percentages, as written in policies and on command lines.

/// 100 %, in hundredths of a percent.
pub const WHOLE_BASIS_POINTS: u16 = 10_000;

/// A text that is not a time span or a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a time span.
    #[error(
        "cannot read {found:?} as a span of time; write a whole number and a unit, as in 90m, 36h, 7d or 2w"
    )]
    Span {
        /// The text, shortened.
        found: String,
    },
    /// Not a share.
    #[error(
        "cannot read {found:?} as a percentage; write 0 to 100 with at most two decimals, as in 95 or 99.5"
    )]
    Percent {
        /// The text, shortened.
        found: String,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Parses a time span, in seconds: a whole number and `s`, `m`, `h`, `d` (24 hours) or `w`.
///
/// # Errors
/// If the form differs, or the span exceeds 64 bits of seconds.
pub fn parse_span(text: &str) -> Result<u64, UnitError> {
    let refuse = || UnitError::Span {
        found: shortened(text),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(refuse()),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    number.checked_mul(factor).ok_or_else(refuse)
}

/// Formats a span in the form of [`parse_span`], in the largest unit that divides it.
pub fn show_span(seconds: u64) -> String {
    for (factor, unit) in [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds > 0 && seconds.is_multiple_of(factor) {
            return format!("{}{unit}", seconds / factor);
        }
    }
    format!("{seconds}s")
}

/// Parses a percentage, with or without the sign, in hundredths of a percent.
///
/// # Errors
/// If the form differs, it exceeds 100 %, or it has more than two decimals.
pub fn parse_percent(text: &str) -> Result<u16, UnitError> {
    let refuse = || UnitError::Percent {
        found: shortened(text),
    };
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let tenthousandths = fixed_point(number, 2).ok_or_else(refuse)?;
    u16::try_from(tenthousandths)
        .ok()
        .filter(|found| *found <= WHOLE_BASIS_POINTS)
        .ok_or_else(refuse)
}

/// Parses a plain decimal number with at most `decimals` decimals as a whole number of its last decimal place: floats
/// are never used for compared or hashed values. `None` if the form differs.
pub fn fixed_point(text: &str, decimals: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    // Trailing zeros do not matter.
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).ok()?;
    let missing = decimals.checked_sub(places)?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let scale = |power: u32| 10_u64.checked_pow(power);
    whole
        .checked_mul(scale(decimals)?)?
        .checked_add(fraction.checked_mul(scale(missing)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_round_trip() {
        for (text, seconds) in [
            ("90s", 90),
            ("45m", 2_700),
            ("36h", 129_600),
            ("2d", 172_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse_span(text), Ok(seconds));
            assert_eq!(show_span(seconds), text);
        }
        assert_eq!(show_span(0), "0s");
        for text in [
            "",
            "7",
            "d",
            "1.5h",
            "-1h",
            "7 d",
            "7y",
            "99999999999999999999s",
            "9999999999999999999w",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_exact() {
        for (text, points) in [
            ("0", 0),
            ("95", 9_500),
            ("99.5", 9_950),
            ("99.05%", 9_905),
            ("100", 10_000),
            ("12.500", 1_250),
        ] {
            assert_eq!(parse_percent(text), Ok(points), "{text}");
        }
        for text in ["", "%", "100.01", "-1", "99.555", "1e2", "ninety", ".5", "5."] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
