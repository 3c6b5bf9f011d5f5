//! `starling policy …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use starling_policy::{ExampleOutcome, MAX_POLICY_BYTES, PolicyDocument};

use super::Outcome;
use super::input;
use crate::local;
use crate::render;
use crate::session::Session;

/// The policy that scans are judged by
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Validate(Validate),
    Test(Test),
    History(History),
    Rollback(Rollback),
}

/// Check a policy file: its keys, its rules, its examples' form
#[derive(Debug, Args)]
#[command(after_help = "\
What is wrong is told with line and column. docs/schemas/policy.schema.json describes the file.

Example:
  starling policy validate policy.yaml

Exit codes: 0 valid, 2 not valid or not readable")]
pub(crate) struct Validate {
    /// The policy; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

/// Run the examples that stand beside the rules of a policy file
#[derive(Debug, Args)]
#[command(after_help = "\
Each example makes up a finding and says what the policy is to do about it, and by which rule. One that
names no time is judged at --at.

Example:
  starling policy test policy.yaml --at 2026-06-01T00:00:00Z

Exit codes: 0 all pass, 1 one does not, 2 not valid or not readable")]
pub(crate) struct Test {
    /// The policy; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The moment to judge at; now when absent
    #[arg(long, value_name = "TIME")]
    at: Option<starling_api_types::Timestamp>,
}

/// List the versions of the site's policy that were in use, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
The site's policy is the file that `scan.policy_file` names. A verdict says which version made it.

Example:
  starling policy history

Exit codes: 0 listed, 2 no site in the folder or the policy is not valid")]
pub(crate) struct History {}

/// Put a version that was in use back into the site's policy file
#[derive(Debug, Args)]
#[command(after_help = "\
What the file says now stays in the history. A running daemon goes by the file from its next scan on.

Example:
  starling policy rollback blake3:0f5c

Exit codes: 0 put back, 2 no such version, or no policy file is configured")]
pub(crate) struct Rollback {
    /// The version's hash, or the beginning of it
    // clap has a flag of the name `version` already.
    #[arg(value_name = "VERSION")]
    wanted: String,
}

/// Answer of `starling policy validate`.
#[derive(Debug, Serialize)]
pub(crate) struct PolicySummary {
    /// The hash of the file's bytes; verdicts name it as `policy_version`.
    pub(crate) version: String,
    /// The hash of what it says, comments and order of keys aside.
    pub(crate) policy_hash: String,
    /// Number of rules.
    pub(crate) rules: usize,
    /// Number of examples.
    pub(crate) examples: usize,
}

/// Answer of `starling policy test`.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyTest {
    /// Number of examples that pass.
    pub(crate) passed: usize,
    /// Number of examples that do not.
    pub(crate) failed: usize,
    /// Each example, in the file's order.
    pub(crate) examples: Vec<ExampleOutcome>,
}

impl Policy {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Validate(Validate { file }) => {
                let document = read(&file).await?;
                let version = document.policy.version.map(|version| version.to_string());
                let summary = PolicySummary {
                    version: version.unwrap_or_default(),
                    policy_hash: document.policy.hash().to_string(),
                    rules: document.policy.rules.len(),
                    examples: document.examples.len(),
                };
                session.print(&summary, render::policy_summary)?;
                Ok(ExitStatus::Pass)
            }
            Self::Test(Test { file, at }) => {
                let document = read(&file).await?;
                let now = match at {
                    Some(at) => starling_protocol::UnixMillis::saturating(
                        u64::try_from(at.unix_millis()).unwrap_or(0),
                    ),
                    None => local::now(),
                };
                let run = |example: &starling_policy::Example| example.run(&document.policy, now);
                let examples: Vec<ExampleOutcome> = document.examples.iter().map(run).collect();
                let passed = examples.iter().filter(|example| example.passed).count();
                let failed = examples.len() - passed;
                let report = PolicyTest {
                    passed,
                    failed,
                    examples,
                };
                session.print(&report, render::policy_test)?;
                Ok(if failed == 0 {
                    ExitStatus::Pass
                } else {
                    ExitStatus::FailedByPolicy
                })
            }
            Self::History(History {}) => {
                session.print(
                    &local::policy_history(session.home()).await?,
                    render::policy_history,
                )?;
                Ok(ExitStatus::Pass)
            }
            Self::Rollback(Rollback { wanted }) => {
                let history = local::rollback_policy(session.home(), wanted).await?;
                session.print(&history, render::policy_history)?;
                Ok(ExitStatus::Pass)
            }
        }
    }
}

async fn read(file: &Path) -> Result<PolicyDocument, Problem> {
    let bytes = input::read(file, "the policy", MAX_POLICY_BYTES as u64).await?;
    PolicyDocument::read(&bytes).map_err(|error| {
        Problem::new(ErrorCode::PolicyInvalid, format!("{}: {error}", file.display()))
            .hint("docs/schemas/policy.schema.json describes the file")
    })
}
