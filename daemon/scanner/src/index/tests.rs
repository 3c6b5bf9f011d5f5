//! The index returns exactly its advisories' statements, for every kind of rule, and reports damage.

use proptest::prelude::*;

use super::{IndexError, IndexWriter, MatchIndex};
use crate::knowledge::{Advisory, JudgedAt, Knowledge, StatingRecord, WithdrawnRating, WithdrawnStatement};
use crate::matching::{Subject, evaluate};
use crate::osv::{Affected, Record};
use crate::scan::{ScanOptions, scan};
use crate::threat::Threat;

const STAMP: [u8; 32] = [7; 32];

fn advisory(vulnerability: &str, affected: &str) -> Advisory {
    let json = format!(r#"{{"id":"X","affected":{affected},"severity":[{{"type":"CVSS_V3","score":"v"}}]}}"#);
    let record = Record::from_json(json.as_bytes()).unwrap();
    Advisory {
        merge_hash: format!("hash of {vulnerability}"),
        vulnerability: vulnerability.to_owned(),
        ids: vec!["GHSA-1".to_owned()],
        summary: "what it is".to_owned(),
        threat: Threat {
            published: Some("2024-01-01T00:00:00Z".to_owned()),
            kev: Some(vulnerability == "CVE-1"),
            epss: Some("0.97425".parse().unwrap()),
        },
        affected: record.affected,
        ..Advisory::default()
    }
}

fn written(packages: &[(&str, &str, Vec<Advisory>)]) -> Vec<u8> {
    let mut writer = IndexWriter::new(Vec::new());
    for (ecosystem, name, advisories) in packages {
        writer.add(ecosystem, name, advisories).unwrap();
    }
    writer.finish(&STAMP).unwrap()
}

fn sample() -> Vec<(&'static str, &'static str, Vec<Advisory>)> {
    let range = r#"[{"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"fixed":"1.5.0"}]}]}]"#;
    let listed = r#"[{"package":{"ecosystem":"npm","name":"b"},"versions":["3.0.0"],"severity":[{"type":"Ubuntu","score":"low"}]}]"#;
    let strange = r#"[{"ranges":[{"type":"HOLOGRAM","events":[{"introduced":"0"},{"limit":"9"},{"last_affected":"8"}]}]}]"#;
    vec![
        (
            "npm",
            "a",
            vec![advisory("CVE-1", range), advisory("CVE-2", listed)],
        ),
        ("PyPI", "a", vec![advisory("CVE-3", strange)]),
        ("Debian:12", "a", Vec::new()),
    ]
}

#[test]
fn advisories_round_trip_with_all_fields() {
    let packages = sample();
    let index = MatchIndex::open(written(&packages)).unwrap();
    assert_eq!((index.stamp(), index.packages()), (&STAMP, 3));
    for (ecosystem, name, advisories) in &packages {
        assert_eq!(&index.advisories(ecosystem, name).unwrap(), advisories);
        assert!(index.knows_ecosystem(ecosystem).unwrap());
    }
    assert!(index.advisories("npm", "other").unwrap().is_empty());
    assert!(!index.knows_ecosystem("Debian").unwrap());
    let mut names = Vec::new();
    index
        .for_each_package(|ecosystem, name| names.push(format!("{ecosystem} {name}")))
        .unwrap();
    names.sort();
    assert_eq!(names, ["Debian:12 a", "PyPI a", "npm a"]);
}

#[test]
fn only_advisories_that_may_matter_are_read() {
    let index = MatchIndex::open(written(&sample())).unwrap();
    let left = |ecosystem: &str, version: &str| -> Vec<String> {
        let subject = Subject::new(ecosystem, version);
        let found = index.candidates(ecosystem, "a", &subject).unwrap().unwrap();
        found.into_iter().map(|advisory| advisory.vulnerability).collect()
    };
    assert_eq!(left("npm", "1.2.0"), ["CVE-1"]);
    assert_eq!(left("npm", "3.0.0"), ["CVE-2"]);
    assert!(left("npm", "2.0.0").is_empty());
    assert!(left("npm", "0.9.0").is_empty());
    // An unknown kind of range, or a version without a place, rules nothing out.
    assert_eq!(left("PyPI", "1"), ["CVE-3"]);
    assert_eq!(left("npm", "not a version"), ["CVE-1", "CVE-2"]);
}

#[test]
fn damage_anywhere_in_an_index_is_reported() {
    let packages = sample();
    let sound = written(&packages);
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        let Ok(index) = MatchIndex::open(bytes) else {
            continue;
        };
        let mut damaged = 0;
        for (ecosystem, name, advisories) in &packages {
            match index.advisories(ecosystem, name) {
                Ok(found) => assert_eq!(&found, advisories, "byte {at}"),
                Err(_) => damaged += 1,
            }
        }
        assert!(damaged > 0, "byte {at} was changed and nothing says so");
    }
    for end in 0..sound.len() {
        assert!(MatchIndex::open(sound[..end].to_vec()).is_err(), "{end}");
    }
    assert!(matches!(
        MatchIndex::open(vec![0; 500]),
        Err(IndexError::Unusable(_))
    ));
}

#[test]
fn equal_knowledge_gives_equal_bytes_in_any_order() {
    let forwards = sample();
    let packages = |bytes: Vec<u8>| MatchIndex::open(bytes).unwrap().packages();
    assert_eq!(written(&forwards), written(&sample()));
    let backwards: Vec<_> = sample().into_iter().rev().collect();
    assert_eq!(packages(written(&forwards)), packages(written(&backwards)));
}

/// The advisories left by the screens must include all affected and doubtful ones.
fn check(ecosystem: &str, affected: Vec<Affected>, version: &str) {
    let advisory = Advisory {
        vulnerability: "CVE-1".to_owned(),
        affected,
        ..Advisory::default()
    };
    let subject = Subject::new(ecosystem, version);
    let matters = advisory
        .affected
        .iter()
        .map(|entry| evaluate(entry, &subject))
        .any(|found| found.is_affected() || found.is_undecided());
    let index = MatchIndex::open(written(&[(ecosystem, "a", vec![advisory.clone()])])).unwrap();
    let left = index.candidates(ecosystem, "a", &subject).unwrap().unwrap();
    assert!(!matters || left.len() == 1, "{ecosystem} {version}: {advisory:?}");
    // The versions left out of the lists do not matter for this version.
    for left in left {
        let says = |advisory: &Advisory| -> Vec<_> {
            let entries = advisory.affected.iter();
            entries.map(|entry| evaluate(entry, &subject)).collect()
        };
        assert_eq!(says(&left), says(&advisory), "{ecosystem} {version}");
    }
}

/// Maven's order is not transitive: 0 is below 0.0a1, which is below 0.0, which is 0.
#[test]
fn hull_covers_ranges_of_a_non_transitive_order() {
    let events = r#"[{"introduced":"0.0a1"},{"introduced":"0.0"}]"#;
    let json = format!(r#"[{{"ranges":[{{"type":"ECOSYSTEM","events":{events}}}]}}]"#);
    check("Maven", serde_json::from_str(&json).unwrap(), "0");
}

fn any_version() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-3](\\.[0-2]){0,2}",
        "[0-3]\\.[0-2](-(alpha|rc|SNAPSHOT|sp|1)(\\.?[0-2])?|\\.post1|a1|~rc1|\\+b1?)?",
        "0",
        "x",
        odd_text(),
    ]
}

/// What sources write in place of a version, or around it.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = [
        "*",
        "banana",
        "v1.1",
        "release-1.1",
        "Finchley.SR1",
        "Greenwich.SR2",
        "1.x",
        "< 2.0",
        "1.0, 2.0",
        "1.1-NA",
        "1.1-cu124",
        "1.1-alpha\\\\.1",
        "1.1 beta",
        "1:1.0-1",
        "1.0-1.el9",
        "1!1.0",
        "1.1_1,2",
        "8f3e2a1b9c",
        "1f0c1f1d5a0b4ef2a3bcb1dbbd7a1f3f1d2c3b4a",
        "",
    ];
    prop::sample::select(odd.to_vec()).prop_map(str::to_owned)
}

fn any_entry() -> impl Strategy<Value = String> {
    let event = (
        prop::sample::select(vec![
            "introduced",
            "introduced",
            "fixed",
            "last_affected",
            "limit",
        ]),
        any_version(),
    )
        .prop_map(|(kind, version)| format!(r#"{{"{kind}":"{version}"}}"#));
    let range = (
        prop::sample::select(vec!["SEMVER", "ECOSYSTEM", "ECOSYSTEM", "GIT", "OTHER"]),
        prop::collection::vec(event, 0..5),
    )
        .prop_map(|(kind, events)| format!(r#"{{"type":"{kind}","events":[{}]}}"#, events.join(",")));
    let versions = prop::collection::vec(any_version().prop_map(|version| format!("\"{version}\"")), 0..3);
    (prop::collection::vec(range, 0..3), versions).prop_map(|(ranges, versions)| {
        format!(
            r#"{{"versions":[{}],"ranges":[{}]}}"#,
            versions.join(","),
            ranges.join(",")
        )
    })
}

fn any_component() -> impl Strategy<Value = String> {
    let purl = prop::sample::select(vec![
        "pkg:npm/a",
        "pkg:npm/b",
        "pkg:pypi/a",
        "pkg:deb/debian/a",
        "pkg:cargo/a",
        "none",
    ]);
    let qualifiers = prop::sample::select(vec!["", "?distro=debian-12", "?distro=debian-11"]);
    let version = prop::sample::select(vec!["1.2.0", "2.0.0", "3.0.0", "x", ""]);
    let kind = prop::sample::select(vec!["library", "file"]);
    (purl, qualifiers, version, kind).prop_map(|(purl, qualifiers, version, kind)| {
        format!(r#"{{"type":"{kind}","name":"c","version":"{version}","purl":"{purl}{qualifiers}"}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn screening_never_excludes_an_affecting_advisory(
        ecosystem in prop::sample::select(vec![
            "npm", "PyPI", "Maven", "Debian:12", "Packagist", "Pub", "Bitnami", "Alpine:v3.18", "NoOrder", "AlmaLinux:9",
            "RubyGems", "NuGet", "opam", "ConanCenter", "Homebrew", "FreeBSD:ports", "CRAN", "Go",
        ]),
        entries in prop::collection::vec(any_entry(), 1..3),
        version in any_version(),
    ) {
        let affected = serde_json::from_str(&format!("[{}]", entries.join(","))).unwrap();
        check(ecosystem, affected, &version);
    }

    #[test]
    fn scan_result_does_not_depend_on_the_cache(
        builds in prop::collection::vec(prop::collection::vec(any_component(), 0..12), 1..6),
        slots in prop::sample::select(vec![0, 1, 3, 64]),
    ) {
        let fresh = MatchIndex::open(written(&sample())).unwrap();
        let remembering = MatchIndex::open(written(&sample())).unwrap().remembering(slots);
        for components in builds {
            let bom = format!(
                r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{}]}}"#,
                components.join(",")
            );
            let inventory = crate::sbom::read(bom.as_bytes()).unwrap();
            let scanned = |index: &MatchIndex<Vec<u8>>| {
                scan(&inventory, index, &ScanOptions::default()).unwrap()
            };
            prop_assert_eq!(scanned(&remembering), scanned(&fresh));
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = MatchIndex::open(bytes.clone());
        bytes.extend_from_slice(&super::VERSION.to_le_bytes());
        bytes.extend_from_slice(&super::MAGIC);
        let _ = MatchIndex::open(bytes);
    }
}

/// The index keeps what withdrawn records state, and a memo of one time is not used for another.
#[test]
fn withdrawal_is_compared_with_the_time_of_each_scan() {
    let range = r#"[{"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"fixed":"1.5.0"}]}]}]"#;
    let mut live = advisory("CVE-1", r#"[{"versions":["9.0.0"]}]"#);
    live.withdrawn_statements = vec![WithdrawnStatement {
        by: StatingRecord {
            record: "GHSA-1".to_owned(),
            source: "ghsa".to_owned(),
        },
        until: Some(JudgedAt::from_unix_millis(100)),
        entries: advisory("CVE-1", range).affected,
        ..WithdrawnStatement::default()
    }];
    live.withdrawn_ratings = vec![WithdrawnRating {
        until: Some(JudgedAt::from_unix_millis(100)),
        place: 0,
        severities: vec![crate::severity::StatedSeverity {
            source: "ghsa".to_owned(),
            kind: "severity".to_owned(),
            value: "critical".to_owned(),
        }],
        kev: true,
        epss: "0.5".parse().ok(),
    }];
    let withdrawn = Advisory {
        withdrawn: Some("1970".to_owned()),
        vulnerability: "CVE-2".to_owned(),
        affected: Vec::new(),
        ..live.clone()
    };
    let packages = [("npm", "a", vec![live, withdrawn])];
    let index = MatchIndex::open(written(&packages)).unwrap();
    assert_eq!(index.advisories("npm", "a").unwrap(), packages[0].2);
    let index = index.remembering(64);
    let inventory = |version: &str| {
        let purl = format!("pkg:npm/a@{version}");
        let bom = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"a","purl":"{purl}"}}]}}"#
        );
        crate::sbom::read(bom.as_bytes()).unwrap()
    };
    let found = |version: &str, at: u64| {
        let options = ScanOptions {
            at: JudgedAt::from_unix_millis(at),
            ..ScanOptions::default()
        };
        let findings = scan(&inventory(version), &index, &options).unwrap().findings;
        findings
            .iter()
            .map(|finding| finding.vulnerability.clone())
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert_eq!(found("1.2.0", 100), [""; 0]);
        assert_eq!(found("1.2.0", 99), ["CVE-1", "CVE-2"]);
        assert_eq!(found("9.0.0", 100), ["CVE-1"]);
        assert_eq!(found("2.0.0", 99), [""; 0]);
    }
}

#[test]
fn repositories_and_packages_are_in_the_directory() {
    let advisory = || vec![advisory("CVE-1", r#"[{"versions":["1"]}]"#)];
    let bytes = written(&[
        ("Packagist", "a/b", advisory()),
        ("Packagist:https://packages.example.org/8", "a/c", advisory()),
        ("Packagist:other", "a/d", advisory()),
        ("Packagistic:https://x", "a/e", advisory()),
    ]);
    let index = MatchIndex::open(bytes).unwrap();
    assert_eq!(
        index.repositories("Packagist").unwrap(),
        ["Packagist:https://packages.example.org/8"]
    );
    assert!(index.repositories("npm").unwrap().is_empty());
    assert!(index.knows_package("Packagist", "a/b").unwrap());
    assert!(!index.knows_package("Packagist", "a/c").unwrap());
}
