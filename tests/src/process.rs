//! Child processes: a command that runs to its end, and a daemon that runs until it is ended.
//!
//! A child is only ever ended through the handle that started it, and none outlives its handle.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use starling_api_types::Problem;

use crate::program::starling;

/// The time in which a daemon must end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at a state.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The part of a log that a failing test shows, in bytes from its end.
const SHOWN_LOG_BYTES: usize = 6_000;
/// The exit code for a command that did not end in time.
pub const HUNG: i32 = -2;

/// Returns the program with arguments, hermetic: without the tester's own environment.
pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(home: &Path, args: I) -> Command {
    let mut command = Command::new(starling());
    command
        .env_clear()
        .arg("--home")
        .arg(home)
        .args(args)
        .stdin(Stdio::null());
    // For machines without a writable /tmp.
    if let Some(folder) = std::env::var_os("TMPDIR") {
        command.env("TMPDIR", folder);
    }
    command
}

/// The end of a command, with its output.
#[derive(Debug)]
pub struct Ended {
    line: String,
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn of(mut command: Command) -> Self {
        let line = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            line,
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits for a child whose output is piped.
    ///
    /// # Panics
    /// If the system does not report how it ended.
    #[must_use]
    pub fn of_child(child: Child, line: &str) -> Self {
        let output = child.wait_with_output().expect("a child can be waited for");
        Self {
            line: line.to_owned(),
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command to its end, or ends it at the deadline with the code [`HUNG`].
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn within(mut command: Command, deadline: Duration) -> Self {
        let line = format!("{command:?}");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let [stdout, stderr] = [
            child.stdout.take().map(read_all),
            child.stderr.take().map(read_all),
        ];
        let from = Instant::now();
        let code = loop {
            match child.try_wait().expect("a child can be asked") {
                Some(status) => break status.code().unwrap_or(-1),
                None if from.elapsed() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break HUNG;
                }
                None => std::thread::sleep(LOOK_EVERY / 5),
            }
        };
        let [stdout, stderr] =
            [stdout, stderr].map(|reader| reader.and_then(|reader| reader.join().ok()).unwrap_or_default());
        Self {
            line,
            code,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Returns the problem in its JSON output, if there is one.
    #[must_use]
    pub fn said_problem(&self) -> Option<Problem> {
        self.stderr
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<Problem>(line).ok())
    }

    /// Returns its JSON answer if it ended with `code`.
    ///
    /// # Panics
    /// If it ended otherwise, or its output is not a `T`.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self, code: i32) -> T {
        self.expect(code);
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// Fails the test if it ended with another code.
    ///
    /// # Panics
    /// If it did.
    pub fn expect(&self, code: i32) {
        assert!(
            self.code == code,
            "expected exit code {code}, found {}\n{}\nstdout: {}\nstderr: {}",
            self.code,
            self.line,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
    }

    /// Returns the problem in its JSON output, if it ended with that problem's own exit code.
    ///
    /// # Panics
    /// If it succeeded, ended with another code, or reported no problem.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let problem = self
            .said_problem()
            .unwrap_or_else(|| panic!("no problem was reported: {self:?}"));
        self.expect(i32::from(problem.exit_status().code()));
        problem
    }
}

fn read_all(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        // Output up to the break of the pipe is used.
        let _ = from.read_to_end(&mut all);
        all
    })
}

/// A daemon that this process started and will end.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; its output is added to the file `log`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log can be written");
        let copy = file.try_clone().expect("a handle can be copied");
        let child = command
            .stdout(file)
            .stderr(copy)
            .spawn()
            .expect("the daemon starts");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Returns its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns its exit status if it has ended.
    ///
    /// # Panics
    /// If the system does not report it.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Fails the test with the end of the log if it has ended.
    ///
    /// # Panics
    /// If it has.
    pub fn expect_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("the daemon ended with {status}\n{}", self.log_end());
        }
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// If it takes longer than a minute.
    pub fn stop(self) -> ExitStatus {
        self.stop_with_log().0
    }

    /// Asks it to end, waits until it has, and returns the end of its log as well.
    ///
    /// # Panics
    /// If it takes longer than a minute.
    pub fn stop_with_log(mut self) -> (ExitStatus, String) {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        let status = self.await_end(STOP_DEADLINE);
        (status, self.log_end())
    }

    /// Ends it at once, like a power cut.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it takes longer than `deadline`.
    pub fn wait(mut self, deadline: Duration) -> ExitStatus {
        self.await_end(deadline)
    }

    fn await_end(&mut self, deadline: Duration) -> ExitStatus {
        let from = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                from.elapsed() < deadline,
                "the daemon does not end\n{}",
                self.log_end()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Returns the end of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(SHOWN_LOG_BYTES);
        let from = (from..log.len())
            .find(|at| log.is_char_boundary(*at))
            .unwrap_or(log.len());
        format!("end of {}:\n{}", self.log.display(), &log[from..])
    }

    /// Returns all of its log.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The child was not waited for yet, so the id still belongs to it.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only if it is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
