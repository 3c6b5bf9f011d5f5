//! The process that evaluates one Rego policy: `starling rego-worker`, started by the command and the daemon.
//!
//! It first bounds itself, then reads one request on standard input, and writes the answer. A policy that needs
//! more than the bounds ends this process and nothing else.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use starling_daemon::REGO_STACK_BYTES;
use starling_policy::{MAX_REGO_BYTES, MAX_REGO_INPUT_BYTES, RegoRequest};

/// Most memory, in bytes, of all that the process maps.
const MEMORY_BYTES: u64 = 1 << 30;
/// Most processor time, in seconds.
const PROCESSOR_SECONDS: u64 = 20;
/// How much the process yields to others.
const NICENESS: i32 = 10;
/// Largest request, in bytes: policy and input as texts in JSON, where a character may take six.
const REQUEST_BYTES: u64 = 6 * (MAX_REGO_BYTES + MAX_REGO_INPUT_BYTES) as u64;

/// Runs the process.
pub(crate) fn run() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads what is said here: how it ended is the answer.
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer() -> Result<(), Box<dyn std::error::Error>> {
    for (resource, most) in [
        (Resource::As, MEMORY_BYTES),
        (Resource::Cpu, PROCESSOR_SECONDS),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    // Scans without such a policy, and the daemon's own work, go first. Not being let is no reason to stop.
    let _ = rustix::process::nice(NICENESS);
    let mut bytes = Vec::new();
    std::io::stdin().take(REQUEST_BYTES).read_to_end(&mut bytes)?;
    let request: RegoRequest = serde_json::from_slice(&bytes)?;
    drop(bytes);
    let answer = std::thread::Builder::new()
        .stack_size(REGO_STACK_BYTES)
        .spawn(|| request.answer(REGO_STACK_BYTES))?
        .join()
        .map_err(|_| "the policy broke the process down")?;
    std::io::stdout().write_all(&serde_json::to_vec(&answer)?)?;
    Ok(())
}
