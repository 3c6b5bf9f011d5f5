//! The test binary run again as another process, which executes the numbered steps.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use starling_store::engine::{EngineKind, HomeLock, open};

use super::bed::options;
use super::steps;

const DIR: &str = "STARLING_TEST_CHILD_DIR";
const ENGINE: &str = "STARLING_TEST_CHILD_ENGINE";
const ACKNOWLEDGED: &str = "acknowledged ";
const FAILED: &str = "failed ";

/// Not a test by itself: it runs in the child process only.
#[test]
fn child_process_does_steps_until_it_fails_or_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let kind: EngineKind = std::env::var(ENGINE).unwrap().parse().unwrap();
    let dir = Path::new(&dir);
    let _lock = HomeLock::take(dir.parent().unwrap()).unwrap();
    let engine = open(kind, dir, &options()).unwrap();
    let mut step = steps::position(&*engine);
    say(ACKNOWLEDGED, step);
    loop {
        step += 1;
        match steps::run(&*engine, step) {
            Ok(()) => say(ACKNOWLEDGED, step),
            Err(error) => {
                say(FAILED, format!("{error:?}"));
                return;
            }
        }
    }
}

fn say(what: &str, value: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Fails when the parent is gone; then nobody reads the output.
    let _ = writeln!(out, "{what}{value}").and_then(|()| out.flush());
}

/// An output of a child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Acknowledged(u64),
    Failed(String),
}

/// A running child; killed when dropped.
pub(crate) struct Steps {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Steps {
    /// Starts a child on the store in `dir`.
    pub(crate) fn start(kind: EngineKind, dir: &Path) -> Self {
        Self::start_under(&[], kind, dir)
    }

    /// Starts a child with a command that runs its arguments.
    pub(crate) fn start_under(wrapper: &[&str], kind: EngineKind, dir: &Path) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut words: Vec<&OsStr> = wrapper.iter().map(OsStr::new).collect();
        words.push(exe.as_os_str());
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args([
                "--exact",
                "engine::child::child_process_does_steps_until_it_fails_or_is_killed",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(DIR, dir)
            .env(ENGINE, kind.name())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the child's next output, or `None` when the child has ended.
    pub(crate) fn next(&mut self) -> Option<Said> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The kill cut off a line without its end: it does not count.
            let whole = line.strip_suffix('\n')?;
            // The test harness prints too, sometimes at the start of our line.
            if let Some((_, number)) = whole.rsplit_once(ACKNOWLEDGED) {
                return Some(Said::Acknowledged(number.parse().unwrap()));
            }
            if let Some((_, error)) = whole.split_once(FAILED) {
                return Some(Said::Failed(error.to_owned()));
            }
        }
    }

    /// Kills the child with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the child's own end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of a new store within a temporary folder.
pub(crate) fn store_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store")
}
