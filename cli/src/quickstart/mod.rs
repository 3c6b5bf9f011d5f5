//! `starling quickstart`: three sites on one machine, from nothing to three equal verdicts.
//!
//! Two sites run as daemons of their own on loopback and are linked by allow-list; the third has no
//! network and gets a bundle. The first takes in advisories, the second catches up over QUIC, the
//! third by file, and all three judge one sample SBOM. Nothing here reaches into a site: every step is
//! a command that a user can type, run as a child process of this executable, so what works here works
//! by hand. It ends only the processes that it started, also on an error, Control-C or SIGTERM.

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

/// The site that takes in the advisories.
const WEST: &str = "site-us-west-1";
/// The site that follows over QUIC.
const NORTH: &str = "site-eu-north-1";
/// The site without a network.
const AIR_GAPPED: &str = "site-air-gapped";
/// Name of the sample SBOM in the run's folder.
const SBOM_FILE: &str = "sample-sbom.json";
/// Name of the bundle in the run's folder.
const BUNDLE_FILE: &str = "for-site-air-gapped.stl";

/// What the command line asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// An OSV zip, tar, tar.zst, folder or file to take in, instead of the built-in advisories.
    pub(crate) feed: Option<PathBuf>,
    /// Where to leave the sites; absent or empty. A temporary folder, removed at the end, if `None`.
    pub(crate) keep: Option<PathBuf>,
    /// Print one JSON document instead of the story.
    pub(crate) json: bool,
}

/// Runs the whole story and prints it; the status is [`ExitStatus::Pass`] when all three sites agree,
/// [`ExitStatus::Internal`] when they do not.
///
/// # Errors
/// When a step fails, a daemon ends by itself, something awaited does not come about, or the run is
/// interrupted. Whatever was started is stopped by then.
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
    // Before anything else can fail or the folder goes: the daemons end.
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
        print(&report::comparison(&report.sites, over_quic_bytes, report.equal));
        print(&report::go_on(
            program.shown(),
            report.kept.as_deref().map(from_here).as_deref(),
        ));
    }
    Ok(if report.equal {
        ExitStatus::Pass
    } else {
        ExitStatus::Internal
    })
}

/// Prints a line. A reader that has gone, as in `starling quickstart | head`, is no reason to leave
/// daemons behind: the run goes on and ends as it should.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// `path` as one would type it from the current folder.
fn from_here(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok())
        .unwrap_or(path)
        .to_owned()
}

/// Returns when the run is to end early.
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

/// Where the sites live during the run.
enum Folder {
    /// Stays.
    Kept(PathBuf),
    /// Goes when this is dropped.
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
    fn a_folder_that_holds_something_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("mine"), "").unwrap();
        let refused = Folder::prepare(Some(temp.path()));
        assert!(matches!(refused, Err(QuickstartError::FolderNotEmpty { .. })));
    }

    #[test]
    fn a_new_folder_is_made_and_a_temporary_one_goes_again() {
        let temp = tempfile::tempdir().unwrap();
        let kept = Folder::prepare(Some(&temp.path().join("a/b"))).unwrap();
        assert!(kept.path().is_dir() && kept.path().is_absolute());
        let own = Folder::prepare(None).unwrap();
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_feed_that_is_not_there_is_refused_before_anything_is_made() {
        let options = Options {
            feed: Some("no/such/feed.zip".into()),
            ..Options::default()
        };
        let error = run(&options).await.unwrap_err();
        assert_eq!(error.exit_status(), ExitStatus::Usage);
    }
}
