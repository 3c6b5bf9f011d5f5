//! The policy of a site, and the hash that identifies it in a verdict.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use starling_protocol::json;
use starling_scanner::severity::Level;

use crate::condition::Condition;
use crate::document::{DEFAULT_EXPIRY_NOTICE_SECONDS, PolicyVersion};
use crate::freshness::Freshness;
use crate::rule::Rule;

/// The lowest severity that triggers a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailOn {
    /// Any finding, even without a rating.
    Any,
    /// Low and above.
    Low,
    /// Medium and above.
    Medium,
    /// High and above.
    High,
    /// Critical only.
    Critical,
}

impl FailOn {
    /// All thresholds, lowest first.
    pub const ALL: [Self; 5] = [Self::Any, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the threshold's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns true if a finding with this level reaches the threshold.
    pub fn is_reached_by(self, level: Level) -> bool {
        match self {
            Self::Any => true,
            Self::Low => level >= Level::Low,
            Self::Medium => level >= Level::Medium,
            Self::High => level >= Level::High,
            Self::Critical => level >= Level::Critical,
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FailOn {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|threshold| threshold.as_str() == text)
            .ok_or_else(|| PolicyError::UnknownThreshold {
                found: text.chars().take(40).collect(),
            })
    }
}

/// The reason why a policy is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An unknown threshold name.
    #[error("cannot read {found:?} as a severity threshold; use any, low, medium, high or critical")]
    UnknownThreshold {
        /// The name, shortened.
        found: String,
    },
    /// A share above 100 %.
    #[error("cannot demand a coverage of {found} hundredths of a percent; the whole is 10000")]
    CoverageAboveWhole {
        /// The given share.
        found: u16,
    },
}

/// What a site's owner accepts.
///
/// By default nothing fails: findings warn. No policy can change that empty knowledge is never clean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The version of the policy file, if there is one. It is not part of the policy's hash, because comments do not
    /// matter.
    #[serde(skip)]
    pub version: Option<PolicyVersion>,
    /// The lowest severity that fails; `None` fails on no finding.
    pub fail_on: Option<FailOn>,
    /// The lowest severity that warns; `None` warns on no finding.
    pub warn_on: Option<FailOn>,
    /// The minimum share of packages that must be checked, in hundredths of a percent (0 to 10,000). If it is not
    /// set, at least one package must be checked.
    pub min_coverage_basis_points: Option<u16>,
    /// The maximum age of a source's last check at the time of the scan, in seconds; a source that was never checked is
    /// older.
    pub max_age_seconds: Option<u64>,
    /// The allowed silence of sources, if no maximum age is set.
    pub freshness: Freshness,
    /// Sources whose severities are preferred, best first.
    pub severity_sources: Vec<String>,
    /// A finding fails if one of these conditions holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fail: Vec<Condition>,
    /// A finding warns if one of these conditions holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<Condition>,
    /// Decisions about certain findings, before the thresholds; the first whose condition holds applies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// How long before its end a rule counts as expiring, in seconds.
    pub expiry_notice_seconds: u64,
    /// True if an unused rule fails the scan.
    pub fail_on_unused: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            fail_on: None,
            warn_on: Some(FailOn::Any),
            min_coverage_basis_points: None,
            max_age_seconds: None,
            freshness: Freshness::default(),
            severity_sources: Vec::new(),
            version: None,
            fail: Vec::new(),
            warn: Vec::new(),
            rules: Vec::new(),
            expiry_notice_seconds: DEFAULT_EXPIRY_NOTICE_SECONDS,
            fail_on_unused: false,
        }
    }
}

impl Policy {
    /// Checks what the types cannot check.
    ///
    /// # Errors
    /// If the required coverage is above 100 %.
    pub fn validate(&self) -> Result<(), PolicyError> {
        match self.min_coverage_basis_points {
            Some(found) if found > 10_000 => Err(PolicyError::CoverageAboveWhole { found }),
            _ => Ok(()),
        }
    }

    /// Returns the hash of the compiled policy: domain-separated BLAKE3 of its canonical JSON.
    pub fn hash(&self) -> PolicyHash {
        self.hash_with(None)
    }

    /// Returns the hash of everything that decides: the compiled policy, and the Rego policy if there is one.
    pub fn hash_with(&self, rego: Option<PolicyVersion>) -> PolicyHash {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            policy: &'a Policy,
            #[serde(skip_serializing_if = "Option::is_none")]
            rego: Option<PolicyVersion>,
        }
        let mut hasher = blake3::Hasher::new_derive_key("starling policy 1");
        let whole = Whole { policy: self, rego };
        // Fields of text and small integers can always be serialised and canonicalised.
        hasher.update(&json::to_canonical(&whole).unwrap_or_default());
        PolicyHash(*hasher.finalize().as_bytes())
    }
}

/// The hash of a compiled policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// Returns the raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
