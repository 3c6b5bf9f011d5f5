//! Statements of several sources about one package: each is evaluated by itself.

use super::{Finding, Opinion, ScanOptions, Standing, StatementResult, scan};
use crate::explain::{Conclusion, explain};
use crate::index::{IndexWriter, MatchIndex};
use crate::knowledge::{Advisory, JudgedAt, Knowledge, Provenance, Statement, StatingRecord, Weight};
use crate::osv::Affected;
use crate::purl::PackageUrl;
use crate::sbom;
use crate::severity::{Level, StatedSeverity};

/// Returns entries with this fix; `?` cannot be evaluated, and a leading `!` sets the rating `low`.
fn entries(fixed: &str) -> Vec<Affected> {
    let (bare, severity) = match fixed.strip_prefix('!') {
        Some(bare) => (bare, r#","severity":[{"type":"X","score":"low"}]"#),
        None => (fixed, ""),
    };
    let ranges = match bare {
        "?" => r#"{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]}"#.to_owned(),
        "" => r#"{"type":"SEMVER","events":[{"introduced":"0"}]}"#.to_owned(),
        fixed => format!(r#"{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}"#),
    };
    serde_json::from_str(&format!(r#"[{{"ranges":[{ranges}]{severity}}}]"#)).unwrap()
}

/// Returns an advisory about npm's `widget`, from several sources, each with its own fix.
fn advisory(said: &[(&str, &str, Weight)]) -> Advisory {
    let record = |source: &str| format!("{}-1", source.to_uppercase());
    Advisory {
        vulnerability: "CVE-2024-1".into(),
        ids: vec!["CVE-2024-1".into()],
        affected: said.iter().flat_map(|(_, fixed, _)| entries(fixed)).collect(),
        statements: said
            .iter()
            .map(|(source, _, weight)| Statement {
                by: vec![StatingRecord {
                    record: record(source),
                    source: (*source).into(),
                }],
                entries: 1,
                weight: *weight,
                unresolved: false,
            })
            .collect(),
        severities: vec![StatedSeverity {
            source: "ghsa".into(),
            kind: "X".into(),
            value: "high".into(),
        }],
        provenance: said
            .iter()
            .map(|(source, ..)| Provenance {
                source: (*source).into(),
                record: record(source),
                sites: Vec::new(),
            })
            .collect(),
        ..Advisory::default()
    }
}

fn index(said: &[(&str, &str, Weight)]) -> MatchIndex<Vec<u8>> {
    index_of(&advisory(said))
}

fn index_of(advisory: &Advisory) -> MatchIndex<Vec<u8>> {
    let mut writer = IndexWriter::new(Vec::new());
    writer
        .add("npm", "widget", std::slice::from_ref(advisory))
        .unwrap();
    MatchIndex::open(writer.finish(&[0; 32]).unwrap()).unwrap()
}

/// Returns the finding of version 1.5.0, and its standing.
fn judged(said: &[(&str, &str, Weight)]) -> (Option<Finding>, Standing) {
    judged_by(&advisory(said))
}

fn judged_by(advisory: &Advisory) -> (Option<Finding>, Standing) {
    let bom = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[
        {"type":"library","name":"widget","version":"1.5.0","purl":"pkg:npm/widget@1.5.0"}]}"#;
    let inventory = sbom::read(bom.as_bytes()).unwrap();
    let result = scan(&inventory, &index_of(advisory), &ScanOptions::default()).unwrap();
    let standing = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
    (result.findings.first().map(|found| (**found).clone()), standing)
}

use Weight::{Counts, CountsLast, Mirrored, NotPreferred, Outranked};

#[test]
fn any_applicable_statement_makes_a_package_affected() {
    for (said, found, standing) in [
        (
            [("a", "1.0.0", Counts), ("b", "2.0.0", Counts)],
            true,
            Standing::Matched,
        ),
        (
            [("a", "2.0.0", Counts), ("b", "1.0.0", CountsLast)],
            true,
            Standing::Matched,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "2.0.0", Outranked)],
            false,
            Standing::Matched,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "2.0.0", Mirrored)],
            false,
            Standing::Matched,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "2.0.0", NotPreferred)],
            false,
            Standing::Matched,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "?", Counts)],
            false,
            Standing::Undecided,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "?", Outranked)],
            false,
            Standing::Matched,
        ),
        (
            [("a", "1.0.0", Counts), ("b", "1.2.0", Counts)],
            false,
            Standing::Matched,
        ),
    ] {
        let (finding, stands) = judged(&said);
        assert_eq!((finding.is_some(), stands), (found, standing), "{said:?}");
    }
}

#[test]
fn finding_lists_contradicting_statements() {
    let (finding, _) = judged(&[
        ("a", "1.0.0", Counts),
        ("b", "2.0.0", Counts),
        ("c", "1.1.0", Outranked),
    ]);
    let finding = finding.unwrap();
    let opinion = |source: &str, says, not_counted| Opinion {
        source: source.into(),
        record: format!("{}-1", source.to_uppercase()),
        says,
        not_counted,
    };
    assert!(finding.disputed);
    assert_eq!(
        finding.statements,
        [
            opinion("a", StatementResult::NotAffected, None),
            opinion("b", StatementResult::Affected, None),
            opinion("c", StatementResult::NotAffected, Some("outranked")),
        ]
    );
    assert_eq!(finding.rules[0].source.as_deref(), Some("b"));
    // An inapplicable statement disputes nothing, and agreement needs no list.
    let (finding, _) = judged(&[("b", "2.0.0", Counts), ("c", "1.1.0", Mirrored)]);
    assert!(!finding.unwrap().disputed);
    let (finding, _) = judged(&[("a", "3.0.0", Counts), ("b", "2.0.0", Counts)]);
    let finding = finding.unwrap();
    assert!(!finding.disputed && finding.statements.is_empty());
}

#[test]
fn fix_that_another_source_calls_affected_is_dropped() {
    let fixed = |said: &[(&str, &str, Weight)]| judged(said).0.unwrap().fixed;
    assert_eq!(
        fixed(&[("a", "2.0.0", Counts), ("b", "3.0.0", Counts)]),
        ["3.0.0"]
    );
    assert_eq!(
        fixed(&[("a", "2.0.0", Counts), ("b", "2.0.0", Counts)]),
        ["2.0.0"]
    );
    // A known fix stays known if other sources have none.
    assert_eq!(fixed(&[("a", "2.0.0", Counts), ("b", "", Counts)]), ["2.0.0"]);
}

#[test]
fn unresolved_record_has_a_fix_only_if_all_name_one() {
    let fixed = |said: &[(&str, &str, Weight)]| {
        let mut open = advisory(said);
        open.unresolved = true;
        for statement in &mut open.statements {
            statement.unresolved = true;
            statement.by = vec![StatingRecord {
                record: "A-1".into(),
                source: "a".into(),
            }];
        }
        open.provenance.truncate(1);
        open.provenance[0].source = "a".into();
        open.provenance[0].record = "A-1".into();
        let (finding, _) = judged_by(&open);
        let finding = finding.unwrap();
        assert!(finding.unresolved);
        finding.fixed
    };
    assert_eq!(
        fixed(&[("a", "2.0.0", Counts), ("b", "3.0.0", Counts)]),
        ["3.0.0"]
    );
    assert!(fixed(&[("a", "2.0.0", Counts), ("b", "", Counts)]).is_empty());
    // An author that says "not affected" need not name one.
    assert_eq!(
        fixed(&[("a", "2.0.0", Counts), ("b", "1.0.0", Counts)]),
        ["2.0.0"]
    );
}

#[test]
fn source_outside_the_order_lowers_no_severity() {
    let level = |weight| {
        judged(&[("a", "2.0.0", Counts), ("evil", "!2.0.0", weight)])
            .0
            .unwrap()
            .severity
            .level
    };
    assert_eq!((level(CountsLast), level(Counts)), (Level::High, Level::Low));
}

#[test]
fn explanation_shows_all_statements_without_finding() {
    let purl = PackageUrl::parse("pkg:npm/widget@1.5.0").unwrap();
    let knowledge = index(&[("a", "1.0.0", Counts), ("b", "2.0.0", Outranked)]);
    let found = explain(&purl, Some("CVE-2024-1"), None, &knowledge, JudgedAt::default()).unwrap();
    assert_eq!(found.conclusion, Conclusion::NotAffected);
    let says: Vec<_> = found.advisories[0]
        .statements
        .iter()
        .map(|said| (said.says, said.not_counted))
        .collect();
    assert_eq!(
        says,
        [
            (StatementResult::NotAffected, None),
            (StatementResult::Affected, Some("outranked"))
        ]
    );
}

#[test]
fn index_lists_the_sources_of_an_ecosystem() {
    let knowledge = index(&[("a", "1.0.0", Counts), ("b", "2.0.0", Outranked)]);
    let sources = knowledge.sources_of("npm").unwrap().unwrap();
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(knowledge.sources_of("np").unwrap().unwrap().is_empty());
}

#[test]
fn statements_about_a_missing_fix_reach_the_finding() {
    let entry = |fixed: &str, state: &str| {
        let events = match fixed {
            "" => String::new(),
            fixed => format!(r#",{{"fixed":"{fixed}"}}"#),
        };
        let json = format!(
            r#"{{"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}}{events}]}}],
                "database_specific":{{"fix_state":"{state}"}}}}"#
        );
        serde_json::from_str::<Affected>(&json).unwrap()
    };
    let stated = |entries: [Affected; 2]| {
        let mut advisory = advisory(&[("redhat", "", Counts), ("debian", "", Counts)]);
        advisory.affected = entries.into();
        let explained = explain(
            &PackageUrl::parse("pkg:npm/widget@1.5.0").unwrap(),
            Some("CVE-2024-1"),
            None,
            &index_of(&advisory),
            JudgedAt::default(),
        );
        let explained = explained.unwrap().advisories.remove(0).fix_states;
        let found = judged_by(&advisory).0.unwrap();
        assert_eq!(found.fix_states, explained);
        let texts = found
            .fix_states
            .iter()
            .map(|one| format!("{} {}", one.source, one.state));
        (
            texts.collect::<Vec<_>>().join(", "),
            found.fix_state().map(crate::fix::FixState::as_str),
        )
    };
    assert_eq!(
        stated([entry("", "will_not_fix"), entry("", "deferred")]),
        (
            "redhat will_not_fix, debian deferred".to_owned(),
            Some("will_not_fix")
        )
    );
    // A source that says nothing of a fix leaves it to the next one.
    assert_eq!(
        stated([entry("", "none"), entry("", "end_of_life")]),
        ("debian end_of_life".to_owned(), Some("end_of_life"))
    );
    // A known fix counts more than what another source plans.
    assert_eq!(
        stated([entry("", "will_not_fix"), entry("2.0.0", "")]),
        ("redhat will_not_fix".to_owned(), None)
    );
    assert_eq!(stated([entry("", "soon"), entry("", "")]), (String::new(), None));
    // An entry that does not match says nothing about this version.
    assert_eq!(
        stated([entry("1.0.0", "planned"), entry("", "")]),
        (String::new(), None)
    );
}

#[test]
fn most_hopeful_entry_of_a_statement_applies() {
    let mut advisory = advisory(&[("redhat", "", Counts)]);
    let entry = |state: &str| {
        let json = format!(
            r#"{{"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}}]}}],
                "database_specific":{{"fix_state":"{state}"}}}}"#
        );
        serde_json::from_str::<Affected>(&json).unwrap()
    };
    advisory.affected = vec![entry("will_not_fix"), entry("planned"), entry("end_of_life")];
    advisory.statements[0].entries = 3;
    assert_eq!(
        judged_by(&advisory).0.unwrap().fix_state().unwrap().as_str(),
        "planned"
    );
}
