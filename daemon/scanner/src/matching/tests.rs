//! OSV ranges, one test for each behaviour.

mod ends;

use proptest::prelude::*;

use super::*;
use crate::osv::Record;

fn affected(json: &str) -> Affected {
    let record = format!(r#"{{"id":"T-1","affected":[{json}]}}"#);
    Record::from_json(record.as_bytes()).unwrap().affected.remove(0)
}

fn range(kind: &str, events: &str) -> Affected {
    affected(&format!(
        r#"{{"ranges":[{{"type":"{kind}","events":[{events}]}}]}}"#
    ))
}

/// Returns those of `versions` that are affected.
fn hits(entry: &Affected, ecosystem: &str, versions: &[&'static str]) -> Vec<&'static str> {
    versions
        .iter()
        .copied()
        .filter(|v| evaluate(entry, &Subject::new(ecosystem, v)).is_affected())
        .collect()
}

#[test]
fn introduced_is_inside_and_fixed_is_outside() {
    let entry = range("SEMVER", r#"{"introduced":"1.0.0"},{"fixed":"2.0.0"}"#);
    assert_eq!(
        hits(
            &entry,
            "npm",
            &["0.9.9", "1.0.0", "1.9.9", "2.0.0-rc.1", "2.0.0", "3.0.0"]
        ),
        ["1.0.0", "1.9.9", "2.0.0-rc.1"]
    );
}

#[test]
fn last_affected_is_inside() {
    let entry = range("ECOSYSTEM", r#"{"introduced":"0"},{"last_affected":"1.5"}"#);
    assert_eq!(
        hits(&entry, "PyPI", &["0.1", "1.5", "1.5.0", "1.5.1"]),
        ["0.1", "1.5", "1.5.0"]
    );
    let one = range("ECOSYSTEM", r#"{"introduced":"1.5"},{"last_affected":"1.5"}"#);
    assert_eq!(hits(&one, "PyPI", &["1.4", "1.5", "1.6"]), ["1.5"]);
}

#[test]
fn order_and_repetition_of_events_do_not_matter() {
    let sorted = range(
        "SEMVER",
        r#"{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"2.0.0"},{"fixed":"2.3.0"}"#,
    );
    let mixed = range(
        "SEMVER",
        r#"{"fixed":"2.3.0"},{"introduced":"2.0.0"},{"fixed":"1.2.0"},{"introduced":"0"},{"fixed":"2.3.0"},{"introduced":"2.0.0"}"#,
    );
    let versions = [
        "0.0.1", "1.1.9", "1.2.0", "1.9.0", "2.0.0", "2.2.9", "2.3.0", "9.0.0",
    ];
    assert_eq!(
        hits(&sorted, "npm", &versions),
        ["0.0.1", "1.1.9", "2.0.0", "2.2.9"]
    );
    assert_eq!(hits(&mixed, "npm", &versions), hits(&sorted, "npm", &versions));
}

#[test]
fn adjacent_intervals_join_and_an_empty_one_matches_nothing() {
    let adjacent = range(
        "SEMVER",
        r#"{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"1.0.0"},{"fixed":"2.0.0"}"#,
    );
    assert_eq!(
        hits(&adjacent, "npm", &["0.5.0", "1.0.0", "1.5.0", "2.0.0"]),
        ["0.5.0", "1.0.0", "1.5.0"]
    );
    let empty = range("SEMVER", r#"{"introduced":"1.0.0"},{"fixed":"1.0.0"}"#);
    assert!(hits(&empty, "npm", &["0.5.0", "1.0.0", "1.5.0"]).is_empty());
}

#[test]
fn a_limit_bounds_the_range() {
    let entry = range("SEMVER", r#"{"introduced":"1.0.0"},{"limit":"1.5.0"}"#);
    assert_eq!(
        hits(&entry, "npm", &["1.0.0", "1.4.9", "1.5.0", "2.0.0"]),
        ["1.0.0", "1.4.9"]
    );
    let open = range("SEMVER", r#"{"introduced":"1.0.0"},{"limit":"*"}"#);
    assert_eq!(hits(&open, "npm", &["0.1.0", "2.0.0"]), ["2.0.0"]);
}

#[test]
fn git_range_does_not_hide_other_rules() {
    let entry = affected(
        r#"{"ranges":[{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]},
            {"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"}]}],"versions":["7"]}"#,
    );
    assert_eq!(hits(&entry, "PyPI", &["1", "2", "7"]), ["1", "7"]);
    let git_only = range("GIT", r#"{"introduced":"0"}"#);
    let result = evaluate(&git_only, &Subject::new("PyPI", "1"));
    assert!(!result.is_affected() && result.is_undecided());
    assert_eq!(result.unmatched[0].1, WhyNot::NeedsCommitGraph);
    // Beside a rule for versions it causes no doubt.
    let both = evaluate(&entry, &Subject::new("PyPI", "3"));
    assert!(!both.is_affected() && !both.is_undecided());
}

#[test]
fn enumerated_versions_match_by_the_schemes_equality() {
    let entry = affected(r#"{"versions":["1.0","weird build"]}"#);
    assert_eq!(
        hits(&entry, "PyPI", &["1.0.0", "1.1", "weird build"]),
        ["1.0.0", "weird build"]
    );
    // Without an order, only the exact text matches.
    assert_eq!(hits(&entry, "Android", &["1.0", "1.0.0"]), ["1.0"]);
}

#[test]
fn fixed_versions_are_those_that_end_the_matching_interval() {
    let entry = affected(
        r#"{"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.10"},{"introduced":"2"},{"fixed":"2.9"}]}],"versions":["3"]}"#,
    );
    assert_eq!(evaluate(&entry, &Subject::new("PyPI", "1.2")).fixed, ["1.10"]);
    assert_eq!(evaluate(&entry, &Subject::new("PyPI", "2.1")).fixed, ["2.9"]);
    assert!(evaluate(&entry, &Subject::new("PyPI", "3")).fixed.is_empty());
}

#[test]
fn rule_states_the_interval_or_the_reason() {
    let entry = range(
        "SEMVER",
        r#"{"introduced":"1.0.0"},{"fixed":"2.0.0"},{"introduced":"3.0.0"}"#,
    );
    let inside = evaluate(&entry, &Subject::new("npm", "1.5.0"));
    assert_eq!(
        inside.matched,
        [Rule::Range {
            index: 0,
            kind: "SEMVER".into(),
            introduced: Some("1.0.0".into()),
            until: Some(Event::Fixed("2.0.0".into()))
        }]
    );
    let between = evaluate(&entry, &Subject::new("npm", "2.5.0"));
    assert_eq!(
        between.unmatched[0].1,
        WhyNot::Outside {
            closed_by: Some(Event::Fixed("2.0.0".into())),
            next_introduced: Some("3.0.0".into())
        }
    );
    let before = evaluate(&entry, &Subject::new("npm", "0.5.0"));
    assert_eq!(
        before.unmatched[0].1,
        WhyNot::Outside {
            closed_by: None,
            next_introduced: Some("1.0.0".into())
        }
    );
}

#[test]
fn unordered_version_is_undecided() {
    let entry = range("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"9"}"#);
    for (ecosystem, version, why) in [
        ("npm", "not a version", WhyNot::VersionUnreadable),
        ("Android", "1", WhyNot::NoOrder),
    ] {
        let result = evaluate(&entry, &Subject::new(ecosystem, version));
        assert!(result.is_undecided(), "{ecosystem}");
        assert_eq!(result.unmatched[0].1, why);
    }
    let garbage = range("SEMVER", r#"{"introduced":"???"}"#);
    assert_eq!(
        evaluate(&garbage, &Subject::new("npm", "1.0.0")).unmatched[0].1,
        WhyNot::EventsUnreadable
    );
}

proptest! {
    /// Compares the evaluation with the schema's own algorithm, on small numbers where `introduced` and `fixed` differ.
    #[test]
    fn the_walk_agrees_with_the_schemas_evaluation(
        raw in prop::collection::vec((0_u8..3, 1_u8..9), 1..7),
        subject in 0_u8..10,
    ) {
        let kinds = ["introduced", "fixed", "last_affected"];
        // The schema does not define introduced and fixed at one version: use one kind per version.
        let mut seen = std::collections::BTreeMap::new();
        let events: Vec<(u8, u8)> =
            raw.into_iter().filter(|(kind, at)| *seen.entry(*at).or_insert(*kind) == *kind).collect();
        let text: Vec<String> =
            events.iter().map(|(kind, at)| format!(r#"{{"{}":"{at}.0.0"}}"#, kinds[usize::from(*kind)])).collect();
        let entry = range("SEMVER", &text.join(","));
        let mut sorted = events;
        sorted.sort_by_key(|(_, at)| *at);
        let mut expected = false;
        for (kind, at) in sorted {
            match kind {
                0 if subject >= at => expected = true,
                1 if subject >= at => expected = false,
                2 if subject > at => expected = false,
                _ => {}
            }
        }
        let version = format!("{subject}.0.0");
        prop_assert_eq!(evaluate(&entry, &Subject::new("npm", &version)).is_affected(), expected, "{:?}", text);
    }
}

mod equality {
    use proptest::prelude::*;

    use super::super::may_be_equal;
    use crate::version::{Scheme, Version, compare};

    const SCHEMES: [Scheme; 15] = [
        Scheme::FreeBsd,
        Scheme::SemVer,
        Scheme::SemVerBuild,
        Scheme::Bitnami,
        Scheme::NuGet,
        Scheme::Pep440,
        Scheme::Maven,
        Scheme::RubyGems,
        Scheme::Packagist,
        Scheme::Debian,
        Scheme::Opam,
        Scheme::Rpm,
        Scheme::Apk,
        Scheme::Conan,
        Scheme::Dotted,
    ];

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-1.va-]{1,5}",
            "[0-1]{1,2}([.+_~-]?(0|1|a|rc|v|x|dev|ga|final|SNAPSHOT)){0,3}",
            "[0-1:!^=vV. -]{1,6}",
            "[0-2]([.-][0-2]){0,3}([.-]?(a|sp|x|ga|final|alpha|rc)[.-]?[0-2]?)?",
        ]
    }

    #[test]
    fn zeros_dropped_by_old_python_order_do_not_matter() {
        for (a, b) in [("v1-", "0v1-"), ("a1-", "0.0-a1-"), ("0v1-", "00v1-")] {
            assert_eq!(
                compare(Scheme::Pep440, a, b),
                Ok(std::cmp::Ordering::Equal),
                "{a} {b}"
            );
            assert!(may_be_equal(a, b), "{a} {b}");
        }
        for (a, b) in [("0.1", "1.1"), ("0.3.2", "3.2"), ("0-1", "1"), ("1", "2")] {
            assert!(!may_be_equal(a, b), "{a} {b}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn coarse_keys_never_contradict_the_order(a in text(), b in text()) {
            for scheme in SCHEMES {
                if let (Ok(x), Ok(y)) = (Version::parse(scheme, &a), Version::parse(scheme, &b)) {
                    let coarse = x.coarse_key(&a).cmp(&y.coarse_key(&b));
                    prop_assert!(coarse.is_eq() || x.compare(&y) == Some(coarse), "{scheme}: {a:?} {b:?}");
                }
                if compare(scheme, &a, &b) == Ok(std::cmp::Ordering::Equal) {
                    prop_assert!(may_be_equal(&a, &b), "{scheme}: {a:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn rebuild_counts_as_its_release() {
    let last = range("ECOSYSTEM", r#"{"introduced":"0"},{"last_affected":"2.0.1"}"#);
    assert_eq!(
        hits(
            &last,
            "PyPI",
            &["2.0.1", "2.0.1+cu118", "2.0.1.post1", "2.0.2+cu118"]
        ),
        ["2.0.1", "2.0.1+cu118"]
    );
    let fixed = range("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"2.0.1"}"#);
    assert_eq!(hits(&fixed, "PyPI", &["2.0.0+cpu", "2.0.1+cpu"]), ["2.0.0+cpu"]);
    let labelled = range(
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"last_affected":"2.0.1+cu117"}"#,
    );
    assert_eq!(
        hits(&labelled, "PyPI", &["2.0.1+cu117", "2.0.1+cu118"]),
        ["2.0.1+cu117"]
    );
    let listed = affected(r#"{"versions":["2.0.1"]}"#);
    assert_eq!(
        hits(&listed, "PyPI", &["2.0.1+local.1", "2.0.2+local.1"]),
        ["2.0.1+local.1"]
    );
    let debian = range("ECOSYSTEM", r#"{"introduced":"0"},{"last_affected":"1.2-3"}"#);
    assert_eq!(
        hits(&debian, "Debian:12", &["1.2-3+b1", "1.2-3+deb12u1"]),
        ["1.2-3+b1"]
    );
    let listed = affected(r#"{"versions":["1.2-3"]}"#);
    assert_eq!(
        hits(&listed, "Debian:12", &["1.2-3+b1", "1.2-4+b1"]),
        ["1.2-3+b1"]
    );
    let maven = ["2.0.1.redhat-00002", "2.0.1.Final-redhat-1", "2.0.2.redhat-1"];
    assert_eq!(hits(&last, "Maven", &maven), maven[..2]);
    assert_eq!(
        hits(&affected(r#"{"versions":["2.0.1"]}"#), "Maven", &maven),
        maven[..2]
    );
    assert_eq!(hits(&fixed, "Maven", &maven), [""; 0]);
}

#[test]
fn gem_for_a_platform_counts_as_its_release() {
    let entry = range("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"1.19.3"}"#);
    assert_eq!(
        hits(
            &entry,
            "RubyGems",
            &[
                "1.19.2-x86_64-linux-gnu",
                "1.19.3-x86_64-linux-gnu",
                "1.19.3-java",
                "1.19.3.rc1"
            ]
        ),
        ["1.19.2-x86_64-linux-gnu", "1.19.3.rc1"]
    );
}

#[test]
fn every_version_is_affected_without_a_version() {
    for kind in ["SEMVER", "ECOSYSTEM", "HOLOGRAM"] {
        let all = range(kind, r#"{"introduced":"0"}"#);
        assert_eq!(
            hits(&all, "npm", &["", "latest", "1.0.0"]),
            ["", "latest", "1.0.0"]
        );
        let unlimited = range(kind, r#"{"introduced":"0"},{"limit":"*"}"#);
        assert_eq!(hits(&unlimited, "npm", &[""]), [""]);
    }
    let fixed = range("SEMVER", r#"{"introduced":"0"},{"fixed":"1.0.0"}"#);
    let result = evaluate(&fixed, &Subject::new("npm", ""));
    assert!(!result.is_affected() && result.is_undecided());
    let empty = affected(r#"{"ranges":[{"type":"SEMVER","events":[]}]}"#);
    assert!(!evaluate(&empty, &Subject::new("npm", "")).is_affected());
}

#[test]
fn unreadable_version_off_a_list_is_undecided() {
    let listed = affected(r#"{"versions":["1.0.0"]}"#);
    assert!(evaluate(&listed, &Subject::new("npm", "latest")).is_undecided());
    assert!(!evaluate(&listed, &Subject::new("npm", "1.0.1")).is_undecided());
    let broken = range("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"1.0-foo"}"#);
    assert!(evaluate(&broken, &Subject::new("Alpine:v3.18", "1.0-bar")).is_undecided());
    assert_eq!(
        hits(&broken, "Alpine:v3.18", &["0.9-bar", "1.1-bar"]),
        ["0.9-bar"]
    );
}

fn of_url(purl: &str, ecosystem: &str) -> Subject {
    let purl = PackageUrl::parse_lenient(purl).unwrap();
    let version = crate::purl::osv::version_of(&purl);
    Subject::of(&purl, None, ecosystem, version.as_deref())
}

#[test]
fn commit_is_decided_only_if_an_event_names_it() {
    let sha = |digit: &str| format!("a{}", digit.repeat(39));
    let entry = range(
        "GIT",
        &format!(
            r#"{{"introduced":"{}"}},{{"fixed":"{}"}},{{"last_affected":"{}"}},{{"limit":"{}"}}"#,
            sha("1"),
            sha("2"),
            sha("3"),
            sha("4")
        ),
    );
    for (digit, affected, undecided) in [
        ("1", true, false),
        ("2", false, false),
        ("3", true, false),
        ("4", false, false),
        ("5", false, true),
    ] {
        for purl in [
            format!("pkg:generic/x@{}", sha(digit)),
            format!("pkg:generic/x@{}", sha(digit).to_ascii_uppercase()),
            format!(
                "pkg:generic/x?vcs_url=git%2Bhttps://user@host.example/x@{}",
                sha(digit)
            ),
            format!("pkg:github/o/x@{}", &sha(digit)[..9]),
        ] {
            let result = evaluate(&entry, &of_url(&purl, "OSS-Fuzz"));
            assert_eq!(
                (result.is_affected(), result.is_undecided()),
                (affected, undecided),
                "{purl}"
            );
        }
    }
    // A list of versions does not decide about a commit, nor the commit about a version.
    let both = affected(&format!(
        r#"{{"versions":["v1.0"],"ranges":[{{"type":"GIT","events":[{{"introduced":"0"}},{{"fixed":"{}"}}]}}]}}"#,
        sha("2")
    ));
    let commit = format!("pkg:generic/x@{}", sha("5"));
    assert!(evaluate(&both, &of_url(&commit, "OSS-Fuzz")).is_undecided());
    let version = format!(
        "pkg:npm/x@2.0.0?vcs_url=git%2Bhttps://host.example/x@{}",
        sha("5")
    );
    assert!(!evaluate(&both, &of_url(&version, "npm")).is_undecided());
}

#[test]
fn tag_of_the_repository_is_looked_up_in_the_list() {
    let entry = affected(
        r#"{"versions":["v1.2.3","release-4"],"ranges":[{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abcdef0"}]}]}"#,
    );
    for (purl, affected) in [
        ("pkg:generic/x?vcs_url=git%2Bhttps://host.example/x@v1.2.3", true),
        (
            "pkg:generic/x?vcs_url=git%2Bhttps://host.example/x@1.2.3%23sub/path",
            true,
        ),
        (
            "pkg:generic/x?vcs_url=git%2Bhttps://host.example/x@refs/tags/release-4",
            true,
        ),
        ("pkg:generic/x@release-4", true),
        ("pkg:generic/x?vcs_url=git%2Bhttps://host.example/x@v1.2.4", false),
    ] {
        assert_eq!(
            evaluate(&entry, &of_url(purl, "OSS-Fuzz")).is_affected(),
            affected,
            "{purl}"
        );
    }
}

#[test]
fn unreadable_beginning_of_a_range_is_undecided() {
    let entry = range(
        "SEMVER",
        r#"{"introduced":"???"},{"fixed":"2.0.0"},{"introduced":"3.0.0"}"#,
    );
    let undecided = |version: &str| evaluate(&entry, &Subject::new("npm", version)).is_undecided();
    assert!(undecided("1.0.0") && undecided("2.5.0") && !undecided("3.0.0"));
    assert_eq!(hits(&entry, "npm", &["1.0.0", "2.5.0", "3.0.0"]), ["3.0.0"]);
    // An unreadable end leaves more versions affected, and no doubt.
    let entry = range("SEMVER", r#"{"introduced":"1.0.0"},{"fixed":"???"}"#);
    assert_eq!(hits(&entry, "npm", &["0.9.0", "9.0.0"]), ["9.0.0"]);
}
