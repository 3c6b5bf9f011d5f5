//! Compares the version that a component states with that of its package URL.

/// Returns true if two texts can be of one version: equal, or one says only more than the other at its end (`1.2` and
/// `1.2-3.el8`). A `v`, a `go`, and an epoch at the beginning do not matter.
pub(super) fn says_the_same(one: &str, other: &str) -> bool {
    let bare = |text: &'_ str| -> String {
        let text = text.trim().to_ascii_lowercase();
        let after_epoch = text
            .split_once([':', '!'])
            .filter(|(epoch, _)| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()));
        let text = after_epoch.map_or(text.as_str(), |(_, rest)| rest);
        let number = ["v", "go"].iter().find_map(|word| text.strip_prefix(word));
        let number = number.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        number.unwrap_or(text).to_owned()
    };
    let (one, other) = (bare(one), bare(other));
    let begins = |whole: &str, part: &str| {
        let rest = whole.strip_prefix(part);
        rest.is_some_and(|rest| rest.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    begins(&one, &other) || begins(&other, &one)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2` stands in `1.2.0`, and `1.0.0` in `11.0.0`: such contradictions passed without a note.
    #[test]
    fn other_version_is_not_part_of_a_version() {
        for (one, other) in [
            ("1.2.0", "1.2.0"),
            ("v1.2.0", "1.2.0"),
            ("go1.21.3", "1.21.3"),
            ("1:2.3-4", "2.3-4"),
            ("2!1.0", "1.0"),
            ("2.3", "2.3-4.el8"),
            ("1.0", "1.0.0"),
            ("1.0.0.Final", "1.0.0"),
            ("1.2.3+incompatible", "v1.2.3"),
        ] {
            assert!(
                says_the_same(one, other) && says_the_same(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("1.2.0", "2"),
            ("1.0.0", "11.0.0"),
            ("1.0.0", "1.0.01"),
            ("1.2", "1.20"),
            ("1.0", "1.0rc1"),
            ("2.0.0", "1.0.0"),
            ("v2", "v1"),
        ] {
            assert!(
                !says_the_same(one, other) && !says_the_same(other, one),
                "{one} {other}"
            );
        }
    }
}
