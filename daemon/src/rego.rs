//! Rego policies, each evaluated in a process of its own.
//!
//! Of a policy in Rego only its steps can be counted from inside; what it takes of memory and stack ends the
//! process that evaluates it, and that shall not be the daemon. The program that the binary names
//! ([`evaluate_rego_by`]) is started for each evaluation, bounds itself, reads a [`RegoRequest`] as JSON on its
//! standard input and writes a [`RegoAnswer`]. Where no program is named, as in tests, a thread does it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, Problem};
use starling_policy::{RegoAnswer, RegoDecisions, RegoInput, RegoRequest, RegoSource, RegoTest};
use starling_protocol::UnixMillis;

use crate::home::error_chain;

/// The argument by which the program is told what it is started for.
pub const REGO_WORKER: &str = "rego-worker";
/// Stack of the thread that evaluates, in bytes.
pub const REGO_STACK_BYTES: usize = 64 * 1024 * 1024;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that evaluates Rego policies; the first name given counts.
pub fn evaluate_rego_by(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// What is known of a policy that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegoSummary {
    /// Number of rules that decide, 1 to 3.
    pub rules: usize,
    /// Number of its tests.
    pub tests: usize,
}

/// Addresses that the allocator of a process that evaluates claims at once; more when it needs them.
const ALLOCATOR_CLAIM_KIB: &str = "65536";

/// Evaluates a policy over no findings, which finds all that is wrong with it besides what it says of findings.
///
/// # Errors
/// `policy_invalid`, with line and column where they are known.
pub fn check_rego(source: &RegoSource, at: UnixMillis) -> ServiceResult<RegoSummary> {
    match ask(source, &RegoInput::empty(at), false)? {
        RegoAnswer::Decisions { rules, tests, .. } => Ok(RegoSummary { rules, tests }),
        other => Err(odd(&other)),
    }
}

/// Runs a policy's tests.
///
/// # Errors
/// `policy_invalid`.
pub fn test_rego(source: &RegoSource, at: UnixMillis) -> ServiceResult<Vec<RegoTest>> {
    match ask(source, &RegoInput::empty(at), true)? {
        RegoAnswer::Tests(tests) => Ok(tests),
        other => Err(odd(&other)),
    }
}

/// Evaluates a policy.
///
/// # Errors
/// `policy_invalid`, also where it comes to no end.
pub(crate) fn evaluate(source: &RegoSource, input: &RegoInput) -> ServiceResult<RegoDecisions> {
    match ask(source, input, false)? {
        RegoAnswer::Decisions { decisions, .. } => Ok(RegoDecisions {
            version: source.version(),
            decisions,
        }),
        other => Err(odd(&other)),
    }
}

fn odd(answer: &RegoAnswer) -> Problem {
    Problem::internal(
        "evaluating the Rego policy",
        format!("unexpected answer {answer:?}"),
    )
}

fn invalid(text: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::PolicyInvalid, text).hint(
        "`starling policy validate FILE` checks it; docs/operations.md says what it is given and may say",
    )
}

fn ask(source: &RegoSource, input: &RegoInput, test: bool) -> ServiceResult<RegoAnswer> {
    let request = RegoRequest {
        policy: source.text().to_owned(),
        input: input.as_json().to_owned(),
        test,
    };
    let answer = match PROGRAM.get() {
        Some(program) => by_process(program, &request)?,
        None => by_thread(request)?,
    };
    match answer {
        RegoAnswer::Refused(error) => Err(invalid(error.to_string())),
        RegoAnswer::Unasked(why) => Err(Problem::internal("evaluating the Rego policy", why)),
        answer => Ok(answer),
    }
}

fn by_thread(request: RegoRequest) -> ServiceResult<RegoAnswer> {
    let failed = |text: String| Problem::internal("evaluating the Rego policy", text);
    std::thread::Builder::new()
        .stack_size(REGO_STACK_BYTES)
        .spawn(|| request.answer(REGO_STACK_BYTES))
        .map_err(|error| failed(error_chain(&error)))?
        .join()
        .map_err(|_| failed("the thread panicked".to_owned()))
}

fn by_process(program: &PathBuf, request: &RegoRequest) -> ServiceResult<RegoAnswer> {
    let failed = |what: &str, error: &dyn std::error::Error| {
        Problem::internal(
            "evaluating the Rego policy",
            format!("{what}: {}", error_chain(error)),
        )
    };
    let question = serde_json::to_vec(request).map_err(|error| failed("writing the question", &error))?;
    let mut child = Command::new(program)
        .arg(REGO_WORKER)
        .env_clear()
        // Else the program's allocator claims as many addresses at its start as the process may have.
        .env("MIMALLOC_ARENA_RESERVE", ALLOCATOR_CLAIM_KIB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("starting a process", &error))?;
    // It reads all before it writes anything, so neither waits for the other. One that broke off is told of by
    // how it ended.
    let written = child.stdin.take().map(|mut pipe| pipe.write_all(&question));
    let output = child
        .wait_with_output()
        .map_err(|error| failed("waiting for the process", &error))?;
    if !output.status.success() {
        return Err(invalid(format!(
            "evaluating the Rego policy: it takes more memory, stack or processor time than a policy may \
             ({})",
            output.status
        )));
    }
    if let Some(Err(error)) = written {
        return Err(failed("asking the process", &error));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed("reading the answer", &error))
}
