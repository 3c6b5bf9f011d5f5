//! The order of versions in CPE names, which no specification defines.
//!
//! A version is cut at `.`, `-`, `_`, `+`, `~`, `:` and between digits and letters. Numbers compare by value, and a
//! missing number is 0. Words compare only if their meaning is known: those before a release (`dev`, `alpha`, `beta`,
//! `milestone`, `pre`, `rc`) come before what has nothing there, those after it (`p`, `patch`, `sp`, `update`,
//! `hotfix`), and a letter or two that end the version (`1.0.1a`, `0.9.8zh`), come after it. Anything else cannot be
//! compared, and versions that begin with no digit neither, unless they are equal.

use std::cmp::Ordering;

/// Most parts of one version that are compared; longer ones cannot be.
const MAX_PARTS: usize = 64;

/// A part of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// Nothing is left.
    Missing,
    /// A number, without leading zeros.
    Number(&'a str),
    /// A word before a release, by rank.
    Before(u8),
    /// A letter or two at the end.
    Letters(&'a str),
    /// A word after a release, by rank.
    After(u8),
    /// A word without a known meaning.
    Other(&'a str),
}

/// Compares two versions; `None` if the rule cannot.
pub fn compare_versions(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (bare(a), bare(b));
    if a.eq_ignore_ascii_case(b) {
        return Some(Ordering::Equal);
    }
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let (a, b) = (parts(&a)?, parts(&b)?);
    for index in 0..a.len().max(b.len()) {
        let (a, b) = (a.get(index).copied(), b.get(index).copied());
        match compare_parts(a.unwrap_or(Part::Missing), b.unwrap_or(Part::Missing))? {
            Ordering::Equal => {}
            unequal => return Some(unequal),
        }
    }
    Some(Ordering::Equal)
}

/// Returns a version without the `v` before its number.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let rest = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if rest.starts_with(|first: char| first.is_ascii_digit()) {
        rest
    } else {
        text
    }
}

fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(['.', '-', '_', '+', '~', ':']);
        let Some(first) = rest.chars().next() else { break };
        if parts.len() >= MAX_PARTS {
            return None;
        }
        let is_same: fn(char) -> bool = if first.is_ascii_digit() {
            |c| c.is_ascii_digit()
        } else if first.is_ascii_alphabetic() {
            |c| c.is_ascii_alphabetic()
        } else {
            return None;
        };
        let end = rest.find(|c| !is_same(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end)?;
        rest = after;
        parts.push(if first.is_ascii_digit() {
            Part::Number(run.trim_start_matches('0'))
        } else {
            word(run, after)
        });
    }
    Some(parts)
}

fn word<'a>(run: &'a str, after: &str) -> Part<'a> {
    match run {
        "dev" | "snapshot" | "nightly" => Part::Before(0),
        "alpha" => Part::Before(1),
        "beta" => Part::Before(2),
        "milestone" => Part::Before(3),
        "pre" | "preview" | "prerelease" => Part::Before(4),
        "rc" | "cr" => Part::Before(5),
        // Java's names of a release without anything before or after it.
        "final" | "ga" | "release" => Part::Number(""),
        "p" | "patch" | "pl" => Part::After(0),
        "sp" => Part::After(1),
        "u" | "update" => Part::After(2),
        "hotfix" | "hf" => Part::After(3),
        run if run.len() <= 2 && after.is_empty() => Part::Letters(run),
        run => Part::Other(run),
    }
}

fn compare_parts(a: Part<'_>, b: Part<'_>) -> Option<Ordering> {
    use Part::{After, Before, Letters, Missing, Number, Other};
    let is_zero = |number: &str| number.is_empty();
    Some(match (a, b) {
        (Missing, Missing) => Ordering::Equal,
        (Number(a), Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Before(a), Before(b)) | (After(a), After(b)) => a.cmp(&b),
        (Letters(a), Letters(b)) => a.cmp(b),
        (Other(a), Other(b)) if a == b => Ordering::Equal,
        (Number(a), Missing) if is_zero(a) => Ordering::Equal,
        (Missing, Number(b)) if is_zero(b) => Ordering::Equal,
        (Number(_), Missing) => Ordering::Greater,
        (Missing, Number(_)) => Ordering::Less,
        (Before(_), Missing | Number(_) | Letters(_) | After(_)) => Ordering::Less,
        (Missing | Number(_) | Letters(_) | After(_), Before(_)) => Ordering::Greater,
        (Letters(_) | After(_), Missing) => Ordering::Greater,
        (Missing, Letters(_) | After(_)) => Ordering::Less,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_words_and_letters_have_their_places() {
        for (a, b) in [
            ("1.0", "1.1"),
            ("1.9", "1.10"),
            ("1.0.1", "1.0.1a"),
            ("1.0.1a", "1.0.1b"),
            ("1.0.1z", "1.0.1za"),
            ("0.9.8y", "0.9.8zh"),
            ("2.0-rc1", "2.0"),
            ("2.0.0.beta2", "2.0.0.rc1"),
            ("2.0.0.rc1", "2.0.0.rc2"),
            ("7.2", "7.2p2"),
            ("1.0", "99999999999999999999999"),
            ("2.0-alpha", "2.0.1"),
            ("5.0.0-snapshot", "5.0"),
            ("1.0.0-rc1", "1.0"),
        ] {
            assert_eq!(compare_versions(a, b), Some(Ordering::Less), "{a} {b}");
            assert_eq!(compare_versions(b, a), Some(Ordering::Greater), "{b} {a}");
        }
        for (a, b) in [
            ("1.0", "1.0.0"),
            ("1.01", "1.1"),
            ("v1.2", "1.2"),
            ("4.1.0.release", "4.1.0"),
            ("anything", "ANYTHING"),
            ("1.0-RC1", "1.0.rc1"),
        ] {
            assert_eq!(compare_versions(a, b), Some(Ordering::Equal), "{a} {b}");
        }
        for (a, b) in [
            ("1.0-foo", "1.0"),
            ("1.0a1", "1.0"),
            ("unknown", "1.0"),
            ("1.0a", "1.0.5"),
            ("1.0 x", "1.0"),
            ("", "1"),
        ] {
            assert_eq!(compare_versions(a, b), None, "{a} {b}");
        }
        // A difference before the doubtful part decides.
        assert_eq!(compare_versions("11.0.17+7-lts", "11.0.18"), Some(Ordering::Less));
    }

    proptest! {
        #[test]
        fn order_is_antisymmetric_and_never_panics(a in ".{0,24}", b in "[0-9a-z.+-]{0,12}", c in "[0-9a-z.+-]{0,12}") {
            for (x, y) in [(&a, &b), (&b, &c)] {
                prop_assert_eq!(compare_versions(x, y), compare_versions(y, x).map(Ordering::reverse));
            }
        }
    }
}
