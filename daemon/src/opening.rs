//! Opening a site's store from its home: what is said meanwhile, and what to do when it fails.

use std::sync::Arc;

use starling_api_types::{ErrorCode, Problem};
use starling_store::disk::FolderDisk;
use starling_store::engine::{ByteCount, Engine, EngineKind, FaultPlan, MemoryEngine, UnknownEngine};
use starling_store::log::LogAccess;
use starling_store::{HomeStore, OpeningStep, ReplayProgress, SiteStore, StoreError, StoreParts};

use crate::config::Config;
use crate::home::Home;
use crate::service::store_problem;

/// Groups of the log between two lines about a replay.
const GROUPS_PER_LINE: u64 = 512;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenAs {
    /// The site has one.
    Existing,
    /// The site is made now.
    New,
    /// What is damaged in its log is left out.
    Repair,
}

/// Says how the store of a home is opened.
///
/// # Errors
/// `config_invalid` where the configuration names no engine.
pub(crate) fn home_store<'a>(
    home: &'a Home,
    config: &Config,
    how: OpenAs,
    is_daemon: bool,
    around: &'a dyn Fn(Arc<dyn Engine>) -> Arc<dyn Engine>,
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
        around,
        on_step: if is_daemon { &log_step } else { &print_step },
        progress: &log_progress,
    })
}

/// The parts of a store over an engine of the caller's own, in a home that may be new.
///
/// # Errors
/// When the home cannot be read.
pub(crate) fn parts_over(home: &Home, engine: Arc<dyn Engine>) -> Result<StoreParts<'static>, Problem> {
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
        random_id: Arc::new(random_id),
        progress: &log_progress,
    })
}

/// The parts of a store that is only read: its rows are derived in memory.
///
/// # Errors
/// When the home cannot be read.
pub(crate) fn parts_read_only(
    home: &Home,
    around: &dyn Fn(Arc<dyn Engine>) -> Arc<dyn Engine>,
) -> Result<StoreParts<'static>, Problem> {
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    Ok(StoreParts {
        access: LogAccess::Read,
        ..parts_over(home, around(engine))?
    })
}

/// Sixteen bytes that no other file has. Without randomness, the time and the process make them unlikely to repeat.
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
            "migrating the store to schema 3: log and packs are written beside it, then take its place"
                .to_owned()
        }
        OpeningStep::Rebuilding(reason) => format!("rebuilding the engine from the log: {reason}"),
        OpeningStep::ReadOnly(reason) => {
            format!(
                "opening the site read-only, because the disk is full ({reason}): free some space and start again"
            )
        }
    }
}

fn log_step(step: &OpeningStep) {
    let text = step_text(step);
    tracing::warn!("{text}");
}

/// A command says on standard error what keeps it.
fn print_step(step: &OpeningStep) {
    crate::logging::notice(&step_text(step));
}

fn log_progress(progress: ReplayProgress) {
    if progress.groups.is_multiple_of(GROUPS_PER_LINE) {
        tracing::info!(groups = progress.groups, of = progress.of, "replaying the log");
    }
}

/// The problem of a store that does not open.
pub(crate) fn opening_problem(home: &Home, error: &StoreError) -> Problem {
    match error {
        StoreError::LogMissing { .. } => Problem::new(
            ErrorCode::StoreMissing,
            format!(
                "opening the store: {error}; {} had one",
                home.chain().slug()
            ),
        )
        .hint(
            "put the folder back as it was. If it is lost, make a new site in another folder and list it at its \
             peers, which fill it; an older copy, or an empty store under the old keys, would sign a second history",
        ),
        error => store_problem("opening the store", error),
    }
}
