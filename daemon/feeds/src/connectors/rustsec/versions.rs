//! Version requirements of Cargo, and the order of versions.

/// A version's place in the order: its numbers, release or not, and the words of its pre-release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    numbers: Vec<u64>,
    is_release: bool,
    words: Vec<Word>,
}

/// A word of a pre-release: numbers come before other words, the shorter number first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Number(usize, String),
    Text(String),
}

/// Returns a version's place in the order of semantic versions; invalid numbers count as 0.
pub(super) fn order(version: &str) -> Order {
    let (numbers, words) = parts(version);
    let mut numbers: Vec<u64> = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    numbers.resize(3, 0);
    let word = |text: &str| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = text.trim_start_matches('0');
            Word::Number(digits.len(), digits.to_owned())
        } else {
            Word::Text(text.to_owned())
        }
    };
    Order {
        numbers,
        is_release: words.is_empty(),
        words: words.split('.').filter(|_| !words.is_empty()).map(word).collect(),
    }
}

/// Returns the numbers and the pre-release of a version.
fn parts(version: &str) -> (&str, &str) {
    let version = version.split('+').next().unwrap_or_default();
    version.split_once('-').unwrap_or((version, ""))
}

/// The first of all versions.
pub(super) const FIRST: &str = "0.0.0-0";

/// The first version that a comparison allows, and the first one after; `None` without such a bound.
type Bounds = (Option<String>, Option<String>);

/// Returns the versions that one requirement allows, as the first one and the first one after; `None` if it is not
/// understood.
pub(super) fn interval(requirement: &str) -> Option<(String, Option<String>)> {
    let (mut start, mut end) = (FIRST.to_owned(), None::<String>);
    let mut is_told = false;
    let parts = requirement.split(',').map(str::trim);
    for part in parts.filter(|part| !part.is_empty()) {
        let (from, until) = bounds_of(part)?;
        // All parts hold together.
        start = from.filter(|from| order(from) > order(&start)).unwrap_or(start);
        end = match (end, until) {
            (Some(end), Some(until)) if order(&end) < order(&until) => Some(end),
            (end, until) => until.or(end),
        };
        is_told = true;
    }
    let is_empty = end.as_ref().is_some_and(|end| order(end) <= order(&start));
    (is_told && !is_empty).then_some((start, end))
}

/// Returns the bounds of one comparison: an operator and a version, of which the last numbers may be open.
fn bounds_of(part: &str) -> Option<Bounds> {
    let at = part.find(|c: char| c.is_ascii_digit() || WILDCARDS.contains(&c))?;
    let (operator, version) = part.split_at(at);
    let operator = operator.trim();
    let (version, is_open) = without_wildcards(version);
    if version.is_empty() {
        return operator.is_empty().then_some((None, None));
    }
    let (stated, words) = parts(version);
    let given = stated.split('.').count();
    let is_number = |part: &str| part.parse::<u64>().is_ok();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if version.contains(char::is_whitespace)
        || given + usize::from(is_open) > 3
        || !stated.split('.').all(is_number)
        || !words.bytes().all(is_word)
    {
        return None;
    }
    let numbers = order(version).numbers;
    let full = complete(version, given);
    // The pre-releases of the next release are after all that is before it.
    let next = |index: usize| {
        let mut numbers = numbers.clone();
        if let Some(number) = numbers.get_mut(index) {
            *number = number.saturating_add(1);
        }
        numbers.iter_mut().skip(index + 1).for_each(|number| *number = 0);
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        format!("{}-0", numbers.join("."))
    };
    // After a release comes the next one, and numbers that are not given count as 0: so do the records that RustSec
    // makes of its requirements. After a pre-release comes the same with one more word.
    let behind = || match words {
        "" => next(2),
        _ => format!("{}.0", full.split('+').next().unwrap_or_default()),
    };
    Some(match operator {
        ">=" => (Some(full), None),
        ">" => (Some(behind()), None),
        "<" => (None, Some(full)),
        "<=" => (None, Some(behind())),
        "" | "=" if is_open => (Some(full), Some(next(given.saturating_sub(1)))),
        "=" => (Some(full.clone()), Some(behind())),
        "^" | "" => {
            let first = numbers.iter().position(|number| *number > 0).unwrap_or(2);
            (Some(full), Some(next(first.min(given.max(1) - 1))))
        }
        "~" => (Some(full), Some(next(given.saturating_sub(1).min(1)))),
        _ => return None,
    })
}

/// Characters that Cargo reads as any number.
const WILDCARDS: [char; 3] = ['*', 'x', 'X'];

/// Returns a version without the wildcards at its end, and true if it had any: `1` of `1.*`, nothing of `*`.
fn without_wildcards(version: &str) -> (&str, bool) {
    if version.contains(['-', '+']) {
        return (version, false);
    }
    let mut rest = version;
    while let Some(front) = rest.strip_suffix(WILDCARDS) {
        match front.strip_suffix('.') {
            Some(front) => rest = front,
            None if front.is_empty() => return ("", true),
            None => break,
        }
    }
    (rest, rest.len() < version.len())
}

fn complete(version: &str, given: usize) -> String {
    let split = version.find(['-', '+']).unwrap_or(version.len());
    let (numbers, rest) = version.split_at(split);
    format!("{numbers}{}{rest}", ".0".repeat(3_usize.saturating_sub(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_end_where_cargo_ends_them() {
        for (requirement, start, end) in [
            ("<= 1.0.0-rc.1", "0.0.0-0", Some("1.0.0-rc.1.0")),
            ("= 1.0.0-rc.1", "1.0.0-rc.1", Some("1.0.0-rc.1.0")),
            ("= 1.0.0-rc.1+b", "1.0.0-rc.1+b", Some("1.0.0-rc.1.0")),
            ("> 1.0.0-rc.1", "1.0.0-rc.1.0", None),
            ("> 1", "1.0.1-0", None),
            ("> 1.2", "1.2.1-0", None),
            ("> 1.2.3", "1.2.4-0", None),
            ("<= 1.2", "0.0.0-0", Some("1.2.1-0")),
            ("= 1.2", "1.2.0", Some("1.2.1-0")),
            (">= 1.0.5, < 1.1", "1.0.5", Some("1.1.0")),
            (">= 2.0, >= 1.0", "2.0.0", None),
            ("< 1.0, < 2.0", "0.0.0-0", Some("1.0.0")),
            ("^1.2.3", "1.2.3", Some("2.0.0-0")),
            ("^0.2.3", "0.2.3", Some("0.3.0-0")),
            ("~1.2.3", "1.2.3", Some("1.3.0-0")),
            ("*", "0.0.0-0", None),
            ("1.*", "1.0.0", Some("2.0.0-0")),
            ("= 1.2.*", "1.2.0", Some("1.3.0-0")),
            ("1.*.*", "1.0.0", Some("2.0.0-0")),
            ("1.2.x", "1.2.0", Some("1.3.0-0")),
            (">= 1.2.*", "1.2.0", None),
            ("^1.2, < 1.5", "1.2.0", Some("1.5.0")),
            ("< 1.5, ^1.2", "1.2.0", Some("1.5.0")),
        ] {
            let expected = Some((start.to_owned(), end.map(str::to_owned)));
            assert_eq!(interval(requirement), expected, "{requirement}");
        }
        for requirement in [
            "",
            ",",
            ">= *",
            "1.*.3",
            "1.2.3.*",
            "1x",
            "1.2.3-*",
            "banana",
            "!= 1",
            "1.2.3.4",
            ">= 2.0, < 1.0",
            ">= 99999999999999999999",
        ] {
            assert_eq!(interval(requirement), None, "{requirement}");
        }
    }

    #[test]
    fn pre_releases_are_ordered_like_semantic_versions() {
        let sorted = [
            "0.0.0-0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-beta.99999999999999999999",
            "1.0.0-rc.1",
            "1.0.0-rc.1.0",
            "1.0.0",
            "1.0.1-rc.1",
        ];
        assert!(sorted.windows(2).all(|pair| order(pair[0]) < order(pair[1])));
        assert_eq!(order("1.0.0-rc.1+a"), order("1.0.0-rc.1+b"));
    }
}
