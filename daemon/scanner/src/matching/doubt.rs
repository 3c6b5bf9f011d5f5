//! Texts in place of a version that are not versions, or only part of one: their place in the order does not show
//! that a package is not affected.

use std::cmp::Ordering;

use crate::name::ecosystem_base;
use crate::version::{Scheme, Version};

/// The reason why a text's place in the order is less reliable than that of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doubt {
    /// None: it is a version.
    None,
    /// It is not a version of the ecosystem, although the order has a place for it.
    NoVersion,
    /// It stands for the newest release that begins with these numbers: `v4`, of an action.
    Newest(String),
    /// Its epoch, which an advisory's author may have left out.
    Epoch(Box<Version>),
    /// Text before its numbers, which has a place of its own in the order: `v1.2`, `release-1.2`. The version is the one
    /// without it.
    Prefixed(Box<Version>),
    /// The mark of another vendor's rebuild in a Debian revision, which sorts after or before the distribution's own:
    /// `1.2-3+rpt1+deb12u4`. The version is the one without it.
    Marked(Box<Marked>),
}

/// A version with a vendor's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    /// The mark without its number, such as `+rpt`.
    pub(super) mark: String,
    pub(super) bare: Version,
}

impl Doubt {
    pub(super) fn of(ecosystem: &str, text: &str, own: Option<&Version>) -> Self {
        let Some(own) = own else { return Self::None };
        if !is_formed(text, own)
            || is_commit(text)
            || is_placeholder(text)
            || is_unset(own.scheme(), text)
            || is_branch(own.scheme(), text)
            || has_foreign_character(own.scheme(), text)
        {
            return Self::NoVersion;
        }
        match own.scheme() {
            Scheme::SemVer if ecosystem_base(ecosystem) == "GitHub Actions" => newest(text),
            Scheme::Rpm => without_epoch(text),
            Scheme::Debian => without_mark(text),
            scheme @ (Scheme::Maven | Scheme::Conan | Scheme::Opam | Scheme::Homebrew | Scheme::FreeBsd) => {
                without_prefix(scheme, text)
            }
            _ => Self::None,
        }
    }

    /// Returns true if a list of versions may contain it although it does not list it.
    pub(super) fn is_of_lists(&self) -> bool {
        matches!(self, Self::NoVersion | Self::Newest(_))
    }

    /// Returns true if a listed version may be this one, without the text before it.
    pub(super) fn is_listed_as(&self, listed: &str) -> bool {
        let bare = match self {
            Self::Prefixed(bare) => bare,
            Self::Marked(marked) => &marked.bare,
            _ => return false,
        };
        Version::parse(bare.scheme(), listed)
            .is_ok_and(|listed| listed.compare(bare) == Some(Ordering::Equal))
    }
}

/// Returns true if a text has the form of a version of its order.
fn is_formed(text: &str, own: &Version) -> bool {
    let has_digit = || text.bytes().any(|byte| byte.is_ascii_digit());
    match own.scheme() {
        Scheme::Pep440 => own.is_well_formed(),
        // dpkg accepts others with a warning; letters come after all numbers.
        Scheme::Debian => {
            let upstream = text.split_once(':').map_or(text, |(_, rest)| rest);
            upstream.starts_with(|c: char| c.is_ascii_digit())
        }
        Scheme::Maven | Scheme::Rpm | Scheme::Conan | Scheme::Opam | Scheme::Homebrew | Scheme::FreeBsd => {
            has_digit()
        }
        _ => true,
    }
}

/// Returns true if a text in an advisory is not one version, although its order has a place for it: a word, a commit, a
/// branch, a requirement, or several versions.
pub(super) fn is_no_version(text: &str, parsed: &Version) -> bool {
    !is_formed(text.trim(), parsed) || is_several(text.trim(), parsed)
}

/// Returns true for a text that may stand for several versions, or for none.
pub(super) fn is_several(text: &str, parsed: &Version) -> bool {
    let scheme = parsed.scheme();
    is_requirement(text) || is_commit(text) || is_branch(scheme, text) || has_foreign_character(scheme, text)
}

/// Returns true for the beginning of a commit's hash. It may look like a number and a pre-release, but has no place in
/// any order. A date with a letter (`20230101a`) is not one.
fn is_commit(text: &str) -> bool {
    let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dated = text.strip_suffix(|c: char| c.is_ascii_alphabetic());
    let only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (7..=64).contains(&text.len()) && is_hexadecimal && !only_digits(text) && !dated.is_some_and(only_digits)
}

/// Words of versions that build tools write if they do not know the version: `0+unknown`, `0.0.0-development`.
const PLACEHOLDERS: [&str; 6] = [
    "development",
    "placeholder",
    "semantic",
    "semantically",
    "unknown",
    "untagged",
];

/// Returns true for a version that a build tool wrote because it did not know the version.
fn is_placeholder(text: &str) -> bool {
    // Go's pseudo-version of a module that is replaced by a folder.
    if text.ends_with("-00010101000000-000000000000") {
        return true;
    }
    let numbers = text.strip_prefix('v').unwrap_or(text);
    let rest = numbers.trim_start_matches(['0', '.']);
    let mut words = rest.split(|c: char| !c.is_ascii_alphabetic());
    rest.len() < numbers.len()
        && words.any(|word| PLACEHOLDERS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Phases before a release: `0.0.0-beta.1` comes before `0.0.0`.
const PHASES: [&str; 10] = [
    "a",
    "alpha",
    "b",
    "beta",
    "c",
    "rc",
    "m",
    "milestone",
    "pre",
    "preview",
];

/// Returns true for `0.0.0`, alone or with a word that is not a phase before a release: what build tools write without a
/// version, and registries for builds between releases (`0.0.0-experimental-20240101`). Distributions number real
/// packages so.
fn is_unset(scheme: Scheme, text: &str) -> bool {
    if matches!(
        scheme,
        Scheme::Debian | Scheme::Rpm | Scheme::Apk | Scheme::FreeBsd | Scheme::Homebrew
    ) {
        return false;
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let Some(rest) = text.strip_prefix("0.0.0") else {
        return false;
    };
    let rest = rest.strip_prefix(".0").unwrap_or(rest);
    let word = rest.trim_start_matches(['-', '.', '_', '~']);
    // Part of a longer number: `0.0.01`, `0.0.0.1`.
    if rest.starts_with(|c: char| c.is_ascii_digit())
        || (rest.starts_with('.') && word.starts_with(|c: char| c.is_ascii_digit()))
    {
        return false;
    }
    let word = word
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    !PHASES.iter().any(|phase| phase.eq_ignore_ascii_case(word)) && !is_pseudo_version(rest)
}

/// Returns true for the end of Go's pseudo-version of a commit before any release, which has its place in the order:
/// `-20240101000000-0123456789ab`.
fn is_pseudo_version(end: &str) -> bool {
    let parts = end.strip_prefix('-').and_then(|end| end.split_once('-'));
    parts.is_some_and(|(time, commit)| {
        time.len() == 14
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && commit.len() == 12
            && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Returns true for a branch that is named by the numbers of its releases (`1.x-dev`). Composer has a place for it.
fn is_branch(scheme: Scheme, text: &str) -> bool {
    let is_open = |part: &str| {
        ["x-dev", "*-dev"]
            .iter()
            .any(|open| part.eq_ignore_ascii_case(open))
    };
    scheme != Scheme::Packagist && text.split('.').any(is_open)
}

/// Returns true if a text contains a character that no version of its order has, such as a space or a comma: it is a
/// list, a range, an address or a comment. RPM's have one hyphen at most: with more, it is a package's name and its version.
pub(super) fn has_foreign_character(scheme: Scheme, text: &str) -> bool {
    if scheme == Scheme::Rpm && text.matches('-').nth(1).is_some() {
        return true;
    }
    // Behind FreeBSD's comma is the number of an epoch.
    let epoch = text.split_once(',').filter(|_| scheme == Scheme::FreeBsd);
    if epoch.is_some_and(|(_, epoch)| !epoch.bytes().all(|byte| byte.is_ascii_digit())) {
        return true;
    }
    text.chars().any(|c| match c {
        ' ' | '@' | '#' => scheme != Scheme::Packagist,
        ':' => !matches!(scheme, Scheme::Debian | Scheme::Rpm | Scheme::Packagist),
        ',' => !matches!(scheme, Scheme::FreeBsd | Scheme::Homebrew),
        '!' => scheme != Scheme::Pep440,
        '"' | '\'' | '`' | ';' | '=' | '/' | '\\' | '|' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}'
        | '&' | '?' | '$' | '%' => true,
        other => !other.is_ascii(),
    })
}

/// Returns a version of Maven without the `v` that tags have before their numbers. Its order would place it before all numbers.
pub(super) fn without_v(scheme: Option<Scheme>, text: &str) -> Option<&str> {
    let bare = text
        .strip_prefix(['v', 'V'])
        .filter(|_| scheme == Some(Scheme::Maven))?;
    bare.starts_with(|c: char| c.is_ascii_digit()).then_some(bare)
}

/// Returns the doubt about a text with other text before its numbers, in the orders that place such a text elsewhere.
fn without_prefix(scheme: Scheme, text: &str) -> Doubt {
    if !matches!(
        scheme,
        Scheme::Maven | Scheme::Conan | Scheme::Opam | Scheme::Homebrew | Scheme::FreeBsd
    ) {
        return Doubt::None;
    }
    let at = text.find(|c: char| c.is_ascii_digit()).filter(|at| *at > 0);
    let bare = at
        .and_then(|at| text.get(at..))
        .and_then(|bare| Version::parse(scheme, bare).ok());
    bare.map_or(Doubt::None, |bare| Doubt::Prefixed(Box::new(bare)))
}

/// Tags of actions with fewer than three numbers are moved to each release that begins with them.
fn newest(text: &str) -> Doubt {
    let numbers = text.strip_prefix('v').unwrap_or(text);
    let is_short = numbers.split('.').count() < 3;
    let digits = numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_short && digits {
        Doubt::Newest(numbers.to_owned())
    } else {
        Doubt::None
    }
}

/// Words after a plus sign in the revisions of Debian and Ubuntu themselves: of security updates, rebuilds, backports, snapshots
/// and releases.
const OWN_MARKS: [&str; 17] = [
    "b", "bpo", "build", "deb", "dfsg", "ds", "esm", "etch", "fips", "git", "jessie", "lenny", "nmu",
    "really", "squeeze", "ubuntu", "wheezy",
];

/// Returns a version without another vendor's marks in its revision.
fn without_mark(text: &str) -> Doubt {
    let Some((upstream, revision)) = text.rsplit_once('-') else {
        return Doubt::None;
    };
    let foreign = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_alphabetic());
        let word = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        let is_own = word.is_empty() || OWN_MARKS.iter().any(|own| own.eq_ignore_ascii_case(word));
        (!is_own).then(|| ["+", word].concat())
    };
    // Most have none.
    let Some(mark) = revision.split('+').skip(1).find_map(foreign) else {
        return Doubt::None;
    };
    let parts = revision.split('+').enumerate();
    let kept = parts.filter(|(index, part)| *index == 0 || foreign(part).is_none());
    let revision: Vec<&str> = kept.map(|(_, part)| part).collect();
    let bare = Version::parse(Scheme::Debian, &format!("{upstream}-{}", revision.join("+")));
    bare.map_or(Doubt::None, |bare| Doubt::Marked(Box::new(Marked { mark, bare })))
}

fn without_epoch(text: &str) -> Doubt {
    let bare = text.split_once(':').and_then(|(epoch, rest)| {
        let is_epoch =
            epoch.bytes().all(|byte| byte.is_ascii_digit()) && epoch.bytes().any(|byte| byte != b'0');
        Version::parse(Scheme::Rpm, rest).ok().filter(|_| is_epoch)
    });
    bare.map_or(Doubt::None, |bare| Doubt::Epoch(Box::new(bare)))
}

/// Words in the versions of builds that have an epoch of their own, which places them after every plain build: live
/// patches, and certified builds.
const OTHER_BUILDS: [&str; 2] = ["ksplice", "fips"];

/// Returns the version of such a build in the epoch of a range's events, which are about plain builds; `None` if the
/// version is another one, or the events are about such builds, too.
pub(super) fn in_epoch_of<'e>(mut events: impl Iterator<Item = &'e str>, text: &str) -> Option<Version> {
    let is_other = |text: &str| {
        OTHER_BUILDS
            .iter()
            .any(|word| text.to_ascii_lowercase().contains(word))
    };
    if !is_other(text) {
        return None;
    }
    let (_, rest) = text.split_once(':')?;
    let mut epoch = None;
    if events.any(|event| {
        epoch = event.split_once(':').map(|(epoch, _)| epoch).or(epoch);
        is_other(event)
    }) {
        return None;
    }
    Version::parse(Scheme::Rpm, &format!("{}:{rest}", epoch?)).ok()
}

/// Returns true if an event of a range is about a release that begins with these numbers.
pub(super) fn begins_with(event: &str, numbers: &str) -> bool {
    let event = event.trim();
    let rest = event.strip_prefix('v').unwrap_or(event).strip_prefix(numbers);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns true for a text that stands for several versions (`1.x`, `45.*`, `1.+`, `^1.2`, `[1,2)`), or for an
/// unreplaced placeholder (`${revision}`).
pub(super) fn is_requirement(text: &str) -> bool {
    let is_open = |part: &str| matches!(part, "x" | "X" | "*" | "+");
    text.starts_with(['^', '~', '<', '>', '!', '[', '(', '{', '$', '%', '@'])
        || ["${", "||", "{{"].iter().any(|mark| text.contains(mark))
        || text.split('.').any(is_open)
}

#[cfg(test)]
mod tests;
