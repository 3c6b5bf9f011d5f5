//! RubyGems' `Gem::Version`: segments of digits or letters; a letter segment makes a pre-release.
//!
//! Trailing zeros are dropped from the numbers in front of the first letters and from the rest, each
//! on its own; then letters sort below the end of a version, and the end below numbers.

use super::Reason;
use super::key::{KeyWriter, split_digits, split_while};

const TEXT: u8 = 0x01;
const END: u8 = 0x02;
const NUMBER: u8 = 0x03;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    // Gem::Version::VERSION_PATTERN, then `-` reads as `.pre.`.
    let (head, tail) = match text.split_once('-') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let mut segments = Vec::with_capacity(6);
    for (i, part) in head.split('.').enumerate() {
        let well_formed = !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !well_formed || (i == 0 && !part.bytes().all(|b| b.is_ascii_digit())) {
            return Err("it is not numbers and letters between dots, starting with a number");
        }
        split_segments(part, &mut segments);
    }
    for part in tail.into_iter().flat_map(|tail| tail.split('.')) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err("what follows '-' is not numbers, letters and hyphens between dots");
        }
    }
    if let Some(tail) = tail {
        segments.push("pre");
        for part in tail.split(['.', '-']) {
            if !part.is_empty() {
                split_segments(part, &mut segments);
            }
        }
    }
    let first_text = segments
        .iter()
        .position(|s| !starts_with_digit(s))
        .unwrap_or(segments.len());
    let (numbers, rest) = segments.split_at(first_text);
    for segment in without_trailing_zeros(numbers)
        .iter()
        .chain(without_trailing_zeros(rest))
    {
        if starts_with_digit(segment) {
            key.mark(NUMBER);
            key.number(segment);
        } else {
            key.mark(TEXT);
            key.text(segment);
        }
    }
    key.mark(END);
    Ok(())
}

fn starts_with_digit(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_digit())
}

fn split_segments<'a>(part: &'a str, out: &mut Vec<&'a str>) {
    let mut rest = part;
    while !rest.is_empty() {
        let (segment, after) = if starts_with_digit(rest) {
            split_digits(rest)
        } else {
            split_while(rest, |c| !c.is_ascii_digit())
        };
        out.push(segment);
        rest = after;
    }
}

fn without_trailing_zeros<'a, 'b>(segments: &'b [&'a str]) -> &'b [&'a str] {
    let keep = segments
        .iter()
        .rposition(|s| s.bytes().any(|b| b != b'0'))
        .map_or(0, |last| last + 1);
    segments.get(..keep).unwrap_or(segments)
}
