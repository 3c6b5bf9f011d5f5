//! Rules: an owner's decisions about certain findings, with reason and end.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::UnixMillis;

use crate::condition::Condition;
use crate::verdict::{Action, as_text};

/// A decision about certain findings. The first rule that has not expired and whose condition holds decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its id in verdicts; unique within the policy.
    pub id: String,
    /// Its action.
    pub action: Action,
    /// The reason, for readers of the verdict.
    pub reason: String,
    /// The person responsible for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Last time at which it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// The findings that it is about.
    pub when: Condition,
}

/// Last time at which a rule applies; a time, or a day, which means its end (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(pub UnixMillis);

impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_text(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = if text.len() == "2026-03-01".len() {
            format!("{text}T23:59:59.999Z").parse()
        } else {
            text.parse()
        };
        moment.map(Self).map_err(|_| {
            let found: String = text.chars().take(40).collect();
            serde::de::Error::custom(format!(
                "cannot read {found:?} as a day or moment; write it as in 2026-03-01 or 2026-03-01T12:00:00Z"
            ))
        })
    }
}

/// The state of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// It applies, and does not end soon.
    Active,
    /// It applies, but ends soon.
    Expiring,
    /// It has expired.
    Expired,
}

/// The result of one rule in one scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// The rule.
    pub id: String,
    /// Its state.
    pub state: RuleState,
    /// Number of findings that it decided; for an expired rule, the number that it would have decided.
    pub matched: u64,
    /// The person responsible for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Last time at which it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
}

impl Rule {
    /// Returns the state at `as_of`; from `notice_seconds` before its end, it is expiring.
    pub fn state(&self, as_of: UnixMillis, notice_seconds: u64) -> RuleState {
        state_at(self.expires, as_of, notice_seconds)
    }
}

/// Returns true if this end is not before `as_of`.
pub(crate) fn state_at(end: Option<Expiry>, as_of: UnixMillis, notice_seconds: u64) -> RuleState {
    match end {
        Some(Expiry(end)) if end < as_of => RuleState::Expired,
        Some(Expiry(end)) if end <= as_of.plus_millis(notice_seconds.saturating_mul(1_000)) => {
            RuleState::Expiring
        }
        _ => RuleState::Active,
    }
}
