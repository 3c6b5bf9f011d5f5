//! The decision, and the verdict's bytes.

mod coverage;
mod exceptions;

use std::sync::Arc;

use proptest::prelude::*;
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_scanner::sbom::{self, Inventory};
use starling_scanner::scan::{Coverage, Finding, FoundPackage, ScanResult};
use starling_scanner::severity::{Level, Rating};
use starling_scanner::threat::Threat;

use super::*;

pub(crate) const DOCUMENT: &[u8] = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#;

fn inventory() -> Inventory {
    sbom::read(DOCUMENT).unwrap()
}

pub(crate) fn finding(level: Level) -> Finding {
    Finding {
        vulnerability: "CVE-2024-1".into(),
        ids: vec!["CVE-2024-1".into()],
        related: vec![],
        merge_hashes: vec!["blake3:00".into()],
        package: FoundPackage {
            ecosystem: "npm".into(),
            name: "express".into(),
            version: "4.0.0".into(),
            purl: "pkg:npm/express@4.0.0".into(),
            cpe: None,
            other_purls: Default::default(),
        },
        matched_by: None,
        summary: String::new(),
        severity: Rating {
            level,
            score: None,
            stated: None,
        },
        informational: None,
        threat: Threat::default(),
        rules: vec![],
        fixed: vec![],
        fix_states: vec![],
        places: vec!["/components/0".into()],
        provenance: vec![],
        conflicts: vec![],
        disputed: false,
        unresolved: false,
        statements: vec![],
    }
}

#[test]
fn policy_without_threshold_cannot_fail() {
    assert!(!Policy::default().can_fail());
    let set = Policy {
        fail_on: Some(FailOn::Critical),
        ..Policy::default()
    };
    assert!(set.can_fail());
    let text = "format: starling-policy/1\nfail: [{kev: true}]\n";
    let document = crate::PolicyDocument::read(text.as_bytes()).unwrap();
    assert!(document.policy.can_fail());
}

#[test]
fn statements_of_sources_decide_the_state_of_the_fix() {
    use starling_scanner::fix::{FixState, StatedFix};
    let fix_of = |fixed: &[&str], state| {
        let mut unfixed = finding(Level::High);
        unfixed.fixed = fixed.iter().map(|version| (*version).to_owned()).collect();
        unfixed.fix_states = vec![StatedFix {
            source: "redhat".into(),
            state,
        }];
        let result = ScanResult {
            findings: vec![unfixed.into()],
            ..result(&[], all_matched())
        };
        judge(&result, &Policy::default(), &knowledge()).findings[0].fix
    };
    assert_eq!(fix_of(&[], FixState::WillNotFix), Fix::WontFix);
    assert_eq!(fix_of(&[], FixState::EndOfLife), Fix::EndOfLife);
    assert_eq!(fix_of(&[], FixState::Deferred), Fix::None);
    assert_eq!(fix_of(&["2"], FixState::WillNotFix), Fix::Available);
}

fn result(levels: &[Level], coverage: Coverage) -> ScanResult {
    ScanResult {
        findings: levels.iter().copied().map(finding).map(Into::into).collect(),
        coverage,
        gaps: vec![],
        ecosystems: Default::default(),
    }
}

fn all_matched() -> Coverage {
    Coverage {
        matched: 10,
        ..Coverage::default()
    }
}

pub(crate) fn knowledge() -> KnowledgeState {
    let check = |source: &str, at| SourceCheck {
        source: source.into(),
        last_checked: UnixMillis::saturating(at),
    };
    KnowledgeState {
        root: KnowledgeRoot::from_bytes([7; 32]),
        advisories: 100,
        sources: vec![check("osv", 1_000_000), check("ghsa", 2_000_000)],
        unchecked: vec![],
        heads: vec![],
        held_back: vec![],
        lost: vec![],
        frozen: vec![],
        ahead: vec![],
        view_policy_hash: "blake3:view".to_owned(),
        mutes: Default::default(),
        unconfirmed: Default::default(),
    }
}

const AS_OF: u64 = 3_000_000;

fn judge(result: &ScanResult, policy: &Policy, knowledge: &KnowledgeState) -> Verdict {
    judge_against(None, result, policy, knowledge)
}

fn judge_against(
    baseline: Option<&Baseline>,
    result: &ScanResult,
    policy: &Policy,
    knowledge: &KnowledgeState,
) -> Verdict {
    let inventory = inventory();
    let judged = Judged {
        document: DOCUMENT,
        inventory: &inventory,
        result,
        baseline,
        vex: &[],
        rego: None,
    };
    decide(judged, policy, knowledge, UnixMillis::saturating(AS_OF))
}

fn codes(verdict: &Verdict) -> Vec<ReasonCode> {
    verdict.reasons.iter().map(|r| r.code).collect()
}

#[test]
fn default_policy_warns_and_never_fails() {
    let verdict = judge(
        &result(&[Level::Critical], all_matched()),
        &Policy::default(),
        &knowledge(),
    );
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Warn, 0));
    let clean = judge(&result(&[], all_matched()), &Policy::default(), &knowledge());
    assert_eq!((clean.outcome, exit_code(&clean)), (Outcome::Pass, 0));
    assert!(clean.reasons.is_empty());
}

#[test]
fn threshold_fails_at_and_above_its_level() {
    let policy = Policy {
        fail_on: Some(FailOn::High),
        ..Policy::default()
    };
    for (level, code) in [
        (Level::Critical, 1),
        (Level::High, 1),
        (Level::Medium, 0),
        (Level::Unknown, 0),
    ] {
        let verdict = judge(&result(&[level], all_matched()), &policy, &knowledge());
        assert_eq!(exit_code(&verdict), code, "{level}");
    }
    let any = Policy {
        fail_on: Some(FailOn::Any),
        ..Policy::default()
    };
    assert_eq!(
        exit_code(&judge(
            &result(&[Level::Unknown], all_matched()),
            &any,
            &knowledge()
        )),
        1
    );
}

#[test]
fn empty_knowledge_is_never_clean() {
    let empty = KnowledgeState {
        advisories: 0,
        sources: vec![],
        ..knowledge()
    };
    let verdict = judge(&result(&[], all_matched()), &Policy::default(), &empty);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    assert_eq!(codes(&verdict), [ReasonCode::KnowledgeEmpty]);
}

#[test]
fn knowledge_of_other_ecosystems_is_not_clean() {
    let coverage = Coverage {
        no_knowledge: 3,
        ..Coverage::default()
    };
    let verdict = judge(&result(&[], coverage), &Policy::default(), &knowledge());
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    assert_eq!(
        codes(&verdict),
        [
            ReasonCode::KnowledgeMissing,
            ReasonCode::CoverageTooLow,
            ReasonCode::CoverageGaps
        ]
    );
}

#[test]
fn stale_sources_are_named() {
    let policy = Policy {
        max_age_seconds: Some(1_500),
        ..Policy::default()
    };
    let verdict = judge(&result(&[], all_matched()), &policy, &knowledge());
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    assert_eq!(verdict.reasons.len(), 1);
    assert!(
        verdict.reasons[0].text.contains("source osv"),
        "{}",
        verdict.reasons[0].text
    );
    let lax = Policy {
        max_age_seconds: Some(2_000),
        ..Policy::default()
    };
    assert_eq!(
        judge(&result(&[], all_matched()), &lax, &knowledge()).outcome,
        Outcome::Pass
    );
    let unchecked = KnowledgeState {
        sources: vec![],
        ..knowledge()
    };
    assert_eq!(
        exit_code(&judge(&result(&[], all_matched()), &lax, &unchecked)),
        4
    );
}

#[test]
fn source_with_missing_bodies_is_never_clean() {
    let state = KnowledgeState {
        held_back: vec!["ghsa".into()],
        ..knowledge()
    };
    let verdict = judge(&result(&[], all_matched()), &Policy::default(), &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    assert!(
        verdict
            .reasons
            .iter()
            .any(|reason| reason.text.contains("ghsa is held back"))
    );
}

#[test]
fn knowledge_with_lost_claims_is_never_clean() {
    let state = KnowledgeState {
        lost: vec!["claims 2 to 3 of site-b".into()],
        ..knowledge()
    };
    let verdict = judge(&result(&[], all_matched()), &Policy::default(), &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    let lost = |reason: &Reason| {
        reason.code == ReasonCode::KnowledgeMissing && reason.text.contains("claims 2 to 3 of site-b")
    };
    assert!(verdict.reasons.iter().any(lost), "{:?}", verdict.reasons);
}

#[test]
fn never_checked_source_is_stale() {
    let policy = Policy {
        max_age_seconds: Some(1_000_000),
        ..Policy::default()
    };
    let state = KnowledgeState {
        unchecked: ["mine", "acme"]
            .map(|source| UncheckedSource {
                source: source.into(),
                last_heard: Some(UnixMillis::saturating(AS_OF)),
            })
            .into(),
        ..knowledge()
    };
    let verdict = judge(&result(&[], all_matched()), &policy, &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    let texts: Vec<&str> = verdict
        .reasons
        .iter()
        .map(|reason| reason.text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "source acme was never checked: no site has taken it in as a whole, so it counts as stale",
            "source mine was never checked: no site has taken it in as a whole, so it counts as stale",
        ]
    );
    // Without a maximum age, only silence is reported.
    let verdict = judge(&result(&[], all_matched()), &Policy::default(), &state);
    assert_eq!(verdict.outcome, Outcome::Pass);
}

#[test]
fn silence_and_expired_heads_can_set_the_exit_code() {
    let late = UnixMillis::saturating(AS_OF + 8 * 86_400_000);
    let state = KnowledgeState {
        heads: vec![HeadExpiry {
            site: "site-b".into(),
            expires: UnixMillis::saturating(AS_OF),
            sources: vec!["osv".into()],
        }],
        ..knowledge()
    };
    let (inventory, scan) = (inventory(), result(&[], all_matched()));
    let judged = Judged {
        document: DOCUMENT,
        inventory: &inventory,
        result: &scan,
        baseline: None,
        vex: &[],
        rego: None,
    };
    for (required, outcome, exit) in [(false, Outcome::Warn, 0), (true, Outcome::Unknown, 4)] {
        let mut policy = Policy::default();
        policy.freshness.required = required;
        let verdict = decide(judged, &policy, &state, late);
        assert_eq!((verdict.outcome, exit_code(&verdict)), (outcome, exit));
        assert_eq!(
            codes(&verdict),
            [
                ReasonCode::SourceSilent,
                ReasonCode::SourceSilent,
                ReasonCode::HeadExpired
            ]
        );
    }
}

#[test]
fn source_known_in_part_is_not_fresh_where_freshness_is_required() {
    let state = KnowledgeState {
        unchecked: vec![UncheckedSource {
            source: "mine".to_owned(),
            last_heard: Some(UnixMillis::saturating(AS_OF)),
        }],
        ..knowledge()
    };
    let mut policy = Policy::default();
    policy.freshness.required = true;
    let verdict = judge(&result(&[], all_matched()), &policy, &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 4));
    assert!(codes(&verdict).contains(&ReasonCode::SourceInPart));
    // The policy of a site that lists none keeps its hash.
    let hash = policy.hash();
    policy.freshness.partial.insert("mine".to_owned());
    assert_ne!(policy.hash(), hash);
    let verdict = judge(&result(&[], all_matched()), &policy, &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Pass, 0));
    policy.freshness = Freshness::default();
    let verdict = judge(&result(&[], all_matched()), &policy, &state);
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Pass, 0));
}

#[test]
fn failing_finding_outranks_missing_knowledge() {
    let policy = Policy {
        fail_on: Some(FailOn::Low),
        max_age_seconds: Some(1),
        min_coverage_basis_points: Some(10_000),
        ..Policy::default()
    };
    let coverage = Coverage {
        matched: 1,
        unknown: 1,
        ..Coverage::default()
    };
    let verdict = judge(&result(&[Level::Low], coverage), &policy, &knowledge());
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Fail, 1));
    assert!(codes(&verdict).contains(&ReasonCode::KnowledgeStale));
}

#[test]
fn verdict_body_is_canonical_json_of_inputs() {
    let verdict = judge(
        &result(&[Level::High], all_matched()),
        &Policy::default(),
        &knowledge(),
    );
    let bytes = verdict.to_bytes().unwrap();
    assert!(starling_protocol::json::is_canonical(&bytes));
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "as_of",
            "coverage",
            "ecosystems",
            "findings",
            "format",
            "freshness_required",
            "inventory",
            "knowledge_root",
            "not_judged",
            "outcome",
            "policy_hash",
            "program",
            "reasons",
            "sources",
            "view_policy_hash"
        ]
    );
    assert_eq!(value["as_of"], "1970-01-01T00:50:00.000Z");
    assert_eq!(value["sources"][0]["source"], "ghsa");
    assert_eq!(value["view_policy_hash"], "blake3:view");
    assert_eq!(value["findings"][0]["action"], "warn");
    assert!(VerdictHash::of(&bytes).to_string().starts_with("blake3:"));
}

#[test]
fn order_of_sources_does_not_matter() {
    let mut reversed = knowledge();
    reversed.sources.reverse();
    let scan = result(&[Level::High], all_matched());
    let bytes = |k: &KnowledgeState| judge(&scan, &Policy::default(), k).to_bytes().unwrap();
    assert_eq!(bytes(&knowledge()), bytes(&reversed));
}

proptest! {
    #[test]
    fn equal_inputs_give_equal_bytes_and_documented_exit_code(
        fail_on in prop::option::of(prop::sample::select(FailOn::ALL.to_vec())),
        min in prop::option::of(0_u16..=10_000),
        age in prop::option::of(0_u64..5_000),
        counts in prop::array::uniform4(0_u64..20),
        advisories in 0_u64..2,
        high in 0_usize..3,
    ) {
        let policy = Policy { fail_on, min_coverage_basis_points: min, max_age_seconds: age, ..Policy::default() };
        let coverage = Coverage { matched: counts[0], unknown: counts[1], no_knowledge: counts[2], not_a_package: counts[3], ..Coverage::default() };
        let scan = result(&vec![Level::High; high], coverage);
        let state = KnowledgeState { advisories, ..knowledge() };
        let verdict = judge(&scan, &policy, &state);
        prop_assert_eq!(verdict.to_bytes().unwrap(), judge(&scan, &policy, &state).to_bytes().unwrap());
        prop_assert!([0, 1, 4, 5].contains(&exit_code(&verdict)));
        // Empty knowledge is never clean, with any policy.
        if advisories == 0 {
            prop_assert_ne!(exit_code(&verdict), 0);
        }
    }
}
