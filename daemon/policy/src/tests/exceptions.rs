//! Rules and baselines: what they decide before the thresholds, and what they do not.

use super::*;

#[test]
fn policy_hash_covers_the_whole_policy() {
    let base = Policy::default();
    let variants = [
        Policy {
            fail_on: Some(FailOn::High),
            ..base.clone()
        },
        Policy {
            warn_on: None,
            ..base.clone()
        },
        Policy {
            min_coverage_basis_points: Some(1),
            ..base.clone()
        },
        Policy {
            max_age_seconds: Some(1),
            ..base.clone()
        },
        Policy {
            severity_sources: vec!["nvd".into()],
            ..base.clone()
        },
        Policy {
            freshness: Freshness {
                required: true,
                ..Freshness::default()
            },
            ..base.clone()
        },
    ];
    for variant in &variants {
        assert_ne!(variant.hash(), base.hash(), "{variant:?}");
    }
    assert_eq!(base.hash(), Policy::default().hash());
    assert!(
        Policy {
            min_coverage_basis_points: Some(10_001),
            ..base
        }
        .validate()
        .is_err()
    );
}

#[test]
fn only_new_findings_fail_with_a_baseline() {
    let policy = Policy {
        fail_on: Some(FailOn::High),
        ..Policy::default()
    };
    let before = judge(&result(&[Level::High], all_matched()), &policy, &knowledge());
    let baseline = Baseline::read(&before.to_bytes().unwrap()).unwrap();
    let same = judge_against(
        Some(&baseline),
        &result(&[Level::High], all_matched()),
        &policy,
        &knowledge(),
    );
    assert_eq!((same.outcome, exit_code(&same)), (Outcome::Warn, 0));
    assert_eq!(codes(&same), [ReasonCode::FindingsKnown]);
    assert_eq!(
        same.baseline,
        Some(VerdictBaseline {
            hash: VerdictHash::of(&before.to_bytes().unwrap()),
            known: 1
        })
    );
    let mut more = result(&[Level::High, Level::High], all_matched());
    let second = Arc::make_mut(&mut more.findings[1]);
    second.vulnerability = "CVE-2025-9".into();
    second.ids = vec!["CVE-2025-9".into()];
    let new = judge_against(Some(&baseline), &more, &policy, &knowledge());
    assert_eq!((new.outcome, exit_code(&new)), (Outcome::Fail, 1));
    assert_eq!(
        new.findings
            .iter()
            .map(|f| (f.known, f.action))
            .collect::<Vec<_>>(),
        [(true, Action::Warn), (false, Action::Fail)]
    );
}

#[test]
fn baseline_excuses_findings_only() {
    let policy = Policy {
        fail_on: Some(FailOn::High),
        max_age_seconds: Some(1),
        ..Policy::default()
    };
    let scan = result(&[Level::High], all_matched());
    let before = judge(&scan, &policy, &knowledge());
    let baseline = Baseline::read(&before.to_bytes().unwrap()).unwrap();
    let stale = judge_against(Some(&baseline), &scan, &policy, &knowledge());
    assert_eq!(exit_code(&stale), 4);
}

#[test]
fn rules_decide_before_thresholds() {
    let text = "format: starling-policy/1\nfail: [{severity: high}]\nwarn: []\nrules:\n\
        \x20 - {id: off, action: ignore, reason: not used, when: {package: [express], severity_below: critical}}\n\
        \x20 - {id: late, action: ignore, reason: was fine, expires: 1969-12-31, when: {severity: critical}}\n";
    // Time 0 in these tests is in 1970.
    let text = text.replace("1969-12-31", "1970-01-01T00:00:01Z");
    let policy = PolicyDocument::read(text.as_bytes()).unwrap().policy;
    let scan = result(&[Level::High, Level::Critical], all_matched());
    let verdict = judge(&scan, &policy, &knowledge());
    let causes: Vec<_> = verdict
        .findings
        .iter()
        .map(|f| (f.action, f.decided_by.as_ref().map(|cause| cause.id.as_str())))
        .collect();
    assert_eq!(
        causes,
        [(Action::Ignore, Some("off")), (Action::Fail, Some("fail[0]"))]
    );
    assert_eq!(
        codes(&verdict),
        [ReasonCode::FindingsFail, ReasonCode::RulesExpired]
    );
    let states: Vec<_> = verdict
        .rules
        .iter()
        .map(|rule| (rule.state, rule.matched))
        .collect();
    assert_eq!(states, [(RuleState::Active, 1), (RuleState::Expired, 1)]);
    assert_eq!(verdict.policy_version, Some(PolicyVersion::of(text.as_bytes())));
}

#[test]
fn unused_rules_fail_only_if_requested() {
    let text =
        "format: starling-policy/1\nrules:\n  - {id: a, action: ignore, reason: x, when: {package: [koa]}}\n";
    let mut policy = PolicyDocument::read(text.as_bytes()).unwrap().policy;
    let scan = result(&[], all_matched());
    assert_eq!(exit_code(&judge(&scan, &policy, &knowledge())), 0);
    policy.fail_on_unused = true;
    let verdict = judge(&scan, &policy, &knowledge());
    assert_eq!(
        (exit_code(&verdict), codes(&verdict)),
        (1, vec![ReasonCode::RulesUnused])
    );
}

/// A gate by exploitation passed everything at a site without a catalogue, without a word.
#[test]
fn policy_that_asks_for_unknown_threats_says_so() {
    let read = |conditions: &str| {
        let text = format!("format: starling-policy/1\n{conditions}\n");
        PolicyDocument::read(text.as_bytes()).unwrap().policy
    };
    let mut found = finding(Level::High);
    let unknown = |found: &Finding, conditions: &str| {
        let scan = ScanResult {
            findings: vec![found.clone().into()],
            ..result(&[], all_matched())
        };
        let codes = codes(&judge(&scan, &read(conditions), &knowledge()));
        codes
            .iter()
            .filter(|code| **code == ReasonCode::ThreatsUnknown)
            .count()
    };
    let by_rule = "rules: [{id: a, action: fail, reason: x, when: {kev: true}}]";
    for (conditions, expected) in [
        ("fail: [{kev: true}, {epss: 0.5}]", 2),
        (by_rule, 1),
        ("fail: [{severity: critical}]", 0),
        (
            "rules: [{id: a, action: ignore, reason: x, when: {kev: false}}]",
            0,
        ),
        // Nothing is left to judge by it.
        ("fail: [{severity: high}, {kev: true}]", 0),
    ] {
        assert_eq!(unknown(&found, conditions), expected, "{conditions}");
    }
    found.threat.kev = Some(false);
    assert_eq!(unknown(&found, by_rule), 0);
    let scan = result(&[], all_matched());
    assert!(codes(&judge(&scan, &read(by_rule), &knowledge())).is_empty());
}
