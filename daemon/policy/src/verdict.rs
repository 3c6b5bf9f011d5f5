//! The verdict: one body of canonical JSON, and the hash that names it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_protocol::{KnowledgeRoot, UnixMillis, json};
use starling_scanner::scan::{Coverage, Finding, ScanResult, Standing};

use crate::condition::Fix;
use crate::decide::SourceCheck;
use crate::document::PolicyVersion;
use crate::freshness::VerdictEcosystem;
use crate::judge::Cause;
use crate::mute::MuteReport;
use crate::policy::PolicyHash;
use crate::rego::RegoReport;
use crate::rule::RuleReport;
use crate::vex::VexReport;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing stands against it.
    Pass,
    /// It passes, with something to look at.
    Warn,
    /// Policy rejects it.
    Fail,
    /// There is not enough knowledge or coverage to say.
    Unknown,
}

impl Outcome {
    /// Returns the outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What policy does about one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It fails the scan.
    Fail,
    /// It is shown.
    Warn,
    /// It is listed and nothing more.
    Ignore,
}

/// Stable codes of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Findings reach the failing threshold.
    FindingsFail,
    /// The Rego policy denies the scan as a whole.
    RegoDenies,
    /// A rule decided nothing, and that is not accepted.
    RulesUnused,
    /// A mute that names this SBOM muted nothing, and that is not accepted.
    MutesUnused,
    /// The site's knowledge holds no advisory.
    KnowledgeEmpty,
    /// A source was last checked too long ago, or never.
    KnowledgeStale,
    /// A source was silent for longer than its rhythm.
    SourceSilent,
    /// The newest head of a site whose records count has expired.
    HeadExpired,
    /// The knowledge holds nothing about any of the inventory's ecosystems.
    KnowledgeMissing,
    /// Fewer packages were judged than policy demands.
    CoverageTooLow,
    /// Findings reach the warning threshold.
    FindingsWarn,
    /// Findings that would fail are in the baseline.
    FindingsKnown,
    /// The Rego policy warns of the scan as a whole.
    RegoWarns,
    /// A rule that would decide has expired.
    RulesExpired,
    /// A rule that decides expires soon.
    RulesExpiring,
    /// A mute that would mute findings has expired.
    MutesExpired,
    /// A mute of findings expires soon.
    MutesExpiring,
    /// A site mutes findings of which nobody said that it may.
    MutesUnconfirmed,
    /// An author signed two histories: what it says since is not taken.
    AuthorFrozen,
    /// A source's check is dated after the site's clock.
    CheckAhead,
    /// Packages could not be judged.
    CoverageGaps,
    /// The inventory holds no packages.
    NothingToJudge,
    /// Findings are muted.
    FindingsMuted,
}

/// Why the outcome is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// One sentence for people.
    pub text: String,
}

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictInventory {
    /// BLAKE3 of the document's bytes, as `blake3:<hex>`.
    pub hash: String,
    /// The document's format, such as `CycloneDX JSON`.
    pub format: String,
    /// The format's version as the document writes it.
    pub spec_version: String,
    /// What the document describes, if it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Number of components, packages or not.
    pub components: u64,
    /// Number of things that the reader passed over.
    pub notes: u64,
}

/// How much of the inventory was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictCoverage {
    /// Counts by what became of the components.
    #[serde(flatten)]
    pub counts: Coverage,
    /// Number of packages.
    pub total: u64,
    /// Share of packages that were judged, in hundredths of a percent; absent without packages.
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

/// The packages that were not judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    /// The first of them, at most [`MAX_GAPS`](starling_scanner::scan::MAX_GAPS), in document order.
    pub packages: Vec<NotJudgedPackage>,
    /// How many more there are.
    pub others: u64,
}

/// A package that was not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotJudgedPackage {
    /// Its name.
    pub name: String,
    /// Its version, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its package URL, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Where it stands in the document.
    pub place: String,
    /// Why.
    pub reason: Standing,
}

impl NotJudged {
    pub(crate) fn of(result: &ScanResult) -> Self {
        let packages = result.gaps.iter().map(|gap| NotJudgedPackage {
            name: gap.name.clone(),
            version: gap.version.clone(),
            purl: gap.purl.clone(),
            place: gap.place.clone(),
            reason: gap.standing,
        });
        let packages: Vec<_> = packages.collect();
        let all = result.coverage.total().saturating_sub(result.coverage.matched);
        let named = u64::try_from(packages.len()).unwrap_or(u64::MAX);
        Self {
            packages,
            others: all.saturating_sub(named),
        }
    }
}

/// A finding and what policy does about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedFinding {
    /// What policy does.
    pub action: Action,
    /// Whether the baseline has it: then it does not fail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// What decided; absent where nothing did, so that it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Cause>,
    /// Whether a fix is known, or is said not to come.
    pub fix: Fix,
    /// The finding.
    #[serde(flatten)]
    pub finding: Arc<Finding>,
}

/// The verdict that findings were held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictBaseline {
    /// Its hash.
    pub hash: VerdictHash,
    /// Number of findings that it has too.
    pub known: u64,
}

/// The body of a verdict. Its fields are inputs or follow from inputs: nothing here tells which site
/// judged, or when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Version of the body's shape.
    pub format: &'static str,
    /// The program that judged, with its version: equal inputs give equal bytes where it is equal.
    pub program: &'static str,
    /// The decision.
    pub outcome: Outcome,
    /// Why, in the order of [`ReasonCode`].
    pub reasons: Vec<Reason>,
    /// What was scanned.
    pub inventory: VerdictInventory,
    /// How much of it was judged.
    pub coverage: VerdictCoverage,
    /// What was not judged, and why.
    pub not_judged: NotJudged,
    /// The document's ecosystems, each with the sources that speak of it: these have to be fresh.
    pub ecosystems: Vec<VerdictEcosystem>,
    /// Whether a silent source or an expired head leaves the outcome unknown.
    pub freshness_required: bool,
    /// Findings, sorted by package, version and vulnerability.
    pub findings: Vec<JudgedFinding>,
    /// The knowledge it rests on.
    pub knowledge_root: KnowledgeRoot,
    /// Newest check per source, sorted by source.
    pub sources: Vec<SourceCheck>,
    /// The policy that decided.
    pub policy_hash: PolicyHash,
    /// The rules by which statements that disagree were folded into the knowledge, as `blake3:<hex>`: with an
    /// equal knowledge root, what was known was folded alike only if these are equal.
    pub view_policy_hash: String,
    /// The policy file that it came from, if it came from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<PolicyVersion>,
    /// What came of each of its rules, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleReport>,
    /// What came of each mute that matched a finding, or that names this SBOM and matched none; by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mutes: Vec<MuteReport>,
    /// What came of each VEX document, in the order given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<VexReport>,
    /// What came of the Rego policy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rego: Option<RegoReport>,
    /// The verdict that findings were held against, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<VerdictBaseline>,
    /// The time judged at: an input.
    #[serde(serialize_with = "as_text")]
    pub as_of: UnixMillis,
}

/// Times stand in the body as RFC 3339 texts.
pub(crate) fn as_text<S: serde::Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// The body could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the verdict as canonical JSON")]
pub struct VerdictError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Verdict {
    /// The value of [`Verdict::format`].
    pub const FORMAT: &'static str = "starling-verdict/2";
    /// The formats of verdicts that can be a baseline.
    pub const READABLE: [&'static str; 2] = ["starling-verdict/1", Self::FORMAT];
    /// The value of [`Verdict::program`].
    pub const PROGRAM: &'static str = concat!("starling ", env!("CARGO_PKG_VERSION"));

    /// Returns the body's bytes: canonical JSON (RFC 8785), without a line end.
    ///
    /// # Errors
    /// If the body cannot be serialised; its types leave no known way for that.
    pub fn to_bytes(&self) -> Result<Vec<u8>, VerdictError> {
        json::to_canonical(self).map_err(|e| VerdictError(Box::new(e)))
    }
}

/// Names a verdict: the plain BLAKE3 of its body's bytes, shown as `blake3:<hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictHash([u8; 32]);

impl VerdictHash {
    /// Hashes a body's bytes.
    pub fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }

    /// Returns the raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for VerdictHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl Serialize for VerdictHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
