//! UTF-16 input, as written by some shells when output is redirected to a file.

use super::SbomError;

/// Decodes a document with a UTF-16 byte order mark; `None` for any other.
///
/// # Errors
/// If the text after the mark is not UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<String>, SbomError> {
    let (rest, number): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return Ok(None),
    };
    let broken = |unit: usize| SbomError::UnknownFormat {
        reason: format!("it begins as UTF-16 and is not from its byte {} on", 2 + unit * 2),
    };
    let (pairs, odd) = rest.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(broken(pairs.len()));
    }
    let mut text = String::with_capacity(rest.len());
    for (at, unit) in char::decode_utf16(pairs.iter().map(|pair| number(*pair))).enumerate() {
        text.push(unit.map_err(|_| broken(at))?);
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Lockfile, read};

    #[test]
    fn utf_16_is_read_in_both_byte_orders() {
        let text = "idna==3.7\r\n# \u{1f600}\r\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (mark, body) in [([0xff, 0xfe], &little), ([0xfe, 0xff], &big)] {
            let whole = [&mark[..], body].concat();
            let inventory = read(&whole).unwrap();
            assert_eq!(inventory.format, Format::Lockfile(Lockfile::Requirements));
            assert_eq!(inventory.components[0].version.as_deref(), Some("3.7"));
            read(&whole[..whole.len() - 1]).unwrap_err();
            let lone = [&mark[..], &[0xd8, 0xd8, 0, 0]].concat();
            assert!(read(&lone).unwrap_err().to_string().contains("UTF-16"));
        }
    }
}
