//! Why the quickstart stopped: which step was attempted, what was found, what to do.

use std::path::PathBuf;

use starling_api_types::ExitStatus;

/// A quickstart that did not come to its end. The text is whole: it holds the cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuickstartError {
    /// The folder named by `--keep` holds something already.
    #[error(
        "keeping the sites in {}: the folder is not empty; name a new one, or empty it first",
        path.display()
    )]
    FolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The input named by `--feed` is not there.
    #[error("reading the feed {}: no such file or folder", path.display())]
    FeedMissing {
        /// The input.
        path: PathBuf,
    },
    /// A file or folder could not be made or read.
    #[error("{attempted} {}: {cause}", path.display())]
    Folder {
        /// What was attempted, such as `creating`.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// A child process could not be started at all.
    #[error("starting `{command}`: {cause}")]
    Spawn {
        /// The command line.
        command: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// A command ended with a code that the step does not expect.
    #[error("`{command}` ended with {code}; it said:\n{said}")]
    Command {
        /// The command line, as one would type it.
        command: String,
        /// How it ended.
        code: String,
        /// How a command with that code ends, where it is one of Starling's codes.
        status: ExitStatus,
        /// The end of what it wrote to its error output.
        said: String,
    },
    /// A command succeeded but its `--json` output is not the shape promised.
    #[error("reading the output of `{command}`: {cause}; it begins {found:?}")]
    Output {
        /// The command line.
        command: String,
        /// The beginning of the output.
        found: String,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A daemon ended while it was needed.
    #[error("the daemon of {site} ended by itself ({code}); the end of its log:\n{log}")]
    DaemonEnded {
        /// The site.
        site: String,
        /// How it ended.
        code: String,
        /// The last lines of its log.
        log: String,
    },
    /// Something that should come about did not.
    #[error("waiting for {awaited}: nothing changed for {stalled_s} s; last seen: {seen}")]
    Stalled {
        /// What was awaited.
        awaited: String,
        /// How long nothing had changed, in seconds.
        stalled_s: u64,
        /// The last state that was seen.
        seen: String,
    },
    /// The clock shows a moment that cannot be written down.
    #[error("reading the clock, to judge at this moment: {cause}; set the machine's clock")]
    Clock {
        /// Why not.
        cause: starling_api_types::TimestampError,
    },
    /// Control-C, or SIGTERM.
    #[error("interrupted; the sites were stopped")]
    Interrupted,
}

impl QuickstartError {
    /// How `starling quickstart` ends on this error.
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
