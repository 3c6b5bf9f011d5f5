//! `starling policy …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use starling_daemon::PolicyKind;
use starling_policy::{ExampleOutcome, MAX_POLICY_BYTES, PolicyDocument, RegoPolicy, RegoSource, RegoTest};

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
What is wrong is told with line and column. docs/schemas/policy.schema.json describes the YAML file. One that
begins with `package` is Rego: it is evaluated over no findings, within the bounds that a scan has.

Example:
  starling policy validate policy.yaml
  starling policy validate policy.rego

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
names no time is judged at --at. Of a policy in Rego, the rules whose names begin with `test_` are run; each
has to be true.

Example:
  starling policy test policy.yaml --at 2026-06-01T00:00:00Z
  starling policy test policy.rego

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
The site's policy is the file that `scan.policy_file` names, and with --rego the one that `scan.rego_file`
names. A verdict says which versions made it. A file that cannot be used as it is now is told of, and keeps none of the
versions before it from being listed.

Example:
  starling policy history
  starling policy history --rego

Exit codes: 0 listed, 2 no site in the folder or its history cannot be read")]
pub(crate) struct History {
    /// The site's policy in Rego
    #[arg(long)]
    rego: bool,
}

/// Put a version that was in use back into the site's policy file
#[derive(Debug, Args)]
#[command(after_help = "\
What the file says now stays in the history; where it cannot be used, it stays in `policies/` of the site's folder,
named by its hash. A running daemon goes by the file from its next scan on.

Example:
  starling policy rollback blake3:0f5c

Exit codes: 0 put back, 2 no such version, or no policy file is configured")]
pub(crate) struct Rollback {
    /// The version's hash, or the beginning of it
    // clap has a flag of the name `version` already.
    #[arg(value_name = "VERSION")]
    wanted: String,
    /// The site's policy in Rego
    #[arg(long)]
    rego: bool,
}

/// Answer of `starling policy validate`.
#[derive(Debug, Serialize)]
pub(crate) struct PolicySummary {
    /// The hash of the file's bytes; verdicts name it as `policy_version`.
    pub(crate) version: String,
    /// What it is written in.
    pub(crate) language: &'static str,
    /// The hash of what it says, comments and order of keys aside; Rego is named by its bytes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_hash: Option<String>,
    /// Number of rules; of Rego those that decide: `deny`, `warn` and `allow`.
    pub(crate) rules: usize,
    /// Number of examples, or tests.
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
    /// Each test of a policy in Rego, in the file's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tests: Vec<RegoTest>,
}

impl Policy {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Validate(Validate { file }) => {
                let summary = match read(&file).await? {
                    Document::Yaml(document) => PolicySummary {
                        version: document
                            .policy
                            .version
                            .map(|version| version.to_string())
                            .unwrap_or_default(),
                        language: "yaml",
                        policy_hash: Some(document.policy.hash().to_string()),
                        rules: document.policy.rules.len(),
                        examples: document.examples.len(),
                    },
                    Document::Rego(source) => {
                        let version = source.version().to_string();
                        let found = local::check_rego(source, local::now()).await;
                        let found = found.map_err(|problem| named(&file, problem))?;
                        PolicySummary {
                            version,
                            language: "rego",
                            policy_hash: None,
                            rules: found.rules,
                            examples: found.tests,
                        }
                    }
                };
                session.print(&summary, render::policy_summary)?;
                Ok(ExitStatus::Pass)
            }
            Self::Test(Test { file, at }) => {
                let now = match at {
                    Some(at) => starling_protocol::UnixMillis::saturating(
                        u64::try_from(at.unix_millis()).unwrap_or(0),
                    ),
                    None => local::now(),
                };
                let (examples, tests) = match read(&file).await? {
                    Document::Yaml(document) => {
                        let run = |example: &starling_policy::Example| example.run(&document.policy, now);
                        (document.examples.iter().map(run).collect(), Vec::new())
                    }
                    Document::Rego(source) => {
                        let tests = local::test_rego(source, now).await;
                        (Vec::new(), tests.map_err(|problem| named(&file, problem))?)
                    }
                };
                let examples: Vec<ExampleOutcome> = examples;
                let passed = examples.iter().filter(|example| example.passed).count()
                    + tests.iter().filter(|test| test.passed).count();
                let failed = examples.len() + tests.len() - passed;
                let report = PolicyTest {
                    passed,
                    failed,
                    examples,
                    tests,
                };
                session.print(&report, render::policy_test)?;
                Ok(if failed == 0 {
                    ExitStatus::Pass
                } else {
                    ExitStatus::FailedByPolicy
                })
            }
            Self::History(History { rego }) => {
                session.print(
                    &local::policy_history(session.home(), kind(rego)).await?,
                    render::policy_history,
                )?;
                Ok(ExitStatus::Pass)
            }
            Self::Rollback(Rollback { wanted, rego }) => {
                let history = local::rollback_policy(session.home(), kind(rego), wanted).await?;
                session.print(&history, render::policy_history)?;
                Ok(ExitStatus::Pass)
            }
        }
    }
}

/// A policy in one of its languages.
enum Document {
    Yaml(Box<PolicyDocument>),
    Rego(RegoSource),
}

async fn read(file: &Path) -> Result<Document, Problem> {
    let bytes = input::read(file, "the policy", MAX_POLICY_BYTES as u64).await?;
    let invalid = |error: starling_policy::DocumentError| {
        Problem::new(ErrorCode::PolicyInvalid, format!("{}: {error}", file.display()))
    };
    if RegoPolicy::is_meant(&bytes) {
        return RegoSource::of(&bytes).map(Document::Rego).map_err(invalid);
    }
    PolicyDocument::read(&bytes)
        .map(|document| Document::Yaml(Box::new(document)))
        .map_err(|error| invalid(error).hint("docs/schemas/policy.schema.json describes the file"))
}

/// The problem, with the file in front.
fn named(file: &Path, mut problem: Problem) -> Problem {
    problem.detail = format!("{}: {}", file.display(), problem.detail);
    problem
}

const fn kind(rego: bool) -> PolicyKind {
    if rego { PolicyKind::Rego } else { PolicyKind::Yaml }
}
