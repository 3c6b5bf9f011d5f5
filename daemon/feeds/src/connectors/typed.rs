//! Reads fields that people fill by hand: ids of CVE records, and addresses among words.

use std::collections::BTreeSet;

use super::text::is_cve;

/// Returns the ids of CVE records, each once, in order: in lower case, with blanks, other dashes or letters that only
/// look like Latin ones, several in one field, further numbers of a year, or a single one without its prefix.
pub(crate) fn cves(text: &str) -> Vec<String> {
    let text: String = text
        .chars()
        .map(|c| match c {
            '‐' | '‑' | '‒' | '–' | '—' | '－' | '_' | '\u{A0}' => '-',
            'С' | 'с' => 'C',
            'Е' | 'е' => 'E',
            c => c.to_ascii_uppercase(),
        })
        .collect();
    let mut found: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |id: String| {
        if seen.insert(id.clone()) {
            found.push(id);
        }
    };
    let starts = text.match_indices("CVE");
    for rest in starts.filter_map(|(at, prefix)| text.get(at + prefix.len()..)) {
        let Some((id, mut rest)) = number(rest) else {
            continue;
        };
        let year = id.get(..9).unwrap_or_default().to_owned();
        add(id);
        while let Some((id, after)) = another_number(&year, rest) {
            add(id);
            rest = after;
        }
    }
    if found.is_empty() && !text.contains("CVE") {
        let id = number(&text).map(|(id, _)| id);
        found.extend(id.filter(|id| text.trim().ends_with(id.get(9..).unwrap_or_default())));
    }
    found
}

/// Returns the id whose year and number a text begins with, and the rest.
fn number(text: &str) -> Option<(String, &str)> {
    let bare = |text: &str| text.len() - text.trim_start_matches(['-', ' ', ':', '\n', '\t', '\r']).len();
    let text = text.get(bare(text)..)?;
    let (year, rest) = text.split_at(digits(text));
    let number = rest
        .get(bare(rest)..)
        .filter(|number| number.len() < rest.len())?;
    let (number, rest) = number.split_at(digits(number));
    let id = format!("CVE-{year}-{number}");
    (is_ended(rest) && is_cve(&id)).then_some((id, rest))
}

/// Returns the id after a separator, and the rest: a year and a number, or a further number of the same year
/// (`CVE-2030-1111/1112`). What may be a year is not a number.
fn another_number<'t>(year: &str, rest: &'t str) -> Option<(String, &'t str)> {
    let separators = ['/', ',', ';', '&', '、', '，', '；', '／'];
    let next = rest.trim_start().strip_prefix(separators)?.trim_start();
    let is_year = |text: &str| text.len() == 4 && ("1980".."2100").contains(&text);
    let with_year = number(next).filter(|(id, _)| id.get(4..8).is_some_and(is_year));
    if with_year.is_some() {
        return with_year;
    }
    let (number, rest) = next.split_at(digits(next));
    let id = format!("{year}{number}");
    (!is_year(number) && is_ended(rest) && is_cve(&id)).then_some((id, rest))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Returns true if a number ends before this text: a second number makes it a range, or another id.
fn is_ended(rest: &str) -> bool {
    let goes_on = rest.strip_prefix('-').unwrap_or(rest);
    !goes_on.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Returns the addresses in a text, in order: words may stand before them, punctuation after them, and several in a line.
pub(crate) fn links(text: &str) -> Vec<&str> {
    let is_end = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '<' | '>' | '“' | '”' | '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF20}')
    };
    text.split(is_end).flat_map(links_of_word).collect()
}

/// Returns the addresses in a text without blanks: one after the other, if they are separated.
fn links_of_word(word: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    for (at, _) in word.match_indices("://") {
        let before = word.get(..at).unwrap_or_default();
        let scheme = ["https", "http", "ftp"]
            .iter()
            .find(|scheme| before.ends_with(*scheme));
        let Some(start) = scheme.map(|scheme| at - scheme.len()) else {
            continue;
        };
        let is_separate = before
            .get(..start)
            .is_some_and(|before| before.ends_with([',', ';', '|']));
        if starts.is_empty() || is_separate {
            starts.push(start);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([word.len()]);
    let parts = starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| word.get(*start..end));
    // A full stop or bracket belongs to the sentence.
    let cut = |link: &'_ str| {
        let link = link.trim_end_matches([',', ';', '|', '.', '\'']);
        if link.contains('(') {
            link.len()
        } else {
            link.trim_end_matches(')').len()
        }
    };
    parts.filter_map(|link| link.get(..cut(link))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_of_any_typing_are_read() {
        for text in [
            "CVE-2030-12345",
            "\n\tCVE-2030-12345\u{A0}",
            "CVE 2030 12345",
            "CVE–2030–12345",
            "CVE-2030 - 12345",
            "2030-12345",
            "cve-2030-12345",
            "СVЕ-2030-12345",
        ] {
            assert_eq!(cves(text), ["CVE-2030-12345"], "{text:?}");
        }
        for text in [
            "CVE 2030 1111, cve 2030 2222",
            "CVE-2030-1111/CVE-2030-2222",
            "CVE-2030-1111/2222",
            "CVE-2030-1111/2030-2222",
            "CVE-2030-1111， 2222；1111",
            "CVE-2030-1111、CVE-2030-2222；CVE-2030-1111",
            "CVE-2030-1111 CVE-2030-2222",
        ] {
            assert_eq!(cves(text), ["CVE-2030-1111", "CVE-2030-2222"], "{text:?}");
        }
        for text in [
            "",
            "12345",
            "CVE",
            "CVE-2030-1/../2",
            "CVE-2030-12a45",
            "2030-1111, 2030-2222",
            "CVE-2030-1111-1115",
            "CVE-20301111",
        ] {
            assert!(cves(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn year_is_not_taken_for_a_further_number() {
        for text in [
            "CVE-2030-1111, 2031",
            "CVE-2030-1111/12",
            "CVE-2030-1111/2222-2225",
        ] {
            assert_eq!(cves(text), ["CVE-2030-1111"], "{text}");
        }
        assert_eq!(cves("CVE-2030-11111/20222"), ["CVE-2030-11111", "CVE-2030-20222"]);
    }

    #[test]
    fn addresses_are_found_among_words() {
        for (text, expected) in [
            ("https://a.example/x", "https://a.example/x"),
            ("链接:https://a.example/x?a=1,2", "https://a.example/x?a=1,2"),
            ("厂商已发布：https://a.example/x，请更新。", "https://a.example/x"),
            ("see (http://a.example/x).", "http://a.example/x"),
            ("(http://a.example/x)", "http://a.example/x"),
            ("https://a.example/a_(b)", "https://a.example/a_(b)"),
            (
                "https://a.example/1;http://b.example/2, http://c.example/",
                "https://a.example/1 http://b.example/2 http://c.example/",
            ),
            (
                "https://web.example/2030/http://a.example/",
                "https://web.example/2030/http://a.example/",
            ),
            ("www.example.org", ""),
        ] {
            assert_eq!(links(text).join(" "), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_sound_ids(text in "(CVE|cve|-|2030|1234| |/|С|\\PC){0,20}") {
            prop_assert!(cves(&text).iter().all(|id| is_cve(id)), "{}", text);
        }

        #[test]
        fn any_text_has_its_addresses(text in "(http://|,http|;|，|a|\\PC){0,20}") {
            prop_assert!(links(&text).iter().all(|link| text.contains(link)), "{}", text);
        }
    }
}
