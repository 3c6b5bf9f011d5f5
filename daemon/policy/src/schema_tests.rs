//! Compares the published schemas with the program's input and output: every key must be in both.
//!
//! Checks types, required and known keys, enumerations, constants, items and references. Patterns and limits are only
//! for people and their editors.

use serde_json::{Value, json};
use starling_documents::mutes::{Mute, MuteId, MuteText, Mutes};
use starling_protocol::{SiteId, UnixMillis};
use starling_scanner::fix::{FixState, StatedFix};
use starling_scanner::sbom;
use starling_scanner::scan::{
    Coverage, Doubt, DoubtCause, Gap, MatchedBy, MatchedRule, Opinion, ScanResult, Standing, StatementResult,
};
use starling_scanner::severity::{Level, Score, StatedSeverity};

use crate::tests::{DOCUMENT, finding, knowledge};
use crate::*;

const POLICY_SCHEMA: &str = include_str!("../../../docs/schemas/policy.schema.json");
const VERDICT_SCHEMA: &str = include_str!("../../../docs/schemas/verdict.schema.json");
const REGO_INPUT_SCHEMA: &str = include_str!("../../../docs/schemas/rego-input.schema.json");
const REGO: &str = include_str!("../../../docs/examples/policy.rego");
const POLICY: &str = include_str!("../../../docs/examples/policy.yaml");

/// Returns where `value` violates `schema`; `strict` refuses keys that the schema does not have.
fn breaches(root: &Value, schema: &Value, value: &Value, place: &str, strict: bool, found: &mut Vec<String>) {
    let mut say = |what: String| found.push(format!("{place}: {what}"));
    if let Some(types) = schema.get("type") {
        let types = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
        let fits = types.iter().any(|ty| match ty.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            other => panic!("the schema has the type {other}"),
        });
        if !fits {
            say(format!("{value} is not of type {types:?}"));
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        say(format!("{value} is none of {values:?}"));
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        say(format!("{value} is not {constant}"));
    }
    for key in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if value.get(key.as_str().unwrap()).is_none() {
            say(format!("{key} is missing"));
        }
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        breaches(root, target, value, place, strict, found);
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, item) in list.iter().enumerate() {
            breaches(root, items, item, &format!("{place}/{index}"), strict, found);
        }
    }
    if let (Some(properties), Some(object)) = (schema.get("properties"), value.as_object()) {
        for (key, item) in object {
            match properties.get(key) {
                Some(schema) => breaches(root, schema, item, &format!("{place}/{key}"), strict, found),
                None if strict || schema.get("additionalProperties") == Some(&json!(false)) => {
                    found.push(format!("{place}: the schema does not name {key}"));
                }
                None => {}
            }
        }
    }
}

fn check(schema: &str, value: &Value, strict: bool) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut found = Vec::new();
    breaches(&schema, &schema, value, "", strict, &mut found);
    found
}

/// Returns a verdict with every possible field.
#[expect(clippy::too_many_lines, reason = "a table: every field of a verdict")]
fn full_verdict() -> Value {
    let mut policy = PolicyDocument::read(POLICY.as_bytes()).unwrap().policy;
    policy.max_age_seconds = Some(1);
    policy.min_coverage_basis_points = Some(10_000);
    policy.fail_on_unused = true;
    policy.fail_on = Some(FailOn::High);
    let mut rated = finding(Level::High);
    rated.severity.score = Some(Score::from_tenths(75));
    rated.severity.stated = Some(StatedSeverity {
        source: "ghsa".into(),
        kind: "CVSS_V3".into(),
        value: "CVSS:3.1/AV:N".into(),
    });
    rated.threat.published = Some("2024-01-01T00:00:00Z".into());
    rated.threat.kev = Some(true);
    rated.informational = Some("unsound".into());
    rated.disputed = true;
    rated.related = vec!["CVE-2024-8".into()];
    rated.package.other_purls = ["pkg:npm/express-extra@4.0.0".into()].into();
    rated.unresolved = true;
    rated.statements = vec![Opinion {
        source: "ghsa".into(),
        record: "GHSA-1".into(),
        says: StatementResult::Affected,
        not_counted: Some("outranked"),
    }];
    rated.threat.epss = "0.5".parse().ok();
    let mut lodash = finding(Level::Critical);
    lodash.vulnerability = "CVE-2021-23337".into();
    lodash.package.name = "lodash".into();
    let mut excused = finding(Level::High);
    excused.vulnerability = "CVE-2024-7".into();
    lodash.matched_by = Some(MatchedBy::Cpe);
    lodash.package.cpe = Some("cpe:2.3:a:lodash:lodash:4.0.0:*:*:*:*:*:*:*".into());
    lodash.rules = vec![MatchedRule {
        affected: 0,
        record: Some("CVE-2021-23337".into()),
        source: Some("nvd".into()),
        kind: "CPE".into(),
        range: None,
        introduced: None,
        fixed: None,
        last_affected: Some("4.17".into()),
        criteria: Some("cpe:2.3:a:lodash:lodash:*:*:*:*:*:node.js:*:*".into()),
        running_on: vec!["cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*".into()],
        assumed: vec!["target_sw"],
    }];
    lodash.fix_states = vec![StatedFix {
        source: "redhat".into(),
        state: FixState::WillNotFix,
    }];
    let mut muted = finding(Level::High);
    muted.vulnerability = "CVE-2024-8".into();
    let mute = Mute {
        id: MuteId::parse("0123456789abcdef-1").unwrap(),
        site: SiteId::from_bytes([3; 32]),
        text: MuteText {
            vulnerability: "CVE-2024-8".into(),
            package: None,
            ecosystem: None,
            sbom: None,
            until: "2026-12-31T00:00:00Z".parse().ok(),
            reason: "not reachable".into(),
            by: "ada".into(),
            created: UnixMillis::saturating(1),
        },
    };
    let knowledge = || KnowledgeState {
        mutes: std::sync::Arc::new(Mutes::new(vec![mute.clone()])),
        ..knowledge()
    };
    let scan = ScanResult {
        findings: vec![rated.into(), lodash.into(), excused.into(), muted.into()],
        coverage: Coverage {
            matched: 3,
            unknown: 1,
            ..Coverage::default()
        },
        gaps: vec![Gap {
            name: "x".into(),
            version: Some("1".into()),
            purl: Some("pkg:x/x@1".into()),
            cpe: Some("cpe:2.3:a:x:x:1:*:*:*:*:*:*:*".into()),
            place: "/components/4".into(),
            standing: Standing::Undecided,
            doubt: Some(Doubt {
                cause: DoubtCause::Advisory,
                vulnerabilities: vec!["CVE-2024-9".into()],
                number: 1,
            }),
        }],
        ecosystems: [("npm".to_owned(), Some(["osv".to_owned()].into()))].into(),
    };
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "A", "statements": [
        {"vulnerability": {"name": "CVE-2024-7"}, "products": [{"@id": "pkg:npm/express"}], "status": "not_affected", "impact_statement": "off"},
        {"vulnerability": {"name": "CVE-2024-7"}, "products": [{"@id": "cpe:/a:x"}], "status": "fixed"}]});
    let vex = [VexDocument::read(vex.to_string().as_bytes()).unwrap()];
    let inventory = sbom::read(DOCUMENT).unwrap();
    let rego = RegoPolicy::read(REGO.as_bytes()).unwrap();
    let as_of: UnixMillis = "2026-12-25T00:00:00Z".parse().unwrap();
    let input = RegoInput::of(&scan, Some("shop"), &knowledge(), as_of).unwrap();
    let rego = rego.evaluate(&input).unwrap();
    let judged = |baseline| Judged {
        document: DOCUMENT,
        inventory: &inventory,
        result: &scan,
        baseline,
        vex: &vex,
        rego: Some(&rego),
    };
    let before = decide(judged(None), &policy, &knowledge(), as_of)
        .to_bytes()
        .unwrap();
    let baseline = Baseline::read(&before).unwrap();
    let verdict = decide(judged(Some(&baseline)), &policy, &knowledge(), as_of);
    serde_json::from_slice(&verdict.to_bytes().unwrap()).unwrap()
}

#[test]
fn verdict_with_all_fields_matches_its_schema() {
    let verdict = full_verdict();
    assert_eq!(check(VERDICT_SCHEMA, &verdict, true), Vec::<String>::new());
    // All optional fields are present, so that the check above covers them.
    for place in [
        "/rules/0/owner",
        "/rules/0/expires",
        "/vex/0/author",
        "/baseline/hash",
        "/policy_version",
        "/rego/version",
        "/findings/0/known",
        "/findings/0/epss",
        "/findings/0/severity/stated",
        "/findings/1/decided_by/reason",
        "/findings/2/decided_by",
        "/findings/3/decided_by/by",
        "/findings/3/decided_by/site",
        "/findings/3/decided_by/until",
        "/mutes/0/until",
        "/not_judged/packages/0/purl",
        "/ecosystems/0/sources/0/last_checked",
        "/findings/0/disputed",
        "/findings/1/matched_by",
        "/findings/1/package/cpe",
        "/findings/1/rules/0/criteria",
        "/findings/1/fix_states/0/state",
        "/not_judged/packages/0/cpe",
        "/not_judged/packages/0/doubt/vulnerabilities/0",
        "/findings/0/statements/0/not_counted",
    ] {
        assert!(verdict.pointer(place).is_some(), "{place}: {verdict:#}");
    }
    assert_eq!(verdict["findings"][2]["decided_by"]["kind"], "vex");
    assert_eq!(
        (&verdict["vex"][0]["settled"], &verdict["vex"][0]["unusable"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn rego_input_matches_its_schema() {
    let mut rated = finding(Level::High);
    rated.severity.score = Some(Score::from_tenths(75));
    rated.threat.epss = "0.5".parse().ok();
    let scan = ScanResult {
        findings: vec![rated.into(), finding(Level::Unknown).into()],
        coverage: Coverage::default(),
        gaps: vec![],
        ecosystems: Default::default(),
    };
    let input = RegoInput::of(&scan, Some("shop"), &knowledge(), UnixMillis::EPOCH).unwrap();
    let value: Value = serde_json::from_str(input.as_json()).unwrap();
    assert_eq!(check(REGO_INPUT_SCHEMA, &value, false), Vec::<String>::new());
    for place in [
        "/subject",
        "/findings/0/cvss",
        "/findings/0/epss_probability",
        "/coverage/total",
    ] {
        assert!(value.pointer(place).is_some(), "{place}: {value:#}");
    }
}

#[test]
fn checker_detects_schema_violations() {
    let mut verdict = full_verdict();
    verdict["outcome"] = json!("perhaps");
    verdict["findings"][0]["extra"] = json!(1);
    verdict["coverage"].as_object_mut().unwrap().remove("total");
    verdict["findings"][1]["ids"] = json!([1]);
    assert_eq!(check(VERDICT_SCHEMA, &verdict, true).len(), 4);
}

#[test]
fn documented_policy_matches_its_schema() {
    let value: Value = serde_saphyr::from_str(POLICY).unwrap();
    assert_eq!(check(POLICY_SCHEMA, &value, true), Vec::<String>::new());
}

#[test]
fn schema_has_exactly_the_condition_keys() {
    let schema: Value = serde_json::from_str(POLICY_SCHEMA).unwrap();
    let named = schema
        .pointer("/$defs/condition/properties")
        .unwrap()
        .as_object()
        .unwrap();
    let yaml = "{ids: [a], severity: low, severity_below: high, cvss: 1, cvss_below: 2, epss: 0.1, epss_below: 0.2, \
        kev: true, informational: [unsound], disputed: true, matched_by: [cpe], fix: none, age: 1d, age_below: 2d, ecosystem: [npm], package: [a], version: [a], path: [a], subject: [a]}";
    let full: Condition = serde_saphyr::from_str(yaml).unwrap();
    let written = serde_json::to_value(&full).unwrap();
    let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(written.as_object().unwrap()), keys(named));
}
