//! Evaluates one Rego policy in a separate process: `starling rego-worker`, started by the command and the daemon.
//!
//! The process first limits its own resources, then reads one request from standard input and writes the answer. A
//! policy that exceeds the limits ends this process only.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use starling_daemon::REGO_STACK_BYTES;
use starling_policy::{MAX_REGO_BYTES, MAX_REGO_INPUT_BYTES, RegoRequest};

/// Largest address space of the process, in bytes.
const MEMORY_BYTES: u64 = 1 << 30;
/// Most processor time, in seconds.
const PROCESSOR_SECONDS: u64 = 20;
/// Niceness of the process.
const NICENESS: i32 = 10;
/// Largest request, in bytes: policy and input as JSON strings, in which a character may take six bytes.
const REQUEST_BYTES: u64 = 6 * (MAX_REGO_BYTES + MAX_REGO_INPUT_BYTES) as u64;

/// Runs the process.
pub(crate) fn run() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads this message: the exit status is the answer.
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
    // Other scans and the daemon's work have priority. If the niceness cannot be set, continue.
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
