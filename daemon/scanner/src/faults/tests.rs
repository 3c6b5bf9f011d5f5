//! Mistakes, how they are named, and that none calls a version unaffected.

use super::*;
use crate::matching::{Subject, evaluate};
use crate::osv::Affected;

fn entry(ecosystem: &str, rest: &str) -> String {
    format!(r#"{{"package":{{"ecosystem":"{ecosystem}","name":"p"}},{rest}}}"#)
}

fn of_range(kind: &str, events: &str) -> String {
    format!(r#""ranges":[{{"type":"{kind}","events":[{events}]}}]"#)
}

fn told(entry: &str) -> Vec<String> {
    let record = format!(r#"{{"id":"X-1","affected":[{entry}]}}"#);
    let told = faults(record.as_bytes()).into_iter();
    told.map(|fault| format!("{}: {}", fault.pointer, fault.what))
        .collect()
}

/// Ecosystem, type of range, events, and a version that they may affect.
const MISTAKES: [(&str, &str, &str, &str); 14] = [
    (
        "Maven",
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"fixed":"banana"}"#,
        "1.0",
    ),
    (
        "PyPI",
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"fixed":"banana"}"#,
        "1.0",
    ),
    (
        "AlmaLinux:9",
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"fixed":"banana"}"#,
        "1.0-1.el9",
    ),
    // The name of a package, which may begin a version elsewhere.
    (
        "AlmaLinux:9",
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"fixed":"p-2.0-1.el9"}"#,
        "1.0-1.el9",
    ),
    (
        "Debian:12",
        "ECOSYSTEM",
        r#"{"introduced":"banana"},{"fixed":"2.0"}"#,
        "1.0",
    ),
    (
        "Maven",
        "ECOSYSTEM",
        r#"{"introduced":"0"},{"fixed":"0.9,2.0"}"#,
        "1.0",
    ),
    ("npm", "SEMVER", r#"{"introduced":"0"},{"fixed":"1.x"}"#, "1.5.0"),
    (
        "npm",
        "SEMVER",
        r#"{"introduced":"2.0.0"},{"fixed":"1.0.0"}"#,
        "1.5.0",
    ),
    (
        "npm",
        "SEMVER",
        r#"{"introduced":"2.0.0"},{"fixed":"1.0.0"}"#,
        "0.5.0",
    ),
    (
        "Maven",
        "ECOSYSTEM",
        r#"{"introduced":"2.0"},{"last_affected":"1.0"}"#,
        "1.5",
    ),
    (
        "npm",
        "SEMVER",
        r#"{"introduced":"0"},{"fixed":"1.0.0"},{"last_affected":"2.0.0"}"#,
        "1.5.0",
    ),
    (
        "npm",
        "SEMVER",
        r#"{"introduced":"0"},{"last_affected":"1.0.0"},{"fixed":"2.0.0"}"#,
        "1.5.0",
    ),
    (
        "npm",
        "SEMVER",
        r#"{"introduced":"0"},{"fixed":"0.5.0"},{"fixed":"2.0.0"}"#,
        "1.5.0",
    ),
    (
        "npm",
        "SEMVER",
        r#"{"fixed":"1.0.0"},{"introduced":"2.0.0"},{"fixed":"3.0.0"}"#,
        "0.5.0",
    ),
];

/// A mistake was imported without a warning, and called versions unaffected.
#[test]
fn mistake_is_named_and_never_calls_a_version_unaffected() {
    for (ecosystem, kind, events, version) in MISTAKES {
        let entry = entry(ecosystem, &of_range(kind, events));
        assert_eq!(told(&entry).len(), 1, "{entry}: {:?}", told(&entry));
        let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
        let found = evaluate(&read, &Subject::new(ecosystem, version));
        assert!(
            found.is_affected() || found.is_undecided(),
            "{entry} {version}: {found:?}"
        );
    }
}

/// `2.6.0-NA` came before all versions, so that a range up to it affected none.
#[test]
fn end_with_the_numbers_of_a_release_has_its_place() {
    let events = r#"{"introduced":"0"},{"last_affected":"2.6.0-NA"}"#;
    let entry = entry("PyPI", &of_range("ECOSYSTEM", events));
    assert_eq!(
        told(&entry),
        [
            "/affected/0/ranges/0/events/1/last_affected: \"2.6.0-NA\" is not a version of PyPI: versions that begin with its \
             numbers may stay undecided"
        ]
    );
    let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
    for (version, affected, undecided) in [
        ("2.5.1", true, false),
        ("2.6.0", true, false),
        ("2.6", true, false),
        ("2.6.0rc1", true, false),
        ("2.6.0+cu124", true, false),
        ("2.6.1", false, false),
        ("2.10.0", false, false),
    ] {
        let found = evaluate(&read, &Subject::new("PyPI", version));
        assert_eq!(
            (found.is_affected(), found.is_undecided()),
            (affected, undecided),
            "{version}"
        );
    }
    let events = r#"{"introduced":"2.6.0-NA"},{"fixed":"3"}"#;
    let entry = self::entry("PyPI", &of_range("ECOSYSTEM", events));
    let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
    for (version, affected, undecided) in [
        ("2.5.1", false, false),
        ("2.6.0", true, false),
        ("2.6.1", true, false),
        ("3", false, false),
    ] {
        let found = evaluate(&read, &Subject::new("PyPI", version));
        assert_eq!(
            (found.is_affected(), found.is_undecided()),
            (affected, undecided),
            "{version}"
        );
    }
}

#[test]
fn sound_rules_have_no_fault() {
    for (ecosystem, kind, events) in [
        (
            "npm",
            "SEMVER",
            r#"{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"2.0.0"},{"fixed":"2.1.0"}"#,
        ),
        ("npm", "SEMVER", r#"{"fixed":"1.0.0"},{"introduced":"0"}"#),
        (
            "npm",
            "SEMVER",
            r#"{"introduced":"0"},{"fixed":"1.0.0"},{"fixed":"1.0.0"}"#,
        ),
        (
            "npm",
            "SEMVER",
            r#"{"introduced":"1.0.0"},{"introduced":"1.1.0"},{"fixed":"1.2.0"}"#,
        ),
        (
            "npm",
            "SEMVER",
            r#"{"introduced":"1.0.0"},{"last_affected":"1.0.0"}"#,
        ),
        (
            "npm",
            "SEMVER",
            r#"{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"1.0.0"},{"fixed":"2.0.0"}"#,
        ),
        ("npm", "SEMVER", r#"{"introduced":"0"},{"limit":"*"}"#),
        ("Debian:12", "ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"0"}"#),
        (
            "Debian:12",
            "ECOSYSTEM",
            r#"{"introduced":"0"},{"fixed":"1:2.3~rc1+dfsg-4+deb12u1"}"#,
        ),
        (
            "Maven",
            "ECOSYSTEM",
            r#"{"introduced":"0"},{"fixed":"33.0.0-jre"}"#,
        ),
        (
            "Packagist",
            "ECOSYSTEM",
            r#"{"introduced":"0"},{"fixed":"1.0.0-beta2"}"#,
        ),
        ("npm", "GIT", r#"{"introduced":"0"},{"fixed":"banana"}"#),
        (
            "Elsewhere",
            "ECOSYSTEM",
            r#"{"introduced":"0"},{"fixed":"banana"}"#,
        ),
    ] {
        let entry = entry(ecosystem, &of_range(kind, events));
        assert!(told(&entry).is_empty(), "{entry}: {:?}", told(&entry));
    }
}

#[test]
fn list_without_a_version_is_named_and_decides_nothing() {
    for rest in [
        r#""versions":["banana"]"#,
        r#""versions":["<2.0.0"]"#,
        r#""versions":[""]"#,
    ] {
        let entry = entry("npm", rest);
        assert!(!told(&entry).is_empty(), "{entry}");
        let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
        assert!(
            evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided(),
            "{entry}"
        );
    }
    let mixed = entry("npm", r#""versions":["banana","1.0.0"]"#);
    assert!(told(&mixed).is_empty());
}

#[test]
fn misspelt_rules_leave_versions_undecided() {
    for key in [
        "range",
        "Ranges",
        "rnages",
        "version",
        "vulnerable_versions",
        "versons",
    ] {
        let entry = entry("npm", &format!(r#""versions":["0.1.0"],"{key}":[]"#));
        let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
        assert!(
            evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided(),
            "{entry}"
        );
    }
    let other = entry("npm", r#""versions":["0.1.0"],"notes":[]"#);
    let read = Affected::from_entry(&serde_json::from_str(&other).unwrap());
    assert!(!evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided());
}

#[test]
fn severity_that_rates_nothing_is_named() {
    let told = |one: &str| {
        let record = format!(r#"{{"id":"X-1","severity":[{one}],"affected":[{{"severity":[{one}]}}]}}"#);
        faults(record.as_bytes())
            .into_iter()
            .map(|fault| fault.pointer)
            .collect::<Vec<_>>()
    };
    for (one, place) in [
        (r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L"}"#, "/score"),
        (
            r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
            "/score",
        ),
        (r#"{"type":"CVSS_V2","score":"AV:N/AC:L/Au:N"}"#, "/score"),
        (r#"{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L"}"#, "/score"),
        (r#"{"type":"CVSS_V3","score":""}"#, "/score"),
        (r#"{"type":"Ubuntu","score":"loud"}"#, "/score"),
        (
            r#"{"type":"CVSS_V9","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
            "/type",
        ),
        (r#"{"type":"CVSS_V3"}"#, ""),
    ] {
        assert_eq!(
            told(one),
            [
                format!("/severity/0{place}"),
                format!("/affected/0/severity/0{place}")
            ],
            "{one}"
        );
    }
    for one in [
        r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
        r#"{"type":"CVSS_V3","score":9.8}"#,
        r#"{"type":"Ubuntu","score":"medium"}"#,
        r#"{"type":"EPSS","score":"0.5"}"#,
    ] {
        assert!(told(one).is_empty(), "{one}");
    }
}

/// An import looks only at ranges that are not of such numbers.
#[test]
fn plain_numbers_are_versions_of_every_order() {
    for known in &crate::ecosystem::ECOSYSTEMS {
        for kind in ["ECOSYSTEM", "SEMVER"] {
            for events in [
                r#"{"introduced":"0"},{"fixed":"1"}"#,
                r#"{"introduced":"1.2"},{"last_affected":"1.10"}"#,
                r#"{"introduced":"0"},{"fixed":"1.2.3"},{"introduced":"2.0.0"},{"fixed":"20240101"}"#,
            ] {
                let entry = entry(known.example, &of_range(kind, events));
                assert!(told(&entry).is_empty(), "{entry}: {:?}", told(&entry));
            }
        }
    }
}

/// What the import reads without a word, a scan must be able to compare with; what it names, a scan leaves out.
mod readers {
    use proptest::prelude::*;

    use super::{entry, of_range, told};
    use crate::matching::{Subject, evaluate};
    use crate::osv::Affected;

    const ECOSYSTEMS: [&str; 16] = [
        "npm",
        "PyPI",
        "Maven",
        "Debian:12",
        "Packagist",
        "Pub",
        "Bitnami",
        "Alpine:v3.18",
        "AlmaLinux:9",
        "RubyGems",
        "NuGet",
        "opam",
        "ConanCenter",
        "Homebrew",
        "FreeBSD:ports",
        "CRAN",
    ];

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "(v|V|r|rel|release-|ver|Version )?[1-3](\\.[0-2]){0,2}(-?(alpha|rc|NA|cu124|SNAPSHOT|n653|x|1)\\.?[0-2]?)?",
            "(<|<=|>|~|\\^|=)? ?[1-3]\\.[0-2](,| |\\|\\|)?([1-3]\\.[0-2])?",
            "8f3e2a1b9c|deadbeef01",
            "banana|latest|all|n/a|\\*|-",
            "[1-3](\\.[*x0-2+]){1,2}",
        ]
    }

    /// A version above every text.
    const HIGH: &str = "9999.0.0";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn end_is_named_if_and_only_if_it_ends_nothing(
            ecosystem in prop::sample::select(ECOSYSTEMS.to_vec()),
            text in text(),
        ) {
            let events = format!(r#"{{"introduced":"0"}},{{"fixed":"{text}"}}"#);
            let entry = entry(ecosystem, &of_range("ECOSYSTEM", &events));
            let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
            let found = evaluate(&read, &Subject::new(ecosystem, HIGH));
            let named = told(&entry);
            let is_ended = !found.is_affected();
            let is_near = named.iter().any(|fault| fault.contains("begin with its numbers"));
            prop_assert_eq!(is_ended, named.is_empty() || is_near, "{} {:?} {:?}", entry, named, found);
            prop_assert!(named.len() < 2, "{:?}", named);
        }
    }
}

#[test]
fn one_mistake_is_named_once() {
    let events = r#"{"introduced":"banana"},{"fixed":"1.0.0"},{"introduced":"2.0.0"},{"fixed":"3.0.0"}"#;
    let unread = entry("npm", &of_range("SEMVER", events));
    assert_eq!(told(&unread).len(), 1, "{:?}", told(&unread));
    let listed = entry("npm", r#""versions":["all"]"#);
    assert_eq!(told(&listed).len(), 1, "{:?}", told(&listed));
}

#[test]
fn name_among_numbers_is_named() {
    let names = r#"{"introduced":"Finchley.SR1"},{"fixed":"Greenwich.SR6"}"#;
    assert!(told(&entry("Maven", &of_range("ECOSYSTEM", names))).is_empty());
    let mixed = r#"{"introduced":"1.0"},{"fixed":"Greenwich.SR6"}"#;
    let told = told(&entry("Maven", &of_range("ECOSYSTEM", mixed)));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("are names, too"), "{told:?}");
}
