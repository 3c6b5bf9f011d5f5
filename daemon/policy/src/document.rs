//! A policy file: one YAML file, checked completely; errors have line and column.
//!
//! `docs/schemas/policy.schema.json` describes the file. Its version is the hash of its bytes, so a verdict
//! identifies the exact text that made it, including comments.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use starling_protocol::UnixMillis;

use crate::condition::{Condition, Span};
use crate::example::Example;
use crate::given::given;
use crate::policy::{DEFAULT_EXPIRY_NOTICE_SECONDS, Policy};
use crate::rule::{Rule, RuleState};
use crate::terms::{Action, DocumentError, Expiry, PolicyVersion};
use crate::units::parse_percent;

/// Largest policy, in bytes.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;
/// Most rules, and most conditions of a threshold.
const MAX_RULES: usize = 10_000;
/// Longest rule id, in characters.
const MAX_ID_CHARS: usize = 100;

/// Most rules named in a remark.
const REMARKED: usize = 5;
/// The remark about a file without examples.
const NO_EXAMPLES: &str =
    "it has no `examples`, so nothing shows that it decides as it should (`starling help policy-file`)";

/// A valid policy file.
#[derive(Debug, Clone)]
pub struct PolicyDocument {
    /// The policy.
    pub policy: Policy,
    /// The examples in the file.
    pub examples: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: Spanned<String>,
    /// A name for people.
    #[serde(default, rename = "name")]
    _name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    min_coverage: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "given")]
    max_age: Option<Span>,
    #[serde(default)]
    severity_sources: Vec<String>,
    #[serde(default, deserialize_with = "given")]
    expiry_notice: Option<Span>,
    #[serde(default)]
    fail: Vec<Condition>,
    #[serde(default, deserialize_with = "given")]
    warn: Option<Vec<Condition>>,
    #[serde(default)]
    rules: Vec<RawRule>,
    #[serde(default)]
    examples: Vec<RawExample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    action: Action,
    reason: Spanned<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default, deserialize_with = "given")]
    expires: Option<Expiry>,
    when: Spanned<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExample {
    name: String,
    #[serde(default)]
    at: Option<Spanned<String>>,
    #[serde(default)]
    subject: Option<String>,
    finding: crate::example::ExampleFinding,
    expect: Action,
    #[serde(default)]
    rule: Option<Spanned<String>>,
}

fn at(location: &Location, text: impl Into<String>) -> DocumentError {
    let place = (location.line(), location.column());
    DocumentError {
        place: (place.0 > 0).then_some(place),
        text: text.into(),
    }
}

impl PolicyDocument {
    /// The supported `format` value.
    pub const FORMAT: &'static str = "starling-policy/1";

    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// The place of the first error, and its reason.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        let whole = |text: String| DocumentError { place: None, text };
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(whole(format!(
                "it has {} bytes, more than the limit of {MAX_POLICY_BYTES}",
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| whole(format!("it is not UTF-8: {error}")))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: Raw = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            // The place is reported separately; the rest fits one line.
            let said = error.to_string();
            let said = said.split("\n").next().unwrap_or_default();
            let said: String = if said.starts_with("multiple YAML documents") {
                "a second YAML document begins here, and a policy is one".to_owned()
            } else {
                said.chars().take(300).collect()
            };
            match error.location() {
                Some(location) => {
                    let place = format!(" at line {}, column {}", location.line(), location.column());
                    at(&location, said.replace(&place, ""))
                }
                None => whole(said),
            }
        })?;
        if raw.format.value != Self::FORMAT {
            let found: String = raw.format.value.chars().take(40).collect();
            let text = format!("the format is {found:?}; this program reads {:?}", Self::FORMAT);
            return Err(at(&raw.format.referenced, text));
        }
        for (what, found) in [
            ("rules", raw.rules.len()),
            ("conditions under `fail`", raw.fail.len()),
            ("conditions under `warn`", raw.warn.as_ref().map_or(0, Vec::len)),
            ("examples", raw.examples.len()),
        ] {
            if found > MAX_RULES {
                return Err(whole(format!(
                    "it has {found} {what}, more than the limit of {MAX_RULES}"
                )));
            }
        }
        let rules = rules(raw.rules)?;
        let examples = examples(raw.examples, &rules)?;
        let min_coverage = raw.min_coverage.map(|share| {
            parse_percent(&share.value).map_err(|error| at(&share.referenced, error.to_string()))
        });
        let defaults = Policy::default();
        let policy = Policy {
            version: Some(PolicyVersion::of(bytes)),
            fail_on: None,
            // A policy with `warn` decides all warnings itself.
            warn_on: if raw.warn.is_some() {
                None
            } else {
                defaults.warn_on
            },
            min_coverage_basis_points: min_coverage.transpose()?,
            max_age_seconds: raw.max_age.map(|span| span.0),
            freshness: defaults.freshness,
            severity_sources: raw.severity_sources,
            fail: raw.fail,
            warn: raw.warn.unwrap_or_default(),
            rules,
            expiry_notice_seconds: raw
                .expiry_notice
                .map_or(DEFAULT_EXPIRY_NOTICE_SECONDS, |span| span.0),
            fail_on_unused: false,
        };
        Ok(Self { policy, examples })
    }

    /// Returns what a valid file leaves open at a time: rules that have expired, rules that ignore findings for ever, and
    /// examples that are missing.
    pub fn remarks(&self, now: UnixMillis) -> Vec<String> {
        let endless = self.policy.rules.iter();
        let endless = endless.filter(|rule| rule.action == Action::Ignore && rule.expires.is_none());
        let names: Vec<String> = endless.map(|rule| format!("{:?}", rule.id)).collect();
        let named = first_of(&names);
        let ignores = match names.len() {
            0 => None,
            1 => Some(format!("the rule {named} ignores findings and never ends")),
            many => Some(format!("{many} rules ignore findings and never end: {named}")),
        };
        let ignores = ignores.map(|what| format!("{what}; `expires: 2027-01-31` gives a rule an end"));
        let expired = self.expired(now);
        let examples = self.examples.is_empty().then(|| NO_EXAMPLES.to_owned());
        expired.into_iter().chain(ignores).chain(examples).collect()
    }

    /// Names the rules that have expired: they decide nothing any more.
    fn expired(&self, now: UnixMillis) -> Option<String> {
        let expired = self.policy.rules.iter();
        let expired = expired.filter(|rule| rule.state(now, 0) == RuleState::Expired);
        let names: Vec<String> = expired
            .map(|rule| {
                let end = rule.expires.map(|end| end.0.to_string()).unwrap_or_default();
                format!("{:?} (until {end})", rule.id)
            })
            .collect();
        let named = first_of(&names);
        let what = match names.len() {
            0 => return None,
            1 => format!("the rule {named} has expired and decides nothing"),
            many => format!("{many} rules have expired and decide nothing: {named}"),
        };
        Some(format!("{what}; renew `expires`, or remove what is not needed"))
    }
}

/// Lists the first names, and how many more there are.
fn first_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(REMARKED);
    let mut named = names.get(..REMARKED).unwrap_or(names).join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    named
}

fn rules(raw: Vec<RawRule>) -> Result<Vec<Rule>, DocumentError> {
    let mut seen = BTreeSet::new();
    let mut rules = Vec::with_capacity(raw.len());
    for rule in raw {
        let id = rule.id.value;
        if id.is_empty() || id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control) {
            let text = format!("an id has 1 to {MAX_ID_CHARS} characters, and no control characters");
            return Err(at(&rule.id.referenced, text));
        }
        if !seen.insert(id.clone()) {
            return Err(at(&rule.id.referenced, format!("two rules have the id {id:?}")));
        }
        if rule.reason.value.trim().is_empty() {
            return Err(at(
                &rule.reason.referenced,
                "a rule says why: its reason is empty",
            ));
        }
        if rule.when.value.is_empty() {
            let text =
                "a rule says what it is about: its `when` is empty; `severity: any` means every finding";
            return Err(at(&rule.when.referenced, text));
        }
        rules.push(Rule {
            id,
            action: rule.action,
            reason: rule.reason.value,
            owner: rule.owner,
            expires: rule.expires,
            when: rule.when.value,
        });
    }
    Ok(rules)
}

fn examples(raw: Vec<RawExample>, rules: &[Rule]) -> Result<Vec<Example>, DocumentError> {
    raw.into_iter()
        .map(|example| {
            if let Some(rule) = &example.rule
                && !rules.iter().any(|known| known.id == rule.value)
            {
                return Err(at(
                    &rule.referenced,
                    format!("the rule {:?} does not exist", rule.value),
                ));
            }
            let moment = example.at.map(|moment| {
                moment.value.parse().map_err(|_| {
                    at(
                        &moment.referenced,
                        "a moment is written as in 2026-03-01T12:00:00Z",
                    )
                })
            });
            Ok(Example {
                name: example.name,
                at: moment.transpose()?,
                subject: example.subject,
                fix: example.finding.fix,
                finding: example.finding.into_finding(),
                expect: example.expect,
                rule: example.rule.map(|rule| rule.value),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RuleState;
    use crate::terms::FailOn;

    pub(crate) const FULL: &str = include_str!("../../../docs/examples/policy.yaml");

    #[test]
    fn documented_policy_passes_its_own_examples() {
        let document = PolicyDocument::read(FULL.as_bytes()).unwrap();
        assert!(document.policy.rules.len() >= 2 && document.examples.len() >= 3);
        assert_eq!(document.policy.version, Some(PolicyVersion::of(FULL.as_bytes())));
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for example in &document.examples {
            let outcome = example.run(&document.policy, now);
            assert!(outcome.passed, "{outcome:?}");
        }
    }

    #[test]
    fn example_may_set_wont_fix() {
        let document = PolicyDocument::read(
            b"format: starling-policy/1
rules:
  - {id: gone, action: fail, reason: x, when: {fix: wont_fix}}
examples:
  - {name: no fix will come, finding: {id: A, fix: wont_fix}, expect: fail, rule: gone}
  - {name: none is known, finding: {id: A}, expect: warn}
  - {name: one is known, finding: {id: A, fixed: ['2']}, expect: warn}
",
        )
        .unwrap();
        for example in &document.examples {
            let outcome = example.run(&document.policy, starling_protocol::UnixMillis::EPOCH);
            assert!(outcome.passed, "{outcome:?}");
        }
    }

    /// Such rules outlive their reason, and `policy test` of a file without examples looked like a success.
    #[test]
    fn endless_ignore_rules_and_missing_examples_are_remarked() {
        let remarks = |rest: &str| {
            let text = format!("format: starling-policy/1\n{rest}");
            PolicyDocument::read(text.as_bytes())
                .unwrap()
                .remarks(UnixMillis::EPOCH)
        };
        let rule = |id: &str, action: &str, more: &str| {
            format!("  - {{id: {id}, action: {action}, reason: x, {more}when: {{kev: false}}}}\n")
        };
        let example = "examples:\n  - {name: x, finding: {id: A}, expect: warn}\n";
        let ends =
            rule("a", "ignore", "expires: 2026-03-01, ") + &rule("b", "fail", "") + &rule("c", "warn", "");
        assert_eq!(remarks(&format!("rules:\n{ends}{example}")), [""; 0]);
        let [told] = &remarks(&format!("rules:\n{}{example}", rule("skip", "ignore", "")))[..] else {
            panic!()
        };
        assert!(
            told.starts_with("the rule \"skip\" ignores findings and never ends; "),
            "{told}"
        );
        let many: String = (0..7)
            .map(|number| rule(&format!("r{number}"), "ignore", ""))
            .collect();
        let [told, examples] = &remarks(&format!("rules:\n{many}"))[..] else {
            panic!()
        };
        assert!(
            told.starts_with("7 rules ") && told.contains("\"r4\" and 2 more;"),
            "{told}"
        );
        assert!(examples.contains("no `examples`"), "{examples}");
    }

    /// A file was called valid although none of its exceptions was in force any more.
    #[test]
    fn expired_rules_are_named() {
        let text = "format: starling-policy/1\nrules:\n\
            \x20 - {id: old, action: ignore, reason: x, expires: 2020-01-01, when: {kev: false}}\n\
            \x20 - {id: new, action: ignore, reason: x, expires: 2030-01-01, when: {kev: false}}\n\
            examples:\n  - {name: x, finding: {id: A}, expect: warn}\n";
        let document = PolicyDocument::read(text.as_bytes()).unwrap();
        let remarks = document.remarks("2025-01-01T00:00:00Z".parse().unwrap());
        let [told] = &remarks[..] else {
            panic!("{remarks:?}")
        };
        assert!(
            told.starts_with("the rule \"old\" (until 2020-01-0") && told.contains("has expired"),
            "{told}"
        );
        assert!(document.remarks(UnixMillis::EPOCH).is_empty());
    }

    #[test]
    fn policy_without_warn_warns_about_every_finding() {
        let read = |rest: &str| {
            PolicyDocument::read(format!("format: starling-policy/1\n{rest}").as_bytes())
                .unwrap()
                .policy
        };
        assert_eq!(read("").warn_on, Some(FailOn::Any));
        assert_eq!(read("warn: []").warn_on, None);
        assert_eq!(read("min_coverage: 99.5").min_coverage_basis_points, Some(9_950));
        assert_eq!(read("max_age: 48h").max_age_seconds, Some(172_800));
    }

    #[test]
    fn invalid_policy_is_refused_with_line_and_column() {
        let rule =
            |rest: &str| format!("format: starling-policy/1\nrules:\n  - id: a\n    action: ignore\n{rest}");
        for (text, line, said) in [
            ("format: starling-policy/9\n".to_owned(), 1, "starling-policy/9"),
            ("format: starling-policy/1\nfial: []\n".to_owned(), 2, "fial"),
            ("format: starling-policy/1\n---\nfail: []\n".to_owned(), 3, "a second YAML document"),
            ("format: starling-policy/1\nmin_coverage: 101\n".to_owned(), 2, "percentage"),
            ("format: starling-policy/1\nmax_age: soon\n".to_owned(), 2, "span"),
            ("format: starling-policy/1\nfail:\n  - severity: bad\n".to_owned(), 3, "bad"),
            ("format: starling-policy/1\nfail:\n  - cvss: 11\n".to_owned(), 3, "CVSS"),
            (rule("    reason: ''\n    when: {kev: true}\n"), 5, "reason"),
            (rule("    reason: x\n    when: {}\n"), 6, "`when` is empty"),
            (rule("    reason: x\n    expires: tomorrow\n    when: {kev: true}\n"), 6, "tomorrow"),
            (rule("    reason: x\n    when: {kev: true}\n  - id: a\n    action: fail\n    reason: y\n    when: {kev: true}\n"), 7, "two rules"),
            ("format: starling-policy/1\nexamples:\n  - name: x\n    finding: {id: CVE-1}\n    expect: fail\n    rule: R9\n".to_owned(), 6, "R9"),
            (rule("    reason: x\n    when: {kev: true, package: []}\n"), 6, "empty"),
            (rule("    reason: x\n    when: {kev: true, ids: []}\n"), 6, "empty"),
            (rule("    reason: x\n    when: {ids: ['CVE-2024-*']}\n"), 6, "is not the id"),
            (rule("    reason: x\n    when: {ids: ['']}\n"), 6, "is not the id"),
            (rule("    reason: x\n    when: {ids: ['CVE-2024-1, CVE-2024-2']}\n"), 6, "is not the id"),
            (rule("    reason: x\n    when: {kev: true, severity_below: }\n"), 6, ""),
            (rule("    reason: x\n    when: {kev: , severity: any}\n"), 6, ""),
            (rule("    reason: x\n    when: {age: ~, severity: any}\n"), 6, ""),
            (rule("    reason: x\n    when: {cvss_below: null, severity: any}\n"), 6, ""),
            (rule("    reason: x\n    expires:\n    when: {kev: true}\n"), 6, ""),
            ("format: starling-policy/1\nmin_coverage:\n".to_owned(), 2, ""),
            ("format: starling-policy/1\nmax_age: null\n".to_owned(), 2, ""),
            ("format: starling-policy/1\nwarn:\n".to_owned(), 2, ""),
            ("format: [\n".to_owned(), 1, "expected string"),
            ("format: starling-policy/1\nrules: [\n".to_owned(), 2, "unclosed"),
        ] {
            let error = PolicyDocument::read(text.as_bytes()).unwrap_err();
            let (found, column) = error.place.unwrap_or_else(|| panic!("{error} has no place: {text}"));
            assert_eq!(found, line, "{error}\n{text}");
            assert!(column >= 1);
            assert!(error.to_string().contains(said), "{error}");
        }
        for text in ["", "- a", "a: &x [*x]", "\u{0}"] {
            PolicyDocument::read(text.as_bytes()).unwrap_err();
        }
        PolicyDocument::read(&[0xff]).unwrap_err();
        PolicyDocument::read(&vec![b' '; MAX_POLICY_BYTES + 1]).unwrap_err();
    }

    #[test]
    fn deep_and_expanding_documents_are_refused() {
        let deep = format!("format: starling-policy/1\nrules: {}", "[".repeat(100_000));
        PolicyDocument::read(deep.as_bytes()).unwrap_err();
        let mut bomb = String::from("a0: &a0 [x]\n");
        for i in 1..30 {
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", format!("*a{},", i - 1).repeat(9)));
        }
        PolicyDocument::read(bomb.as_bytes()).unwrap_err();
    }

    #[test]
    fn rule_applies_until_the_end_of_its_day() {
        let text = "format: starling-policy/1\nexpiry_notice: 2d\nrules:\n  - {id: a, action: ignore, reason: x, expires: 2026-03-01, when: {kev: false}}\n";
        let policy = PolicyDocument::read(text.as_bytes()).unwrap().policy;
        for (moment, state) in [
            ("2026-02-27T00:00:00Z", RuleState::Active),
            ("2026-02-28T00:00:00Z", RuleState::Expiring),
            ("2026-03-01T23:59:59Z", RuleState::Expiring),
            ("2026-03-02T00:00:00Z", RuleState::Expired),
        ] {
            let found = policy.rules[0].state(moment.parse().unwrap(), policy.expiry_notice_seconds);
            assert_eq!(found, state, "{moment}");
        }
    }
}
