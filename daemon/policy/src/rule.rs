//! Rules: what an owner has decided about certain findings, why, and until when.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::UnixMillis;

use crate::condition::Condition;
use crate::verdict::{Action, as_text};

/// A decision about certain findings. The first rule that is not expired and whose condition holds decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Names it in verdicts; unique within the policy.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// Why, for whoever reads the verdict.
    pub reason: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last moment at which it decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// What it is about.
    pub when: Condition,
}

/// The last moment at which a rule decides; written as a moment, or as a day, which counts to its end (UTC).
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

/// Whether a rule still decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// It does, and will for a while.
    Active,
    /// It does, and soon no longer will.
    Expiring,
    /// It no longer does.
    Expired,
}

/// What came of one rule in one scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// The rule.
    pub id: String,
    /// Whether it still decides.
    pub state: RuleState,
    /// Number of findings that it decided; for an expired one, that it would have.
    pub matched: u64,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last moment at which it decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
}

impl Rule {
    /// Returns whether it still decides at `as_of`; `notice_seconds` before its end it is expiring.
    pub fn state(&self, as_of: UnixMillis, notice_seconds: u64) -> RuleState {
        state_at(self.expires, as_of, notice_seconds)
    }
}

/// Whether what ends then still counts at `as_of`.
pub(crate) fn state_at(end: Option<Expiry>, as_of: UnixMillis, notice_seconds: u64) -> RuleState {
    match end {
        Some(Expiry(end)) if end < as_of => RuleState::Expired,
        Some(Expiry(end)) if end <= as_of.plus_millis(notice_seconds.saturating_mul(1_000)) => {
            RuleState::Expiring
        }
        _ => RuleState::Active,
    }
}
