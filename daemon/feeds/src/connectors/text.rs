//! Converts bytes to text, and sources' own forms of times.

use std::borrow::Cow;

use encoding_rs::Encoding;

pub(crate) use super::typed::cves as typed_cves;

/// A text, and unusual details of its bytes.
pub(crate) struct Decoded<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) warning: Option<String>,
}

/// Decodes a part of a document: as UTF-8 if valid, else by its declared encoding, else by the usual encoding of its
/// source. Bytes that are still not valid are replaced and reported.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    declared: Option<&'static Encoding>,
    fallback: &'static Encoding,
) -> Decoded<'a> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let is_other = declared.filter(|declared| *declared != encoding_rs::UTF_8 && !text.is_ascii());
        return Decoded {
            text: Cow::Borrowed(text),
            warning: is_other.map(|declared| format!("declared as {} and is UTF-8", declared.name())),
        };
    }
    let other = declared.filter(|declared| *declared != encoding_rs::UTF_8);
    let encoding = other.unwrap_or(fallback);
    let (text, _, has_errors) = encoding.decode(bytes);
    let replaced = if has_errors {
        "; bytes that are not text were replaced"
    } else {
        ""
    };
    let warning = match other {
        Some(_) if !has_errors => None,
        Some(_) => Some(format!("read as {}{replaced}", encoding.name())),
        None => Some(format!("not UTF-8; read as {}{replaced}", encoding.name())),
    };
    Decoded { text, warning }
}

/// Returns the encoding in a byte order mark or an XML declaration.
pub(crate) fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Some(encoding);
    }
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let declaration = head.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let value = declaration
        .split("encoding")
        .nth(1)?
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let declared = Encoding::for_label(value.get(1..)?.split(quote).next()?.as_bytes())?;
    // A declaration that can be read byte by byte is not in UTF-16, whatever it says.
    let is_utf_16 = [encoding_rs::UTF_16LE, encoding_rs::UTF_16BE].contains(&declared);
    (!is_utf_16).then_some(declared)
}

/// Converts a time to RFC 3339 in UTC. Accepts the forms of sources: with or without a zone (then UTC), a date alone,
/// `yyyymmdd`, `dd.mm.yyyy`, `dd/mm/yy`, `Apr 8, 2025, 8:18:05 AM`, seconds or milliseconds since 1970.
pub(crate) fn time(text: &str) -> Option<String> {
    time_at(text, "Z")
}

/// Same as [`time`], for a source whose times without a zone are in `zone`, such as `+09:00`.
pub(crate) fn time_at(text: &str, zone: &str) -> Option<String> {
    let text = text.trim().replace(['\u{202F}', '\u{A0}'], " ");
    if is_rfc_3339_in_utc(&text) && text.parse::<jiff::Timestamp>().is_ok() {
        return Some(text);
    }
    let text = text.strip_suffix(" UTC").unwrap_or(&text);
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|time| time.to_string());
    if let Some(time) = instant(text) {
        return Some(time);
    }
    // An offset without its colon.
    if let Some((at, _)) = text.char_indices().rev().nth(3)
        && at > 10
        && text.get(..at).is_some_and(|front| front.ends_with(['+', '-']))
        && let (Some(front), Some(minutes)) = (text.get(..at + 2), text.get(at + 2..))
        && let Some(time) = instant(&format!("{front}:{minutes}"))
    {
        return Some(time);
    }
    if let Some(date) = date(text) {
        return instant(&format!("{date}T00:00:00{zone}"));
    }
    if let Some((day, clock)) = text.split_once(['T', ' '])
        && let Some(day) = date(day)
    {
        let clock = match clock.split(':').count() {
            2 => format!("{clock}:00"),
            _ => clock.to_owned(),
        };
        // Spreadsheets write the hours before ten with one digit.
        let is_short = clock.find(':') == Some(1);
        let clock = if is_short { format!("0{clock}") } else { clock };
        return instant(&format!("{day}T{clock}{zone}"));
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number
        && text.len() == 8
        && let Some((year, rest)) = text.split_at_checked(4)
        && let Some((month, day)) = rest.split_at_checked(2)
    {
        return instant(&format!("{year}-{month}-{day}T00:00:00{zone}"));
    }
    // Shorter numbers are times of 1970 to 1973: years, or parts of a date. Longer ones are milliseconds.
    if is_number && text.split('.').next()?.len() > 8 {
        let number: i64 = text.split('.').next()?.parse().ok()?;
        let time = match number {
            ..100_000_000_000 => jiff::Timestamp::from_second(number),
            _ => jiff::Timestamp::from_millisecond(number),
        };
        return Some(time.ok()?.to_string());
    }
    american(text, zone)
}

/// Returns true for the form of RFC 3339 in UTC: `2024-05-14T16:11:39Z`, with or without a fraction.
fn is_rfc_3339_in_utc(text: &str) -> bool {
    let Some((seconds, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let has_form = seconds.bytes().zip("dddd-dd-ddTdd:dd:dd".bytes());
    let fraction = rest
        .strip_suffix('Z')
        .map(|rest| rest.strip_prefix('.').unwrap_or(rest));
    fraction.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        && has_form
            .into_iter()
            .all(|(byte, form)| byte == form || (form == b'd' && byte.is_ascii_digit()))
}

/// Parses a date alone and returns it as `yyyy-mm-dd`.
fn date(text: &str) -> Option<String> {
    let parts = |separator| {
        let parts: Vec<&str> = text.split(separator).collect();
        let numbers = parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        <[&str; 3]>::try_from(parts).ok().filter(|_| numbers)
    };
    if let Some([year, month, day]) = parts('-').or_else(|| parts('/').filter(|[year, ..]| year.len() == 4)) {
        return (year.len() == 4).then(|| format!("{year}-{month:0>2}-{day:0>2}"));
    }
    let [day, month, year] = parts('.').or_else(|| parts('/'))?;
    let century = match year.len() {
        2 => "20",
        4 => "",
        _ => return None,
    };
    Some(format!("{century}{year}-{month:0>2}-{day:0>2}"))
}

/// The months by the prefix of their English names.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Returns the number of a month by its English name or a prefix.
pub(crate) fn month(name: &str) -> Option<usize> {
    let name = name.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|own| *own == name).map(|index| index + 1)
}

/// Reads `Apr 8, 2025, 8:18:05 AM`.
fn american(text: &str, zone: &str) -> Option<String> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [name, day, year, clock, half] = <[&str; 5]>::try_from(words).ok()?;
    let month = month(name)?;
    let mut clock = clock.split(':');
    let hour: u32 = clock.next()?.parse().ok()?;
    let minute: u32 = clock.next()?.parse().ok()?;
    let second: u32 = clock.next().unwrap_or("0").parse().ok()?;
    let hour = match (half, hour) {
        ("AM", 12) => 0,
        ("PM", 12) | ("AM", _) => hour,
        ("PM", _) => hour + 12,
        _ => return None,
    };
    let text = format!("{year}-{month:02}-{day:0>2}T{hour:02}:{minute:02}:{second:02}{zone}");
    Some(text.parse::<jiff::Timestamp>().ok()?.to_string())
}

/// Returns true for exactly the id of a CVE record.
pub(crate) fn is_cve(text: &str) -> bool {
    let Some((year, number)) = text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    year.len() == 4 && (4..=19).contains(&number.len()) && digits(year) && digits(number)
}

/// Returns the ids of CVE records in a text, each once, in order.
pub(crate) fn cves_in(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("CVE-") {
        let rest = text.get(at..).unwrap_or_default();
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let word = rest
            .get(..rest.find(ends).unwrap_or(rest.len()))
            .unwrap_or_default();
        if is_cve(word) && !found.iter().any(|own| own == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// Words that stand beside versions: `up-to-1.2`.
const WORDS_OF_RANGES: [&str; 16] = [
    "all", "and", "any", "before", "below", "earlier", "later", "latest", "lower", "newer", "older", "prior",
    "through", "to", "until", "up",
];

/// Returns true for text that is not a single version: words, comparisons, lists and patterns.
pub(crate) fn is_prose(version: &str) -> bool {
    let is_foreign = |c: char| c.is_whitespace() || !c.is_ascii() || "<>=,|*;/&()[]{}".contains(c);
    let is_open = version.starts_with(['^', '~']) || version.ends_with('+');
    if version.contains(is_foreign) || is_open || !version.contains(|c: char| c.is_ascii_digit()) {
        return true;
    }
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let is_pattern = core.split('.').any(|part| part.eq_ignore_ascii_case("x"));
    let mut words = version.split(|c: char| !c.is_ascii_alphabetic());
    is_pattern || words.any(|word| WORDS_OF_RANGES.contains(&word.to_ascii_lowercase().as_str()))
}

/// Returns true for two versions with a hyphen between them: `1.0.0-1.5.2`. Few registries have such a single version.
pub(crate) fn is_span(version: &str) -> bool {
    let is_dotted = |text: &str| {
        let text = text.strip_prefix('v').unwrap_or(text);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.contains('.') && text.split('.').all(is_number)
    };
    let parts = version.split_once('-');
    parts.is_some_and(|(first, last)| is_dotted(first) && is_dotted(last))
}

/// Returns true for the description of a rejected entry: `** REJECT **`, `**REJECT**`, `Rejected reason:`.
pub(crate) fn is_rejection(text: &str) -> bool {
    let is_mark = |c: char| c == '*' || c.is_whitespace();
    let after_marks = text.trim_start_matches(is_mark);
    let is_marked = after_marks.len() < text.len()
        && ["REJECT", "REJECTED"].iter().any(|word| {
            after_marks
                .strip_prefix(word)
                .is_some_and(|rest| rest.trim_start().starts_with('*'))
        });
    is_marked || text.starts_with("Rejected reason:")
}

/// Cuts foreign text to a length for a message.
pub(crate) fn quote(text: &str) -> String {
    let mut characters = text.chars();
    let mut quoted: String = characters.by_ref().take(80).filter(|c| !c.is_control()).collect();
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// Returns JSON without the commas before closing brackets, which keeps every other byte in its place; `None` if there are
/// none.
pub(crate) fn without_trailing_commas(body: &[u8]) -> Option<Vec<u8>> {
    let mut mended: Option<Vec<u8>> = None;
    let (mut is_text, mut is_escaped) = (false, false);
    let mut comma: Option<usize> = None;
    for (at, byte) in body.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => {
                is_text = !is_text;
                comma = None;
            }
            _ if is_text => {}
            b',' => comma = Some(at),
            b']' | b'}' => {
                if let Some(at) = comma.take()
                    && let Some(place) = mended.get_or_insert_with(|| body.to_vec()).get_mut(at)
                {
                    *place = b' ';
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_every_form_become_rfc_3339_in_utc() {
        for (text, expected) in [
            ("2024-05-14T16:11:39.510", "2024-05-14T16:11:39.51Z"),
            ("2024-05-14T16:11:39.510Z", "2024-05-14T16:11:39.510Z"),
            ("2024-05-14T16:11:39+02:00", "2024-05-14T14:11:39Z"),
            ("2022-02-04T00:00:00+0000", "2022-02-04T00:00:00Z"),
            ("2021-11-03", "2021-11-03T00:00:00Z"),
            ("2021-11-03 04:05", "2021-11-03T04:05:00Z"),
            ("2021-11-03 04:05:06 UTC", "2021-11-03T04:05:06Z"),
            ("2021/1/3 4:05:06", "2021-01-03T04:05:06Z"),
            ("17/01/25", "2025-01-17T00:00:00Z"),
            ("03.02.2021", "2021-02-03T00:00:00Z"),
            ("Apr 8, 2025, 8:18:05\u{202F}PM", "2025-04-08T20:18:05Z"),
            ("Dec 31, 2020, 12:00:00 AM", "2020-12-31T00:00:00Z"),
            ("1640995200", "2022-01-01T00:00:00Z"),
            ("1640995200000", "2022-01-01T00:00:00Z"),
            ("20220101", "2022-01-01T00:00:00Z"),
            ("2022-01-01T04:05Z", "2022-01-01T04:05:00Z"),
            ("2022-01-01T04:05:06,5Z", "2022-01-01T04:05:06.5Z"),
            ("+002022-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(
            time_at("2023/11/02 12:00:18", "+09:00").as_deref(),
            Some("2023-11-02T03:00:18Z")
        );
        for text in [
            "",
            "tbc",
            "-",
            "2024-13-01",
            "2024",
            "20241301",
            "99.99.9999",
            "yesterday at noon, so",
            // Its fourth character from the end has several bytes.
            "ninety-nine balloons +W𑨽&*",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_are_decoded_as_utf_8_or_as_declared() {
        let cyrillic = encoding_rs::WINDOWS_1251.encode("Уязвимость").0.into_owned();
        let read = decode(&cyrillic, None, encoding_rs::WINDOWS_1251);
        assert_eq!(read.text, "Уязвимость");
        assert_eq!(read.warning.as_deref(), Some("not UTF-8; read as windows-1251"));
        let chinese = encoding_rs::GB18030.encode("漏洞").0.into_owned();
        let declared = declared_encoding(b"<?xml version='1.0' encoding='GB2312'?>");
        let read = decode(&chinese, declared, encoding_rs::WINDOWS_1252);
        assert_eq!((read.text.as_ref(), read.warning), ("漏洞", None));
        for (label, expected) in [
            ("UTF-16", None),
            ("utf-16be", None),
            ("ISO-2022-JP", Some(encoding_rs::ISO_2022_JP)),
        ] {
            let text = format!("<?xml version='1.0' encoding='{label}'?>");
            assert_eq!(declared_encoding(text.as_bytes()), expected, "{label}");
        }
        let read = decode("漏洞".as_bytes(), declared, encoding_rs::WINDOWS_1252);
        assert_eq!(read.text, "漏洞");
        assert!(read.warning.unwrap().contains("is UTF-8"));
    }

    #[test]
    fn single_versions_are_distinguished_from_prose() {
        for version in [
            "1",
            "v1.2.3",
            "1.2.3-rc.1",
            "1.0-1",
            "2021.01.01",
            "1.2.3+build.5",
            "1.0.0-x.7.z.92",
            "1!2.0.post1",
            "2.0.0.RELEASE",
            "8.5p1",
            "1.2.3-beta-2.1",
        ] {
            assert!(!is_prose(version) && !is_span(version), "{version}");
        }
        for text in [
            "",
            "all",
            "n/a",
            "1.2.x",
            "1.X",
            "2.x.x",
            "1.*",
            "< 2",
            "1.2,1.3",
            "1.2;1.3",
            "1.2/1.3",
            "[1.0]",
            "1.2.3+",
            "^1.2",
            "~1.2",
            "≤1.2",
            "1.2.3以下",
            "up-to-1.2",
            "1.2_and_below",
            "1.2 - 1.5",
        ] {
            assert!(is_prose(text), "{text}");
        }
        for span in ["1.0.0-1.5.2", "v1.0-v1.5"] {
            assert!(is_span(span), "{span}");
        }
    }

    #[test]
    fn cve_ids_are_distinguished_from_similar_texts() {
        assert!(is_cve("CVE-2024-1234567"));
        for text in [
            "CVE-2024-123",
            "CVE-24-1234",
            "CVE-2024-1234/../x",
            "cve-2024-1234",
            "CVE-2024-12a4",
            "",
        ] {
            assert!(!is_cve(text), "{text}");
        }
        assert_eq!(
            cves_in("x CVE-2024-1111,CVE-2024-1111 (CVE-2024-2222) CVE-2023-XXXX"),
            ["CVE-2024-1111", "CVE-2024-2222"]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC{0,30}|[0-9:./,TZ +APM-]{0,30}") {
            if let Some(time) = time(&text) {
                prop_assert!(time.parse::<jiff::Timestamp>().is_ok(), "{} became {}", text, time);
            }
        }

        #[test]
        fn any_bytes_are_decoded(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, declared_encoding(&bytes), encoding_rs::GB18030);
        }
    }

    #[test]
    fn commas_before_closing_brackets_are_taken_away() {
        for (text, expected) in [
            (
                r#"{"a":[1,2, ],"b":{"c":",]",},}"#,
                Some(r#"{"a":[1,2  ],"b":{"c":",]" } }"#),
            ),
            (r#"{"a":[1,2],"b":"\\",  "c":"\",]"}"#, None),
            ("[,]", Some("[ ]")),
        ] {
            let found = without_trailing_commas(text.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
