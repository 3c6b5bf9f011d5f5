//! Strings: the order of keys, and the escapes of RFC 8785 §3.2.2.2.

use std::cmp::Ordering;

/// Compares two strings by their UTF-16 code units: the key order of RFC 8785 §3.2.3.
///
/// It differs from the order of Rust strings (by code point) only if a character beyond U+FFFF meets one of
/// U+E000 to U+FFFF: the former is written with surrogates, which sort lower.
#[must_use]
pub fn cmp_utf16(a: &str, b: &str) -> Ordering {
    cmp_utf16_bytes(a.as_bytes(), b.as_bytes())
}

/// Compares the bytes of two texts like [`cmp_utf16`].
pub(super) fn cmp_utf16_bytes(a: &[u8], b: &[u8]) -> Ordering {
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((&x, &y)) => utf16_rank(x).cmp(&utf16_rank(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// Ranks the first UTF-8 byte in which two strings differ as UTF-16 would.
///
/// 0xEE and 0xEF lead U+E000 to U+FFFF; 0xF0 to 0xF4 lead the characters beyond. All other bytes, continuation
/// bytes included, rank the same in both encodings.
fn utf16_rank(byte: u8) -> u8 {
    match byte {
        0xEE | 0xEF => byte + 0x10,
        _ => byte,
    }
}

/// Returns the index of the first byte that must be escaped in a JSON string (a control character, `"` or `\`),
/// or the length of `bytes` if there is none.
pub(super) fn find_special(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Eight bytes at a time. The high bit of a lane is set when the byte is below the bound; a
    // borrow may also set lanes above the first hit, which is why only the lowest is used.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let mut index = 0;
    let (words, tail) = bytes.as_chunks::<8>();
    for chunk in words {
        let word = u64::from_le_bytes(*chunk);
        let hit = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if hit != 0 {
            return index + (hit.trailing_zeros() / 8) as usize;
        }
        index += 8;
    }
    index
        + tail
            .iter()
            .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
            .unwrap_or(tail.len())
}

/// Appends `text` as a canonical JSON string, quotes included.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, tail) = rest.split_at(find_special(rest));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0x0F)]);
            }
        }
        rest = tail;
    }
    out.push(b'"');
}
