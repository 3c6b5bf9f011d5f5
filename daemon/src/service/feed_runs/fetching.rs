//! How documents are fetched: by the fetcher, or by what a test puts in its place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use starling_api_types::{ErrorCode, FeedProgress, Problem};
use starling_fetch::{Document, FetchError, Fetched, Fetcher, Position, Progress, Run, SystemClock};
use starling_store::disk::{Disk, FolderDisk};
use tokio_util::sync::CancellationToken;

use crate::config::feeds::FeedSpec;
use crate::home::error_chain;

/// What a fetch is given.
#[derive(Clone, Copy)]
pub(crate) struct FetchJob<'a> {
    /// The feed.
    pub(crate) spec: &'a FeedSpec,
    /// The site's folder.
    pub(crate) home: &'a Path,
    /// Where the run before ended.
    pub(crate) position: &'a Position,
    /// An empty folder for the documents.
    pub(crate) into: &'a Path,
    /// Is told how far it is.
    pub(crate) progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends it early.
    pub(crate) stop: &'a CancellationToken,
}

/// What a fetch brought, as [`Fetched`] says it.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// What to take in.
    pub(crate) input: PathBuf,
    /// How many documents there are.
    pub(crate) count: usize,
    /// The documents and archives, where they are and from where they came.
    pub(crate) documents: Vec<BroughtDocument>,
    /// It is the complete source.
    pub(crate) whole: bool,
    /// The source has nothing new.
    pub(crate) unchanged: bool,
    /// Everything that the source has was read.
    pub(crate) read_to_end: bool,
    /// What was not read, if that is a fault.
    pub(crate) unread: Option<String>,
    /// All runs together read everything since the source's beginning.
    pub(crate) from_start: bool,
    /// Rows and documents that could not be read for long.
    pub(crate) passed_over: u64,
    /// Names of those that are listed and missing.
    pub(crate) dead: BTreeSet<String>,
    /// Names of files that the source dropped.
    pub(crate) gone: Vec<String>,
    /// From where the next fetch goes on.
    pub(crate) position: Position,
    /// The source has more.
    pub(crate) more: bool,
    /// Why the source was not read to its end.
    pub(crate) unfinished: Option<FetchError>,
    /// What was odd.
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
    /// It is a page: another run gives its name to other content.
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

/// Fetches what is new of a feed.
#[async_trait]
pub(crate) trait Fetching: Send + Sync {
    /// Fetches into the job's folder.
    ///
    /// # Errors
    /// As [`Fetcher::run`].
    async fn fetch(&self, job: FetchJob<'_>) -> Result<Brought, FetchError>;
}

/// The fetcher, set up anew for each run: keys and certificates are read when they are used.
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

/// Returns what a caller is shown of a fetcher's progress.
pub(super) fn shown(progress: &Progress, shown: &mut FeedProgress) {
    shown.documents = progress.documents;
    shown.bytes = progress.bytes;
}

/// Returns why a fetch failed, as a problem.
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
