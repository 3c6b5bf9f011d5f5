//! Encodes ids in few bytes: an id is in five or six keys, and most ids follow a pattern.
//!
//! A pattern is used only if it gives the text back byte for byte; other ids are raw.

use starling_protocol::varint;

use super::Reader;

/// The code of raw text: a length byte (one less than the length) and the text.
const RAW: u8 = 0;
/// The code of a `GHSA-xxxx-xxxx-xxxx` id: seven bytes of base 20.
const GHSA: u8 = 1;
/// The code of the first dated pattern.
const FIRST_DATED: u8 = 2;
/// The digits of GHSA ids.
const GHSA_DIGITS: &[u8; 20] = b"23456789cfghjmpqrvwx";
/// The first year of dated patterns; the year takes one byte.
const FIRST_YEAR: u16 = 1900;

/// Ids of the form prefix, four-digit year, separator, number: `(prefix, separator, least digits)`.
/// Frozen: a code is a place in this list, so new patterns go to its end.
const DATED: [(&str, char, usize); 20] = [
    ("CVE-", '-', 4),
    ("PYSEC-", '-', 1),
    ("RUSTSEC-", '-', 4),
    ("GO-", '-', 4),
    ("MAL-", '-', 1),
    ("OSV-", '-', 1),
    ("JLSEC-", '-', 1),
    ("PSF-", '-', 1),
    ("HSEC-", '-', 4),
    ("RSEC-", '-', 1),
    ("ALSA-", ':', 4),
    ("ALBA-", ':', 4),
    ("ALEA-", ':', 4),
    ("RHSA-", ':', 4),
    ("RHBA-", ':', 4),
    ("RHEA-", ':', 4),
    ("RLSA-", ':', 4),
    ("CURL-CVE-", '-', 4),
    ("DRUPAL-CONTRIB-", '-', 3),
    ("DRUPAL-CORE-", '-', 3),
];

/// Writes an id of 1 to 256 bytes.
pub(super) fn write_id(out: &mut Vec<u8>, id: &str) {
    if let Some(digits) = ghsa_number(id) {
        out.push(GHSA);
        out.extend_from_slice(&digits.to_be_bytes()[1..]);
    } else if let Some((code, year, number)) = dated_parts(id) {
        out.push(code);
        out.push(year);
        varint::put(out, number);
    } else {
        debug_assert!((1..=256).contains(&id.len()));
        out.push(RAW);
        out.push(u8::try_from(id.len().saturating_sub(1)).unwrap_or(u8::MAX));
        out.extend_from_slice(&id.as_bytes()[..id.len().min(256)]);
    }
}

/// Reads an id.
pub(super) fn read_id(reader: &mut Reader<'_>) -> Option<String> {
    match reader.byte()? {
        RAW => {
            let length = usize::from(reader.byte()?) + 1;
            let text = std::str::from_utf8(reader.bytes(length)?).ok()?;
            (ghsa_number(text).is_none() && dated_parts(text).is_none()).then(|| text.to_owned())
        }
        GHSA => {
            let mut bytes = [0; 8];
            bytes[1..].copy_from_slice(reader.bytes(7)?);
            ghsa_text(u64::from_be_bytes(bytes))
        }
        code => {
            let year = reader.byte()?;
            dated_text(code, year, reader.number()?)
        }
    }
}

fn ghsa_number(id: &str) -> Option<u64> {
    let groups = id.strip_prefix("GHSA-")?.as_bytes();
    if groups.len() != 14 {
        return None;
    }
    groups
        .iter()
        .enumerate()
        .try_fold(0u64, |number, (place, byte)| match (place, byte) {
            (4 | 9, b'-') => Some(number),
            (4 | 9, _) => None,
            _ => Some(number * 20 + GHSA_DIGITS.iter().position(|digit| digit == byte)? as u64),
        })
}

fn ghsa_text(mut number: u64) -> Option<String> {
    let mut text = *b"GHSA-2222-2222-2222";
    for place in (5..text.len()).rev().filter(|place| text_place_is_digit(*place)) {
        text[place] = *GHSA_DIGITS.get(usize::try_from(number % 20).ok()?)?;
        number /= 20;
    }
    if number > 0 {
        return None;
    }
    String::from_utf8(text.to_vec()).ok()
}

const fn text_place_is_digit(place: usize) -> bool {
    !matches!(place, 9 | 14)
}

fn dated_parts(id: &str) -> Option<(u8, u8, u64)> {
    for (code, (prefix, separator, digits)) in (FIRST_DATED..).zip(DATED) {
        let Some(rest) = id.strip_prefix(prefix) else {
            continue;
        };
        let (year, number) = rest.split_once(separator)?;
        // The text must come back byte for byte: no sign, and the same number of digits.
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_padded_so = number.len() == digits || (number.len() > digits && !number.starts_with('0'));
        if year.len() != 4 || !is_number(year) || !is_number(number) || !is_padded_so {
            return None;
        }
        let year = u8::try_from(year.parse::<u16>().ok()?.checked_sub(FIRST_YEAR)?).ok()?;
        return Some((code, year, number.parse().ok()?));
    }
    None
}

fn dated_text(code: u8, year: u8, number: u64) -> Option<String> {
    let (prefix, separator, digits) = DATED.get(usize::from(code.checked_sub(FIRST_DATED)?))?;
    Some(format!(
        "{prefix}{}{separator}{number:0digits$}",
        u16::from(year) + FIRST_YEAR
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(id: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_id(&mut out, id);
        out
    }

    #[test]
    fn ids_of_known_patterns_are_short() {
        for (id, length) in [
            ("CVE-2021-44228", 5),
            ("CVE-2021-0001", 3),
            ("GHSA-jfh8-c2jp-5v3q", 8),
            ("GHSA-xxxx-xxxx-xxxx", 8),
            ("PYSEC-2021-9", 3),
            ("ALSA-2022:1234", 4),
            ("MAL-2023-8651", 4),
        ] {
            let bytes = encode(id);
            assert_eq!(bytes.len(), length, "{id}");
            assert_eq!(read_id(&mut Reader::new(&bytes)).as_deref(), Some(id));
        }
    }

    #[test]
    fn near_misses_keep_their_text() {
        for id in [
            "CVE-2021-00001",
            "CVE-2021-+001",
            "CVE-021-0001",
            "CVE-1899-0001",
            "CVE-2156-0001",
            "CVE-2021-99999999999999999999",
            "cve-2021-0001",
            "GHSA-JFH8-c2jp-5v3q",
            "GHSA-jfh8c2jp--5v3q",
            "GHSA-jfh8-c2jp-5v31",
            "PYSEC-2021-",
            "x",
        ] {
            let bytes = encode(id);
            assert_eq!(bytes[0], RAW, "{id}");
            assert_eq!(read_id(&mut Reader::new(&bytes)).as_deref(), Some(id));
        }
    }

    proptest! {
        #[test]
        fn any_id_reads_back(id in "\\PC{1,40}|(CVE|GO|MAL|ALSA|GHSA)-[0-9a-x:-]{1,16}|CVE-[12][0-9]{3}-[0-9]{1,8}") {
            let mut bytes = encode(&id);
            bytes.push(7);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_id(&mut reader), Some(id));
            prop_assert_eq!(reader.byte(), Some(7));
        }

        #[test]
        fn id_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let mut reader = Reader::new(&bytes);
            if let Some(id) = read_id(&mut reader) {
                let taken = bytes.len() - reader.rest.len();
                prop_assert_eq!(&encode(&id)[..], &bytes[..taken]);
            }
        }
    }
}
