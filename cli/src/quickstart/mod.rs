//! `starling quickstart`: three sites on one machine, from nothing to three equal verdicts.
//!
//! Two sites run as separate daemons on loopback and list each other; the third has no network and gets a bundle. The
//! first imports advisories, the second gets them over QUIC, the third by file, and all three scan one sample SBOM.
//! Every step is a command that a user can type, run as a child process of this executable, so that everything here
//! also works by hand. Only processes started here are stopped, also after an error, Control-C or SIGTERM.

mod builtin;
mod error;
mod feed;
mod process;
mod report;
mod site;
mod story;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use starling_api_types::ExitStatus;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::error::QuickstartError;
use self::process::Program;
use self::story::Story;
use crate::terminal;

/// The site that imports the advisories.
const WEST: &str = "site-us-west-1";
/// The site that gets them over QUIC.
const NORTH: &str = "site-eu-north-1";
/// The site without a network.
const AIR_GAPPED: &str = "site-air-gapped";
/// Name of the sample SBOM in the run's folder.
const SBOM_FILE: &str = "sample-sbom.json";
/// Name of the bundle in the run's folder.
const BUNDLE_FILE: &str = "for-site-air-gapped.stl";

/// The options of the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// An OSV zip, tar, tar.zst, folder or file to import, instead of the built-in advisories.
    pub(crate) feed: Option<PathBuf>,
    /// The folder to keep the sites in; empty or missing. If `None`, a temporary folder that is removed at the end.
    pub(crate) keep: Option<PathBuf>,
    /// True to print one JSON document instead of the story.
    pub(crate) json: bool,
}

/// Runs all steps and prints them; the status is [`ExitStatus::Pass`] if all three sites agree,
/// [`ExitStatus::Internal`] if they do not.
///
/// # Errors
/// If a step fails, a daemon ends unexpectedly, an awaited state is not reached, or the run is interrupted. All started
/// processes are stopped before this returns.
pub(crate) async fn run(options: &Options) -> Result<ExitStatus, QuickstartError> {
    if let Some(feed) = options.feed.as_ref().filter(|feed| !feed.exists()) {
        return Err(QuickstartError::FeedMissing { path: feed.clone() });
    }
    let folder = Folder::prepare(options.keep.as_deref())?;
    let program = Program::this()?;
    let mut story = Story::new(&program, folder.path(), !options.json);
    let told = tokio::select! {
        told = story.tell(options.feed.as_deref()) => told,
        error = interrupted() => Err(error),
    };
    // Stop the daemons before anything else can fail and before the folder is removed.
    let over_quic_bytes = story.stop().await;
    let mut report = told?;
    report.over_quic_bytes = over_quic_bytes;
    report
        .steps
        .iter_mut()
        .filter(|step| step.name == "sync")
        .for_each(|step| step.bytes = over_quic_bytes);
    report.kept = options.keep.as_ref().map(|_| folder.path().to_owned());
    if options.json {
        let text = serde_json::to_string_pretty(&report).map_err(|cause| QuickstartError::Output {
            command: format!("{} quickstart", program.shown()),
            found: String::new(),
            cause,
        })?;
        print(&text);
    } else {
        print_filled(
            &program,
            &report::comparison(&report.sites, over_quic_bytes, report.equal),
        );
        let kept = report.kept.as_deref().map(from_here);
        print_filled(&program, &report::go_on(program.shown(), kept.as_deref()));
    }
    Ok(if report.equal {
        ExitStatus::Pass
    } else {
        ExitStatus::Internal
    })
}

/// Prints a text, wrapped at words to the terminal; commands stay whole.
fn print_filled(program: &Program, text: &str) {
    print(terminal::filled(program.shown(), text).trim_end_matches('\n'));
}

/// Prints a line. If the reader is gone, as in `starling quickstart | head`, the run still continues to its normal
/// end, so that no daemon is left running.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Returns `path` as a user would type it from the current folder.
fn from_here(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok())
        .unwrap_or(path)
        .to_owned()
}

/// Waits for an interruption and returns it.
async fn interrupted() -> QuickstartError {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => QuickstartError::Interrupted,
                _ = terminate.recv() => QuickstartError::Interrupted,
            }
        }
        (Err(cause), _) | (_, Err(cause)) => QuickstartError::Spawn {
            command: "the handler of Control-C".to_owned(),
            cause,
        },
    }
}

/// The folder of the sites during the run.
enum Folder {
    /// Kept.
    Kept(PathBuf),
    /// Removed when this is dropped.
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn prepare(keep: Option<&Path>) -> Result<Self, QuickstartError> {
        let failed = |attempted, path: &Path, cause| QuickstartError::Folder {
            attempted,
            path: path.to_owned(),
            cause,
        };
        let Some(path) = keep else {
            let temp = tempfile::Builder::new().prefix("starling-").tempdir();
            return temp
                .map(Self::Temporary)
                .map_err(|cause| failed("creating a folder in", &std::env::temp_dir(), cause));
        };
        std::fs::create_dir_all(path).map_err(|cause| failed("creating", path, cause))?;
        let mut entries = std::fs::read_dir(path).map_err(|cause| failed("reading", path, cause))?;
        if entries.next().is_some() {
            return Err(QuickstartError::FolderNotEmpty {
                path: path.to_owned(),
            });
        }
        let path = path
            .canonicalize()
            .map_err(|cause| failed("finding", path, cause))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(temp) => temp.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_empty_folder_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("mine"), "").unwrap();
        let refused = Folder::prepare(Some(temp.path()));
        assert!(matches!(refused, Err(QuickstartError::FolderNotEmpty { .. })));
    }

    #[test]
    fn temporary_folder_is_removed_at_the_end() {
        let temp = tempfile::tempdir().unwrap();
        let kept = Folder::prepare(Some(&temp.path().join("a/b"))).unwrap();
        assert!(kept.path().is_dir() && kept.path().is_absolute());
        let own = Folder::prepare(None).unwrap();
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn missing_feed_is_refused_before_any_step() {
        let options = Options {
            feed: Some("no/such/feed.zip".into()),
            ..Options::default()
        };
        let error = run(&options).await.unwrap_err();
        assert_eq!(error.exit_status(), ExitStatus::Usage);
    }
}
