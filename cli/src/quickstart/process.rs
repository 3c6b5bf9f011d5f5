//! Runs child processes: single commands that end by themselves, and daemons that are stopped.
//!
//! The quickstart only calls its own executable, as a user would. A child is only stopped through the handle that
//! started it, and no child survives the run: dropping a handle kills the child.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus as ProcessStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use starling_api_types::ExitStatus;
use tokio::process::{Child, Command};

use super::error::QuickstartError;

/// Time that a daemon has after SIGTERM before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(15);
/// Number of bytes shown of an error output or log, from its end.
const SHOWN_BYTES: usize = 4 * 1024;

/// The running program, used to start children.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    /// Its name as a user would type it.
    shown: String,
}

impl Program {
    /// Returns this process's own executable.
    pub(super) fn this() -> Result<Self, QuickstartError> {
        let path = std::env::current_exe().map_err(|cause| QuickstartError::Spawn {
            command: "starling".to_owned(),
            cause,
        })?;
        let shown = super::from_here(&path).display().to_string();
        Ok(Self { path, shown })
    }

    /// Returns the program's name as a user would type it from the current folder.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Builds a command for the site in `home`.
    pub(super) fn command(&self, home: &Path, args: impl IntoIterator<Item = impl Into<OsString>>) -> Call {
        let mut all = vec![OsString::from("--home"), home.as_os_str().to_owned()];
        all.extend(args.into_iter().map(Into::into));
        Call {
            program: self.clone(),
            args: all,
        }
    }
}

/// A command line that is not started yet.
#[derive(Debug, Clone)]
pub(super) struct Call {
    program: Program,
    args: Vec<OsString>,
}

impl Call {
    /// Returns the command line as a user would type it.
    pub(super) fn shown(&self) -> String {
        let mut line = self.program.shown.clone();
        for arg in &self.args {
            let text = arg.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                let _ = write!(line, " {text}");
            } else {
                let _ = write!(line, " '{}'", text.replace('\'', r"'\''"));
            }
        }
        line
    }

    fn prepare(&self) -> Command {
        let mut command = Command::new(&self.program.path);
        command.args(&self.args).stdin(Stdio::null()).kill_on_drop(true);
        // The caller's own settings belong to the caller's own site.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STARLING_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs the command and parses its `--json` output.
    ///
    /// # Errors
    /// If it cannot be started, if its exit code is not in `accepted`, or if its output is not a `T`.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        accepted: &[ExitStatus],
    ) -> Result<T, QuickstartError> {
        let output = self
            .prepare()
            .output()
            .await
            .map_err(|cause| self.spawn_error(cause))?;
        let status = output
            .status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .and_then(ExitStatus::from_code);
        if !status.is_some_and(|status| accepted.contains(&status)) {
            return Err(QuickstartError::Command {
                command: self.shown(),
                code: describe(output.status),
                status: status.unwrap_or(ExitStatus::Internal),
                said: end_of(&output.stderr),
            });
        }
        self.read(&output.stdout)
    }

    /// Parses the command's output.
    ///
    /// # Errors
    /// If it is not a `T`.
    pub(super) fn read<T: DeserializeOwned>(&self, printed: &[u8]) -> Result<T, QuickstartError> {
        serde_json::from_slice(printed).map_err(|cause| QuickstartError::Output {
            command: self.shown(),
            found: String::from_utf8_lossy(printed).chars().take(200).collect(),
            cause,
        })
    }

    /// Starts the command as a daemon of `site`, with its output in the file `log`.
    ///
    /// # Errors
    /// If the log cannot be created or the command cannot be started.
    pub(super) fn daemon(&self, site: &str, log: PathBuf) -> Result<Daemon, QuickstartError> {
        let folder = |cause| QuickstartError::Folder {
            attempted: "creating the log",
            path: log.clone(),
            cause,
        };
        let file = File::create(&log).map_err(folder)?;
        let copy = file.try_clone().map_err(folder)?;
        let child = self
            .prepare()
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|cause| self.spawn_error(cause))?;
        Ok(Daemon {
            child,
            site: site.to_owned(),
            log,
        })
    }

    fn spawn_error(&self, cause: std::io::Error) -> QuickstartError {
        QuickstartError::Spawn {
            command: self.shown(),
            cause,
        }
    }
}

/// A daemon that this process started and will stop.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    site: String,
    log: PathBuf,
}

impl Daemon {
    /// Fails with the end of the log if the daemon has ended.
    ///
    /// # Errors
    /// [`QuickstartError::DaemonEnded`].
    pub(super) fn ensure_running(&mut self) -> Result<(), QuickstartError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(QuickstartError::DaemonEnded {
                site: self.site.clone(),
                code: describe(status),
                log: end_of_file(&self.log),
            }),
            Err(cause) => Err(QuickstartError::Spawn {
                command: format!("the daemon of {}", self.site),
                cause,
            }),
        }
    }

    /// Asks the daemon to stop, waits for its end, and kills it if it takes too long.
    ///
    /// Returns true if it ended without being killed.
    pub(super) async fn stop(mut self) -> bool {
        // `id` is empty after the child was reaped: another process may then have the number.
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails if the daemon has just ended, which the wait below notices.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_DEADLINE, self.child.wait())
            .await
            .is_ok()
        {
            return true;
        }
        let _ = self.child.kill().await;
        false
    }
}

fn describe(status: ProcessStatus) -> String {
    match status.code() {
        Some(code) => u8::try_from(code)
            .ok()
            .and_then(ExitStatus::from_code)
            .map_or_else(
                || format!("exit code {code}"),
                |known| format!("exit code {known}"),
            ),
        None => status.to_string(),
    }
}

fn end_of(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(SHOWN_BYTES);
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

fn end_of_file(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SHOWN_BYTES as u64)))?;
        let mut bytes = Vec::new();
        file.take(SHOWN_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(
        |error| format!("(the log {} cannot be read: {error})", path.display()),
        |b| end_of(&b),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &str) -> Program {
        Program {
            path: path.into(),
            shown: "starling".to_owned(),
        }
    }

    #[test]
    fn shown_command_line_can_be_typed() {
        let call = program("starling").command(Path::new("/d/my site"), ["sites", "add", "it's", "*"]);
        assert_eq!(
            call.shown(),
            r"starling --home '/d/my site' sites add 'it'\''s' '*'"
        );
    }

    #[tokio::test]
    async fn failed_command_reports_its_line_and_output() {
        // `false` is a command that fails: it ignores its arguments and exits with 1.
        let call = program("false").command(Path::new("d"), ["status"]);
        let error = call
            .json::<serde_json::Value>(&[ExitStatus::Pass])
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`starling --home d status` ended with exit code 1"),
            "{error}"
        );
        assert_eq!(error.exit_status(), ExitStatus::FailedByPolicy);
    }

    #[tokio::test]
    async fn output_that_is_not_json_is_shown() {
        let call = program("echo").command(Path::new("d"), ["hello"]);
        let error = call
            .json::<serde_json::Value>(&[ExitStatus::Pass])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("--home d hello"), "{error}");
    }

    #[tokio::test]
    async fn unexpected_daemon_end_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let call = program("echo").command(Path::new("d"), ["no such key: listne"]);
        let mut daemon = call.daemon("site-a", folder.path().join("daemon.log")).unwrap();
        daemon.child.wait().await.unwrap();
        let error = daemon.ensure_running().unwrap_err();
        assert!(error.to_string().contains("no such key: listne"), "{error}");
    }

    #[tokio::test]
    async fn running_daemon_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        // `tail -f` runs until it is stopped.
        let mut call = program("tail").command(Path::new("d"), [] as [&str; 0]);
        call.args = ["-f", "/dev/null"].map(OsString::from).to_vec();
        let mut daemon = call.daemon("site-a", folder.path().join("daemon.log")).unwrap();
        daemon.ensure_running().unwrap();
        assert!(daemon.stop().await);
    }
}
