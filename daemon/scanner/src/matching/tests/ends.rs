//! Ends of ranges that are no versions, or more than one, and orders that the type of a range does not have.

use super::range;
use crate::matching::{Subject, evaluate};

/// NVD's lists of versions become such ranges.
#[test]
fn versions_between_two_last_affected_ones_are_undecided() {
    let entry = range(
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"last_affected":"7.2"},{"last_affected":"6.1"},{"last_affected":"5.3"}"#,
    );
    for (version, expected) in [
        ("5.3", (true, false)),
        ("6.0", (false, true)),
        ("7.2", (false, true)),
        ("7.2+local", (false, true)),
        ("7.3", (false, false)),
    ] {
        let result = evaluate(&entry, &Subject::new("PyPI", version));
        assert_eq!(
            (result.is_affected(), result.is_undecided()),
            expected,
            "{version}"
        );
    }
    let apart = range(
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"last_affected":"1.2"},{"introduced":"2.0"},{"last_affected":"2.3"}"#,
    );
    for (version, expected) in [
        ("1.5", (false, false)),
        ("2.2", (true, false)),
        ("2.4", (false, false)),
    ] {
        let result = evaluate(&apart, &Subject::new("PyPI", version));
        assert_eq!(
            (result.is_affected(), result.is_undecided()),
            expected,
            "{version}"
        );
    }
}

/// Echo gives its Debian versions in ranges of the type SEMVER.
#[test]
fn range_of_a_distribution_uses_its_order_whatever_its_type() {
    let says = |ecosystem: &str, version: &str, fixed: &str| {
        let entry = range(
            "SEMVER",
            &format!(r#"{{"introduced":"0"}},{{"fixed":"{fixed}"}}"#),
        );
        let result = evaluate(&entry, &Subject::new(ecosystem, version));
        (result.is_affected(), result.is_undecided())
    };
    let fixed = "1.25.2-1+deb12u2+e2";
    assert_eq!(says("Echo", "1.25.2-1+deb12u2+e1", fixed), (true, false));
    assert_eq!(says("Echo", "1.25.2-1+deb12u2+e2", fixed), (false, false));
    assert_eq!(says("Echo", "1:1.0-1", "1:1.0-2"), (true, false));
    assert_eq!(says("AlmaLinux:9", "1.0-9.el9", "1.0-10.el9"), (true, false));
    assert_eq!(says("Alpine:v3.18", "1.0-r9", "1.0-r10"), (true, false));
    // Elsewhere the stated order decides, unless the ecosystem's own contradicts it.
    assert_eq!(says("PyPI", "1.0", "1.0.post1"), (false, true));
    assert_eq!(says("CRAN", "1.4.0", "1.4.0-1"), (false, true));
    assert_eq!(says("PyPI", "1.0rc1", "1.0.0"), (true, false));
    assert_eq!(says("PyPI", "1.0.1", "1.0.0"), (false, false));
    assert_eq!(says("npm", "1.0.0+2", "1.0.0+3"), (false, false));
}

/// A version with a word before it was below every end that is not a version.
#[test]
fn end_that_is_not_a_version_is_ignored_for_prefixed_versions() {
    let says = |ecosystem: &str, kind: &str, version: &str, events: &str| {
        let result = evaluate(&range(kind, events), &Subject::new(ecosystem, version));
        (result.is_affected(), result.is_undecided())
    };
    let until = |kind: &str, end: &str| format!(r#"{{"introduced":"0"}},{{"{kind}":"{end}"}}"#);
    let affected = (true, false);
    assert_eq!(says("Go", "SEMVER", "v1.5.0", &until("fixed", "1.x")), affected);
    assert_eq!(
        says("PyPI", "ECOSYSTEM", "v2.5.1", &until("last_affected", "2.6.0-NA")),
        affected
    );
    for ecosystem in ["PyPI", "Maven", "Homebrew"] {
        for end in ["banana", "0f0c1f1", "1f0c1f1"] {
            let events = until("fixed", end);
            let found = says(ecosystem, "ECOSYSTEM", "v2.5.1", &events);
            assert_ne!(found, (false, false), "{ecosystem} {end}");
            assert_eq!(
                says(ecosystem, "ECOSYSTEM", "2.5.1", &events),
                affected,
                "{ecosystem} {end}"
            );
        }
    }
    let begun = r#"{"introduced":"9f0c1f1"}"#;
    assert_eq!(says("PyPI", "ECOSYSTEM", "1.5", begun), (false, true));
    let trains = until("fixed", "Greenwich.SR6");
    assert_eq!(says("Maven", "ECOSYSTEM", "Finchley.RELEASE", &trains), affected);
}

/// Debian's lists end at a limit where no advisory is planned.
#[test]
fn text_in_place_of_a_version_is_undecided_behind_a_limit() {
    let entry = range("ECOSYSTEM", r#"{"introduced":"0"},{"limit":"1.2-3"}"#);
    for (version, expected) in [
        ("1.2-2", (true, false)),
        ("1.2-3", (false, false)),
        ("latest", (false, true)),
        ("unknown", (false, true)),
    ] {
        let result = evaluate(&entry, &Subject::new("Debian:12", version));
        assert_eq!(
            (result.is_affected(), result.is_undecided()),
            expected,
            "{version}"
        );
    }
}
