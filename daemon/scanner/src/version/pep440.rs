//! PEP 440 and, for other texts, the order that setuptools used before: all of them sort below every PEP 440 version,
//! so that an old `2004b` in a range still has a place.

use super::key::{KeyWriter, is_number, split_digits, split_while};
use super::{Form, Reason};

const LEGACY: u8 = 0x00;
const STANDARD: u8 = 0x01;

const END: u8 = 0x00;
/// A dev release without pre or post: below the first alpha.
const PRE_BELOW_ALL: u8 = 0x00;
const PRE: u8 = 0x01;
const PRE_NONE: u8 = 0x02;
const POST_NONE: u8 = 0x00;
const POST: u8 = 0x01;
const DEV: u8 = 0x01;
const DEV_NONE: u8 = 0x02;
const NUMBER: u8 = 0x02;
const TEXT: u8 = 0x01;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<Form, Reason> {
    let lower = text.to_ascii_lowercase();
    match parse(&lower) {
        Some(version) => {
            key.mark(STANDARD);
            version.write(key);
            Ok(Form::Proper)
        }
        None => {
            key.mark(LEGACY);
            write_legacy(&lower, key);
            Ok(Form::Tolerated)
        }
    }
}

/// A PEP 440 version; numbers stay digits, so none is too large.
#[derive(Debug)]
struct Standard<'a> {
    epoch: &'a str,
    release: Vec<&'a str>,
    /// Rank of the phase (alpha, beta, candidate) and its number.
    pre: Option<(u8, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Option<&'a str>,
}

impl Standard<'_> {
    fn write(&self, key: &mut KeyWriter) {
        key.number(self.epoch);
        let significant = self
            .release
            .iter()
            .rposition(|n| n.bytes().any(|b| b != b'0'))
            .map_or(0, |last| last + 1);
        for number in self.release.iter().take(significant) {
            key.mark(NUMBER);
            key.number(number);
        }
        key.mark(END);
        match self.pre {
            Some((phase, number)) => {
                key.mark(PRE);
                key.mark(phase);
                key.number(number);
            }
            None if self.post.is_none() && self.dev.is_some() => key.mark(PRE_BELOW_ALL),
            None => key.mark(PRE_NONE),
        }
        match self.post {
            Some(number) => {
                key.mark(POST);
                key.number(number);
            }
            None => key.mark(POST_NONE),
        }
        match self.dev {
            Some(number) => {
                key.mark(DEV);
                key.number(number);
            }
            None => key.mark(DEV_NONE),
        }
        for part in self
            .local
            .into_iter()
            .flat_map(|local| local.split(['.', '-', '_']))
        {
            if is_number(part) {
                key.mark(NUMBER);
                key.number(part);
            } else {
                key.mark(TEXT);
                key.text(part);
            }
        }
        key.mark(END);
    }
}

/// Parses Appendix B of PEP 440 by hand; `text` is in lower case.
fn parse(text: &str) -> Option<Standard<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, local) = match text.split_once('+') {
        Some((head, local)) => (head, Some(local)),
        None => (text, None),
    };
    if local.is_some_and(|local| {
        local
            .split(['.', '-', '_'])
            .any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric()))
    }) {
        return None;
    }
    let (epoch, mut rest) = match text.split_once('!') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        Some(_) => return None,
        None => ("", text),
    };
    let mut release = Vec::with_capacity(4);
    loop {
        let (digits, after) = split_digits(rest);
        if digits.is_empty() {
            return None;
        }
        release.push(digits);
        rest = after;
        // A '.' without a following digit belongs to a suffix such as `.post1`.
        match after.strip_prefix('.') {
            Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
            _ => break,
        }
    }
    let mut pre = None;
    if let Some((phase, number, after)) = suffix(rest, &PRE_NAMES) {
        pre = Some((phase, number));
        rest = after;
    }
    let mut post = None;
    if let Some((_, number, after)) = suffix(rest, &POST_NAMES) {
        post = Some(number);
        rest = after;
    } else if let Some(after) = rest.strip_prefix('-') {
        // The implicit post release: `1.0-1`.
        let (digits, after) = split_digits(after);
        if !digits.is_empty() {
            post = Some(digits);
            rest = after;
        }
    }
    let mut dev = None;
    if let Some((_, number, after)) = suffix(rest, &DEV_NAMES) {
        dev = Some(number);
        rest = after;
    }
    rest.is_empty().then_some(Standard {
        epoch,
        release,
        pre,
        post,
        dev,
        local,
    })
}

/// Longer names before their own prefixes.
const PRE_NAMES: [(&str, u8); 8] = [
    ("alpha", 1),
    ("a", 1),
    ("beta", 2),
    ("b", 2),
    ("preview", 3),
    ("pre", 3),
    ("rc", 3),
    ("c", 3),
];
const POST_NAMES: [(&str, u8); 3] = [("post", 1), ("rev", 1), ("r", 1)];
const DEV_NAMES: [(&str, u8); 1] = [("dev", 1)];

/// Reads `[sep] name [sep] [number]`; returns the name's rank, the number and the rest.
fn suffix<'a>(text: &'a str, names: &[(&str, u8)]) -> Option<(u8, &'a str, &'a str)> {
    let body = text.strip_prefix(['.', '-', '_']).unwrap_or(text);
    let (rank, after) = names
        .iter()
        .find_map(|(name, rank)| Some((*rank, body.strip_prefix(name)?)))?;
    let spaced = after.strip_prefix(['.', '-', '_']).unwrap_or(after);
    let (digits, rest) = split_digits(spaced);
    // A separator without a following number belongs to the next suffix.
    if digits.is_empty() {
        Some((rank, "", after))
    } else {
        Some((rank, digits, rest))
    }
}

/// setuptools' `_parse_version_parts` and `_legacy_cmpkey`: digits padded to eight, words after `*`; words below
/// `final` remove the dashes and zeros before them.
fn write_legacy(text: &str, key: &mut KeyWriter) {
    let mut parts: Vec<String> = Vec::new();
    let mut push = |part: String| {
        if part.starts_with('*') {
            if part.as_str() < "*final" {
                while parts.last().is_some_and(|last| last == "*final-") {
                    parts.pop();
                }
            }
            while parts.last().is_some_and(|last| last == "00000000") {
                parts.pop();
            }
        }
        parts.push(part);
    };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = if first.is_ascii_digit() {
            split_digits(rest)
        } else if first.is_ascii_lowercase() {
            split_while(rest, |c| c.is_ascii_lowercase())
        } else if matches!(first, '.' | '-') {
            rest.split_at(1)
        } else {
            // The tool splits at the known tokens; the text between them is one part.
            split_while(rest, |c| {
                !c.is_ascii_digit() && !c.is_ascii_lowercase() && c != '.' && c != '-'
            })
        };
        rest = after;
        match token {
            "." => {}
            "pre" | "preview" | "rc" => push("*c".to_owned()),
            "-" => push("*final-".to_owned()),
            "dev" => push("*@".to_owned()),
            digits if first.is_ascii_digit() => push(format!("{digits:0>8}")),
            word => push(format!("*{word}")),
        }
    }
    push("*final".to_owned());
    for part in &parts {
        key.text(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_may_be_spelt_long_short_and_with_any_separator() {
        for text in ["1.0alpha1", "1.0-alpha.1", "1.0_a1", "1.0.a-1"] {
            let version = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(version.pre, Some((1, "1")), "{text}");
        }
        assert!(parse("1.0-").is_none());
        assert!(parse("1.0+a..b").is_none());
        assert!(parse("french toast").is_none());
    }
}
