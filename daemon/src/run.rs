//! The daemon: opens the site, starts everything, stops it cleanly.

mod index;
mod lock;
mod peers;
mod reopen;
mod watched;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_api::{Access, AdminToken, Api, ApiOptions, ListenError};
use starling_api_types::{ErrorCode, Problem};
use starling_store::StoreError;
use starling_store::engine::{Engine, HomeLock};
use starling_sync::Settings;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::index::keep_index;
use self::peers::start_sync;
use self::reopen::{Openings, store_to_reopen};
use self::watched::Watched;
use crate::config::{Config, Network, Overrides};
use crate::home::{FilesExamined, Home, config_problem, error_chain, home_problem};
use crate::opening::{OpenAs, OpeningNews};
use crate::policies::Policies;
use crate::service::{OpeningSite, Site, store_problem};
use crate::small_file;
use crate::upkeep::PACKS_INTERVAL;

/// Time for tasks and calls to end at a stop. Together with the time to close the store, it is less than the 5
/// seconds after which many systems kill a process.
const GRACE_OF_TASKS: Duration = Duration::from_millis(2_500);
/// Time to close the store.
const GRACE_TO_LEAVE: Duration = Duration::from_millis(1_500);
/// Time for the API's last answers of a site that is not open.
const GRACE_BEFORE_OPEN: Duration = Duration::from_secs(3);

/// The reason why the daemon could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The site could not be opened; the problem says what to do.
    #[error("{0}")]
    Site(Problem),
    /// An API listener could not be opened.
    #[error(transparent)]
    Api(#[from] ListenError),
    /// The network could not start.
    #[error("{0}")]
    Network(String),
    /// A task of the daemon ended although it should run until the stop.
    #[error(
        "the daemon's task `{task}` ended ({how}), and without it the site would look healthy although it is not: start the daemon again; \
         the log says what came before"
    )]
    TaskEnded {
        /// The task.
        task: &'static str,
        /// The result.
        how: String,
    },
}

impl From<Problem> for RunError {
    fn from(problem: Problem) -> Self {
        Self::Site(problem)
    }
}

/// Runs the site in `home` until SIGTERM or SIGINT, or until `stop` is cancelled.
///
/// The API answers before the store is open: scans with the match index, its health with the progress, and `busy` to
/// other calls. The site is ready when the store is open and complete: the log says so, and health is `ok`.
///
/// # Errors
/// [`RunError`] before it is ready; after that it runs until it is stopped.
pub async fn run(home: &Path, overrides: &Overrides, stop: CancellationToken) -> Result<(), RunError> {
    run_with(None, home, overrides, stop).await
}

/// Same as [`run`], with the caller's own engine, which may record, count or fail.
///
/// # Errors
/// Same as [`run`].
pub async fn run_on(
    engine: Arc<dyn Engine>,
    home: &Path,
    overrides: &Overrides,
    stop: CancellationToken,
) -> Result<(), RunError> {
    run_with(Some(engine), home, overrides, stop).await
}

async fn run_with(
    engine: Option<Arc<dyn Engine>>,
    home: &Path,
    overrides: &Overrides,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let started = Instant::now();
    let folder = home;
    let (mut home, mut config) = read_home(folder, overrides)?;
    crate::logging::start(&config.log);
    let _last_lines = LastLines;
    for what in FilesExamined::of(&home, &config).problems() {
        tracing::warn!(%what, "a file of the home has a problem");
    }
    for problem in Policies::of(&home, &config).problems() {
        tracing::warn!(problem = %problem.detail, "every scan with the site's own policy fails");
    }
    let chain = home.chain().clone();
    tracing::info!(site_id = %chain.slug(), site = %chain.site(), home = %home.path().display(), "starting");

    let mut openings = Openings::first(started);
    loop {
        // Taken before the socket, because a daemon with the lock may be about to open it.
        let seam = match &engine {
            Some(engine) => Seam::Engine(engine.clone()),
            None => tokio::select! {
                // Stopped meanwhile: nothing was started yet.
                () = wait_for_stop(&stop) => return Ok(()),
                taken = lock::wait_for_lock(&home) => Seam::Home(taken?),
            },
        };
        let news = Arc::new(OpeningNews::new(true));
        let service = OpeningSite::new(home.clone(), config.clone(), started, news.clone());
        let daemon = Daemon {
            service: Arc::new(service),
            home: home.clone(),
            config: config.clone(),
            started,
            stop: stop.child_token(),
        };
        match run_until_left(daemon, seam, news, &openings).await? {
            Left::Stopped => break,
            Left::ToReopen => openings.again(Instant::now()),
        }
        // Its keys may have been rotated since.
        (home, config) = read_home(folder, overrides)?;
    }
    tracing::info!("stopped");
    Ok(())
}

fn read_home(folder: &Path, overrides: &Overrides) -> Result<(Home, Config), Problem> {
    let home = Home::open(folder).map_err(|error| home_problem(&error))?;
    let config = home.config(overrides).map_err(|error| config_problem(&error))?;
    Ok((home, config))
}

/// The state in which a daemon left its site.
enum Left {
    /// It was asked to stop.
    Stopped,
    /// The store has to be opened again.
    ToReopen,
}

/// Runs a daemon until it stops or its store has to be opened again, ends its tasks, and closes the store.
async fn run_until_left(
    daemon: Daemon,
    seam: Seam,
    news: Arc<OpeningNews>,
    openings: &Openings,
) -> Result<Left, RunError> {
    let mut tasks = Vec::new();
    let ran = daemon.run(seam, news, openings, &mut tasks).await;
    daemon.stop.cancel();
    let ended = futures::future::join_all(tasks);
    let grace = match &ran {
        Ok(Some((_, _))) => GRACE_OF_TASKS,
        // Nobody waits for a slow answer of a site that did not open.
        _ => GRACE_BEFORE_OPEN,
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("work was still running; it is stopped, and everything acknowledged is in the log");
    }
    let Some((site, left)) = ran? else {
        return Ok(Left::Stopped);
    };
    let parts = site.0.clone();
    let leave = tokio::task::spawn_blocking(move || {
        parts.keep_ready();
        parts.stop_cleanly();
    });
    // An import may be using the store: the next start replays the end of the log then.
    if tokio::time::timeout(GRACE_TO_LEAVE, leave).await.is_err() {
        tracing::warn!(
            "the store is busy: it is left as it is, and the next start replays the end of the log"
        );
    }
    Ok(left)
}

/// Flushes the log, however the daemon ends.
struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        crate::logging::finish();
    }
}

/// The engine of a site.
enum Seam {
    /// The caller's engine.
    Engine(Arc<dyn Engine>),
    /// The engine in the locked home.
    Home(HomeLock),
}

/// The values with which a daemon starts.
struct Daemon {
    service: Arc<OpeningSite>,
    home: Home,
    config: Config,
    started: Instant,
    stop: CancellationToken,
}

impl Daemon {
    /// Runs until the stop, or until the store has to be opened again; returns the site, if it was opened. `tasks` are the tasks that end when `stop` is
    /// cancelled.
    async fn run(
        &self,
        seam: Seam,
        news: Arc<OpeningNews>,
        openings: &Openings,
        tasks: &mut Vec<JoinHandle<()>>,
    ) -> Result<Option<(Site, Left)>, RunError> {
        let mut stopping = std::pin::pin!(wait_for_stop(&self.stop));
        let is_own_engine = matches!(seam, Seam::Home(_));
        self.start_api(tasks).await?;
        let opening = self.start_opening(seam, news)?;
        let site = tokio::select! {
            // A busy thread ends with the process: its work is in the log, or is done again.
            () = &mut stopping => {
                tracing::info!("stopping before the site is open");
                return Ok(None);
            }
            opened = opening => opened.map_err(|panic| Problem::internal("opening the site", panic))??,
        };
        self.service.open(site.clone());
        let (stop_sync, stopped) = watch::channel(false);
        let mut watched = Watched::new();
        if self.config.federation.enabled {
            let sync = start_sync(&site, &self.config, Settings::default(), stopped)?;
            tasks.push(watched.start("sync", sync));
        } else {
            tracing::info!("federation is disabled: the site does not listen for peers or dial them");
            let listen = &self.config.network.listen;
            if !listen.is_empty() && *listen != Network::default().listen {
                tracing::warn!(
                    "network.listen has no effect, because federation.enabled is false: no peer can reach this site"
                );
            }
        }
        let keeping = crate::upkeep::housekeeping(site.clone(), self.config.clone(), self.stop.clone());
        tasks.push(watched.start("housekeeping", keeping));
        let checking = crate::upkeep::check_files(site.clone(), self.config.clone(), self.stop.clone());
        tasks.push(watched.start("check", checking));
        let looking = crate::upkeep::watch_files(site.clone(), PACKS_INTERVAL, self.stop.clone());
        tasks.push(watched.start("packs", looking));
        let fetching = crate::schedule::run_feeds(site.clone(), self.stop.clone());
        tasks.push(watched.start("feeds", fetching));
        tasks.push(watched.start("index", keep_index(site.clone(), self.stop.clone())));
        tracing::info!(
            socket = %self.home.socket_path().display(),
            engine = site.0.data.store.engine().name(),
            ready_after_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "ready"
        );
        let ended = tokio::select! {
            // At a stop the tasks end as well.
            biased;
            () = stopping => Ok(Left::Stopped),
            // A caller's engine is the caller's to open again.
            reason = store_to_reopen(site.clone(), openings), if is_own_engine => {
                tracing::error!(reason, "the store is closed and opened again");
                Ok(Left::ToReopen)
            }
            ended = watched.ended() => Err(ended),
        };
        tracing::info!("stopping");
        let _ = stop_sync.send(true);
        match ended {
            Ok(left) => Ok(Some((site, left))),
            Err((task, how)) => {
                tracing::error!(task, how, "a task ended unexpectedly: the daemon stops");
                Err(RunError::TaskEnded { task, how })
            }
        }
    }

    /// Opens the API's listeners and serves them.
    async fn start_api(&self, tasks: &mut Vec<JoinHandle<()>>) -> Result<(), RunError> {
        let options = ApiOptions {
            max_bundle_bytes: self.config.federation.import.max_bundle_size.0,
            spool_dir: self.home.path().to_owned(),
        };
        let api = Api::new(self.service.clone(), options, self.stop.child_token());
        let socket = starling_api::bind_unix(&self.home.socket_path()).await?;
        if let Some(listen) = &self.config.api.listen {
            let address = listen
                .parse()
                .map_err(|error| Problem::new(ErrorCode::ConfigInvalid, format!("api.listen: {error}")))?;
            let listener = starling_api::bind_tcp(address).await?;
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "API listening on TCP");
            }
            let access = Access::loopback(admin_token(&self.config)?);
            tasks.push(tokio::spawn(starling_api::serve_tcp(
                api.clone(),
                listener,
                access,
            )));
        }
        tasks.push(tokio::spawn(starling_api::serve_unix(api, socket)));
        Ok(())
    }

    /// Opens the site on its own thread, which blocks neither the runtime nor the end of the process.
    fn start_opening(
        &self,
        seam: Seam,
        news: Arc<OpeningNews>,
    ) -> Result<oneshot::Receiver<Result<Site, Problem>>, Problem> {
        let (home, config, started) = (self.home.clone(), self.config.clone(), Some(self.started));
        let (send, opened) = oneshot::channel();
        let open = move || {
            let site = match seam {
                Seam::Engine(engine) => Site::open_on(engine, home, config, started, &news)?,
                Seam::Home(lock) => Site::open_holding(lock, home, config, started, OpenAs::Existing, &news)?,
            };
            site.0.go_on_as_far_as_known();
            sign_first_heads(&site)?;
            Ok(site)
        };
        std::thread::Builder::new()
            .name("opening".to_owned())
            .spawn(move || drop(send.send(open())))
            .map_err(|error| Problem::internal("starting a thread to open the site", error))?;
        Ok(opened)
    }
}

/// Signs the site's heads for the first time since the start.
fn sign_first_heads(site: &Site) -> Result<(), Problem> {
    match site.0.sign_heads() {
        Ok(()) => {}
        // The site can still serve, relay and scan; only its own log must not grow.
        Err(error @ (StoreError::Behind { .. } | StoreError::HeldBack | StoreError::Superseded { .. })) => {
            tracing::error!(error = %error_chain(&error), "this site does not sign");
        }
        // A full disk must not prevent a site from answering: earlier heads are valid until they expire.
        Err(error) if error.is_no_room() => {
            tracing::error!(error = %error_chain(&error), "reads and scans work, but nothing is written: free some space");
        }
        Err(error) => return Err(store_problem("signing the site's heads", &error)),
    }
    Ok(())
}

/// Waits for a signal, or until the token is cancelled.
async fn wait_for_stop(stop: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        stop.cancelled().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
}

fn admin_token(config: &Config) -> Result<Option<AdminToken>, Problem> {
    let Some(path) = &config.api.token_file else {
        return Ok(None);
    };
    let text = starling_fetch::read_key_file(path, small_file::MAX_SECRET_BYTES)
        .and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })
        .map_err(|error| starling_api::file_problem("reading the API token", path, &error))?;
    AdminToken::new(text.trim())
        .map(Some)
        .map_err(|error| Problem::new(ErrorCode::ConfigInvalid, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod hostile_peers;
#[cfg(test)]
mod lost_packs;
#[cfg(test)]
mod rogue;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod test_site;
