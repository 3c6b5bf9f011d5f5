//! Scans over knowledge in memory.

mod branches;
mod builds;
mod certified;
mod epel;
mod go;
mod repeats;
mod sources;
mod standings;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::knowledge::{Advisory, Memo, Provenance, StatingRecord, WithdrawnStatement};
use crate::matching::Subject;
use crate::osv::{Affected, Record};
use crate::sbom;
use crate::severity::{Level, StatedSeverity};

/// Knowledge from OSV records of one source.
#[derive(Default)]
struct Memory {
    rows: BTreeMap<(String, String), Vec<Advisory>>,
}

impl Memory {
    fn with(records: &[&str]) -> Self {
        let mut memory = Self::default();
        for json in records {
            let record = Record::from_json(json.as_bytes()).unwrap();
            let identity = record
                .aliases
                .iter()
                .find(|id| id.starts_with("CVE-"))
                .unwrap_or(&record.id);
            for affected in &record.affected {
                let package = affected.package.clone().unwrap();
                let name = crate::name::normalise_name(&package.ecosystem, &package.name);
                let advisory = Advisory {
                    merge_hash: format!("{}/{name}", record.id),
                    vulnerability: identity.clone(),
                    ids: [vec![record.id.clone()], record.aliases.clone()].concat(),
                    withdrawn: record.withdrawn.clone(),
                    withdrawn_statements: withdrawn_statements(&record, affected),
                    severities: record
                        .severity
                        .iter()
                        .map(|s| StatedSeverity {
                            source: "test".into(),
                            kind: s.kind.clone(),
                            value: s.score.0.clone(),
                        })
                        .collect(),
                    affected: vec![affected.clone()],
                    provenance: vec![Provenance {
                        source: "test".into(),
                        record: record.id.clone(),
                        sites: vec![],
                    }],
                    ..Advisory::default()
                };
                memory
                    .rows
                    .entry((package.ecosystem, name))
                    .or_default()
                    .push(advisory);
            }
        }
        memory
    }
}

/// Returns the statements of a withdrawn record, which apply until its withdrawal.
fn withdrawn_statements(record: &Record, affected: &Affected) -> Vec<WithdrawnStatement> {
    let withdrawn = record.withdrawn.iter().map(|text| WithdrawnStatement {
        by: StatingRecord {
            record: record.id.clone(),
            source: "test".into(),
        },
        until: JudgedAt::of_withdrawal(text),
        entries: vec![affected.clone()],
        ..WithdrawnStatement::default()
    });
    withdrawn.collect()
}

impl Knowledge for Memory {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        Ok(self
            .rows
            .get(&(ecosystem.to_owned(), name.to_owned()))
            .cloned()
            .unwrap_or_default())
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        Ok(self.rows.keys().any(|(known, _)| known == ecosystem))
    }
}

struct Broken;

impl Knowledge for Broken {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        let source = Box::new(std::io::Error::other("disk"));
        Err(KnowledgeError {
            ecosystem: ecosystem.into(),
            name: name.into(),
            source,
        })
    }

    fn knows_ecosystem(&self, _: &str) -> Result<bool, KnowledgeError> {
        Ok(true)
    }
}

fn inventory(components: &str) -> Inventory {
    let bom = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{components}]}}"#);
    sbom::read(bom.as_bytes()).unwrap()
}

fn purls(list: &[&str]) -> Inventory {
    let components: Vec<String> = list
        .iter()
        .map(|p| format!(r#"{{"type":"library","name":"c","purl":"{p}"}}"#))
        .collect();
    inventory(&components.join(","))
}

fn run(inventory: &Inventory, knowledge: &dyn Knowledge) -> ScanResult {
    scan(inventory, knowledge, &ScanOptions::default()).unwrap()
}

const EXPRESS: &str = r#"{"id":"GHSA-1","aliases":["CVE-2024-1"],
    "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected":[{"package":{"ecosystem":"npm","name":"express"},
      "ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.1.0"}]}]}]}"#;
const EXPRESS_NVD: &str = r#"{"id":"CVE-2024-1",
    "affected":[{"package":{"ecosystem":"npm","name":"express"},
      "ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.2.0"}]}]}]}"#;

#[test]
fn finding_contains_its_explanation() {
    let result = run(&purls(&["pkg:npm/express@4.0.0"]), &Memory::with(&[EXPRESS]));
    let finding = &result.findings[0];
    assert_eq!(finding.vulnerability, "CVE-2024-1");
    assert_eq!(finding.ids, ["CVE-2024-1", "GHSA-1"]);
    assert_eq!(finding.fixed, ["4.1.0"]);
    assert_eq!(finding.places, ["/components/0"]);
    assert_eq!(finding.severity.level, Level::Critical);
    assert_eq!(finding.rules[0].kind, "SEMVER");
    assert_eq!(finding.rules[0].fixed.as_deref(), Some("4.1.0"));
    assert_eq!(
        result.coverage,
        Coverage {
            matched: 1,
            ..Coverage::default()
        }
    );
    assert!(
        run(&purls(&["pkg:npm/express@4.1.0"]), &Memory::with(&[EXPRESS]))
            .findings
            .is_empty()
    );
}

#[test]
fn an_alias_group_is_one_finding_over_all_places() {
    let twice = purls(&[
        "pkg:npm/express@4.0.0",
        "pkg:npm/express@4.0.0",
        "pkg:npm/express@4.1.5",
    ]);
    let result = run(&twice, &Memory::with(&[EXPRESS, EXPRESS_NVD]));
    let shown: Vec<_> = result
        .findings
        .iter()
        .map(|f| (f.package.version.as_str(), f.places.len()))
        .collect();
    assert_eq!(shown, [("4.0.0", 2), ("4.1.5", 1)]);
    assert_eq!(result.findings[0].provenance.len(), 2);
}

#[test]
fn withdrawn_advisories_do_not_match() {
    let withdrawn = EXPRESS.replacen('{', r#"{"withdrawn":"2024-02-02T00:00:00Z","#, 1);
    let result = run(&purls(&["pkg:npm/express@4.0.0"]), &Memory::with(&[&withdrawn]));
    assert!(result.findings.is_empty());
    assert_eq!(result.coverage.matched, 1);
}

/// A time of withdrawal that is still to come counted as withdrawn: a scan passed by an announcement.
#[test]
fn record_matches_until_the_time_of_its_withdrawal() {
    let later = EXPRESS.replacen('{', r#"{"withdrawn":"2030-01-01T00:00:00Z","#, 1);
    let memory = Memory::with(&[&later]);
    let at = |text: &str| {
        let options = ScanOptions {
            at: JudgedAt::of_withdrawal(text).unwrap(),
            ..ScanOptions::default()
        };
        scan(&purls(&["pkg:npm/express@4.0.0"]), &memory, &options).unwrap()
    };
    let before = at("2029-12-31T23:59:59Z");
    assert_eq!(before.findings[0].vulnerability, "CVE-2024-1");
    assert_eq!(
        before.findings,
        run(&purls(&["pkg:npm/express@4.0.0"]), &Memory::with(&[EXPRESS])).findings
    );
    assert!(at("2030-01-01T00:00:00Z").findings.is_empty());
    let never = EXPRESS.replacen('{', r#"{"withdrawn":"0001-01-01T00:00:00Z","#, 1);
    let result = run(&purls(&["pkg:npm/express@4.0.0"]), &Memory::with(&[&never]));
    assert_eq!(
        result.findings.len(),
        1,
        "year 1 is how programs write that there is no time"
    );
}

#[test]
fn every_component_is_counted_once() {
    let components = inventory(
        r#"{"type":"library","name":"a","purl":"pkg:npm/a@1.0.0"},
           {"type":"library","name":"b","purl":"pkg:npm/b"},
           {"type":"library","name":"c","purl":"pkg:npm/c@not-a-version"},
           {"type":"library","name":"d","purl":"pkg:docker/d@1"},
           {"type":"library","name":"e","purl":"pkg:deb/debian/e@1"},
           {"type":"library","name":"f","purl":"pkg:pypi/f@1"},
           {"type":"library","name":"g"},
           {"type":"file","name":"/etc/passwd"}"#,
    );
    let result = run(&components, &Memory::with(&[EXPRESS]));
    let expected = Coverage {
        matched: 1,
        unversioned: 2,
        unsupported_ecosystem: 1,
        no_distro: 1,
        no_knowledge: 1,
        undecided: 0,
        unknown: 1,
        not_a_package: 1,
    };
    assert_eq!(result.coverage, expected);
    assert_eq!(result.coverage.total(), 7);
    assert_eq!(result.coverage.basis_points(), Some(1428));
    assert_eq!(result.gaps.len(), 6);
    assert_eq!(Coverage::default().basis_points(), None);
}

#[test]
fn range_that_cannot_be_evaluated_is_a_gap() {
    let git = r#"{"id":"CVE-1","affected":[{"package":{"ecosystem":"npm","name":"g"},
        "ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}"#;
    let result = run(&purls(&["pkg:npm/g@1.0.0"]), &Memory::with(&[git]));
    assert_eq!(result.coverage.undecided, 1);
    assert_eq!(result.gaps[0].standing, Standing::Undecided);
    let doubt = result.gaps[0].doubt.clone().unwrap();
    assert_eq!((doubt.cause, doubt.number), (DoubtCause::Advisory, 1));
    assert_eq!(doubt.vulnerabilities, ["CVE-1"]);
}

#[test]
fn doubt_names_its_real_cause() {
    let npm = r#"{"id":"CVE-1","affected":[{"package":{"ecosystem":"npm","name":"g"},
        "ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}"#;
    let doubts = |purl: &str, record: &str| {
        // The second occurrence is not evaluated again, and is as much in doubt.
        let result = run(&purls(&[purl, purl, purl]), &Memory::with(&[record]));
        let doubts: Vec<_> = result.gaps.into_iter().map(|gap| gap.doubt.unwrap()).collect();
        assert!(
            doubts.len() == 3 && doubts.iter().all(|doubt| *doubt == doubts[0]),
            "{doubts:?}"
        );
        doubts[0].clone()
    };
    let version = doubts("pkg:npm/g@latest", npm);
    assert_eq!(
        (version.cause, version.vulnerabilities.as_slice()),
        (DoubtCause::Version, &["CVE-1".to_owned()][..])
    );
    let maven = r#"{"id":"CVE-2","affected":[{"package":{"ecosystem":"Maven","name":"org.a:core"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let name = doubts("pkg:maven/core@2.14.1", maven);
    assert_eq!((name.cause, name.number), (DoubtCause::Name, 0));
}

#[test]
fn distribution_packages_match_by_source_and_release() {
    let dsa = r#"{"id":"DSA-1","aliases":["CVE-2"],"affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.11-1~deb12u2"}]}]}]}"#;
    let hit = "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?upstream=openssl&distro=debian-12";
    let other_release = "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?upstream=openssl&distro=debian-11";
    let result = run(&purls(&[hit, other_release]), &Memory::with(&[dsa]));
    assert_eq!(result.findings.len(), 1);
    assert_eq!(result.findings[0].package.name, "openssl");
    assert_eq!(result.coverage.no_knowledge, 1);
}

#[test]
fn order_of_components_only_changes_places() {
    let memory = Memory::with(&[EXPRESS]);
    let a = run(
        &purls(&["pkg:npm/express@4.0.0", "pkg:npm/express@3.0.0"]),
        &memory,
    );
    let b = run(
        &purls(&["pkg:npm/express@3.0.0", "pkg:npm/express@4.0.0"]),
        &memory,
    );
    let versions = |r: &ScanResult| {
        r.findings
            .iter()
            .map(|f| f.package.version.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&a), versions(&b));
}

#[test]
fn unreadable_knowledge_is_an_error() {
    let error = scan(&purls(&["pkg:npm/x@1"]), &Broken, &ScanOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the advisories of npm x");
}

#[test]
fn number_of_threads_does_not_change_the_result() {
    let list: Vec<String> = (0..2_500)
        .map(|index| match index % 5 {
            0 => "pkg:npm/express@4.0.0".to_owned(),
            1 => format!("pkg:npm/express@4.0.{index}"),
            2 => format!("pkg:npm/other-{index}@1.0.0"),
            3 => "pkg:deb/debian/x@1".to_owned(),
            _ => format!("pkg:npm/express@4.2.{index}"),
        })
        .collect();
    let inventory = purls(&list.iter().map(String::as_str).collect::<Vec<_>>());
    let knowledge = Memory::with(&[EXPRESS, EXPRESS_NVD]);
    let by = |workers| {
        let options = ScanOptions {
            workers,
            ..ScanOptions::default()
        };
        scan(&inventory, &knowledge, &options)
    };
    let alone = by(0).unwrap();
    assert_eq!(alone.findings.len(), 501);
    for workers in [1, 2, 3, 5, 100] {
        assert_eq!(by(workers).unwrap(), alone, "{workers}");
    }
    let options = ScanOptions {
        workers: 2,
        ..ScanOptions::default()
    };
    assert!(scan(&inventory, &Broken, &options).is_err());
}

#[test]
fn limit_of_findings_is_independent_of_threads() {
    // 600 versions, each at three places, with two advisories each; and as many unknown ones.
    let list: Vec<String> = (0..3_600)
        .map(|index| match index % 2 {
            0 => format!("pkg:npm/express@4.0.{}", index / 2 % 600),
            _ => format!("pkg:npm/other-{index}@1.0.0"),
        })
        .collect();
    let inventory = purls(&list.iter().map(String::as_str).collect::<Vec<_>>());
    let knowledge = Memory::with(&[EXPRESS, EXPRESS_NVD]);
    let by = |findings, places, workers| {
        let options = ScanOptions {
            workers,
            ..ScanOptions::default()
        };
        let limits = Limits {
            findings,
            places,
            ..Limits::default()
        };
        match scan_within(limits, &inventory, &knowledge, &options) {
            Ok(result) => Ok(result.findings.len()),
            Err(ScanError::TooMany { what, limit }) => Err((what, limit)),
            Err(error) => panic!("{error}"),
        }
    };
    let found = by(usize::MAX, usize::MAX, 1).unwrap();
    let places = [1_800, 3_600]
        .into_iter()
        .find(|places| by(found, *places, 1).is_ok())
        .unwrap();
    assert_eq!(found, 600);
    for workers in [1, 2, 3, 7] {
        assert_eq!(by(found, places, workers), Ok(found));
        assert_eq!(by(found - 1, places, workers), Err(("findings", found - 1)));
        let most = places - 1;
        assert_eq!(by(found, most, workers), Err(("places of findings", most)));
    }
}

#[test]
fn record_without_release_matches_but_leaves_a_gap() {
    let bare = r#"{"id":"CVE-3","affected":[{"package":{"ecosystem":"Debian","name":"openssl"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let twelve = r#"{"id":"CVE-4","affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
    let document = purls(&[
        "pkg:deb/debian/openssl@3?distro=debian-12",
        "pkg:deb/debian/bash@5?distro=debian-12",
    ]);
    let result = run(&document, &Memory::with(&[bare]));
    assert_eq!(result.findings.len(), 1);
    // The finding shows some knowledge, but not of the release.
    let counts = |result: &ScanResult| {
        let Coverage {
            no_knowledge,
            undecided,
            matched,
            ..
        } = result.coverage;
        (no_knowledge, undecided, matched)
    };
    assert_eq!(counts(&result), (1, 1, 0));
    let result = run(&document, &Memory::with(&[bare, twelve]));
    assert_eq!(result.findings.len(), 1);
    // The other package's source is unknown.
    assert_eq!(counts(&result), (0, 1, 1));
}
