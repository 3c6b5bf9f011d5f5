//! `starling policy …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use starling_api_types::{ExitStatus, Problem};
use starling_daemon::PolicyKind;
use starling_policy::{ExampleOutcome, MAX_POLICY_BYTES, PolicyDocument, RegoPolicy, RegoSource, RegoTest};

use super::Outcome;
use super::input;
use crate::local;
use crate::output::input_name;
use crate::render;
use crate::session::Session;

/// Check, test and roll back the policy that decides scans
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Validate(Validate),
    Test(Test),
    History(History),
    Rollback(Rollback),
}

/// Check a policy file: keys, rules and the form of its examples
#[derive(Debug, Args)]
#[command(after_help = "\
Errors are reported with line and column. `starling help policy-file` shows the keys of the YAML file. A file that begins
with `package` is Rego: it is evaluated over zero findings, with the limits of a scan. Rules that ignore findings and have
no end (`expires`), and a file without examples or tests, are noted.

Example:
  starling policy validate policy.yaml
  starling policy validate policy.rego

Exit codes: 0 valid, 2 not valid or not readable")]
pub(crate) struct Validate {
    /// The policy; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

/// Run the examples in a policy file
#[derive(Debug, Args)]
#[command(after_help = "\
Each example describes a finding, and the expected decision and rule. An example without a time is evaluated at --at.
For a Rego policy, the rules whose names begin with `test_` are run. Each must be true. A file without any shows nothing,
which is not a success.

Example:
  starling policy test policy.yaml --at 2026-06-01T00:00:00Z
  starling policy test policy.rego

Exit codes: 0 all pass, 1 an example fails or there is none, 2 not valid or not readable")]
pub(crate) struct Test {
    /// The policy; `-` is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Time at which to evaluate; default now
    #[arg(long, value_name = "TIME")]
    at: Option<starling_api_types::Timestamp>,
}

/// List the versions of the site's policy that were in use, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
The site's policy is the file in `scan.policy_file`, or with --rego the file in `scan.rego_file`. A verdict lists the
versions that made it. If the current file is not usable, this is reported, and the earlier versions are listed.

Example:
  starling policy history
  starling policy history --rego

Exit codes: 0 listed, 2 no site in the folder or its history cannot be read")]
pub(crate) struct History {
    /// Use the site's Rego policy
    #[arg(long)]
    rego: bool,
}

/// Restore an earlier version into the site's policy file
#[derive(Debug, Args)]
#[command(after_help = "\
The current content of the file stays in the history. If it is not usable, it stays in the folder `policies/` of the
site, named by its hash. A running daemon uses the restored file from its next scan on.

Example:
  starling policy rollback blake3:0f5c

Exit codes: 0 restored, 2 no such version, or no policy file is configured")]
pub(crate) struct Rollback {
    /// Hash of the version, or the beginning of its hash
    // clap already has a flag named `version`.
    #[arg(value_name = "VERSION")]
    wanted: String,
    /// Use the site's Rego policy
    #[arg(long)]
    rego: bool,
}

/// The answer of `starling policy validate`.
#[derive(Debug, Serialize)]
pub(crate) struct PolicySummary {
    /// The hash of the file's bytes; verdicts name it as `policy_version`.
    pub(crate) version: String,
    /// The language of the file.
    pub(crate) language: &'static str,
    /// The hash of its meaning, without comments and order of keys; for Rego, the hash of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_hash: Option<String>,
    /// Number of rules. For Rego: of `deny`, `warn` and `allow` rules.
    pub(crate) rules: usize,
    /// Number of examples, or tests.
    pub(crate) examples: usize,
    /// A description of what the file does not decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// The answer of `starling policy test`.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyTest {
    /// Number of examples that pass.
    pub(crate) passed: usize,
    /// Number of examples that fail.
    pub(crate) failed: usize,
    /// Each example, in the file's order.
    pub(crate) examples: Vec<ExampleOutcome>,
    /// Each test of a Rego policy, in the file's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tests: Vec<RegoTest>,
    /// A description of what the file does not decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// The note about a Rego policy without tests.
const NO_TESTS: &str =
    "it has no rule whose name begins with `test_`, so nothing shows that it decides as it should";

fn notes_of_rego(tests: usize) -> Vec<String> {
    Vec::from_iter((tests == 0).then(|| NO_TESTS.to_owned()))
}

impl Policy {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Validate(Validate { file }) => validate(session, &file).await,
            Self::Test(Test { file, at }) => test(session, &file, at).await,
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

async fn validate(session: &Session, file: &Path) -> Outcome {
    let summary = match read(file).await? {
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
            notes: document.remarks(local::now()),
        },
        Document::Rego(source) => {
            let version = source.version().to_string();
            let found = local::check_rego(source, local::now()).await;
            let found = found.map_err(|problem| named(file, problem))?;
            PolicySummary {
                version,
                language: "rego",
                policy_hash: None,
                rules: found.rules,
                examples: found.tests,
                notes: notes_of_rego(found.tests),
            }
        }
    };
    session.print(&summary, render::policy_summary)?;
    Ok(ExitStatus::Pass)
}

async fn test(session: &Session, file: &Path, at: Option<starling_api_types::Timestamp>) -> Outcome {
    let now = match at {
        Some(at) => starling_protocol::UnixMillis::saturating(u64::try_from(at.unix_millis()).unwrap_or(0)),
        None => local::now(),
    };
    let (examples, tests, notes) = match read(file).await? {
        Document::Yaml(document) => {
            let run = |example: &starling_policy::Example| example.run(&document.policy, now);
            let examples = document.examples.iter().map(run).collect();
            (examples, Vec::new(), document.remarks(now))
        }
        Document::Rego(source) => {
            let tests = local::test_rego(source, now).await;
            let tests = tests.map_err(|problem| named(file, problem))?;
            let notes = notes_of_rego(tests.len());
            (Vec::new(), tests, notes)
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
        notes,
    };
    session.print(&report, render::policy_test)?;
    // Without an example, nothing was tested.
    if failed == 0 && passed > 0 {
        return Ok(ExitStatus::Pass);
    }
    let why = match failed {
        0 => "nothing was tested: the policy has no example and no test; add one for each decision that matters".to_owned(),
        _ => format!(
            "{} of {} failed: correct the policy, or what the example expects, then run the command again",
            failed,
            failed + passed
        ),
    };
    session.close(ExitStatus::FailedByPolicy, &why);
    Ok(ExitStatus::FailedByPolicy)
}

/// A policy in either language.
enum Document {
    Yaml(Box<PolicyDocument>),
    Rego(RegoSource),
}

async fn read(file: &Path) -> Result<Document, Problem> {
    let bytes = input::read(file, "the policy", MAX_POLICY_BYTES as u64).await?;
    let invalid = |error: starling_policy::DocumentError| {
        local::invalid_policy(Path::new(&input_name(file)), &bytes, &error)
    };
    if RegoPolicy::is_meant(&bytes) {
        return RegoSource::of(&bytes).map(Document::Rego).map_err(invalid);
    }
    PolicyDocument::read(&bytes)
        .map(|document| Document::Yaml(Box::new(document)))
        .map_err(|error| {
            invalid(error).hint("`starling help policy-file` shows the keys, with an example of each")
        })
}

/// Puts the file's name before the problem's text.
fn named(file: &Path, mut problem: Problem) -> Problem {
    problem.detail = format!("{}: {}", input_name(file), problem.detail);
    problem
}

const fn kind(rego: bool) -> PolicyKind {
    if rego { PolicyKind::Rego } else { PolicyKind::Yaml }
}
