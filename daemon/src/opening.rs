//! Opens a site's store from its home; reports progress and errors.

use std::sync::{Arc, Mutex, PoisonError};

use starling_api_types::{ErrorCode, Opening, OpeningWork, Problem};
use starling_store::disk::FolderDisk;
use starling_store::engine::{ByteCount, Engine, EngineKind, FaultPlan, MemoryEngine, UnknownEngine};
use starling_store::log::LogAccess;
use starling_store::{HomeStore, OnProgress, OpeningStep, ReplayProgress, SiteStore, StoreError, StoreParts};

use crate::config::Config;
use crate::home::Home;
use crate::service::store_problem;

/// Number of log groups between two progress lines of a replay.
const GROUPS_PER_LINE: u64 = 512;

/// The purpose of opening a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenAs {
    /// The site already exists.
    Existing,
    /// The site is being created.
    New,
    /// Damaged parts of its log are skipped.
    Repair,
}

/// Gets the progress of opening a store, from the thread that opens it.
#[derive(Clone)]
pub struct OpeningWatcher(pub Arc<dyn Fn(Opening) + Send + Sync>);

impl std::fmt::Debug for OpeningWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpeningWatcher").finish_non_exhaustive()
    }
}

/// The progress of opening a store, readable by other threads.
#[derive(Debug)]
pub(crate) struct OpeningNews {
    is_daemon: bool,
    /// Gets the progress of a command.
    watcher: Option<OpeningWatcher>,
    now: Mutex<Opening>,
}

impl OpeningNews {
    /// Returns true for a daemon, which logs progress; a command prints it.
    pub(crate) const fn new(is_daemon: bool) -> Self {
        Self {
            is_daemon,
            watcher: None,
            now: Mutex::new(Opening {
                work: OpeningWork::Opening,
                groups: 0,
                of_groups: 0,
            }),
        }
    }

    /// For a command that shows the progress.
    pub(crate) fn watched(watcher: OpeningWatcher) -> Self {
        Self {
            watcher: Some(watcher),
            ..Self::new(false)
        }
    }

    /// Reports a slow step.
    pub(crate) fn step(&self, step: &OpeningStep) {
        let text = step_text(step);
        if self.is_daemon {
            tracing::warn!("{text}");
        } else {
            // A command prints the reason for its delay on standard error.
            crate::logging::notice(&text);
        }
        let work = match step {
            OpeningStep::Migrating => OpeningWork::Migrating,
            OpeningStep::Rebuilding(_) => OpeningWork::Rebuilding,
            OpeningStep::ReadOnly(_) => OpeningWork::Opening,
        };
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Opening {
            work,
            groups: 0,
            of_groups: 0,
        };
    }

    /// Reports the progress of a replay.
    pub(crate) fn progress(&self, progress: ReplayProgress) {
        if progress.groups.is_multiple_of(GROUPS_PER_LINE) {
            tracing::info!(groups = progress.groups, of = progress.of, "replaying the log");
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.groups = progress.groups;
        now.of_groups = progress.of;
        if let Some(OpeningWatcher(watcher)) = &self.watcher {
            watcher(*now);
        }
    }

    /// Returns the current work, for the API.
    pub(crate) fn shown(&self) -> Opening {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current work as a sentence.
    pub(crate) fn text(&self) -> String {
        let now = self.shown();
        let work = match now.work {
            OpeningWork::Opening | OpeningWork::Unknown => "the site's store is being opened",
            OpeningWork::Migrating => "the site's store is being migrated",
            OpeningWork::Rebuilding => "the engine is being rebuilt from the log",
        };
        if now.of_groups == 0 {
            return work.to_owned();
        }
        let [done, all] = [now.groups, now.of_groups].map(in_thousands);
        format!("{work}: {done} of {all} groups")
    }
}

/// Formats a number with commas between thousands.
fn in_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the way to open a home's store.
///
/// # Errors
/// `config_invalid` if the configured engine is unknown.
pub(crate) fn home_store<'a>(
    home: &'a Home,
    config: &Config,
    how: OpenAs,
    on_step: &'a (dyn Fn(&OpeningStep) + Sync),
    progress: OnProgress<'a>,
) -> Result<HomeStore<'a>, Problem> {
    let engine: EngineKind = config
        .store
        .engine
        .parse()
        .map_err(|error: UnknownEngine| Problem::new(ErrorCode::ConfigInvalid, error.to_string()))?;
    Ok(HomeStore {
        home: home.path(),
        engine,
        cache: ByteCount(config.store.cache.0),
        is_new: how == OpenAs::New,
        past_damage: how == OpenAs::Repair,
        random_id: Arc::new(random_id),
        on_step,
        progress,
    })
}

/// Returns the parts of a store with the caller's own engine, in a home that may be new.
///
/// # Errors
/// If the home cannot be read.
pub(crate) fn parts_over<'a>(
    home: &Home,
    engine: Arc<dyn Engine>,
    progress: OnProgress<'a>,
) -> Result<StoreParts<'a>, Problem> {
    let disk = Arc::new(FolderDisk::new(home.path()));
    let is_made =
        SiteStore::is_made(disk.as_ref()).map_err(|error| store_problem("opening the store", &error))?;
    Ok(StoreParts {
        disk,
        engine,
        access: LogAccess::Write,
        is_new: !is_made,
        past_damage: false,
        salvaged: None,
        witness: None,
        random_id: Arc::new(random_id),
        progress,
    })
}

/// Returns the parts of a read-only store: its rows are derived in memory.
///
/// # Errors
/// If the home cannot be read.
pub(crate) fn parts_read_only<'a>(home: &Home, progress: OnProgress<'a>) -> Result<StoreParts<'a>, Problem> {
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    Ok(StoreParts {
        access: LogAccess::Read,
        ..parts_over(home, engine, progress)?
    })
}

/// Returns sixteen bytes that no other file has. Without randomness, time and process id make a repetition unlikely.
fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        let seed = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
        id.copy_from_slice(&blake3::hash(seed.as_bytes()).as_bytes()[..16]);
    }
    id
}

fn step_text(step: &OpeningStep) -> String {
    match step {
        OpeningStep::Migrating => {
            "migrating the store to schema 3: log and packs are written beside it and then replace it"
                .to_owned()
        }
        OpeningStep::Rebuilding(reason) => format!("rebuilding the engine from the log: {reason}"),
        OpeningStep::ReadOnly(reason) => {
            // The reason ends with advice of its own.
            let reason = reason.split("; free").next().unwrap_or_default();
            format!(
                "opening the site read-only, because the disk is full ({reason}): free some space and start again"
            )
        }
    }
}

/// Builds the problem of a store that cannot be opened.
pub(crate) fn opening_problem(home: &Home, error: &StoreError) -> Problem {
    match error {
        StoreError::LogMissing { .. } => Problem::new(
            ErrorCode::StoreMissing,
            format!(
                "opening the store: {error}; {} had a store before",
                home.chain().slug()
            ),
        )
        .hint(
            "restore the folder, or a backup of it: a new store would make the site sign a second history. If all \
             is lost but keys and configuration, `starling restore` makes an empty store that signs nothing: list the \
             peers with `starling sites add`, and they bring back what they hold",
        ),
        error => store_problem("opening the store", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_states_the_work_and_its_extent() {
        let news = OpeningNews::new(true);
        assert_eq!(news.text(), "the site's store is being opened");
        news.step(&OpeningStep::Rebuilding("it is missing".to_owned()));
        news.progress(ReplayProgress {
            groups: 512,
            of: 12_048,
        });
        assert_eq!(
            news.text(),
            "the engine is being rebuilt from the log: 512 of 12,048 groups"
        );
        assert_eq!(news.shown().work, OpeningWork::Rebuilding);
    }
}
