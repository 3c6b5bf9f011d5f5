//! The policy of a site: what its owner accepts, as compiled data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use starling_protocol::json;

use crate::condition::Condition;
use crate::rule::Rule;
use crate::terms::{Action, FailOn, PolicyError, PolicyHash, PolicyVersion};

/// Default rhythm: how long a source may be silent, in seconds.
pub const DEFAULT_RHYTHM_SECONDS: u64 = 7 * 86_400;
/// Default time before its end from which a rule counts as expiring.
pub(crate) const DEFAULT_EXPIRY_NOTICE_SECONDS: u64 = 14 * 86_400;

/// The risks that a site's owner accepts.
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

    /// Returns true if a finding or an unused rule can fail the scan; coverage and age are other outcomes.
    pub fn can_fail(&self) -> bool {
        let is_strict = |rule: &Rule| rule.action == Action::Fail;
        self.fail_on.is_some()
            || !self.fail.is_empty()
            || self.rules.iter().any(is_strict)
            || self.fail_on_unused
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

/// Stands for every source in [`Freshness::partial`].
pub const EVERY_SOURCE: &str = "*";

/// The allowed silence of sources, and those that may be held in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// For all sources, in seconds.
    pub rhythm_seconds: u64,
    /// For single sources, in seconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rhythms: BTreeMap<String, u64>,
    /// True if silence, an expired head of a site, or a source that is known in part only, makes the outcome unknown;
    /// otherwise the first two warn.
    pub required: bool,
    /// Sources that are held in part on purpose: their last import counts. `*` stands for every source.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub partial: BTreeSet<String>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            rhythm_seconds: DEFAULT_RHYTHM_SECONDS,
            rhythms: BTreeMap::new(),
            required: false,
            partial: BTreeSet::new(),
        }
    }
}

impl Freshness {
    /// Returns how long a source may be silent, in seconds.
    #[must_use]
    pub fn rhythm_of(&self, source: &str) -> u64 {
        self.rhythms.get(source).copied().unwrap_or(self.rhythm_seconds)
    }

    /// Returns true if a source is named as one that is held in part on purpose; `*` names none.
    #[must_use]
    pub fn names_part(&self, source: &str) -> bool {
        self.partial.contains(source)
    }

    /// Returns true if a source may be held in part.
    #[must_use]
    pub fn is_partial(&self, source: &str) -> bool {
        self.partial.contains(source) || self.partial.contains(EVERY_SOURCE)
    }
}
