//! Patterns for names: `*` stands for any characters, `?` for one.

use serde::{Deserialize, Deserializer, Serialize};

/// Longest pattern, in bytes: matching takes at most length of pattern times length of name steps.
const MAX_BYTES: usize = 512;

/// A pattern for a complete name: `*` stands for any characters, including slashes; `?` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Glob(String);

/// The reason why a pattern is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It is empty.
    #[error("a pattern is empty; write `*` for any name")]
    Empty,
    /// It is too long.
    #[error("a pattern has {0} bytes, more than the limit of {MAX_BYTES}")]
    TooLong(usize),
}

impl Glob {
    /// Builds a pattern.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        match pattern.len() {
            0 => Err(GlobError::Empty),
            1..=MAX_BYTES => Ok(Self(pattern.to_owned())),
            found => Err(GlobError::TooLong(found)),
        }
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if it matches the complete `name`.
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut place) = (0, 0);
        // Restart point if the text after the last star does not match: only that star can be wrong.
        let mut star: Option<(usize, usize)> = None;
        while let Some(found) = name.get(place) {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == found => {
                    at += 1;
                    place += 1;
                }
                _ => {
                    let Some((star_at, taken)) = star else {
                        return false;
                    };
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    place = taken + 1;
                }
            }
        }
        pattern
            .get(at..)
            .unwrap_or_default()
            .iter()
            .all(|rest| *rest == '*')
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::new(&pattern).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("lodash", "lodash", true),
            ("lodash", "lodash.merge", false),
            ("lodash*", "lodash.merge", true),
            ("@scope/*", "@scope/a", true),
            ("*/test/*", "a/b/test/c/d", true),
            ("*ab*ab", "abab", true),
            ("*aab", "aaab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ü?", "üñ", true),
            ("Debian:*", "Debian:12", true),
            ("a*b*c", "a--b--", false),
        ] {
            assert_eq!(
                Glob::new(pattern).unwrap().matches(name),
                matches,
                "{pattern} {name}"
            );
        }
        assert!(Glob::new("").is_err());
        assert!(Glob::new(&"*".repeat(513)).is_err());
    }

    #[test]
    fn many_stars_match_in_bounded_time() {
        let pattern = Glob::new(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(20_000).replace("aaaa", "aaab").replace('a', "b")));
        assert!(pattern.matches(&"a".repeat(20_000)));
    }
}
