//! Evaluates Rego policies, each in its own process.
//!
//! From inside, only the steps of a Rego policy can be counted; too much memory or stack ends the process that
//! evaluates it, and that must not be the daemon. So each evaluation starts the program given to
//! [`evaluate_rego_by`], which limits its own resources, reads a [`RegoRequest`] as JSON from standard input and
//! writes a [`RegoAnswer`]. The time, the size of the answer and the number of processes are limited here. If no
//! program was given, as in tests, a thread evaluates.

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

/// The argument that selects this purpose of the program.
pub const REGO_WORKER: &str = "rego-worker";
/// Stack of the evaluating thread, in bytes.
pub const REGO_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Time limit of a process. It has 20 seconds of processor time, and may also wait on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer, in bytes: each decision's texts, and space for their surroundings.
const ANSWER_BYTES: u64 = (MAX_DECISION_BYTES + 128 * MAX_DECISIONS) as u64;
/// Most processes at the same time; each may use a gibibyte.
const MOST_AT_ONCE: usize = 4;
/// Most evaluations waiting for a process.
const MOST_WAITING: usize = 16;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
static GATE: Gate = Gate::new("evaluating the Rego policy", MOST_AT_ONCE, MOST_WAITING, PATIENCE);

/// Sets the program that evaluates Rego policies; only the first call has an effect.
pub fn evaluate_rego_by(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// Summary of a valid policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegoSummary {
    /// Number of deciding rules, 1 to 3.
    pub rules: usize,
    /// Number of its tests.
    pub tests: usize,
}

/// Address space that the allocator of an evaluating process reserves at once.
const ALLOCATOR_CLAIM_KIB: &str = "65536";

/// Evaluates a policy over zero findings, which finds all errors except those that depend on findings.
///
/// # Errors
/// `policy_invalid`, with line and column if known.
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
/// `policy_invalid`, also if it does not end.
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
        "`starling policy validate FILE` checks it; docs/operations/policies.md describes its input and output",
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
        // Otherwise the program's allocator reserves all addresses that the process may have.
        .env("MIMALLOC_ARENA_RESERVE", ALLOCATOR_CLAIM_KIB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("starting a process", &error))?;
    let answer = Worker(child).answer(question, patience, ANSWER_BYTES)?;
    serde_json::from_slice(&answer).map_err(|error| failed("reading the answer", &error))
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::internal(
        "evaluating the Rego policy",
        format!("{what}: {}", error_chain(error)),
    )
}

/// An evaluating process; dropping this ends it.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // Both calls do nothing if the process has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Worker {
    /// Sends the request, and reads at most `most` bytes of answer for at most `patience`.
    fn answer(mut self, question: Vec<u8>, patience: Duration, most: u64) -> ServiceResult<Vec<u8>> {
        let deadline = Instant::now() + patience;
        // Threads, so that neither a full nor a silent pipe blocks this thread: killing the process ends them.
        let stdin = self.0.stdin.take();
        let writer = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&question)));
        let stdout = self.0.stdout.take();
        let (send, receive) = sync_channel(1);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.map_or(Ok(0), |pipe| pipe.take(most + 1).read_to_end(&mut bytes));
            // After the time limit nobody receives this.
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
                "evaluating the Rego policy: its answer has more than {most} bytes"
            )));
        }
        let status = self.end(deadline)?.ok_or_else(|| too_slow(patience))?;
        if !status.success() {
            return Err(invalid(format!(
                "evaluating the Rego policy: it needs more memory, stack or processor time than a policy may \
                 ({status})"
            )));
        }
        // The process reads everything before it answers. If it stopped early, its exit status explains why.
        match writer.join() {
            Ok(Some(Err(error))) => Err(failed("asking the process", &error)),
            _ => Ok(bytes),
        }
    }

    /// Returns its exit status, if it ended in time: its answer ends before it does.
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
    fn stalled_process_is_killed_in_time() {
        // One is silent, one does not read, one answers but does not end.
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
    fn endless_answer_is_an_error() {
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
    fn crashed_process_is_an_error_of_the_policy() {
        let problem = worker("kill -9 $$")
            .answer(Vec::new(), PATIENCE, 1_000)
            .unwrap_err();
        assert!(problem.detail.contains("signal: 9"), "{problem}");
    }
}
