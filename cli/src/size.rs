//! Parses sizes on the command line, such as `100MB`.

/// Parses a whole number of bytes with an optional unit: B, kB, MB, GB (powers of 1,000), KiB, MiB, GiB (powers of
/// 1,024). Upper and lower case are the same.
///
/// # Errors
/// The expected form.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not a size: expected bytes or a unit, as in 100MB or 64MiB");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(refuse()),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    number.checked_mul(factor).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_decimal_and_binary_units_are_parsed() {
        for (text, bytes) in [
            ("0", 0),
            ("100MB", 100_000_000),
            ("64 MiB", 64 << 20),
            ("1kb", 1_000),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MB",
            "-1",
            "1.5MB",
            "1 XB",
            "99999999999999999999",
            "99999999999GB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
