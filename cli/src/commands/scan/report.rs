//! What came of the scans of one command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_api_types::{ExitStatus, Problem, VerdictEnvelope};

/// The scans of several SBOMs, in the order in which they were named.
#[derive(Debug, Serialize)]
pub(crate) struct ScanReport {
    /// One entry per SBOM.
    pub(crate) scans: Vec<Scanned>,
    /// The exit code of the command.
    pub(crate) exit_code: u8,
}

/// One SBOM and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Scanned {
    /// The SBOM, as it was named on the command line.
    pub(crate) sbom: String,
    #[serde(flatten)]
    pub(crate) outcome: ScanOutcome,
}

/// A verdict, or why there is none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScanOutcome {
    /// The verdict in its envelope.
    Result(Box<VerdictEnvelope>),
    /// The SBOM was refused.
    Problem(Problem),
}

impl ScanReport {
    /// The key under which the scans stand in JSON.
    pub(super) const LIST: &'static str = "scans";

    /// The report over these scans.
    ///
    /// # Errors
    /// `internal` for a verdict with an exit code that does not exist.
    pub(super) fn of(scans: Vec<Scanned>) -> Result<(Self, ExitStatus), Problem> {
        let mut gravest = ExitStatus::Pass;
        for scan in &scans {
            let status = scan.outcome.status()?;
            if rank(status) < rank(gravest) {
                gravest = status;
            }
        }
        let exit_code = gravest.code();
        Ok((Self { scans, exit_code }, gravest))
    }
}

impl ScanReport {
    /// The rules that decided nothing in any of the verdicts, sorted.
    pub(super) fn unused_rules(&self) -> Vec<String> {
        let mut used: BTreeMap<String, bool> = BTreeMap::new();
        for scan in &self.scans {
            let ScanOutcome::Result(envelope) = &scan.outcome else {
                continue;
            };
            let body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
            for rule in body.rules {
                *used.entry(rule.id).or_default() |= rule.matched > 0;
            }
        }
        used.into_iter()
            .filter_map(|(id, used)| (!used).then_some(id))
            .collect()
    }
}

/// The part of a verdict's body that says what rules did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    id: String,
    matched: u64,
}

impl ScanOutcome {
    fn status(&self) -> Result<ExitStatus, Problem> {
        match self {
            Self::Problem(problem) => Ok(problem.exit_status()),
            Self::Result(envelope) => ExitStatus::from_code(envelope.exit_code).ok_or_else(|| {
                Problem::internal(
                    "ending the scan",
                    format!("the verdict has the exit code {}", envelope.exit_code),
                )
            }),
        }
    }
}

/// The gravest ranks lowest. What failed has failed, whatever else could not be looked at.
fn rank(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::FailedByPolicy => 0,
        ExitStatus::Usage => 1,
        ExitStatus::InputRefused => 2,
        ExitStatus::KnowledgeMissing => 3,
        ExitStatus::CoverageTooLow => 4,
        ExitStatus::Pass => u8::MAX,
        _ => 5,
    }
}
