//! Composer: texts are brought into its normal form (four numbers, one stability), which PHP's
//! `version_compare` then orders. Branches (`dev-main`) have no order and are refused.

use super::Reason;
use super::key::{KeyWriter, is_number, split_digits, split_while};

/// What `1.x-dev` puts where a number is open: above all real ones.
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
        // Composer takes a first number of six digits or more for a date.
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

/// `v?YYYY` with two-digit parts, up to two three-digit ones, and modifiers, as `2010-01-02.3`.
fn dated(text: &str) -> Option<Normal<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (body, _) = split_while(text, |c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-'));
    // Separators at the end belong to the modifiers.
    let body = body.trim_end_matches(['.', ':', '-']);
    let rest = text.get(body.len()..)?;
    let mut numbers = Vec::new();
    let mut small_parts = 0_usize;
    for (i, part) in body.split(['.', ':', '-']).enumerate() {
        if !is_number(part) {
            return None;
        }
        let digits = if i == 0 {
            part.len().checked_sub(4)?
        } else {
            part.len()
        };
        // Every two digits are one part of the date; the leftover is a short free part.
        small_parts += digits.div_ceil(2);
        numbers.push(part);
    }
    if small_parts == 0 || small_parts > 8 {
        return None;
    }
    let (stability, dev) = modifiers(rest)?;
    Some(Normal {
        numbers,
        stability,
        dev,
    })
}

/// `1.x-dev`, `2.0.*-dev`, `1-dev`: a branch named by numbers, above all releases it will hold.
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
