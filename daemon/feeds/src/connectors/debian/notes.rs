//! The lines of an entry of a list, each about a package in a release.

use super::super::text::quote;

/// The statement of a line about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Fixed in this version.
    Fixed(String),
    /// Affected, without a fix; with the vendor's word about a fix.
    Open(&'static str),
    /// Not known yet.
    Undetermined,
    /// Not affected, or not part of the distribution.
    NotAffected,
    /// A word that is not known.
    Unclear,
}

/// One line about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// The release's name; `None` for unstable.
    pub(super) release: Option<String>,
    pub(super) package: String,
    pub(super) state: State,
    /// The severity word in the line's brackets.
    pub(super) urgency: Option<String>,
}

/// The words for a severity.
const URGENCIES: [&str; 5] = ["unimportant", "low", "medium", "high", "end-of-life"];

/// Parses `[bookworm] - package 1.2-3 (low; bug #1)` and similar lines.
///
/// # Errors
/// A description, if the line has another form.
pub(super) fn note(line: &str) -> Result<Note, String> {
    let refuse = || format!("the line \"{}\" is not understood", quote(line));
    let (release, rest) = match line.strip_prefix('[') {
        Some(rest) => {
            let (release, rest) = rest.split_once(']').ok_or_else(refuse)?;
            (Some(release.trim().to_owned()), rest.trim_start())
        }
        None => (None, line),
    };
    let rest = rest.strip_prefix("- ").ok_or_else(refuse)?.trim();
    let (words, bracket) = match rest.split_once('(') {
        Some((words, bracket)) => (words.trim(), bracket.trim_end_matches(')')),
        None => (rest, ""),
    };
    let mut words = words.split_whitespace();
    let package = words.next().ok_or_else(refuse)?.to_owned();
    let state = match words.next() {
        Some("<unfixed>") | None => State::Open("none"),
        Some("<not-affected>" | "<itp>" | "<not-for-us>" | "<removed>" | "<unknown>")
            if release.is_none() =>
        {
            match rest.split_whitespace().nth(1) {
                // Removed from unstable; releases that still have it have their own lines.
                Some("<removed>" | "<unknown>") => State::Open("none"),
                _ => State::NotAffected,
            }
        }
        Some("<not-affected>" | "<itp>" | "<not-for-us>") => State::NotAffected,
        Some("<removed>") => State::NotAffected,
        Some("<undetermined>") => State::Undetermined,
        Some("<no-dsa>" | "<postponed>" | "<no-dla>") => State::Open("deferred"),
        Some("<ignored>") => State::Open("will_not_fix"),
        Some("<end-of-life>") => State::Open("end_of_life"),
        Some(word) if word.starts_with('<') => return Err(refuse()),
        Some(version) => State::Fixed(version.to_owned()),
    };
    let urgency = bracket
        .split([';', ','])
        .map(str::trim)
        .find(|word| URGENCIES.contains(word));
    Ok(Note {
        release,
        package,
        state,
        urgency: urgency.map(str::to_owned),
    })
}

/// Returns the statement of a line whose word in angle brackets is not known: it leaves its package undecided.
pub(super) fn unclear(line: &str) -> Option<Note> {
    let (front, rest) = line.split_once('<')?;
    let (_, rest) = rest.split_once('>')?;
    let known = note(&format!("{front}<undetermined>{rest}")).ok()?;
    Some(Note {
        state: State::Unclear,
        ..known
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_give_release_package_and_state() {
        let read = |line: &str| note(line).map(|n| (n.release, n.package, n.state, n.urgency));
        let some = |text: &str| Some(text.to_owned());
        let fixed = |version: &str| State::Fixed(version.to_owned());
        for (line, release, state, urgency) in [
            ("- p 1.2-3 (low; bug #1)", None, fixed("1.2-3"), some("low")),
            (
                "- p <unfixed> (unimportant)",
                None,
                State::Open("none"),
                some("unimportant"),
            ),
            (
                "[bookworm] - p 1.1-1+deb12u1",
                some("bookworm"),
                fixed("1.1-1+deb12u1"),
                None,
            ),
            (
                "[bullseye] - p <no-dsa> (Minor issue)",
                some("bullseye"),
                State::Open("deferred"),
                None,
            ),
            (
                "[buster] - p <end-of-life> (see DSA 5046)",
                some("buster"),
                State::Open("end_of_life"),
                None,
            ),
            (
                "[buster] - p <ignored> (x)",
                some("buster"),
                State::Open("will_not_fix"),
                None,
            ),
            (
                "[buster] - p <not-affected> (x)",
                some("buster"),
                State::NotAffected,
                None,
            ),
            ("- p <itp> (bug #1)", None, State::NotAffected, None),
            ("- p <undetermined>", None, State::Undetermined, None),
            ("- p <removed>", None, State::Open("none"), None),
        ] {
            assert_eq!(
                read(line),
                Ok((release, "p".to_owned(), state, urgency)),
                "{line}"
            );
        }
        for line in ["p 1.2", "[x - p 1", "- p <strange>", "-"] {
            assert!(read(line).is_err(), "{line}");
        }
        let unclear = unclear("[bookworm] - p <strange> (low)").unwrap();
        assert_eq!(
            (unclear.release, unclear.state, unclear.urgency),
            (some("bookworm"), State::Unclear, some("low"))
        );
    }
}
