//! Rego policies, each evaluated in a process of its own.
//!
//! Of a policy in Rego only its steps can be counted from inside; what it takes of memory and stack ends the
//! process that evaluates it, and that shall not be the daemon. The program that the binary names
//! ([`evaluate_rego_by`]) is started for each evaluation, bounds itself, reads a [`RegoRequest`] as JSON on its
//! standard input and writes a [`RegoAnswer`]. How long it takes and how much it answers is bounded from here, and so
//! is how many there are at once. Where no program is named, as in tests, a thread does it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, Problem};
use starling_policy::{
    MAX_DECISION_BYTES, MAX_DECISIONS, RegoAnswer, RegoDecisions, RegoInput, RegoRequest, RegoSource,
    RegoTest,
};
use starling_protocol::UnixMillis;

use crate::gate::Gate;
use crate::home::error_chain;

/// The argument by which the program is told what it is started for.
pub const REGO_WORKER: &str = "rego-worker";
/// Stack of the thread that evaluates, in bytes.
pub const REGO_STACK_BYTES: usize = 64 * 1024 * 1024;

/// How long a process may take. It has 20 seconds of processor time; on a machine that is busy it waits besides.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of an answer: each decision's texts, and some for what stands around them.
const ANSWER_BYTES: u64 = (MAX_DECISION_BYTES + 128 * MAX_DECISIONS) as u64;
/// Most processes at once, each of which may take a gibibyte.
const MOST_AT_ONCE: usize = 4;
/// Most evaluations that wait for one of them.
const MOST_WAITING: usize = 16;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
static GATE: Gate = Gate::new("evaluating the Rego policy", MOST_AT_ONCE, MOST_WAITING, PATIENCE);

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
        "`starling policy validate FILE` checks it; docs/operations/policies.md says what it is given and may say",
    )
}

fn ask(source: &RegoSource, input: &RegoInput, test: bool) -> ServiceResult<RegoAnswer> {
    let request = RegoRequest {
        policy: source.text().to_owned(),
        input: input.as_json().to_owned(),
        test,
    };
    let _place = GATE.enter()?;
    let answer = match PROGRAM.get() {
        Some(program) => by_process(program, &request, PATIENCE)?,
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

fn by_process(program: &PathBuf, request: &RegoRequest, patience: Duration) -> ServiceResult<RegoAnswer> {
    let question = serde_json::to_vec(request).map_err(|error| failed("writing the question", &error))?;
    let mut command = Command::new(program);
    let child = command
        .arg(REGO_WORKER)
        .env_clear()
        // Else the program's allocator claims as many addresses at its start as the process may have.
        .env("MIMALLOC_ARENA_RESERVE", ALLOCATOR_CLAIM_KIB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("starting a process", &error))?;
    let answer = Worker(child).answer(question, patience, ANSWER_BYTES)?;
    serde_json::from_slice(&answer).map_err(|error| failed("reading the answer", &error))
}

fn failed(what: &str, error: &dyn std::error::Error) -> Problem {
    Problem::internal(
        "evaluating the Rego policy",
        format!("{what}: {}", error_chain(error)),
    )
}

/// A process that evaluates; it ends with this.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // Both do nothing to one that has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Worker {
    /// Asks, and reads at most `most` bytes of answer for at most `patience`.
    fn answer(mut self, question: Vec<u8>, patience: Duration, most: u64) -> ServiceResult<Vec<u8>> {
        let deadline = Instant::now() + patience;
        // Threads, so that neither a pipe that is full nor one that stays silent keeps this one: killing the process
        // ends them.
        let stdin = self.0.stdin.take();
        let writer = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&question)));
        let stdout = self.0.stdout.take();
        let (send, receive) = sync_channel(1);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.map_or(Ok(0), |pipe| pipe.take(most + 1).read_to_end(&mut bytes));
            // Nobody listens once the time is over.
            let _ = send.send(read.map(|_| bytes));
        });
        let left = deadline.saturating_duration_since(Instant::now());
        let bytes = match receive.recv_timeout(left) {
            Ok(read) => read.map_err(|error| failed("reading the answer", &error))?,
            Err(RecvTimeoutError::Timeout) => return Err(too_slow(patience)),
            Err(error @ RecvTimeoutError::Disconnected) => return Err(failed("reading the answer", &error)),
        };
        if bytes.len() as u64 > most {
            return Err(invalid(format!(
                "evaluating the Rego policy: it answers with more than {most} bytes"
            )));
        }
        let status = self.end(deadline)?.ok_or_else(|| too_slow(patience))?;
        if !status.success() {
            return Err(invalid(format!(
                "evaluating the Rego policy: it takes more memory, stack or processor time than a policy may \
                 ({status})"
            )));
        }
        // It reads all before it answers. One that broke off is told of by how it ended.
        match writer.join() {
            Ok(Some(Err(error))) => Err(failed("asking the process", &error)),
            _ => Ok(bytes),
        }
    }

    /// How it ended, if it did in time: its answer ends before it does.
    fn end(&mut self, deadline: Instant) -> ServiceResult<Option<ExitStatus>> {
        loop {
            let ended = self.0.try_wait();
            let ended = ended.map_err(|error| failed("waiting for the process", &error))?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn too_slow(patience: Duration) -> Problem {
    invalid(format!(
        "evaluating the Rego policy: it did not end within {} s",
        patience.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(script: &str) -> Worker {
        let mut command = Command::new("/bin/sh");
        let piped = command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Worker(piped.spawn().unwrap())
    }

    #[test]
    fn a_process_that_does_not_end_is_killed_in_time_however_it_stalls() {
        // One is silent, one does not read, one answers and stays.
        for script in ["exec sleep 600", "exec sleep 600 <&-", "exec >&-; exec sleep 600"] {
            let began = Instant::now();
            let worker = worker(script);
            let process = worker.0.id();
            let asked = worker.answer(vec![b'x'; 1 << 20], Duration::from_millis(300), 100);
            let problem = asked.unwrap_err();
            assert!(
                problem.detail.contains("did not end within"),
                "{script}: {problem}"
            );
            assert!(began.elapsed() < Duration::from_secs(60), "{script}");
            assert!(
                !std::path::Path::new(&format!("/proc/{process}")).exists(),
                "{script}"
            );
        }
    }

    #[test]
    fn an_answer_without_end_is_cut_and_one_within_the_bound_is_whole() {
        let problem = worker("exec cat /dev/zero")
            .answer(Vec::new(), PATIENCE, 1_000)
            .unwrap_err();
        assert!(problem.detail.contains("more than 1000 bytes"), "{problem}");
        assert_eq!(problem.code, ErrorCode::PolicyInvalid);
        let question = vec![b'q'; 300_000];
        let answer = worker("exec cat")
            .answer(question.clone(), PATIENCE, 300_000)
            .unwrap();
        assert_eq!(answer, question);
    }

    #[test]
    fn a_process_that_broke_off_is_an_error_of_the_policy() {
        let problem = worker("kill -9 $$")
            .answer(Vec::new(), PATIENCE, 1_000)
            .unwrap_err();
        assert!(problem.detail.contains("signal: 9"), "{problem}");
    }
}
