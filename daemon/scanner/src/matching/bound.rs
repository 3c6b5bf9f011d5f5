//! The text of an event as a place in the order of versions.
//!
//! Lenient orders have a place for any text: before all versions, or after them. Sources write words, requirements and
//! hashes in place of versions, too, whose place there shows nothing. This is the only reader of such a text: evaluation,
//! screens and the faults of a record use it.

use super::doubt::{has_foreign_character, is_requirement, is_several};
use super::git;
use crate::version::{Scheme, Version};

/// The place of an event.
pub(super) enum Bound {
    /// At a version.
    At(Version),
    /// At a version that begins with these numbers; which one is not known.
    Near(Version, String),
    /// None.
    Unread,
}

impl Bound {
    /// Returns the place of an event's text for a subject with this text.
    pub(super) fn of(scheme: Scheme, text: &str, subject: &str) -> Self {
        let text = text.trim();
        if git::is_hash(text) {
            return Self::Unread;
        }
        match Version::parse(scheme, text) {
            Ok(version) if is_plain(&version, text) => return Self::At(version),
            // Both are of an order of their own: release trains have names, and some packages only versions `v1.2`.
            Ok(version)
                if is_lenient(scheme)
                    && !begins_with_number(subject)
                    && are_named_alike(subject, text)
                    && !is_several(text, &version) =>
            {
                return Self::At(version);
            }
            _ => {}
        }
        // Orders that have no place for a text may have one for what is behind its prefix. CPE names escape punctuation, and
        // some sources leave it at that.
        let text = text.replace('\\', "");
        let bare = without_prefix(&text);
        let Ok(version) = Version::parse(scheme, bare) else {
            return Self::Unread;
        };
        if is_plain(&version, bare) {
            return Self::At(version);
        }
        let numbers = leading_numbers(bare);
        if is_several(bare, &version) {
            return Self::Unread;
        }
        match Version::parse(scheme, numbers) {
            Ok(version)
                if scheme == Scheme::Pep440 && is_sound(scheme, bare) && is_plain(&version, numbers) =>
            {
                Self::Near(version, numbers.to_owned())
            }
            _ => Self::Unread,
        }
    }
}

/// Returns true if the place of a version's text in its order is that of a version.
pub(crate) fn is_plain(version: &Version, text: &str) -> bool {
    let text = text.trim();
    let is_sound = || is_sound(version.scheme(), text) && version.is_well_formed();
    !git::is_hash(text) && !is_several(text, version) && (!is_lenient(version.scheme()) || is_sound())
}

/// Returns true for the orders that have a place for words.
fn is_lenient(scheme: Scheme) -> bool {
    matches!(
        scheme,
        Scheme::Pep440
            | Scheme::Maven
            | Scheme::Rpm
            | Scheme::Debian
            | Scheme::Conan
            | Scheme::Opam
            | Scheme::Homebrew
            | Scheme::FreeBsd
    )
}

/// Returns true for text that has the form of a version: a number, and nothing that no version has.
fn is_sound(scheme: Scheme, text: &str) -> bool {
    begins_with_number(text) && !is_requirement(text) && !has_foreign_character(scheme, text)
}

/// Returns true if a version begins with a number, after its epoch, which is a number as well: a package's name before the
/// colon (`x-0:2.0-1.el9`) is none.
fn begins_with_number(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    epoch.trim_start().bytes().all(|byte| byte.is_ascii_digit())
        && rest.trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Prefixes that people write before the number of a version.
const PREFIXES: [&str; 6] = ["v", "ver", "version", "r", "rel", "release"];

/// Returns a version without such a word before it.
pub(crate) fn without_prefix(text: &str) -> &str {
    let (word, rest) = word_before(text);
    if is_prefix(word) { rest } else { text }
}

/// Returns the word before the first number of a text, and the rest.
fn word_before(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (front, rest) = text.split_at(at);
    (front.trim_end_matches(['-', '_', '.', ' ']), rest)
}

/// Returns true if a text has one of the words that people write before a version.
pub(super) fn has_prefix(text: &str) -> bool {
    is_prefix(word_before(text).0)
}

fn is_prefix(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| word.eq_ignore_ascii_case(prefix))
}

/// Returns true if two texts begin with words that have an order: the same one, or names of releases.
pub(super) fn are_named_alike(one: &str, other: &str) -> bool {
    let (one, other) = (word_before(one).0, word_before(other).0);
    let are_names = || !one.is_empty() && !other.is_empty() && !is_prefix(one) && !is_prefix(other);
    one.eq_ignore_ascii_case(other) || are_names()
}

/// Returns the numbers at the beginning of a text.
fn leading_numbers(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let numbers = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    numbers.trim_end_matches('.')
}

/// Returns true if a version begins with these numbers. Missing ones are zero.
pub(super) fn begins_with(version: &str, numbers: &str) -> bool {
    let version = version.split_once('!').map_or(version, |(_, rest)| rest);
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let bare = |number: &'_ str| number.trim_start_matches('0').to_owned();
    let mut own = leading_numbers(version).split('.').map(bare);
    numbers
        .split('.')
        .map(bare)
        .all(|number| own.next().unwrap_or_default() == number)
}

#[cfg(test)]
mod tests {
    use crate::matching::{Subject, evaluate};
    use crate::osv::Affected;

    fn says(ecosystem: &str, version: &str, events: &str) -> char {
        let entry: Affected =
            serde_json::from_str(&format!(r#"{{"ranges":[{{"events":[{events}]}}]}}"#)).unwrap();
        let result = evaluate(&entry, &Subject::new(ecosystem, version));
        match (result.is_affected(), result.is_undecided()) {
            (true, _) => 'a',
            (_, true) => '?',
            _ => '-',
        }
    }

    const LENIENT: [&str; 8] = [
        "PyPI",
        "Maven",
        "Debian:12",
        "AlmaLinux:9",
        "ConanCenter",
        "opam",
        "Homebrew",
        "FreeBSD:ports",
    ];

    #[test]
    fn end_that_is_not_a_version_ends_nothing() {
        for ecosystem in LENIENT {
            for text in [
                "banana",
                "latest",
                "*",
                "n/a",
                "unknown",
                "-",
                "< 2.0.0",
                "2.0.0, 3.0.0",
                "^2.0.0",
                "2.0.*",
                "Greenwich.SR6",
                "1f0c1f1d5a0b4ef2a3bcb1dbbd7a1f3f1d2c3b4a",
                "２.0.0",
            ] {
                for kind in ["fixed", "last_affected"] {
                    let events = format!(r#"{{"introduced":"0"}},{{"{kind}":"{text}"}}"#);
                    assert_eq!(
                        says(ecosystem, "1.5.0", &events),
                        'a',
                        "{ecosystem} {kind} {text}"
                    );
                }
                let events = format!(r#"{{"introduced":"{text}"}},{{"fixed":"3.0"}}"#);
                assert_eq!(says(ecosystem, "1.5.0", &events), '?', "{ecosystem} from {text}");
            }
        }
        let events = r#"{"introduced":"0"},{"fixed":"1f0c1f1d5a0b4ef2a3bcb1dbbd7a1f3f1d2c3b4a"}"#;
        assert_eq!(says("npm", "1.5.0", events), 'a');
    }

    #[test]
    fn prefix_of_an_event_has_no_place_in_the_order() {
        for ecosystem in LENIENT {
            for text in ["v2.0.0", "release-2.0.0", "V2.0.0"] {
                let events = format!(r#"{{"introduced":"0"}},{{"fixed":"{text}"}}"#);
                assert_eq!(says(ecosystem, "1.5.0", &events), 'a', "{ecosystem} {text}");
                assert_eq!(says(ecosystem, "2.0.0", &events), '-', "{ecosystem} {text}");
                let events = format!(r#"{{"introduced":"{text}"}}"#);
                assert_eq!(says(ecosystem, "2.5.0", &events), 'a', "{ecosystem} {text}");
                assert_eq!(says(ecosystem, "1.5.0", &events), '-', "{ecosystem} {text}");
            }
        }
        // Names of release trains, and versions that all begin so, have their own order.
        let events = r#"{"introduced":"0"},{"fixed":"Greenwich.SR6"}"#;
        assert_eq!(says("Maven", "Finchley.SR1", events), 'a');
        assert_eq!(says("Maven", "Hoxton.SR1", events), '-');
        let events = r#"{"introduced":"0"},{"fixed":"v0.14.0"}"#;
        assert_eq!(says("opam", "v0.13.0", events), 'a');
        assert_eq!(says("opam", "v0.14.0", events), '-');
    }

    #[test]
    fn bare_v_before_a_version_of_maven_is_no_part_of_it() {
        for (events, before, inside, after) in [
            (r#"{"introduced":"1.0"},{"fixed":"1.2.4"}"#, '-', 'a', '-'),
            (r#"{"introduced":"v1.0"},{"fixed":"v1.2.4"}"#, '-', 'a', '-'),
            (r#"{"introduced":"1.0"},{"last_affected":"1.2.3"}"#, '-', 'a', '-'),
            (r#"{"introduced":"0"},{"fixed":"v1.2.4"}"#, 'a', 'a', '-'),
            (r#"{"introduced":"0"},{"fixed":"Greenwich.SR6"}"#, 'a', 'a', 'a'),
        ] {
            for v in ["v", "V"] {
                let says = |version: &str| says("Maven", &format!("{v}{version}"), events);
                assert_eq!(
                    [says("0.9"), says("1.2.3"), says("2.0")],
                    [before, inside, after],
                    "{events}"
                );
            }
        }
        assert_eq!(
            says("Maven", "v1.2.4-rc1", r#"{"introduced":"1.0"},{"fixed":"1.2.4"}"#),
            'a'
        );
        assert_eq!(
            says("Maven", "v", r#"{"introduced":"1.0"},{"fixed":"1.2.4"}"#),
            '?'
        );
    }

    /// Orders that have no place for a prefix left out the event, without a word when the record was imported.
    #[test]
    fn prefix_is_no_part_of_an_event_in_strict_orders() {
        for ecosystem in [
            "npm",
            "NuGet",
            "RubyGems",
            "CRAN",
            "Packagist",
            "Bitnami",
            "Alpine:v3.18",
        ] {
            for text in ["v2.0.0", "release-2.0.0", "ver2.0.0"] {
                let events = format!(r#"{{"introduced":"0"}},{{"fixed":"{text}"}}"#);
                assert_eq!(says(ecosystem, "1.5.0", &events), 'a', "{ecosystem} {text}");
                assert_eq!(says(ecosystem, "2.0.0", &events), '-', "{ecosystem} {text}");
                let events = format!(r#"{{"introduced":"{text}"}}"#);
                assert_eq!(says(ecosystem, "1.5.0", &events), '-', "{ecosystem} {text}");
            }
        }
    }

    #[test]
    fn listed_version_is_the_same_without_its_prefix() {
        for ecosystem in LENIENT.into_iter().chain(["npm", "RubyGems", "NuGet"]) {
            let listed: Affected =
                serde_json::from_str(r#"{"versions":["v1.5.0","release-1.6.0"]}"#).unwrap();
            let is_affected =
                |version: &str| evaluate(&listed, &Subject::new(ecosystem, version)).is_affected();
            assert!(is_affected("1.5.0") && is_affected("1.6.0"), "{ecosystem}");
            assert!(!is_affected("1.7.0"), "{ecosystem}");
        }
    }

    #[test]
    fn event_that_python_does_not_define_is_placed_by_its_numbers() {
        for text in ["2.6.0-NA", "2.6.0-cu124"] {
            let events = format!(r#"{{"introduced":"0"}},{{"last_affected":"{text}"}}"#);
            for (version, expected) in [
                ("2.5.1", 'a'),
                ("2.6.0", 'a'),
                ("2.6.0+cu124", 'a'),
                ("2.6.0.post1", '?'),
                ("2.6.1", '-'),
                ("2.7.0", '-'),
            ] {
                assert_eq!(says("PyPI", version, &events), expected, "{version} {text}");
            }
        }
        let events = r#"{"introduced":"0"},{"fixed":"0.2.0-n653"}"#;
        for (version, expected) in [
            ("0.1", 'a'),
            ("0.2.0.dev1", 'a'),
            ("0.2", '?'),
            ("0.2.0.1", '?'),
            ("0.3", '-'),
        ] {
            assert_eq!(says("PyPI", version, events), expected, "{version}");
        }
        let events = r#"{"introduced":"0"},{"last_affected":"0.2.0-alpha\\.33"}"#;
        assert_eq!(says("PyPI", "0.2.0a33", events), 'a');
        assert_eq!(says("PyPI", "0.2.0a34", events), '-');
        let events = r#"{"introduced":"2018-04-22b"},{"fixed":"2020"}"#;
        for (version, expected) in [("2017.1", '-'), ("2018.5", 'a'), ("2018.0", 'a'), ("2020", '-')] {
            assert_eq!(says("PyPI", version, events), expected, "{version}");
        }
    }
}
