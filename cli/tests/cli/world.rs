//! A folder with a daemon's socket, and the program run on that folder with a clean environment.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use starling_api::{Api, ApiOptions, bind_unix, serve_unix};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::fake_site::{BUNDLE_MAX_BYTES, FakeSite};

/// A fake site, served while this value exists.
pub(crate) struct World {
    pub(crate) site: Arc<FakeSite>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    // Dropped last, because it runs the daemon.
    _runtime: Option<Runtime>,
}

impl World {
    /// Creates a folder in which a daemon answers.
    pub(crate) fn with_daemon() -> Self {
        let mut world = Self::empty();
        let runtime = Runtime::new().unwrap();
        let spool_dir = world.folder.path().join("spool");
        std::fs::create_dir(&spool_dir).unwrap();
        let options = ApiOptions {
            max_bundle_bytes: BUNDLE_MAX_BYTES,
            spool_dir,
        };
        let api = Api::new(world.site.clone(), options, world.stop.clone());
        let socket = runtime
            .block_on(bind_unix(&world.folder.path().join("starling.sock")))
            .unwrap();
        runtime.spawn(serve_unix(api, socket));
        world._runtime = Some(runtime);
        world
    }

    /// Creates a folder without a site.
    pub(crate) fn empty() -> Self {
        Self {
            site: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
            _runtime: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Returns the daemon's last request.
    pub(crate) fn asked(&self) -> String {
        self.site.asked.lock().unwrap().clone()
    }

    /// Builds the command on this folder; words are split at spaces, `@F` in a word stands for the folder.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
        let folder = self.folder.path().to_str().unwrap();
        command
            .env_clear()
            .env("STARLING_HOME", folder)
            .current_dir(folder);
        command.args(
            line.split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| word.replace("@F", folder)),
        );
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, line: &str) -> Run {
        Run::of(line, self.command(line).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs the program with a variable in its environment.
    pub(crate) fn run_under(&self, line: &str, variable: &str, value: &str) -> Run {
        let mut command = self.command(line);
        command.env(variable, value).stdin(Stdio::null());
        Run::of(line, command.output().unwrap())
    }

    /// Runs the program with a given terminal width.
    pub(crate) fn run_at(&self, line: &str, columns: &str) -> Run {
        let mut command = self.command(line);
        command.env("COLUMNS", columns).stdin(Stdio::null());
        Run::of(line, command.output().unwrap())
    }

    /// Returns bash's completions for the word with this number in `line`.
    pub(crate) fn complete(&self, line: &str, word: usize) -> Run {
        let mut command = self.command(&format!("-- {line}"));
        command
            .env("_STARLING_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", word.to_string())
            .env("_CLAP_IFS", "\n");
        Run::of(line, command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs the program with `questions`, a file, on its standard input, and its standard output on a full disk.
    pub(crate) fn run_on_full_disk(&self, line: &str, questions: &Path) -> Run {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = self.command(line);
        command.stdin(File::open(questions).unwrap()).stdout(full);
        Run::of(
            line,
            command
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
                .wait_with_output()
                .unwrap(),
        )
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> Run {
        let mut command = self.command(line);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        match child.stdin.take().unwrap().write_all(input) {
            // The program may finish before it has read everything.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            other => other.unwrap(),
        }
        Run::of(line, child.wait_with_output().unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Run {
    line: String,
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    fn of(line: &str, output: Output) -> Self {
        Self {
            line: line.to_owned(),
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Returns the run after checking that it ended with `code`.
    pub(crate) fn ends(self, code: i32) -> Self {
        let Self {
            line,
            code: found,
            stdout,
            stderr,
        } = &self;
        let stdout = String::from_utf8_lossy(stdout);
        assert_eq!(
            *found, code,
            "`{line}` ended otherwise\nstdout: {stdout}\nstderr: {stderr}"
        );
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("`{}` printed no JSON ({error}): {}", self.line, self.text()))
    }
}
