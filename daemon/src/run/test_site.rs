//! A site whose sync runs as in a daemon, over real QUIC, for tests beside `start_sync`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_api::SiteService;
use starling_protocol::UnixMillis;
use starling_store::engine::{Engine, FaultPlan, MemoryEngine};
use starling_sync::Settings;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::start_sync;
use crate::config::Overrides;
use crate::home::Home;
use crate::service::Site;

/// Longest wait for any state.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A site whose sync runs until this is dropped.
pub(super) struct Running {
    pub(super) site: Site,
    engine: Arc<dyn Engine>,
    stop: watch::Sender<bool>,
    sync: JoinHandle<()>,
    folder: TempDir,
}

impl Running {
    pub(super) fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(folder.path(), &name.parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        Self::open(folder, engine, "/ip4/127.0.0.1/udp/0/quic-v1").unwrap()
    }

    /// Opens a site with the data in `folder` and `engine`; fails if the address is in use.
    fn open(
        folder: TempDir,
        engine: Arc<dyn Engine>,
        listen: &str,
    ) -> Result<Self, (TempDir, Arc<dyn Engine>)> {
        let home = Home::open(folder.path()).unwrap();
        let settings = vec![("network.listen".to_owned(), format!("[{listen:?}]"))];
        let config = home.config(&Overrides { settings }).unwrap();
        let news = crate::opening::OpeningNews::new(true);
        let started = Some(Instant::now());
        let site = Site::open_on(engine.clone(), home, config.clone(), started, &news).unwrap();
        site.0.sign_heads().unwrap();
        let (stop, stopped) = watch::channel(false);
        // Like a daemon's, but with shorter patience.
        let settings = Settings {
            request_timeout: Duration::from_secs(1),
            slowest_bytes_per_second: 64 * 1024 * 1024,
            ..Settings::default()
        };
        match start_sync(&site, &config, settings, stopped) {
            Ok(sync) => Ok(Self {
                site,
                engine,
                stop,
                sync: tokio::spawn(sync),
                folder,
            }),
            Err(_) => Err((folder, engine)),
        }
    }

    /// Stops its sync; its data is kept.
    pub(super) async fn stop(self) -> Stopped {
        self.stop.send(true).unwrap();
        self.sync.await.unwrap();
        Stopped {
            site: self.site,
            engine: self.engine,
            folder: self.folder,
        }
    }

    pub(super) async fn status(&self) -> starling_api_types::Status {
        self.site.status().await.unwrap()
    }

    pub(super) async fn until(&self, what: &str, reached: impl Fn(&starling_api_types::Status) -> bool) {
        let from = Instant::now();
        loop {
            let status = self.status().await;
            if reached(&status) {
                return;
            }
            assert!(from.elapsed() < DEADLINE, "waiting for {what}: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn address(&self) -> String {
        self.until("an address", |status| !status.listen.is_empty()).await;
        self.status().await.listen.remove(0)
    }

    pub(super) async fn list(&self, name: &str, home: &Home, addresses: Vec<String>) {
        let added = starling_api_types::SiteAdd {
            site_id: name.parse().unwrap(),
            key: home.identity().certificates,
            display_name: None,
            addresses,
            allowed_sources: vec!["*".parse().unwrap()],
            max_bundle_size: None,
            enabled: None,
            may_mute: true,
        };
        self.site.add_site(added).await.unwrap();
    }

    pub(super) async fn import(&self, lines: &str) {
        let file = self.site.0.identity.home.path().join("feed.ndjson");
        std::fs::write(&file, lines).unwrap();
        let source = "mine".parse().unwrap();
        let upload = starling_api::Upload::Path(file);
        let report = self
            .site
            .import_feed(source, upload, Default::default())
            .await
            .unwrap();
        assert_eq!(report.rejected, 0);
    }
}

/// A stopped site.
pub(super) struct Stopped {
    site: Site,
    engine: Arc<dyn Engine>,
    folder: TempDir,
}

impl Stopped {
    /// Gives it a new operating key, like `keys generate`.
    pub(super) fn rotate(&self) {
        let mut home = Home::open(self.folder.path()).unwrap();
        let lanes = crate::rotate::resume_at(&self.site).unwrap();
        home.rotate(lanes, crate::clock::now()).unwrap();
    }

    /// Starts it again at its earlier address, when that address is free.
    pub(super) async fn start(self, address: &str) -> Running {
        let Self { site, engine, folder } = self;
        drop(site);
        let (mut folder, mut engine) = (folder, engine);
        let from = Instant::now();
        loop {
            match Running::open(folder, engine, address) {
                Ok(running) => return running,
                Err(kept) => (folder, engine) = kept,
            }
            assert!(from.elapsed() < DEADLINE, "waiting for {address} to be free");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
