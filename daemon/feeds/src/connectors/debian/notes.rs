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
    let (release, rest) = parts(line).ok_or_else(refuse)?;
    let (words, _) = rest.split_once('(').unwrap_or((rest, ""));
    let mut words = words.split_whitespace();
    let package = words.next().ok_or_else(refuse)?.to_owned();
    let state = match words.next() {
        // Removed from unstable; releases that still have it have their own lines. One that is removed from a release
        // gets no fix there.
        Some("<unfixed>" | "<removed>") | None => State::Open("none"),
        Some("<unknown>") if release.is_none() => State::Open("none"),
        Some("<not-affected>" | "<itp>" | "<not-for-us>") => State::NotAffected,
        Some("<undetermined>") => State::Undetermined,
        Some("<no-dsa>" | "<postponed>" | "<no-dla>") => State::Open("deferred"),
        Some("<ignored>") => State::Open("will_not_fix"),
        Some("<end-of-life>") => State::Open("end_of_life"),
        Some(version) if is_version(version) => State::Fixed(version.to_owned()),
        Some(_) => return Err(refuse()),
    };
    Ok(Note {
        release,
        package,
        state,
        urgency: urgency_of(rest),
    })
}

/// Returns the release of a line about a package, and the text after its dash.
fn parts(line: &str) -> Option<(Option<String>, &str)> {
    let (release, rest) = match line.strip_prefix('[') {
        Some(rest) => {
            let (release, rest) = rest.split_once(']')?;
            (Some(release.trim().to_ascii_lowercase()), rest.trim_start())
        }
        None => (None, line),
    };
    Some((release, rest.strip_prefix("- ")?.trim()))
}

/// Returns the severity word in a line's brackets.
fn urgency_of(rest: &str) -> Option<String> {
    let (_, bracket) = rest.split_once('(')?;
    let mut words = bracket.trim_end_matches(')').split([';', ',']).map(str::trim);
    words.find(|word| URGENCIES.contains(word)).map(str::to_owned)
}

/// Returns true for text of the characters that a version may have, with a digit.
pub(super) fn is_version(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte);
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Returns the statement of a line whose state is not understood: it leaves its package undecided.
pub(super) fn unclear(line: &str) -> Option<Note> {
    let (release, rest) = parts(line)?;
    let package = rest.split_whitespace().next()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
    package.bytes().all(is_name).then(|| Note {
        release,
        package: package.to_owned(),
        state: State::Unclear,
        urgency: urgency_of(rest),
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
            (
                "[Buster] - p <removed>",
                some("buster"),
                State::Open("none"),
                None,
            ),
        ] {
            assert_eq!(
                read(line),
                Ok((release, "p".to_owned(), state, urgency)),
                "{line}"
            );
        }
        for line in ["p 1.2", "[x - p 1", "- p <strange>", "- p 1.2; bug #1", "-"] {
            assert!(read(line).is_err(), "{line}");
        }
        for state in ["<strange>", "<unfixed", "1.2;"] {
            let unclear = unclear(&format!("[bookworm] - p {state} (low)")).unwrap();
            assert_eq!(
                (unclear.release, unclear.state, unclear.urgency),
                (some("bookworm"), State::Unclear, some("low"))
            );
        }
        assert!(unclear("- <unfixed>").is_none());
    }
}
