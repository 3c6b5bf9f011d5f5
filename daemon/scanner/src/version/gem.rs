//! RubyGems' `Gem::Version`: segments of digits or letters; a letter segment makes a pre-release.
//!
//! Trailing zeros are dropped from the numbers before the first letters and from the rest, separately; then letters
//! sort below the end of a version, and the end below numbers. The shorter of two versions continues with zeros, so a
//! zero is above letters and equal to the end: a run of zeros is written together with the part after it.

use super::Reason;
use super::key::{KeyWriter, split_digits, split_while};

/// Letters after a number of zeros: the more zeros, the nearer to the end.
const TEXT: u8 = 0x01;
const END: u8 = 0x02;
/// A number that is not zero after a number of zeros: the more zeros, the nearer to the end.
const NUMBER: u8 = 0x03;

/// Parts of platform names, as read by `Gem::Platform`.
const SYSTEMS: [&str; 19] = [
    "java",
    "jruby",
    "linux",
    "darwin",
    "mingw",
    "mswin",
    "cygwin",
    "freebsd",
    "openbsd",
    "netbsd",
    "dragonfly",
    "solaris",
    "aix",
    "dalvik",
    "dotnet",
    "macruby",
    "rubinius",
    "wasi",
    "hpux",
];
const PROCESSORS: [&str; 17] = [
    "x86",
    "x86_64",
    "x64",
    "amd64",
    "i386",
    "i486",
    "i586",
    "i686",
    "arm",
    "arm64",
    "armv6l",
    "armv7l",
    "aarch64",
    "universal",
    "powerpc",
    "ppc64le",
    "s390x",
];

/// Returns a gem's version without the platform suffix of tools: `1.19.3` of `1.19.3-x86_64-linux-gnu`.
pub(super) fn without_platform(text: &str) -> &str {
    let is_system = |word: &str| SYSTEMS.iter().any(|system| word.starts_with(system));
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('-')) {
        let hyphen = from + at;
        let mut words = text.get(hyphen + 1..).unwrap_or_default().split('-');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if is_system(first) || (PROCESSORS.contains(&first) && (second.is_empty() || is_system(second))) {
            return text.get(..hyphen).unwrap_or(text);
        }
        from = hyphen + 1;
    }
    text
}

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    // Gem::Version::VERSION_PATTERN, then `-` is read as `.pre.`.
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
    let mut zeros = 0_u16;
    for segment in without_trailing_zeros(numbers)
        .iter()
        .chain(without_trailing_zeros(rest))
    {
        if segment.bytes().all(|b| b == b'0') {
            // Texts are bounded far below 2^16 bytes.
            zeros = zeros.saturating_add(1);
            continue;
        }
        let is_number = starts_with_digit(segment);
        let nearness = if is_number { u16::MAX - zeros } else { zeros };
        key.mark(if is_number { NUMBER } else { TEXT });
        nearness.to_be_bytes().into_iter().for_each(|byte| key.mark(byte));
        if is_number {
            key.number(segment);
        } else {
            key.text(segment);
        }
        zeros = 0;
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
