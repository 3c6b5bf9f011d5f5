//! Mutes in the decision.

use std::sync::Arc;

use starling_documents::mutes::{Mute, MuteId, MuteText, Mutes};
use starling_protocol::{SiteId, UnixMillis};
use starling_scanner::sbom;
use starling_scanner::scan::{Coverage, Finding, ScanResult};
use starling_scanner::severity::Level;

use super::*;
use crate::tests::{DOCUMENT, finding, knowledge};

const AS_OF: &str = "2026-03-01T12:00:00Z";

fn mute(number: u8, change: impl FnOnce(&mut MuteText)) -> Mute {
    let mut text = MuteText {
        vulnerability: "CVE-2024-1".to_owned(),
        package: None,
        ecosystem: None,
        sbom: None,
        until: None,
        reason: "not reachable".to_owned(),
        by: "ada".to_owned(),
        created: UnixMillis::saturating(1_000),
    };
    change(&mut text);
    Mute {
        id: MuteId::parse(&format!("{:016x}-1", number)).unwrap(),
        site: SiteId::from_bytes([number; 32]),
        text,
    }
}

fn day(text: &str) -> Option<UnixMillis> {
    Some(format!("{text}T23:59:59.999Z").parse().unwrap())
}

fn judge_with(mutes: Vec<Mute>, findings: Vec<Finding>, policy: &Policy) -> Verdict {
    let inventory = sbom::read(DOCUMENT).unwrap();
    let result = ScanResult {
        findings: findings.into_iter().map(Into::into).collect(),
        coverage: Coverage {
            matched: 1,
            ..Coverage::default()
        },
        gaps: vec![],
        ecosystems: Default::default(),
    };
    let judged = Judged {
        document: DOCUMENT,
        inventory: &inventory,
        result: &result,
        baseline: None,
        vex: &[],
        rego: None,
    };
    let knowledge = KnowledgeState {
        mutes: Arc::new(Mutes::new(mutes)),
        // Freshness is not tested here.
        sources: Vec::new(),
        ..knowledge()
    };
    decide(judged, policy, &knowledge, AS_OF.parse().unwrap())
}

fn strict() -> Policy {
    Policy {
        fail_on: Some(FailOn::Any),
        expiry_notice_seconds: 86_400 * 7,
        ..Policy::default()
    }
}

fn codes(verdict: &Verdict) -> Vec<ReasonCode> {
    verdict.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn muted_finding_stays_in_the_verdict_and_does_not_fail() {
    let forever = judge_with(vec![mute(1, |_| {})], vec![finding(Level::Critical)], &strict());
    assert_eq!((forever.outcome, exit_code(&forever)), (Outcome::Pass, 0));
    assert_eq!(codes(&forever), [ReasonCode::FindingsMuted], "never silent");
    let [found] = &forever.findings[..] else { panic!() };
    let cause = found.decided_by.clone().unwrap();
    assert_eq!((found.action, cause.kind), (Action::Ignore, CauseKind::Mute));
    assert_eq!(cause.id, "0000000000000001-1");
    assert_eq!(cause.reason.as_deref(), Some("not reachable"));
    assert_eq!(cause.by.as_deref(), Some("ada"));
    assert_eq!(cause.site, Some(SiteId::from_bytes([1; 32]).to_string()));
    let [report] = &forever.mutes[..] else { panic!() };
    assert_eq!((report.matched, report.state), (1, RuleState::Active));
}

#[test]
fn mute_applies_to_its_end_and_its_expiry_is_reported() {
    for (until, outcome, code) in [
        ("2026-12-31", Outcome::Pass, ReasonCode::FindingsMuted),
        ("2026-03-01", Outcome::Warn, ReasonCode::MutesExpiring),
        ("2026-02-28", Outcome::Fail, ReasonCode::MutesExpired),
    ] {
        let mutes = vec![mute(1, |text| text.until = day(until))];
        let verdict = judge_with(mutes, vec![finding(Level::High)], &strict());
        assert_eq!(verdict.outcome, outcome, "{until}");
        assert!(codes(&verdict).contains(&code), "{until}: {:?}", verdict.reasons);
    }
}

#[test]
fn oldest_active_mute_decides() {
    let mutes = || {
        vec![
            mute(1, |text| text.created = UnixMillis::saturating(9)),
            mute(2, |text| text.created = UnixMillis::saturating(8)),
            mute(3, |text| {
                text.created = UnixMillis::saturating(7);
                text.until = day("2026-01-01");
            }),
        ]
    };
    let verdict = judge_with(mutes(), vec![finding(Level::High)], &strict());
    assert_eq!(
        verdict.findings[0].decided_by.as_ref().unwrap().id,
        "0000000000000002-1"
    );
    assert_eq!(verdict.mutes.len(), 1);
    // Their order does not matter.
    let mut turned = mutes();
    turned.reverse();
    let turned = judge_with(turned, vec![finding(Level::High)], &strict());
    assert_eq!(turned.to_bytes().unwrap(), verdict.to_bytes().unwrap());
}

#[test]
fn every_part_of_a_mute_narrows_its_scope() {
    let mut subject_less = finding(Level::High);
    subject_less.ids = vec!["CVE-2024-1".into(), "GHSA-x".into()];
    let hash = format!("blake3:{}", blake3::hash(DOCUMENT).to_hex());
    type Change = Box<dyn FnOnce(&mut MuteText)>;
    let package = |said: &str| -> Change {
        let said = said.to_owned();
        Box::new(move |text| text.package = Some(said))
    };
    let ecosystem =
        |said: &'static str| -> Change { Box::new(move |text| text.ecosystem = Some(said.to_owned())) };
    let cases: Vec<(&str, Change, bool)> = vec![
        (
            "an alias",
            Box::new(|text| text.vulnerability = "GHSA-x".to_owned()),
            true,
        ),
        (
            "another id",
            Box::new(|text| text.vulnerability = "CVE-2024-10".to_owned()),
            false,
        ),
        ("the package", package("pkg:npm/express"), true),
        ("the version", package("pkg:npm/express@4.0.0"), true),
        ("another version", package("pkg:npm/express@4.0.1"), false),
        ("another package", package("pkg:npm/expres"), false),
        ("a name", package("express"), true),
        ("a pattern", package("exp*"), true),
        ("a pattern over URLs", package("pkg:npm/*"), true),
        ("another pattern", package("pkg:pypi/*"), false),
        ("the ecosystem", ecosystem("npm"), true),
        ("another ecosystem", ecosystem("PyPI"), false),
        ("the SBOM", Box::new(move |text| text.sbom = Some(hash)), true),
        (
            "another SBOM",
            Box::new(|text| text.sbom = Some("blake3:00*".to_owned())),
            false,
        ),
    ];
    for (what, change, muted) in cases {
        let verdict = judge_with(vec![mute(1, change)], vec![subject_less.clone()], &strict());
        assert_eq!(verdict.outcome == Outcome::Pass, muted, "{what}");
    }
}

#[test]
fn policy_rule_comes_before_mutes() {
    let text = "format: starling-policy/1\nrules:\n  - {id: never, action: fail, reason: x, when: {ids: [CVE-2024-1]}}\n";
    let policy = PolicyDocument::read(text.as_bytes()).unwrap().policy;
    let verdict = judge_with(vec![mute(1, |_| {})], vec![finding(Level::Low)], &policy);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(verdict.mutes, []);
}

#[test]
fn unused_mute_for_the_sbom_is_reported_or_fails() {
    let mutes = || {
        vec![
            mute(1, |text| {
                text.vulnerability = "CVE-1999-1".to_owned();
                text.sbom = Some("blake3:*".to_owned());
            }),
            // A mute for another SBOM, or for any, is not reported.
            mute(2, |text| text.sbom = Some("worker".to_owned())),
            mute(3, |text| text.vulnerability = "CVE-1999-1".to_owned()),
        ]
    };
    let verdict = judge_with(mutes(), vec![], &strict());
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(verdict.mutes.len(), 1);
    let failing = Policy {
        fail_on_unused: true,
        ..strict()
    };
    let verdict = judge_with(mutes(), vec![], &failing);
    assert_eq!(
        (verdict.outcome, codes(&verdict)),
        (Outcome::Fail, vec![ReasonCode::MutesUnused])
    );
}
