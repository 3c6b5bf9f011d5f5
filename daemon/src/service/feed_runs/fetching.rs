//! The interface to the fetcher, which tests replace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use starling_api_types::{ErrorCode, FeedProgress, Problem};
use starling_fetch::{Document, FetchError, Fetched, Fetcher, Position, Progress, Run, SystemClock};
use starling_store::disk::{Disk, FolderDisk};
use tokio_util::sync::CancellationToken;

use crate::config::feeds::FeedSpec;
use crate::home::error_chain;

/// The input of a fetch.
#[derive(Clone, Copy)]
pub(crate) struct FetchJob<'a> {
    /// The feed.
    pub(crate) spec: &'a FeedSpec,
    /// The site's folder.
    pub(crate) home: &'a Path,
    /// The position at which the previous run ended.
    pub(crate) position: &'a Position,
    /// An empty folder for the documents.
    pub(crate) into: &'a Path,
    /// Receives the progress.
    pub(crate) progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends it early.
    pub(crate) stop: &'a CancellationToken,
}

/// The result of a fetch, taken from [`Fetched`].
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// The file or folder to import.
    pub(crate) input: PathBuf,
    /// Number of documents.
    pub(crate) count: usize,
    /// The documents and archives, each with its path and origin.
    pub(crate) documents: Vec<BroughtDocument>,
    /// True if it is the complete source.
    pub(crate) whole: bool,
    /// True if the source has nothing new.
    pub(crate) unchanged: bool,
    /// True if everything that the source has was read.
    pub(crate) read_to_end: bool,
    /// The part of the source that was not read, if that is an error.
    pub(crate) unread: Option<String>,
    /// True if all runs together read everything since the source's beginning.
    pub(crate) from_start: bool,
    /// Number of rows and documents that could not be read for a long time.
    pub(crate) passed_over: u64,
    /// Names of documents that the source lists, but that are missing.
    pub(crate) dead: BTreeSet<String>,
    /// Names of files that the source dropped.
    pub(crate) gone: Vec<String>,
    /// The position at which the next fetch continues.
    pub(crate) position: Position,
    /// True if the source has more.
    pub(crate) more: bool,
    /// The reason why the source was not read to its end.
    pub(crate) unfinished: Option<FetchError>,
    /// Remarks about unexpected things.
    pub(crate) notes: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

/// A document that a fetch brought.
#[derive(Debug, Clone)]
pub(crate) struct BroughtDocument {
    pub(crate) path: PathBuf,
    pub(crate) address: String,
    pub(crate) at_ms: u64,
    pub(crate) validator: Option<String>,
    /// True if it is a page: in another run, its name stands for other content.
    pub(crate) is_page: bool,
}

impl From<Document> for BroughtDocument {
    fn from(document: Document) -> Self {
        Self {
            path: document.path,
            address: document.address,
            at_ms: document.at_ms,
            validator: document.validator,
            is_page: document.is_numbered,
        }
    }
}

impl From<Fetched> for Brought {
    fn from(mut fetched: Fetched) -> Self {
        if let Some(first) = fetched.gone.first() {
            let count = fetched.gone.len();
            let note = format!(
                "the source dropped {count} documents; the first is {}: {}",
                first.name, first.reason
            );
            fetched.notes.insert(0, note);
        }
        Self {
            input: fetched.input,
            count: fetched.documents.len(),
            documents: fetched.documents.into_iter().map(Into::into).collect(),
            whole: fetched.whole,
            unchanged: fetched.unchanged,
            read_to_end: fetched.read_to_end,
            unread: fetched.unread,
            from_start: fetched.from_start,
            passed_over: fetched.passed_over,
            dead: fetched.dead,
            gone: fetched.gone.into_iter().map(|gone| gone.name).collect(),
            position: fetched.position,
            more: fetched.more,
            unfinished: fetched.unfinished,
            notes: fetched.notes,
            requests: fetched.requests,
            bytes: fetched.bytes,
        }
    }
}

/// Fetches the new documents of a feed.
#[async_trait]
pub(crate) trait Fetching: Send + Sync {
    /// Fetches into the job's folder.
    ///
    /// # Errors
    /// As [`Fetcher::run`].
    async fn fetch(&self, job: FetchJob<'_>) -> Result<Brought, FetchError>;
}

/// The real fetcher. It is set up again for each run, so that changed keys and certificates are used.
#[derive(Debug, Default)]
pub(crate) struct RealFetching;

#[async_trait]
impl Fetching for RealFetching {
    async fn fetch(&self, job: FetchJob<'_>) -> Result<Brought, FetchError> {
        let fetcher = Fetcher::new(job.spec.settings(job.home))?;
        let clock = SystemClock::new();
        let run = Run {
            into: job.into,
            free: &|| FolderDisk::new(job.into).free_bytes().ok().flatten(),
            clock: &clock,
            random: &crate::schedule::random,
            progress: job.progress,
            stop: job.stop,
        };
        fetcher
            .run(&job.spec.plan, job.position, run)
            .await
            .map(Into::into)
    }
}

/// Converts a fetcher's progress to that of the API.
pub(super) fn shown(progress: &Progress, shown: &mut FeedProgress) {
    shown.documents = progress.documents;
    shown.bytes = progress.bytes;
}

/// Converts the error of a fetch to a problem.
pub(super) fn problem_of(spec: &FeedSpec, error: &FetchError) -> Problem {
    let detail = format!("fetching {}: {}", spec.name(), error_chain(error));
    let code = match error {
        FetchError::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            ErrorCode::DiskFull
        }
        FetchError::NoSpace { .. } => ErrorCode::DiskFull,
        error if error.is_missing_source() => ErrorCode::FeedUnreachable,
        FetchError::Disk { .. } => ErrorCode::FileAccess,
        FetchError::Settings { .. } => ErrorCode::FeedInvalid,
        FetchError::Stopped => ErrorCode::ShuttingDown,
        FetchError::Unreachable { .. } | FetchError::Stalled { .. } => ErrorCode::FeedUnreachable,
        FetchError::Status { .. } if error.is_temporary() => ErrorCode::FeedUnreachable,
        _ => ErrorCode::FeedFetchFailed,
    };
    Problem::new(code, detail)
}
