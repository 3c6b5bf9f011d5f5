//! The decisions of a Rego policy, as data.

use std::collections::BTreeMap;

use regorus::Value;
use serde::{Deserialize, Serialize};

use super::RegoError;
use crate::terms::{Action, PolicyVersion};

/// Most decisions of one policy about one scan.
pub const MAX_DECISIONS: usize = 200_000;
/// Longest id of a decision, in characters.
const MAX_ID_CHARS: usize = 100;
/// Longest reason of a decision, in characters.
const MAX_REASON_CHARS: usize = 2_000;

/// Largest total size of ids and reasons for one scan, in bytes of JSON: they are part of the verdict.
pub const MAX_DECISION_BYTES: usize = 8 * 1024 * 1024;

/// The deciding rules, and their effect on a finding.
pub(super) const RULES: [(&str, Action); 3] = [
    ("deny", Action::Fail),
    ("warn", Action::Warn),
    ("allow", Action::Ignore),
];

/// One decision: about a finding, or about the scan as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegoDecision {
    /// The finding's index; missing if it is about the scan as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<usize>,
    /// The action.
    pub action: Action,
    /// The decision's id; default: the rule's name.
    pub id: String,
    /// The policy's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RegoDecision {
    /// Returns the size of its texts as JSON, in bytes.
    fn size(&self) -> usize {
        let texts = [Some(self.id.as_str()), self.reason.as_deref()];
        let characters = texts.into_iter().flatten().flat_map(str::chars);
        characters
            .map(|c| match c {
                '"' | '\\' => 2,
                '\u{0}'..='\u{1f}' => 6,
                c => c.len_utf8(),
            })
            .sum()
    }
}

/// A Rego policy's decisions about one scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegoDecisions {
    /// The policy's hash.
    pub version: PolicyVersion,
    /// Its decisions, in any order.
    pub decisions: Vec<RegoDecision>,
}

/// The result of a Rego policy in one scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegoReport {
    /// The policy's hash.
    pub version: PolicyVersion,
    /// Number of its decisions about findings or the scan as a whole, including overruled ones.
    pub decisions: u64,
    /// Number of findings that it decided.
    pub matched: u64,
}

impl RegoReport {
    pub(crate) fn of(decisions: &RegoDecisions) -> Self {
        Self {
            version: decisions.version,
            decisions: u64::try_from(decisions.decisions.len()).unwrap_or(u64::MAX),
            matched: 0,
        }
    }
}

impl RegoDecisions {
    /// Returns the applicable decision for each finding: the most severe; if several are equal, the one with the lowest
    /// id.
    pub(crate) fn by_finding(&self) -> BTreeMap<usize, &RegoDecision> {
        let mut found: BTreeMap<usize, &RegoDecision> = BTreeMap::new();
        for decision in &self.decisions {
            let Some(index) = decision.finding else {
                continue;
            };
            let counts = found.entry(index).or_insert(decision);
            if decision < *counts {
                *counts = decision;
            }
        }
        found
    }

    /// Returns the decisions about the scan as a whole, sorted.
    pub(crate) fn about_the_scan(&self) -> Vec<&RegoDecision> {
        let mut found: Vec<_> = self
            .decisions
            .iter()
            .filter(|told| told.finding.is_none())
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Parses the value of one of [`RULES`] and adds its decisions.
pub(super) fn read(
    rule: &'static str,
    action: Action,
    value: &Value,
    findings: usize,
    into: &mut Vec<RegoDecision>,
) -> Result<(), RegoError> {
    let error = |text: String| RegoError::Decision {
        rule: rule.to_owned(),
        text,
    };
    let members: Vec<&Value> = match value {
        Value::Set(set) => set.iter().collect(),
        Value::Array(list) => list.iter().collect(),
        other => {
            return Err(error(format!(
                "it is {}, not a set; write `{rule} contains decision if {{ … }}`",
                kind(other)
            )));
        }
    };
    if into.len().saturating_add(members.len()) > MAX_DECISIONS {
        return Err(error(format!("there are more than {MAX_DECISIONS} decisions")));
    }
    let mut left = MAX_DECISION_BYTES.saturating_sub(into.iter().map(RegoDecision::size).sum());
    for member in members {
        let decision = one(rule, action, member, findings).map_err(error)?;
        left = left.checked_sub(decision.size()).ok_or_else(|| {
            error(format!(
                "the ids and reasons of all decisions have more than {MAX_DECISION_BYTES} bytes together"
            ))
        })?;
        into.push(decision);
    }
    Ok(())
}

/// Returns the decision in a value: a text is a reason about the scan as a whole; an object has all fields.
fn one(rule: &str, action: Action, value: &Value, findings: usize) -> Result<RegoDecision, String> {
    let mut decision = RegoDecision {
        finding: None,
        action,
        id: rule.to_owned(),
        reason: None,
    };
    match value {
        Value::String(text) => decision.reason = Some(bounded("reason", text, MAX_REASON_CHARS)?),
        Value::Object(fields) => {
            for (key, value) in fields.iter() {
                let key = key.as_string().map_or("", |key| key.as_ref());
                match key {
                    "id" => decision.id = bounded("id", text("id", value)?, MAX_ID_CHARS)?,
                    // Policies written for other tools use the key `msg`.
                    "reason" | "msg" => {
                        decision.reason = Some(bounded("reason", text("reason", value)?, MAX_REASON_CHARS)?);
                    }
                    "finding" => decision.finding = Some(index(value, findings)?),
                    other => {
                        let other: String = other.chars().take(40).collect();
                        return Err(format!(
                            "a decision has the key {other:?}; it may have `finding`, `id` and `reason`"
                        ));
                    }
                }
            }
        }
        other => {
            return Err(format!(
                "a decision is {}; it is a text, or an object with `finding`, `id` and `reason`",
                kind(other)
            ));
        }
    }
    if decision.id.is_empty() || decision.id.chars().any(char::is_control) {
        return Err("an id is not empty and has no control characters".to_owned());
    }
    if decision.finding.is_none() && action == Action::Ignore {
        return Err("it allows a finding and does not say which: give `finding`".to_owned());
    }
    Ok(decision)
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!(
            "the `{key}` of a decision is {}, not a text",
            kind(other)
        )),
    }
}

fn bounded(key: &str, text: &str, most: usize) -> Result<String, String> {
    if text.chars().count() > most {
        return Err(format!(
            "the `{key}` of a decision has more than {most} characters"
        ));
    }
    Ok(text.to_owned())
}

/// Returns the index of a finding, given as its `index` or as the finding itself.
fn index(value: &Value, findings: usize) -> Result<usize, String> {
    let inner = match value {
        Value::Object(fields) => fields.get(&Value::from("index")).unwrap_or(value),
        other => other,
    };
    let index = inner.as_u64().ok().and_then(|index| usize::try_from(index).ok());
    index.filter(|index| *index < findings).ok_or_else(|| {
        format!(
            "the `finding` of a decision is {}; give one of input.findings, or its `index`",
            match inner.as_i64() {
                Ok(number) => format!("{number}, and there are {findings} findings"),
                Err(_) => kind(inner).to_owned(),
            }
        )
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::Undefined => "undefined",
    }
}
