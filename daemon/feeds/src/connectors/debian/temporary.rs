//! The ids of vulnerabilities that have none yet: the tracker makes them of the entry's first bug and a digest of its
//! description, until a CVE record takes their place.

use md5::{Digest, Md5};

/// Returns the id that the tracker gives an entry: `TEMP-0000000-556898`.
pub(super) fn id(description: &str, bug: Option<&str>) -> String {
    let [first, second, third, ..]: [u8; 16] = Md5::digest(description).into();
    format!(
        "TEMP-{:0>7}-{first:02X}{second:02X}{third:02X}",
        bug.unwrap_or("0")
    )
}

/// Returns the number of the first bug in the brackets of an entry's lines: `- rocket <unfixed> (low; bug #1234)`. The
/// brackets of some words hold a comment.
pub(super) fn bug_of<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let comments = [
        "<not-affected>",
        "<end-of-life>",
        "<no-dsa>",
        "<ignored>",
        "<postponed>",
    ];
    let is_note = |line: &&&str| {
        (line.starts_with("- ") || line.starts_with('[')) && !comments.iter().any(|word| line.contains(word))
    };
    lines.iter().filter(is_note).find_map(|line| {
        let (_, bracket) = line.split_once('(')?;
        let notes = bracket.trim_end().trim_end_matches(')').split(';');
        let mut bugs = notes.filter_map(|note| note.trim().strip_prefix("bug #"));
        bugs.find(|bug| !bug.is_empty() && bug.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_md5() {
        for (text, expected) in [("", "D41D8C"), ("abc", "900150")] {
            assert_eq!(id(text, None), format!("TEMP-0000000-{expected}"), "{text}");
        }
        assert_eq!(id("abc", Some("42")), "TEMP-0000042-900150");
        assert_eq!(id("abc", Some("12345678")), "TEMP-12345678-900150");
    }

    #[test]
    fn first_bug_of_the_lines_is_found() {
        let lines = [
            "[bookworm] - p <no-dsa> (bug #1)",
            "NOTE: (bug #2)",
            "- p <unfixed> (low)",
            "- q 1.2 (low; bug #3; bug #4)",
        ];
        assert_eq!(bug_of(&lines), Some("3"));
        assert_eq!(bug_of(&["- p <unfixed>"]), None);
    }
}
