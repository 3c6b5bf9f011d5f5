//! FreeBSD's pkg: `VERSION[_REVISION][,EPOCH]`; the epoch is compared first, the revision last.
//!
//! A version consists of blocks separated by `+`, a block of components. A component is a number, a letter and a
//! patch level; any other character ends it. Missing components are zero, so `10` is `10.0`; a component that begins
//! with a letter is below zero, so `10.a` is older than `10`, and `*` is below all of them. Only the first letter of
//! a word matters, but the words in [`STAGES`] begin a new component: `2alpha3` is `2.a3`.
//!
//! pkg's `pkg_version_cmp` reads numbers into machine words; here they may have any length.

use super::Reason;
use super::key::{KeyWriter, split_digits, split_while};

/// Words that begin a new component, with the place of their letter; `pl` is before all.
const STAGES: [(&str, u8); 5] = [("pl", 0), ("alpha", 1), ("beta", 2), ("pre", 16), ("rc", 18)];

/// The rest is below zero, zero to the end, or above.
const BELOW: u8 = 1;
const NOTHING: u8 = 2;
const ABOVE: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Number<'a> {
    /// `*`
    Least,
    Missing,
    Digits(&'a str),
}

#[derive(Debug, Clone, Copy)]
struct Component<'a> {
    number: Number<'a>,
    /// 0 for none, 1 for `a`.
    letter: u8,
    /// `None` for a letter without a number, which is before zero.
    patch: Option<&'a str>,
}

impl<'a> Component<'a> {
    fn is_zero(&self) -> bool {
        let zero = |digits: &str| digits.bytes().all(|byte| byte == b'0');
        matches!(self.number, Number::Digits(digits) if zero(digits))
            && self.letter == 0
            && self.patch.is_some_and(zero)
    }

    /// Reads a component from the beginning of a non-empty text, and its separator from the next one.
    fn read(text: &'a str) -> (Self, &'a str) {
        let (digits, rest) = split_digits(text);
        let (number, rest) = match (digits, text.strip_prefix('*')) {
            // Nothing after it in the block matters.
            (_, Some(_)) => (Number::Least, ""),
            ("", None) => (Number::Missing, rest),
            (digits, None) => (Number::Digits(digits), rest),
        };
        let (word, after) = split_while(rest, |c| c.is_ascii_alphabetic());
        let stage = STAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let first = word
            .bytes()
            .next()
            .map(|byte| byte.to_ascii_lowercase() - b'a' + 1);
        let (letter, rest) = match (stage, first) {
            (Some((_, letter)), _) if number == Number::Missing => (Some(*letter), after),
            (None, Some(letter)) => (Some(letter), after),
            _ => (None, rest),
        };
        let (patch, rest) = match letter {
            Some(_) => {
                let (digits, rest) = split_digits(rest);
                (Some(digits).filter(|digits| !digits.is_empty()), rest)
            }
            None => (Some(""), rest),
        };
        let (_, rest) = split_while(rest, |c| !c.is_ascii_alphanumeric() && c != '*');
        let component = Self {
            number,
            letter: letter.unwrap_or(0),
            patch,
        };
        (component, rest)
    }

    fn write(&self, key: &mut KeyWriter) {
        match self.number {
            Number::Least => key.mark(0),
            Number::Missing => key.mark(1),
            Number::Digits(digits) => {
                key.mark(2);
                key.number(digits);
            }
        }
        key.mark(self.letter);
        match self.patch {
            None => key.mark(0),
            Some(digits) => {
                key.mark(1);
                key.number(digits);
            }
        }
    }
}

/// Splits version, revision and epoch. As in pkg, an epoch before the revision is part of the version.
fn split(text: &str) -> (&str, &str, &str) {
    let (version, revision, epoch) = match text.rsplit_once('_') {
        Some((version, rest)) => {
            let epoch = rest.rsplit_once(',').map_or("", |(_, epoch)| epoch);
            (version, rest, epoch)
        }
        None => match text.rsplit_once(',') {
            Some((version, epoch)) => (version, "", epoch),
            None => (text, "", ""),
        },
    };
    (version, split_digits(revision).0, split_digits(epoch).0)
}

pub(super) fn write(text: &str, key: &mut KeyWriter) -> Result<(), Reason> {
    if text.contains('-') {
        return Err("it holds a hyphen, which ends the name of a port");
    }
    let (version, revision, epoch) = split(text);
    if !version.contains(|c: char| c.is_ascii_alphanumeric() || c == '*') {
        return Err("it holds no number and no letter");
    }
    key.number(epoch);
    // Zeros are only counted: their effect depends on what follows.
    let (mut blocks, mut zeros) = (0_u16, 0_u16);
    for (at, block) in version.split('+').enumerate() {
        if at > 0 {
            blocks = blocks.saturating_add(1);
            zeros = 0;
        }
        let mut rest = block;
        while !rest.is_empty() {
            let (component, behind) = Component::read(rest);
            rest = behind;
            if component.is_zero() {
                zeros = zeros.saturating_add(1);
                continue;
            }
            // Of two versions, the one that leaves zero first is lower if it goes below zero, else higher.
            let is_below = !matches!(component.number, Number::Digits(_));
            key.mark(if is_below { BELOW } else { ABOVE });
            for count in [blocks, zeros] {
                let count = if is_below { count } else { u16::MAX - count };
                for byte in count.to_be_bytes() {
                    key.mark(byte);
                }
            }
            component.write(key);
            (blocks, zeros) = (0, 0);
        }
    }
    key.mark(NOTHING);
    key.number(revision);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use crate::version::{Scheme, Version, compare};

    #[test]
    fn letters_stages_and_the_star_are_below_zero() {
        for ascending in [
            &["2.*", "2pl1", "2alpha3", "2.9f7", "3.*"][..],
            &["pl11", "alpha3", "0.1beta2", "0.1", "0.1a"],
            &["10.a", "10", "10a", "10a1", "10b"],
            &["1.0.1:2003.09.16", "1.0:2003.09.16"],
            &[
                "1.9", "1.10", "1.10_1", "1.10_9", "1.10_10", "1.10.1", "1.2,1", "1.3_1,1", "0,2",
            ],
            &["1+a", "1", "1+0.1", "1+1", "1.0.1"],
        ] {
            for pair in ascending.windows(2) {
                assert_eq!(
                    compare(Scheme::FreeBsd, pair[0], pair[1]),
                    Ok(Ordering::Less),
                    "{pair:?}"
                );
            }
        }
        for equal in [
            &["10", "10.0", "10..0", "10+0", "010", "10_0,0"][..],
            &["1.d2", "1.dev2", "1.Development2"],
            &["0.1beta2", "0.1.b2"],
            &["10a1b2", "10a1.b2"],
            &["1.0:2003.09.16", "1.0.2003.09.16"],
        ] {
            for pair in equal.windows(2) {
                assert_eq!(
                    compare(Scheme::FreeBsd, pair[0], pair[1]),
                    Ok(Ordering::Equal),
                    "{pair:?}"
                );
            }
        }
    }

    #[test]
    fn port_names_and_empty_versions_are_refused() {
        for text in ["curl-8.9.1", "14.3-RELEASE", "_1", ",1", "..."] {
            Version::parse(Scheme::FreeBsd, text).unwrap_err();
        }
    }

    /// Returns pkg's comparison: component by component, missing ones being zero.
    fn ref_compare(a: &str, b: &str) -> Ordering {
        type Plain = (i64, u8, i64);
        let plain = |component: Component<'_>| -> Plain {
            let number = match component.number {
                Number::Least => -2,
                Number::Missing => -1,
                Number::Digits(digits) => digits.parse().unwrap(),
            };
            let patch = component
                .patch
                .map_or(-1, |digits| format!("0{digits}").parse().unwrap());
            (number, component.letter, patch)
        };
        let blocks = |text: &str| -> Vec<Vec<Plain>> {
            text.split('+')
                .map(|block| {
                    let (mut found, mut rest) = (Vec::new(), block);
                    while !rest.is_empty() {
                        let (component, behind) = Component::read(rest);
                        found.push(plain(component));
                        rest = behind;
                    }
                    found
                })
                .collect()
        };
        let number = |digits: &str| format!("0{digits}").parse::<u64>().unwrap();
        let ((a, a_revision, a_epoch), (b, b_revision, b_epoch)) = (split(a), split(b));
        let (a, b) = (blocks(a), blocks(b));
        let mut order = number(a_epoch).cmp(&number(b_epoch));
        for at in 0..a.len().max(b.len()) {
            let (a, b) = (a.get(at), b.get(at));
            for component in 0..a.map_or(0, Vec::len).max(b.map_or(0, Vec::len)) {
                let value =
                    |block: Option<&Vec<Plain>>| block.and_then(|block| block.get(component)).copied();
                order = order.then(value(a).unwrap_or_default().cmp(&value(b).unwrap_or_default()));
            }
        }
        order.then(number(a_revision).cmp(&number(b_revision)))
    }

    proptest! {
        #[test]
        fn keys_order_as_the_components_do(
            a in "[0-2.+*ab]{1,3}([0-2.+*ab]|pl|rc|alpha){0,5}(_[0-2])?(,[0-2])?",
            b in "[0-2.+*ab]{1,3}([0-2.+*ab]|pl|rc|alpha){0,5}(_[0-2])?(,[0-2])?",
        ) {
            if let Ok(found) = compare(Scheme::FreeBsd, &a, &b) {
                prop_assert_eq!(found, ref_compare(&a, &b));
            }
        }
    }
}
