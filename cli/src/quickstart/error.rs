//! Errors of the quickstart: the attempted step, the cause, and what to do.

use std::path::PathBuf;

use starling_api_types::ExitStatus;

/// The reason why a quickstart stopped. The text includes the cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuickstartError {
    /// The folder given with `--keep` is not empty.
    #[error(
        "keeping the sites in {}: the folder is not empty; give a new one, or empty it first",
        path.display()
    )]
    FolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The input given with `--feed` does not exist.
    #[error("reading the feed {}: no such file or folder", path.display())]
    FeedMissing {
        /// The input.
        path: PathBuf,
    },
    /// A file or folder could not be created or read.
    #[error("{attempted} {}: {cause}", path.display())]
    Folder {
        /// The attempted action, such as `creating`.
        attempted: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// A child process could not be started.
    #[error("starting `{command}`: {cause}")]
    Spawn {
        /// The command line.
        command: String,
        /// The cause.
        cause: std::io::Error,
    },
    /// A command ended with an unexpected code.
    #[error("`{command}` ended with {code}; its error output:\n{said}")]
    Command {
        /// The command line, as a user would type it.
        command: String,
        /// The exit code or signal.
        code: String,
        /// The meaning of the exit code, if it is one of Starling's codes.
        status: ExitStatus,
        /// The end of its error output.
        said: String,
    },
    /// A command succeeded, but its `--json` output has an unexpected form.
    #[error("reading the output of `{command}`: {cause}; it begins {found:?}")]
    Output {
        /// The command line.
        command: String,
        /// The beginning of the output.
        found: String,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A daemon ended while it was still needed.
    #[error("the daemon of {site} ended unexpectedly ({code}); the end of its log:\n{log}")]
    DaemonEnded {
        /// The site.
        site: String,
        /// The exit code or signal.
        code: String,
        /// The last lines of its log.
        log: String,
    },
    /// An awaited state was not reached.
    #[error("waiting for {awaited}: nothing changed for {stalled_s} s; last seen: {seen}")]
    Stalled {
        /// The awaited state.
        awaited: String,
        /// Time without any change, in seconds.
        stalled_s: u64,
        /// The last state that was seen.
        seen: String,
    },
    /// The system clock shows a time outside the supported range.
    #[error("reading the clock, to set the scan's time: {cause}; set the machine's clock")]
    Clock {
        /// The cause.
        cause: starling_api_types::TimestampError,
    },
    /// Control-C or SIGTERM.
    #[error("interrupted; the sites were stopped")]
    Interrupted,
}

impl QuickstartError {
    /// Returns the exit status of `starling quickstart` for this error.
    pub(crate) const fn exit_status(&self) -> ExitStatus {
        match self {
            Self::FolderNotEmpty { .. } | Self::FeedMissing { .. } | Self::Clock { .. } => ExitStatus::Usage,
            Self::Command { status, .. } => *status,
            Self::Stalled { .. } | Self::DaemonEnded { .. } => ExitStatus::NotReachable,
            Self::Folder { .. } | Self::Spawn { .. } | Self::Output { .. } | Self::Interrupted => {
                ExitStatus::Internal
            }
        }
    }
}
