//! The verdict: one body of canonical JSON, and its hash.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use starling_protocol::{KnowledgeRoot, UnixMillis, json};
use starling_scanner::scan::{Doubt, DoubtCause, Finding, ScanResult, Standing};

use crate::freshness::VerdictEcosystem;
use crate::knowledge::SourceCheck;
use crate::mute::MuteReport;
use crate::rego::RegoReport;
use crate::rule::RuleReport;
use crate::terms::{Action, Cause, Fix, PolicyHash, PolicyVersion, Reason, VerdictCoverage, as_text};
use crate::vex::VexReport;

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted.
    Pass,
    /// Accepted, with something to check.
    Warn,
    /// Rejected by policy.
    Fail,
    /// Not enough knowledge or coverage for an answer.
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

/// The scanned document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictInventory {
    /// BLAKE3 of the document's bytes, as `blake3:<hex>`.
    pub hash: String,
    /// The document's format, such as `CycloneDX JSON`.
    pub format: String,
    /// The format's version, as written in the document.
    pub spec_version: String,
    /// The document's subject, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Number of components, packages or not.
    pub components: u64,
    /// Number of parts that the reader skipped.
    pub notes: u64,
}

/// The packages that were not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    /// The first of them, at most [`MAX_GAPS`](starling_scanner::scan::MAX_GAPS), in document order.
    pub packages: Vec<NotJudgedPackage>,
    /// Number of further ones.
    pub others: u64,
}

/// A package that was not checked.
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
    /// Its first CPE name, if it was to be looked up by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpe: Option<String>,
    /// Its place in the document.
    pub place: String,
    /// The reason.
    pub reason: Standing,
    /// Why it is undecided, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<NotJudgedDoubt>,
}

/// Why a package is undecided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotJudgedDoubt {
    /// The cause.
    pub cause: DoubtCause,
    /// The first vulnerabilities whose advisories could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vulnerabilities: Vec<String>,
    /// The number of all of them.
    pub number: u64,
}

impl From<&Doubt> for NotJudgedDoubt {
    fn from(doubt: &Doubt) -> Self {
        Self {
            cause: doubt.cause,
            vulnerabilities: doubt.vulnerabilities.clone(),
            number: doubt.number,
        }
    }
}

impl NotJudged {
    pub(crate) fn of(result: &ScanResult) -> Self {
        let packages = result.gaps.iter().map(|gap| NotJudgedPackage {
            name: gap.name.clone(),
            version: gap.version.clone(),
            purl: gap.purl.clone(),
            cpe: gap.cpe.clone(),
            place: gap.place.clone(),
            reason: gap.standing,
            doubt: gap.doubt.as_ref().map(Into::into),
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

/// A finding and the policy's decision about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedFinding {
    /// The action.
    pub action: Action,
    /// True if the baseline contains it: then it does not fail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// The cause of the decision; missing if nothing decided, so that it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Cause>,
    /// The state of the fix.
    pub fix: Fix,
    /// The finding.
    #[serde(flatten)]
    pub finding: Arc<Finding>,
}

/// The verdict that was used as a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictBaseline {
    /// Its hash.
    pub hash: VerdictHash,
    /// Number of its findings that this verdict has too.
    pub known: u64,
}

/// The body of a verdict. Its fields are inputs or derived from inputs: nothing identifies the site or the time of the
/// call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Version of the body's form.
    pub format: &'static str,
    /// The program that made the verdict, with its version: equal inputs give equal bytes with equal versions.
    pub program: &'static str,
    /// The outcome.
    pub outcome: Outcome,
    /// The reasons, in the order of [`ReasonCode`](crate::ReasonCode).
    pub reasons: Vec<Reason>,
    /// The scanned document.
    pub inventory: VerdictInventory,
    /// The share that was checked.
    pub coverage: VerdictCoverage,
    /// The packages that were not checked, with reasons.
    pub not_judged: NotJudged,
    /// The document's ecosystems, each with its sources: these sources must be fresh.
    pub ecosystems: Vec<VerdictEcosystem>,
    /// True if a silent source or an expired head makes the outcome unknown.
    pub freshness_required: bool,
    /// Findings, sorted by package, version and vulnerability.
    pub findings: Vec<JudgedFinding>,
    /// The root of the knowledge used.
    pub knowledge_root: KnowledgeRoot,
    /// Newest check per source, sorted by source.
    pub sources: Vec<SourceCheck>,
    /// The hash of the policy that decided.
    pub policy_hash: PolicyHash,
    /// The hash of the rules by which conflicting statements were folded, as `blake3:<hex>`. Two sites with equal
    /// knowledge roots folded their knowledge in the same way only if this hash is equal too.
    pub view_policy_hash: String,
    /// The version of the policy file, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<PolicyVersion>,
    /// The result of each rule, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleReport>,
    /// The results of each mute that matched a finding, and of the mutes for this SBOM that matched none; by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mutes: Vec<MuteReport>,
    /// The result of each VEX document, in the given order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<VexReport>,
    /// The result of the Rego policy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rego: Option<RegoReport>,
    /// The verdict that was used as a baseline, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<VerdictBaseline>,
    /// The scan's time: an input.
    #[serde(serialize_with = "as_text")]
    pub as_of: UnixMillis,
}

/// The body could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the verdict as canonical JSON")]
pub struct VerdictError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Verdict {
    /// The value of [`Verdict::format`].
    pub const FORMAT: &'static str = "starling-verdict/2";
    /// The verdict formats that can be used as a baseline.
    pub const READABLE: [&'static str; 2] = ["starling-verdict/1", Self::FORMAT];
    /// The value of [`Verdict::program`].
    pub const PROGRAM: &'static str = concat!("starling ", env!("CARGO_PKG_VERSION"));

    /// Returns the body's bytes: canonical JSON (RFC 8785), without a line end.
    ///
    /// # Errors
    /// If the body cannot be serialised; with its types, no case is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, VerdictError> {
        json::to_canonical(self).map_err(|e| VerdictError(Box::new(e)))
    }
}

/// The hash of a verdict: the plain BLAKE3 of its body's bytes, shown as `blake3:<hex>`.
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
