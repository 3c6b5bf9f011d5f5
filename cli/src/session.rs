//! One run of the command: the site, the way to reach it, and the output.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use starling_api::{SiteService, file_problem};
use starling_api_types::{ErrorCode, ExitStatus, HEALTH_OPENING, Problem};
use tokio::time::Instant;

use crate::client::Client;
use crate::progress::{Step, Waiting};
use crate::terminal::Tone;
use crate::{environment, local};

/// The daemon's socket in the site's folder, created by `starling-daemon`.
pub(crate) const SOCKET_FILE: &str = "starling.sock";
/// How long to wait for a store that another process uses. A daemon that starts or stops, or another command, releases
/// the store or answers within that time.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One run of the command.
#[derive(Debug)]
pub(crate) struct Session {
    home: PathBuf,
    json: bool,
    /// True after the warning about variables that have no effect.
    warned: AtomicBool,
}

impl Session {
    /// Creates a run for the site in `home`, which may not exist yet.
    pub(crate) const fn new(home: PathBuf, json: bool) -> Self {
        Self {
            home,
            json,
            warned: AtomicBool::new(false),
        }
    }

    /// Returns the site's folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Returns true if the output is JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Starts a step of long work.
    pub(crate) fn step(&self, what: impl Into<String>) -> Step {
        Step::start(what.into())
    }

    /// Returns the site: its daemon if one answers, else its store.
    ///
    /// # Errors
    /// The daemon's refusal, or the reason why the store cannot be opened. The problem then explains both.
    pub(crate) async fn site(&self, step: &Step) -> Result<Arc<dyn SiteService>, Problem> {
        self.site_or(step, || local::open(&self.home, step.watcher()))
            .await
    }

    /// Returns the site, if the folder holds one.
    ///
    /// # Errors
    /// As [`site`](Self::site), except for a folder without a site.
    pub(crate) async fn site_if_any(&self, step: &Step) -> Result<Option<Arc<dyn SiteService>>, Problem> {
        match self.site(step).await {
            Err(problem) if problem.code == ErrorCode::NotInitialised => Ok(None),
            site => site.map(Some),
        }
    }

    /// Returns the site's daemon, or its store opened with damaged parts skipped.
    ///
    /// # Errors
    /// As [`site`](Self::site), except for a damaged log.
    pub(crate) async fn site_to_repair(&self, step: &Step) -> Result<Arc<dyn SiteService>, Problem> {
        self.site_or(step, || local::open_to_repair(&self.home)).await
    }

    async fn site_or<F: Future<Output = Result<Arc<dyn SiteService>, Problem>>>(
        &self,
        step: &Step,
        open: impl Fn() -> F,
    ) -> Result<Arc<dyn SiteService>, Problem> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        let mut waiting = Waiting::start();
        loop {
            match self.open_daemon(step).await {
                Ok(client) => return Ok(Arc::new(client)),
                Err(problem) if problem.code == ErrorCode::DaemonNotRunning => {}
                Err(problem) => return Err(problem),
            }
            match open().await {
                Ok(site) => return Ok(site),
                Err(problem) if problem.code == ErrorCode::StoreLocked && Instant::now() < deadline => {
                    waiting.say(step, || {
                        let most = LOCK_PATIENCE.as_secs();
                        format!("waiting for the store, which another process uses, {most} s at most")
                    });
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(mut problem) => {
                    problem.detail = format!(
                        "no daemon answers on {}, and opening the store directly failed: {}",
                        self.socket().display(),
                        problem.detail
                    );
                    return Err(problem);
                }
            }
        }
    }

    /// Updates the match index after a command that changed the site's knowledge; the command's answer is already
    /// printed. Returns the duration in milliseconds, or 0 if a daemon builds the index.
    pub(crate) async fn make_ready_to_scan(&self, site: &dyn SiteService) -> u64 {
        let step = self.step("Building the match index");
        let started = Instant::now();
        step.follow(site, site.make_ready_to_scan()).await;
        u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the site's daemon. Warns once of variables here that it does not apply.
    ///
    /// # Errors
    /// `daemon_not_running`, or why its socket cannot be used; `config_invalid` for a misspelt variable.
    pub(crate) async fn daemon(&self, step: &Step) -> Result<Client, Problem> {
        let client = Client::connect(self.socket(), step.clone()).await?;
        let ignored = environment::ignored(client.process())?;
        if let Some(warning) = environment::warning(&ignored)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            warn(&warning);
        }
        Ok(client)
    }

    /// Checks that no variable here sets a gate of scans that the site's daemon, if one runs, does not apply.
    ///
    /// # Errors
    /// `config_invalid`.
    pub(crate) async fn ensure_gates_apply(&self) -> Result<(), Problem> {
        if !environment::sets_gates()? {
            return Ok(());
        }
        match Client::connect(self.socket(), Step::silent()).await {
            Ok(client) => environment::refuse_gates(&environment::ignored(client.process())?),
            // The next call to the daemon reports that.
            Err(_) => Ok(()),
        }
    }

    /// Returns the site's daemon when its store is open. If that takes too long, returns it anyway: it reports its
    /// progress.
    ///
    /// # Errors
    /// As [`daemon`](Self::daemon), or `unreachable`.
    pub(crate) async fn open_daemon(&self, step: &Step) -> Result<Client, Problem> {
        let client = self.daemon(step).await?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        let mut waiting = Waiting::start();
        loop {
            match client.health().await {
                Ok(health) if health.status == HEALTH_OPENING && Instant::now() < deadline => {
                    waiting.say(step, || {
                        "waiting for the daemon, which opens its store".to_owned()
                    });
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok(_) => return Ok(client),
                // Another program answers there.
                Err(problem) if problem.code == ErrorCode::Unreachable => return Err(problem),
                // The call itself reports the problem better.
                Err(_) => return Ok(client),
            }
        }
    }

    /// Checks that no daemon runs, for work that needs exclusive access to the store.
    ///
    /// # Errors
    /// `daemon_running`.
    pub(crate) async fn ensure_no_daemon(&self, work: &str) -> Result<(), Problem> {
        match Client::connect(self.socket(), Step::silent()).await {
            Err(problem) if problem.code == ErrorCode::DaemonNotRunning => Ok(()),
            _ => Err(Problem::new(
                ErrorCode::DaemonRunning,
                format!("{work}: a daemon answers on {}", self.socket().display()),
            )
            .hint("stop the daemon, run the command again, then start the daemon")),
        }
    }

    fn socket(&self) -> PathBuf {
        self.home.join(SOCKET_FILE)
    }

    /// Says on standard error, at the end, why a command whose answer is printed does not end with 0, and what to do.
    /// Says nothing with `--json`: the answer has it in fields.
    pub(crate) fn close(&self, status: ExitStatus, why: &str) {
        if !self.json {
            labelled(&closing(status), Tone::Warn, why);
        }
    }

    /// Prints additional text; nothing with `--json`.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub(crate) fn print_text(&self, text: &str) -> Result<(), Problem> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// Prints an answer, as JSON or as text from `text`.
    ///
    /// # Errors
    /// If standard output cannot be written to. A closed pipe is not an error.
    pub(crate) fn print<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Problem> {
        let mut out = if self.json {
            serde_json::to_string_pretty(value).map_err(|error| Problem::internal("writing JSON", error))?
        } else {
            crate::terminal::filled_answer(&text(value))
        };
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        print(&out)
    }
}

/// Returns the label of a command's last sentence.
fn closing(status: ExitStatus) -> String {
    format!("{} (exit code {})", status.meaning(), status.code())
}

/// Writes to standard output.
///
/// # Errors
/// If standard output cannot be written to. A closed pipe is not an error: the reader has all it wanted.
pub(crate) fn print(text: &str) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(file_problem("writing", Path::new("standard output"), &error))
        }
        _ => Ok(()),
    }
}

/// Prints a message on standard error that is not the command's answer. On a terminal it is wrapped.
pub(crate) fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    for line in text.lines() {
        let line = crate::render::plain(line);
        // If standard error is closed, there is nobody to notify.
        let _ = write!(out, "{}", crate::terminal::wrapped_stderr("", 0, &line));
    }
}

/// Prints a document for programs on standard error, on one line.
pub(crate) fn note_document(text: &str) {
    // If standard error is closed, there is nobody to notify.
    let _ = writeln!(std::io::stderr().lock(), "{}", crate::render::plain(text));
}

/// Prints a message on standard error after a coloured label: `error: …`, `warning: …`. On a terminal it is wrapped.
pub(crate) fn labelled(label: &str, tone: Tone, text: &str) {
    let mut out = std::io::stderr().lock();
    let mut label = Some(format!("{} ", tone.paint_stderr(&format!("{label}:"))));
    for line in text.lines() {
        let line = crate::render::plain(line);
        let first = label.take().unwrap_or_default();
        // If standard error is closed, there is nobody to notify.
        let _ = write!(out, "{}", crate::terminal::wrapped_stderr(&first, 2, &line));
    }
}

/// Prints a warning on standard error.
pub(crate) fn warn(text: &str) {
    labelled("warning", Tone::Warn, text);
}

/// Returns the site's folder: as given, else the default in the user's data folder.
///
/// # Errors
/// If neither the option nor the user's home folder is known.
pub(crate) fn resolve_home(given: Option<PathBuf>) -> Result<PathBuf, Problem> {
    if let Some(home) = given {
        return Ok(home);
    }
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("starling"))
        .ok_or_else(|| {
            Problem::new(
                ErrorCode::ConfigInvalid,
                "finding the site's folder: neither --home nor HOME is set",
            )
            .hint("set --home DIR or STARLING_HOME")
        })
}
