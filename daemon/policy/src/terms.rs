//! The words of a decision: actions, thresholds, reasons and causes, and the hashes that identify a policy.
//!
//! Policies, rules, findings and verdicts are all described with them, so they depend on nothing else in this crate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::UnixMillis;
use starling_scanner::scan::Coverage;
use starling_scanner::severity::Level;

/// The policy's action for one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It fails the scan.
    Fail,
    /// It is shown as a warning.
    Warn,
    /// It is only listed.
    Ignore,
}

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

/// The state of a finding's fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// A fixed version is known.
    Available,
    /// No fixed version is known.
    None,
    /// No fixed version is known, and a source or a VEX document says that there will be none.
    WontFix,
    /// No fixed version is known, and a source says that the release or product gets no more fixes.
    EndOfLife,
}

impl Fix {
    /// Returns true if a finding's fix has the requested state: `none` means no known version, even if no fix is
    /// planned; `wont_fix` means that none will come, the end of life included.
    pub(crate) fn is_asked_for(self, state: Self) -> bool {
        match self {
            Self::Available | Self::EndOfLife => self == state,
            Self::None => state != Self::Available,
            Self::WontFix => matches!(state, Self::WontFix | Self::EndOfLife),
        }
    }
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

/// The cause of a decision about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its kind.
    pub kind: CauseKind,
    /// Its id: of a rule, the threshold's level, the condition's place.
    pub id: String,
    /// The reason, as written by its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The person who muted it, as stated by the mute's site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Identity of the site that muted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Last time at which the mute applies; missing if it never ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Expiry>,
}

impl Cause {
    pub(crate) fn new(kind: CauseKind, id: String, reason: Option<String>) -> Self {
        Self {
            kind,
            id,
            reason,
            by: None,
            site: None,
            until: None,
        }
    }
}

/// The kind of a decision's cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A severity threshold, by flag or configuration.
    Severity,
    /// A condition in the policy's `fail` or `warn`.
    Condition,
    /// A rule.
    Rule,
    /// A decision of the Rego policy, with the policy's own id.
    Rego,
    /// A mute, by its id.
    Mute,
    /// A VEX statement; its id is the document's hash.
    Vex,
}

/// Stable codes of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Findings reach the failing threshold.
    FindingsFail,
    /// The Rego policy denies the scan as a whole.
    RegoDenies,
    /// A rule is unused, and that is not accepted.
    RulesUnused,
    /// A mute for this SBOM is unused, and that is not accepted.
    MutesUnused,
    /// The site's knowledge has no advisory.
    KnowledgeEmpty,
    /// A source was last checked too long ago, or never.
    KnowledgeStale,
    /// A source was silent for longer than its rhythm.
    SourceSilent,
    /// A source was never taken in as a whole, and fresh knowledge is required.
    SourceInPart,
    /// The newest head of a site with relevant records has expired.
    HeadExpired,
    /// The knowledge has nothing about any of the inventory's ecosystems.
    KnowledgeMissing,
    /// Fewer packages were checked than the policy requires.
    CoverageTooLow,
    /// Findings reach the warning threshold.
    FindingsWarn,
    /// Findings that would fail are in the baseline.
    FindingsKnown,
    /// The Rego policy warns about the scan as a whole.
    RegoWarns,
    /// A rule that would apply has expired.
    RulesExpired,
    /// An applied rule expires soon.
    RulesExpiring,
    /// A mute that would apply has expired.
    MutesExpired,
    /// An applied mute expires soon.
    MutesExpiring,
    /// A site mutes findings although no entry allows it explicitly.
    MutesUnconfirmed,
    /// An author signed two histories: its later statements are not accepted.
    AuthorFrozen,
    /// A source's check is later than the site's clock.
    CheckAhead,
    /// Packages could not be checked.
    CoverageGaps,
    /// The policy fails findings by their exploitation, of which nothing is known here.
    ThreatsUnknown,
    /// The inventory has no packages.
    NothingToJudge,
    /// Findings are muted.
    FindingsMuted,
}

/// A reason for the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// One sentence for people.
    pub text: String,
}

/// The share of the inventory that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictCoverage {
    /// Numbers of components, by result.
    #[serde(flatten)]
    pub counts: Coverage,
    /// Number of packages.
    pub total: u64,
    /// Share of packages that were checked, in hundredths of a percent; missing without packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis_points: Option<u64>,
}

impl VerdictCoverage {
    pub(crate) fn of(counts: Coverage) -> Self {
        Self {
            counts,
            total: counts.total(),
            basis_points: counts.basis_points(),
        }
    }
}

/// The version of a policy file: the BLAKE3 of its bytes, shown as `blake3:<hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyVersion([u8; 32]);

impl PolicyVersion {
    /// Computes the version of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl Serialize for PolicyVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An error of a policy file, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// Line and column, counted from 1; missing if the file as a whole is meant.
    pub place: Option<(u64, u64)>,
    /// The text found there, and the expected one.
    pub text: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read the policy")?;
        if let Some((line, column)) = self.place {
            write!(f, " at line {line}, column {column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for DocumentError {}

/// The hash of a compiled policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash(pub(crate) [u8; 32]);

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

/// Times in the body are RFC 3339 texts.
pub(crate) fn as_text<S: serde::Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
