//! Explanations of packages and records of all kinds.

use super::*;
use crate::osv::Record;

struct One(Advisory);

impl Knowledge for One {
    fn advisories(&self, _: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        Ok(if name == "express" {
            vec![self.0.clone()]
        } else {
            Vec::new()
        })
    }

    fn knows_ecosystem(&self, _: &str) -> Result<bool, KnowledgeError> {
        Ok(true)
    }
}

fn knowledge(affected: &str) -> One {
    let record =
        Record::from_json(format!(r#"{{"id":"GHSA-1","affected":[{affected}]}}"#).as_bytes()).unwrap();
    One(Advisory {
        vulnerability: "CVE-1".into(),
        ids: vec!["GHSA-1".into()],
        affected: record.affected,
        ..Advisory::default()
    })
}

const RANGE: &str = r#"{"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"fixed":"2.0.0"}]}]}"#;

fn ask(purl: &str, id: &str, knowledge: &One) -> Explanation {
    explain(
        &PackageUrl::parse_lenient(purl).unwrap(),
        Some(id),
        None,
        knowledge,
        JudgedAt::default(),
    )
    .unwrap()
}

#[test]
fn every_advisory_is_explained_without_an_id() {
    let purl = PackageUrl::parse("pkg:npm/express@1.5.0").unwrap();
    let all = explain(&purl, None, None, &knowledge(RANGE), JudgedAt::default()).unwrap();
    assert_eq!((all.advisories.len(), all.other_advisories), (1, 0));
    assert_eq!(all.conclusion, Conclusion::Affected);
    // A Maven name without its group is not what advisories use: their silence says nothing.
    let purl = PackageUrl::parse("pkg:maven/core@2.14.1").unwrap();
    let none = explain(&purl, None, None, &knowledge(RANGE), JudgedAt::default()).unwrap();
    assert_eq!(none.conclusion, Conclusion::CannotSay);
    assert!(none.reason().contains("namespace"), "{}", none.reason());
}

#[test]
fn advisory_about_the_source_is_explained() {
    let range = RANGE.replace("SEMVER", "ECOSYSTEM").replace("2.0.0", "2-1");
    let of = |version: &str, source: &str| {
        let purl = format!(
            "pkg:rpm/fedora/express-libs@{version}?distro=fedora-40&upstream=express-{source}.src.rpm"
        );
        ask(&purl, "GHSA-1", &knowledge(&range)).conclusion
    };
    assert_eq!(of("1.5-1", "1.5-1"), Conclusion::Affected);
    assert_eq!(of("2-1", "2-1"), Conclusion::NotAffected);
    // The epoch of a source with another version is unknown.
    assert_eq!(of("7-1", "1.5-1"), Conclusion::CannotSay);
    assert_eq!(of("0-1", "2-1"), Conclusion::NotAffected);
}

#[test]
fn match_and_miss_contain_their_rule() {
    let hit = ask("pkg:npm/express@1.5.0", "GHSA-1", &knowledge(RANGE));
    assert_eq!(hit.conclusion, Conclusion::Affected);
    let rule = &hit.advisories[0].statements[0].entries[0].matched[0];
    assert_eq!(
        rule.to_string(),
        "SEMVER range 0, affected from 1.0.0, fixed in 2.0.0"
    );
    assert_eq!(
        hit.reason(),
        "1.5.0 of npm express is within SEMVER range 0, affected from 1.0.0, fixed in 2.0.0"
    );
    for (version, why) in [
        ("0.9.0", "not yet affected, affected from 1.0.0 on"),
        ("2.1.0", "fixed since 2.0.0"),
    ] {
        let miss = ask(&format!("pkg:npm/express@{version}"), "CVE-1", &knowledge(RANGE));
        assert_eq!(miss.conclusion, Conclusion::NotAffected, "{version}");
        assert_eq!(
            miss.advisories[0].statements[0].entries[0].unmatched[0]
                .1
                .to_string(),
            why
        );
    }
}

#[test]
fn undecided_version_is_not_shown_as_unaffected() {
    let git = r#"{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}"#;
    assert_eq!(
        ask("pkg:npm/express@1.0.0", "CVE-1", &knowledge(git)).conclusion,
        Conclusion::CannotSay
    );
    assert_eq!(
        ask("pkg:npm/express", "CVE-1", &knowledge(RANGE)).conclusion,
        Conclusion::CannotSay
    );
    assert_eq!(
        ask("pkg:docker/express@1", "CVE-1", &knowledge(RANGE)).conclusion,
        Conclusion::CannotSay
    );
}

#[test]
fn rules_without_version_are_undecided_and_state_the_fix() {
    let branches = r#"{"ranges":[
        {"type":"SEMVER","events":[{"introduced":"10.0.0"},{"fixed":"10.1.0"}]},
        {"type":"SEMVER","events":[{"introduced":"1.0.0"},{"fixed":"2.0.0"}]},
        {"type":"GIT","events":[{"introduced":"0"},{"fixed":"abcdef0123456789abcdef0123456789abcdef01"}]}]}"#;
    let found = ask("pkg:npm/express", "CVE-1", &knowledge(branches));
    let said = &found.advisories[0].statements[0];
    assert_eq!(said.says, StatementResult::Undecided);
    let whys: Vec<_> = said.entries[0]
        .unmatched
        .iter()
        .map(|(_, why)| why.clone())
        .collect();
    assert_eq!(whys, [WhyNot::NoVersion, WhyNot::NoVersion, WhyNot::NoVersion]);
    assert_eq!(said.entries[0].fixed, ["2.0.0", "10.1.0"]);
    let fixed = |version: &str| {
        let found = ask(
            &format!("pkg:npm/express@{version}"),
            "CVE-1",
            &knowledge(branches),
        );
        found.advisories[0].statements[0].entries[0].fixed.clone()
    };
    assert_eq!(fixed("1.5.0"), ["2.0.0"], "an affected version has its own fix");
    assert_eq!(fixed("11.0.0"), ["2.0.0", "10.1.0"]);
}

#[test]
fn each_kind_of_doubt_has_its_reason() {
    let git = r#"{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}"#;
    for (purl, affected, reason) in [
        (
            "pkg:npm/express@1.0.0",
            git,
            "GIT range 0 of npm express cannot be evaluated: a range of commits, which needs the repository",
        ),
        (
            "pkg:npm/express",
            RANGE,
            "the URL of npm express has no version to compare",
        ),
        (
            "pkg:docker/express@1",
            RANGE,
            "no OSV ecosystem holds packages of this URL's type",
        ),
        (
            "pkg:deb/debian/express@1",
            RANGE,
            "advisories of Debian are per release, and nothing says which release this is; give a distro qualifier",
        ),
    ] {
        let found = ask(purl, "CVE-1", &knowledge(affected));
        assert_eq!(
            (found.conclusion, found.reason().as_str()),
            (Conclusion::CannotSay, reason)
        );
    }
}

#[test]
fn given_distribution_decides_the_release() {
    let purl = PackageUrl::parse("pkg:deb/debian/express@1.5.0").unwrap();
    let found = explain(
        &purl,
        Some("CVE-1"),
        Some("debian-12"),
        &knowledge(RANGE),
        JudgedAt::default(),
    )
    .unwrap();
    assert_eq!(found.package.unwrap().ecosystem, "Debian:12");
    assert_eq!(found.conclusion, Conclusion::Affected);
}

#[test]
fn other_ids_and_withdrawals_are_distinguished() {
    let other = ask("pkg:npm/express@1.5.0", "CVE-2", &knowledge(RANGE));
    assert_eq!(
        other.reason(),
        "none of the 1 advisories about npm express carries this id"
    );
    assert_eq!(
        (other.conclusion, other.other_advisories),
        (Conclusion::NotAbout, 1)
    );
    let mut withdrawn = knowledge(RANGE);
    withdrawn.0.withdrawn = Some("2024-01-01T00:00:00Z".into());
    assert_eq!(
        ask("pkg:npm/express@1.5.0", "CVE-1", &withdrawn).conclusion,
        Conclusion::Withdrawn
    );
}
