//! The feeds that a site fetches by itself: the list of feeds, the current runs, and the results of earlier runs.
//!
//! A run fetches into a folder of the feed and imports it like `feeds import`. It stores its position in the source only
//! after the import was committed, so a kill at any point repeats work and loses nothing. A feed never has two runs at the
//! same time: a request during a run waits for that run.

mod approve;
mod edit;
mod fetched_by;
mod fetching;
mod held_back;
mod keep;
mod raw;
mod raw_lookup;
mod read_to;
mod rejected;
mod round;
mod run;
mod run_result;
mod sharing;
mod shown;
mod sizes;
mod state;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use starling_api::ServiceResult;
use starling_api_types::{
    ContentHash, ErrorCode, FeedName, FeedProgress, FeedRun, FeedTrigger, Problem, Timestamp,
};
use starling_protocol::Source;
use starling_sync::{PROBE_INTERVALS, Role};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub(super) use self::held_back::HeldBack;
pub(super) use self::rejected::{Documents, NAMED, Refusal, Rejected, Taken, document_of};
pub(super) use self::round::Round;
pub(super) use self::shown::FEEDS_CHECK;

use self::sharing::Sharing;

use self::fetching::{Fetching, RealFetching};
use self::state::{FeedFolder, FeedMemory};
use super::Site;
use crate::clock::now;
use crate::config::Config;
use crate::config::feeds::{self, FeedSpec};
use crate::schedule::Wanted;

/// Most feeds that are fetched at the same time.
const AT_ONCE: usize = 2;
/// Time after which a fetch no longer counts against the limit. It continues, but does not block other feeds.
const PLACE_FOR: Duration = Duration::from_secs(30 * 60);

/// The result of a run; `None` until it has ended.
type Ended = watch::Receiver<Option<FeedRun>>;

/// The feeds of a site.
pub(crate) struct Feeds {
    home: PathBuf,
    specs: RwLock<BTreeMap<FeedName, Arc<FeedSpec>>>,
    memories: Mutex<BTreeMap<FeedName, FeedMemory>>,
    running: Mutex<BTreeMap<FeedName, Running>>,
    fetching: RwLock<Arc<dyn Fetching>>,
    places: Arc<Semaphore>,
    /// Number of manual imports of each source since the start.
    imports: Mutex<BTreeMap<Source, u64>>,
    stop: CancellationToken,
    changed: watch::Sender<u64>,
    /// Held during a change of the configuration, so that there is one at a time.
    edits: Mutex<()>,
    /// Held while the raw documents are read or written.
    raw: Mutex<()>,
    /// The site that fetches each of them.
    sharing: Mutex<Sharing>,
    /// Ends the next run after its import and before it stores its position, as a kill would.
    #[cfg(test)]
    is_killed: std::sync::atomic::AtomicBool,
}

/// The cause of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Schedule,
    Request,
    /// An operator approved the input with this hash.
    Approval(ContentHash),
}

impl From<Trigger> for FeedTrigger {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Schedule => Self::Schedule,
            Trigger::Request => Self::Request,
            Trigger::Approval(_) => Self::Approval,
        }
    }
}

/// A current run.
#[derive(Clone)]
struct Running {
    progress: Arc<Mutex<FeedProgress>>,
    ended: Ended,
    since: Timestamp,
    /// Ends the fetch of this run.
    stop: CancellationToken,
}

/// Removes a run from the list of current runs when it is dropped, even after a panic.
struct Under<'a> {
    feeds: &'a Feeds,
    name: FeedName,
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        lock(&self.feeds.running).remove(&self.name);
        self.feeds.tell();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feeds {
    /// Returns the feeds of a configuration, which was checked when it was read.
    pub(crate) fn of(home: &Path, config: &Config) -> Self {
        let feeds = Self::none(home);
        feeds.set(feeds::check(&config.feeds).unwrap_or_default());
        feeds
    }

    /// Returns an empty list, for a site that is opened without its configuration's feeds.
    pub(crate) fn none(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            specs: RwLock::default(),
            memories: Mutex::default(),
            running: Mutex::default(),
            fetching: RwLock::new(Arc::new(RealFetching)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            imports: Mutex::default(),
            stop: CancellationToken::new(),
            changed: watch::Sender::new(0),
            edits: Mutex::new(()),
            raw: Mutex::new(()),
            sharing: Mutex::default(),
            #[cfg(test)]
            is_killed: std::sync::atomic::AtomicBool::default(),
        }
    }

    #[cfg(test)]
    fn end_if_killed(&self) {
        let is_killed = self.is_killed.swap(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!is_killed, "the run is killed here");
    }

    /// Replaces the list of feeds.
    fn set(&self, specs: Vec<FeedSpec>) {
        let specs = specs
            .into_iter()
            .map(|spec| (spec.name().clone(), Arc::new(spec)));
        *self.specs.write().unwrap_or_else(PoisonError::into_inner) = specs.collect();
        self.tell();
    }

    fn specs(&self) -> BTreeMap<FeedName, Arc<FeedSpec>> {
        self.specs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spec(&self, name: &FeedName) -> ServiceResult<Arc<FeedSpec>> {
        let specs = self.specs.read().unwrap_or_else(PoisonError::into_inner);
        specs.get(name).cloned().ok_or_else(|| {
            Problem::new(
                ErrorCode::FeedNotFound,
                format!("looking for the feed {name}: none of this name is configured"),
            )
            .hint(other_feed(name.as_str(), specs.keys().map(FeedName::as_str)))
        })
    }

    /// Returns a receiver that is notified when a feed is added, changed or removed, and when a run begins or ends.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns the time of the next run of each enabled feed, without the feeds that another site fetches.
    pub(crate) fn wanted(&self) -> BTreeMap<FeedName, Wanted> {
        let running = lock(&self.running).clone();
        let specs = self.specs();
        let enabled = specs.into_iter().filter(|(_, spec)| spec.entry.enabled);
        let wanted = enabled.filter_map(|(name, spec)| {
            let memory = self.memory(&name);
            let at = |at: Timestamp| u64::try_from(at.unix_millis()).unwrap_or(0);
            let every_ms = spec.every_ms();
            let (every_ms, next_ms) = match self.role(&name) {
                Some(Role::StandBy { .. }) => return None,
                Some(Role::Probe { .. }) => {
                    let every_ms = every_ms.saturating_mul(PROBE_INTERVALS);
                    (every_ms, shown::probe_at(&spec, &memory).map(at))
                }
                Some(Role::Fetch(_)) | None => (every_ms, memory.next_run_at.map(at)),
            };
            let wanted = Wanted {
                every_ms,
                next_ms,
                is_running: running.contains_key(&name),
            };
            Some((name, wanted))
        });
        wanted.collect()
    }

    /// Returns the state of a feed, with its earlier runs.
    fn memory(&self, name: &FeedName) -> FeedMemory {
        if let Some(memory) = lock(&self.memories).get(name) {
            return memory.clone();
        }
        let (mut memory, why) = self.folder(name).memory();
        if let Some(why) = why {
            tracing::warn!(feed = %name, %why, "what was kept of the feed's runs is given up");
        }
        if let Ok(spec) = self.spec(name)
            && run::count_killed(&spec, &mut memory)
        {
            tracing::warn!(feed = %name, "the last run was killed before its end");
        }
        lock(&self.memories).entry(name.clone()).or_insert(memory).clone()
    }

    /// Changes the state of a feed, in memory and on the disk.
    fn remember(&self, name: &FeedName, change: impl FnOnce(&mut FeedMemory)) {
        let mut memory = self.memory(name);
        change(&mut memory);
        if let Err(error) = self.folder(name).write_memory(&memory) {
            let error = crate::home::error_chain(&error);
            tracing::error!(feed = %name, %error, "how the feed's run went could not be written: a start forgets it");
        }
        lock(&self.memories).insert(name.clone(), memory);
    }

    fn folder(&self, name: &FeedName) -> FeedFolder {
        FeedFolder::of(&self.home, name)
    }

    fn fetching(&self) -> Arc<dyn Fetching> {
        Arc::clone(&self.fetching.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops all fetches, and waits until the result of each run is stored; otherwise the next start would treat the run as
    /// killed. A current import is not stopped; callers limit how long they wait.
    pub(crate) async fn stop_fetching(&self) {
        self.stop.cancel();
        let mut changed = self.subscribe();
        while !lock(&self.running).is_empty() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops the fetch of a feed that was disabled or removed. Returns a receiver for the end of its run, if it runs.
    fn stop_run(&self, name: &FeedName) -> Option<Ended> {
        let running = lock(&self.running).get(name).cloned()?;
        running.stop.cancel();
        Some(running.ended)
    }

    /// Returns the progress and the start of a feed's current run, if it runs.
    fn progress(&self, name: &FeedName) -> Option<(FeedProgress, Timestamp)> {
        let running = lock(&self.running);
        running
            .get(name)
            .map(|running| (*lock(&running.progress), running.since))
    }

    /// Returns the number of manual imports of a source.
    fn imports_of(&self, source: &Source) -> u64 {
        lock(&self.imports).get(source).copied().unwrap_or(0)
    }

    /// Records a manual import of a source. Its feeds then read the source from the beginning, because the import may
    /// remove records that the feeds count as already imported.
    ///
    /// # Errors
    /// A position cannot be written.
    pub(super) fn imported_by_hand(&self, source: &Source) -> ServiceResult<()> {
        // Held to the end, so that no run checks the count before this and writes its position after it.
        let mut imports = lock(&self.imports);
        *imports.entry(source.clone()).or_default() += 1;
        for (name, spec) in self.specs().iter().filter(|(_, spec)| spec.source == *source) {
            let folder = self.folder(name);
            let (before, _) = folder.read_to(&spec.place());
            if !before.position.is_empty() {
                folder
                    .write_read_to(&before.again("the source was imported by hand since the last run"))
                    .map_err(|error| crate::home::home_problem(&error))?;
            }
        }
        Ok(())
    }
}

impl Site {
    /// Starts a run of a feed, or joins the current one.
    ///
    /// # Errors
    /// `feed_not_found`; `busy` for an approval while it runs; `shutting_down`.
    pub(crate) fn start_feed(&self, name: &FeedName, why: Trigger) -> ServiceResult<Ended> {
        let feeds = &self.0.live.feeds;
        let progress = Arc::new(Mutex::new(FeedProgress::default()));
        let (tell, ended) = watch::channel(None);
        let stop = feeds.stop.child_token();
        let spec = {
            let mut running = lock(&feeds.running);
            // Under this lock, so that no run begins after a stop has found that none runs.
            if feeds.stop.is_cancelled() {
                let detail = format!("running the feed {name}: the site is stopping");
                return Err(Problem::new(ErrorCode::ShuttingDown, detail));
            }
            // Under this lock, so that no run begins of a feed that is being removed.
            let spec = feeds.spec(name)?;
            if let Some(under_way) = running.get(name) {
                if !matches!(why, Trigger::Approval(_)) {
                    return Ok(under_way.ended.clone());
                }
                let detail = format!("approving the input of {name}: the feed is being run");
                return Err(Problem::new(ErrorCode::Busy, detail)
                    .hint("wait until it has ended, and look at its input again"));
            }
            let run = Running {
                progress: Arc::clone(&progress),
                ended: ended.clone(),
                since: now().into(),
                stop: stop.clone(),
            };
            running.insert(name.clone(), run);
            spec
        };
        feeds.tell();
        let site = self.clone();
        tokio::spawn(async move {
            let under = Under {
                feeds: &site.0.live.feeds,
                name: spec.name().clone(),
            };
            let run = site.run_once(&spec, why, &progress, &stop).await;
            drop(under);
            // The caller may have disconnected.
            let _ = tell.send(Some(run));
        });
        Ok(ended)
    }

    /// Runs a feed to its end.
    ///
    /// # Errors
    /// Same as [`start_feed`](Self::start_feed). A failed run is not an error.
    pub(super) async fn run_feed_now(&self, name: &FeedName, why: Trigger) -> ServiceResult<FeedRun> {
        let mut ended = self.start_feed(name, why)?;
        let run = ended.wait_for(Option::is_some).await;
        match run.map(|run| run.clone()) {
            Ok(Some(run)) => Ok(run),
            _ => Err(Problem::internal(
                format!("running the feed {name}"),
                "its task ended without an answer",
            )),
        }
    }
}

/// Says what to do about a feed that is not configured: the name that was probably meant, or the preset of this name.
fn other_feed<'a>(name: &str, configured: impl Iterator<Item = &'a str>) -> String {
    if let Some(meant) = starling_api_types::wording::nearest(name, configured) {
        return format!("did you mean {meant}? `starling feeds list` shows the feeds");
    }
    if starling_fetch::preset(name).is_some() {
        return format!("`starling feeds add {name}` adds the preset of this name");
    }
    let presets = starling_fetch::presets().iter().map(|preset| preset.name);
    if let Some(meant) = starling_api_types::wording::nearest(name, presets) {
        return format!("did you mean the preset {meant}? `starling feeds add {meant}` adds it");
    }
    "`starling feeds list` shows the feeds, `starling feeds add` adds one".to_owned()
}
