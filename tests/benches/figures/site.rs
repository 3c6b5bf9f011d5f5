//! A site: opened in this process, or run as a daemon in a separate process and asked over its socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_api::{SiteService, Upload};
use starling_api_types::{
    FeedImportOptions, FeedImportReport, PublicIdentity, SiteAdd, SourceName, SourcePattern, Status,
};
use starling_daemon::config::Overrides;
use starling_daemon::home::Home;
use starling_daemon::{Offline, init_site, open_offline, open_offline_on, run};
use starling_store::engine::{self, ByteCount, Engine, EngineKind, EngineOptions, RecordingEngine};
use starling_tests::http::{Answer, Request};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The time in which a state must be reached.
const DEADLINE: Duration = Duration::from_secs(900);

/// Between two looks at a daemon's status.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A site's folder and engine.
pub(crate) struct BenchSite {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    engine: EngineKind,
}

/// A site that is open in this process.
pub(crate) struct Opened {
    pub(crate) offline: Offline,
    pub(crate) service: Arc<dyn SiteService>,
    runtime: Runtime,
}

impl BenchSite {
    /// Creates a site.
    pub(crate) fn init(dir: &Path, name: &str, engine: &str) -> Self {
        let home = dir.join(name);
        std::fs::create_dir_all(&home).unwrap();
        init_site(&home, &name.parse().unwrap(), engine).unwrap_or_else(|problem| panic!("{problem}"));
        Self {
            name: name.to_owned(),
            home,
            engine: engine.parse().unwrap(),
        }
    }

    pub(crate) fn identity(&self) -> PublicIdentity {
        Home::open(&self.home).unwrap().identity()
    }

    /// Opens it in this process.
    pub(crate) fn open(&self) -> Opened {
        Opened::new(open_offline(&self.home, &overrides(None)).unwrap_or_else(|problem| panic!("{problem}")))
    }

    /// Opens it in this process, over an engine that records its writes.
    pub(crate) fn open_recording(&self) -> (Opened, Arc<RecordingEngine>) {
        let recording = Arc::new(RecordingEngine::new(self.open_engine(&self.home.join("store"))));
        let engine: Arc<dyn Engine> = recording.clone();
        let offline = open_offline_on(engine, &self.home, &overrides(None));
        (
            Opened::new(offline.unwrap_or_else(|problem| panic!("{problem}"))),
            recording,
        )
    }

    /// Returns an engine of the site's kind in `folder`, with the site's own options.
    pub(crate) fn open_engine(&self, folder: &Path) -> Arc<dyn Engine> {
        let options = EngineOptions::default().with_cache(ByteCount::mebibytes(8));
        engine::open(self.engine, folder, &options).unwrap()
    }

    /// Lists `other`, to be dialled at `address` if there is one.
    pub(crate) fn list(&self, other: &Self, address: Option<&str>) {
        let opened = self.open();
        let add = SiteAdd {
            site_id: other.identity().site_id,
            key: other.identity().certificates,
            display_name: None,
            addresses: address.map(str::to_owned).into_iter().collect(),
            allowed_sources: vec![SourcePattern::new("*").unwrap()],
            max_bundle_size: None,
            enabled: Some(true),
            may_mute: false,
        };
        opened.call(|service| async move { service.add_site(add).await });
    }

    /// Waits until its daemon, in any process, knows `root`.
    pub(crate) fn until_root(&self, root: &str) {
        until_root(&self.home.join("starling.sock"), root);
    }

    /// Starts its daemon and waits until it answers; returns the time this took.
    pub(crate) fn up(&self, port: u16) -> (Daemon, Duration) {
        let started = Instant::now();
        let child = Command::new(std::env::current_exe().unwrap())
            .arg("--daemon")
            .arg(&self.home)
            .arg(listen(port))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Daemon {
            child,
            socket: self.home.join("starling.sock"),
        };
        while !daemon.answers() {
            assert!(started.elapsed() < DEADLINE, "{} does not get ready", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
        (daemon, started.elapsed())
    }
}

impl Opened {
    fn new(offline: Offline) -> Self {
        let runtime = Runtime::new().unwrap();
        Self {
            service: offline.service(),
            offline,
            runtime,
        }
    }

    /// Calls the site's service and waits for the answer, which must be a success.
    pub(crate) fn call<T, F>(&self, call: impl FnOnce(Arc<dyn SiteService>) -> F) -> T
    where
        F: Future<Output = starling_api::ServiceResult<T>>,
    {
        self.runtime
            .block_on(call(self.service.clone()))
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Imports a feed; `complete` states that it is the whole source.
    pub(crate) fn import(&self, source: &str, input: Upload, complete: bool) -> FeedImportReport {
        let options = FeedImportOptions {
            complete,
            ..FeedImportOptions::default()
        };
        let source = SourceName::new(source).unwrap();
        self.call(|service| async move { service.import_feed(source, input, options).await })
    }
}

/// A daemon in a separate process, which ends when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    fn answers(&self) -> bool {
        // Health is answered before the site is open.
        Request::get("/status")
            .unix(&self.socket)
            .is_ok_and(|answer| answer.status == 200)
    }

    pub(crate) fn ask(&self, request: &Request<'_>) -> Answer {
        request.unix(&self.socket).unwrap()
    }

    pub(crate) fn status(&self) -> Status {
        self.ask(&Request::get("/status")).json(200)
    }

    /// Waits until its knowledge root is `root`.
    pub(crate) fn until_root(&self, root: &str) {
        until_root(&self.socket, root);
    }

    /// Stops it cleanly.
    pub(crate) fn stop(mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until_root(socket: &Path, root: &str) {
    let started = Instant::now();
    loop {
        let answer = Request::get("/status")
            .unix(socket)
            .ok()
            .filter(|answer| answer.status == 200);
        let status: Option<Status> = answer.map(|answer| answer.json(200));
        if status
            .as_ref()
            .is_some_and(|status| status.knowledge_root.to_string() == root)
        {
            return;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "the sites do not come to know the same: {status:?}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Returns a loopback address for peers.
pub(crate) fn listen(port: u16) -> String {
    format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
}

/// Settings that every site here has over its configuration.
pub(crate) fn overrides(listen: Option<&str>) -> Overrides {
    let mut settings = vec![
        (
            "federation.import.max_bundle_size".to_owned(),
            "\"2GB\"".to_owned(),
        ),
        (
            "log.level".to_owned(),
            std::env::var("STARLING_BENCH_LOG").unwrap_or_else(|_| "warn".to_owned()),
        ),
    ];
    settings.extend(listen.map(|listen| ("network.listen".to_owned(), format!("[\"{listen}\"]"))));
    Overrides { settings }
}

/// Runs a daemon in the child process.
pub(crate) fn run_daemon(args: &[String]) {
    let [home, listen] = args else {
        panic!("a home and an address are needed")
    };
    let overrides = overrides(Some(listen));
    let stopped =
        Runtime::new()
            .unwrap()
            .block_on(run(Path::new(home), &overrides, CancellationToken::new()));
    stopped.unwrap_or_else(|error| panic!("{error}"));
}
