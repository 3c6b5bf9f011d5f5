//! Homebrew's order: a formula's version by its numbers and words, then the revision after `_`.
//!
//! As in `Version` and `PkgVersion`: words for pre-releases come before the end, all others after it, numbers after
//! those; a zero counts as missing if it is not compared with a number.

use super::Reason;
use super::key::{KeyWriter, is_number, split_digits, split_while};

const ALPHA: u8 = 0x01;
const BETA: u8 = 0x02;
const PRE: u8 = 0x03;
const CANDIDATE: u8 = 0x04;
const END: u8 = 0x05;
const WORD: u8 = 0x06;
const PATCH: u8 = 0x07;
const POST: u8 = 0x08;
/// A number that is not zero after a number of zeros: the more zeros, the lower.
const NUMBER: u8 = 0x09;

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    let (version, revision) = match text.rsplit_once('_') {
        Some((version, revision)) if is_number(revision) => (version, revision),
        _ => (text, ""),
    };
    let lower = version.to_ascii_lowercase();
    if lower == "head" || lower.starts_with("head-") {
        return Err("it is the head of a repository, which has no place in the order");
    }
    let mut rest = lower.strip_prefix('v').unwrap_or(&lower);
    let (mut zeros, mut is_empty) = (0_u16, true);
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let (digits, after) = split_digits(rest);
            rest = after;
            is_empty = false;
            if digits.bytes().all(|digit| digit == b'0') {
                // Texts are bounded far below 2^16 bytes.
                zeros = zeros.saturating_add(1);
                continue;
            }
            key.mark(NUMBER);
            (u16::MAX - zeros)
                .to_be_bytes()
                .into_iter()
                .for_each(|byte| key.mark(byte));
            key.number(digits);
            zeros = 0;
        } else if first.is_ascii_lowercase() {
            let (word, after) = split_while(rest, |c| c.is_ascii_lowercase());
            let (digits, after_number) = split_digits(after);
            let mark = match word {
                "alpha" => Some(ALPHA),
                "beta" => Some(BETA),
                "pre" => Some(PRE),
                "rc" => Some(CANDIDATE),
                "post" if !digits.is_empty() => Some(POST),
                "p" => Some(PATCH),
                "a" if !digits.is_empty() => Some(ALPHA),
                "b" if !digits.is_empty() => Some(BETA),
                _ => None,
            };
            match mark {
                Some(mark) => {
                    key.mark(mark);
                    key.number(digits);
                    rest = after_number;
                }
                None => {
                    key.mark(WORD);
                    key.text(word);
                    rest = after;
                }
            }
            (zeros, is_empty) = (0, false);
        } else {
            rest = split_while(rest, |c| !c.is_ascii_digit() && !c.is_ascii_lowercase()).1;
        }
    }
    if is_empty {
        return Err("it has neither numbers nor words");
    }
    key.mark(END);
    key.number(revision);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use crate::version::{Scheme, compare};

    #[test]
    fn formula_versions_have_homebrews_order() {
        let ascending = [
            "1.0alpha1",
            "1.0-beta2",
            "1.0pre1",
            "1.0rc1",
            "1.0",
            "1.0_1",
            "1.0_10",
            "1.0a",
            "1.0p1",
            "1.0.1",
            "1.1",
            "1.10_2",
            "2024b",
            "2024.1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(
                compare(Scheme::Homebrew, pair[0], pair[1]),
                Ok(Ordering::Less),
                "{pair:?}"
            );
        }
        for (a, b) in [("1.0", "1.0.0"), ("1.0alpha1", "1.0.0-alpha1"), ("1.2_0", "1.2")] {
            assert_eq!(compare(Scheme::Homebrew, a, b), Ok(Ordering::Equal), "{a} {b}");
        }
        assert!(compare(Scheme::Homebrew, "HEAD-abc", "1").is_err());
    }
}
