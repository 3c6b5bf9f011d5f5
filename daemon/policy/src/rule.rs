//! Rules: an owner's decisions about certain findings, with reason and end.

use serde::Serialize;
use starling_protocol::UnixMillis;

use crate::condition::Condition;
use crate::terms::{Action, Expiry};

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
