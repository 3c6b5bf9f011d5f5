//! Composer: texts are converted to its normal form (four numbers, one stability), which PHP's `version_compare` then
//! orders. Branches (`dev-main`) have no order and are refused.

use super::Reason;
use super::key::{KeyWriter, is_number, split_digits};

/// The replacement for an open number in `1.x-dev`: above all real numbers.
const BRANCH_NUMBER: &str = "9999999";

// version_compare's order of forms. Those below END make a version older.
const DEV: u8 = 0x02;
const ALPHA: u8 = 0x03;
const BETA: u8 = 0x04;
const CANDIDATE: u8 = 0x05;
const END: u8 = 0x06;
const NUMBER: u8 = 0x07;
const PATCH: u8 = 0x08;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let lower = text.to_ascii_lowercase();
    let text = lower
        .split_once(" as ")
        .map_or(lower.as_str(), |(version, _alias)| version)
        .trim();
    let text = text
        .rsplit_once('@')
        .map_or(text, |(head, tail)| if is_stability(tail) { head } else { text });
    if text.starts_with("dev-") || matches!(text, "master" | "trunk" | "default") {
        return Err("a branch has no place in the order");
    }
    let normal = match text.split_once('+') {
        Some((head, build)) if !build.is_empty() && !build.contains(char::is_whitespace) => head,
        _ => text,
    };
    let version = classical(normal)
        .or_else(|| dated(normal))
        .or_else(|| numeric_branch(normal))
        .ok_or("it is not one of Composer's version forms")?;
    version.write(key);
    Ok(())
}

fn is_stability(text: &str) -> bool {
    matches!(text, "dev" | "alpha" | "beta" | "rc" | "stable")
}

struct Normal<'a> {
    numbers: Vec<&'a str>,
    stability: Option<(u8, Vec<&'a str>)>,
    dev: bool,
}

impl Normal<'_> {
    fn write(&self, key: &mut KeyWriter) {
        for number in &self.numbers {
            key.mark(NUMBER);
            key.number(number);
        }
        if let Some((form, numbers)) = &self.stability {
            key.mark(*form);
            for number in numbers {
                key.mark(NUMBER);
                key.number(number);
            }
        }
        if self.dev {
            key.mark(DEV);
        }
        key.mark(END);
    }
}

/// `v?N(.N){0,3}` and modifiers; missing numbers are zero.
fn classical(text: &str) -> Option<Normal<'_>> {
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = Vec::with_capacity(4);
    loop {
        let (digits, after) = split_digits(rest);
        // Composer takes a first number of six or more digits for a date.
        if digits.is_empty() || (numbers.is_empty() && digits.len() > 5) {
            return None;
        }
        numbers.push(digits);
        rest = after;
        match after.strip_prefix('.') {
            Some(next) if numbers.len() < 4 && next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
            _ => break,
        }
    }
    let (stability, dev) = modifiers(rest)?;
    numbers.resize(4, "0");
    Some(Normal {
        numbers,
        stability,
        dev,
    })
}

/// `v?YYYY`, one to six two-digit parts, up to two parts of one to three digits, and modifiers; `.`, `:` and `-` may
/// come before each part, as in `2010-01-02.3` and `20100102-20.31.51`.
fn dated(text: &str) -> Option<Normal<'_>> {
    const SEPARATORS: [char; 3] = ['.', ':', '-'];
    let text = text.strip_prefix('v').unwrap_or(text);
    let part = |text: &str, digits: usize| {
        let body = text.strip_prefix(SEPARATORS).unwrap_or(text);
        let head = body.get(..digits)?;
        is_number(head).then(|| text.len() - body.len() + digits)
    };
    let year = text.get(..4).filter(|year| is_number(year))?;
    // The furthest end for each number of two-digit parts.
    let mut reach = vec![year.len()];
    while let (Some(at), true) = (reach.last().copied(), reach.len() <= 6) {
        match part(text.get(at..)?, 2) {
            Some(len) => reach.push(at + len),
            None => break,
        }
    }
    // Composer's expression takes as many as possible and gives back one at a time.
    for at in reach.iter().skip(1).rev().copied() {
        for first in [3, 2, 1, 0] {
            for second in [3, 2, 1, 0] {
                let mut end = at;
                for digits in [first, second].into_iter().filter(|digits| *digits > 0) {
                    end += match text.get(end..).and_then(|rest| part(rest, digits)) {
                        Some(len) => len,
                        None => text.len() + 1,
                    };
                }
                let (Some(body), Some(rest)) = (text.get(..end), text.get(end..)) else {
                    continue;
                };
                if let Some((stability, dev)) = modifiers(rest) {
                    // Composer writes every separator as a dot; joined parts stay joined.
                    let numbers = body.split(SEPARATORS).filter(|n| !n.is_empty()).collect();
                    return Some(Normal {
                        numbers,
                        stability,
                        dev,
                    });
                }
            }
        }
    }
    None
}

/// `1.x-dev`, `2.0.*-dev`, `1-dev`: a branch named by numbers, above all its future releases.
fn numeric_branch(text: &str) -> Option<Normal<'_>> {
    let text = text.strip_suffix("dev")?;
    let text = text.strip_suffix(['.', '-']).unwrap_or(text);
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut numbers: Vec<&str> = Vec::with_capacity(4);
    for part in text.split('.') {
        match part {
            "x" | "*" => numbers.push(BRANCH_NUMBER),
            digits if is_number(digits) => numbers.push(digits),
            _ => return None,
        }
    }
    if numbers.len() > 4 {
        return None;
    }
    numbers.resize(4, BRANCH_NUMBER);
    Some(Normal {
        numbers,
        stability: None,
        dev: true,
    })
}

type Stability<'a> = Option<(u8, Vec<&'a str>)>;

/// `[sep](stable|beta|rc|…)[numbers]` and `[sep]dev`, to the end of the text.
fn modifiers(text: &str) -> Option<(Stability<'_>, bool)> {
    const NAMES: [(&str, Option<u8>); 10] = [
        ("stable", None),
        ("beta", Some(BETA)),
        ("b", Some(BETA)),
        ("rc", Some(CANDIDATE)),
        ("alpha", Some(ALPHA)),
        ("a", Some(ALPHA)),
        ("patch", Some(PATCH)),
        ("pl", Some(PATCH)),
        ("p", Some(PATCH)),
        ("", None),
    ];
    let body = text.strip_prefix(['.', '_', '-']).unwrap_or(text);
    let (form, mut rest) = NAMES
        .iter()
        .find_map(|(name, form)| Some((*form, body.strip_prefix(name)?)))
        .map(|(form, after)| {
            if after.len() == body.len() {
                (None, text)
            } else {
                (form, after)
            }
        })?;
    let mut numbers = Vec::new();
    if rest.len() < body.len() {
        loop {
            let (digits, after) = split_digits(rest.strip_prefix(['.', '-']).unwrap_or(rest));
            if digits.is_empty() {
                break;
            }
            numbers.push(digits);
            rest = after;
        }
    }
    let stability = form.map(|form| (form, numbers));
    if rest.is_empty() {
        return Some((stability, false));
    }
    let tail = rest.strip_prefix(['.', '-']).unwrap_or(rest);
    (tail == "dev").then_some((stability, true))
}
