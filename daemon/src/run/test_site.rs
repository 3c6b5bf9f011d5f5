//! A site whose sync runs as in a daemon, over real QUIC, for tests beside `start_sync`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_api::SiteService;
use starling_protocol::UnixMillis;
use starling_store::engine::{FaultPlan, MemoryEngine};
use starling_sync::Settings;
use tempfile::TempDir;
use tokio::sync::watch;

use super::start_sync;
use crate::config::Overrides;
use crate::home::Home;
use crate::service::Site;

/// How long any state is waited for.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A site whose sync runs until this is dropped.
pub(super) struct Running {
    pub(super) site: Site,
    _stop: watch::Sender<bool>,
    _home: TempDir,
}

impl Running {
    pub(super) fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Home::init(folder.path(), &name.parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        Self::open(folder, "/ip4/127.0.0.1/udp/0/quic-v1")
    }

    fn open(folder: TempDir, listen: &str) -> Self {
        let home = Home::open(folder.path()).unwrap();
        let settings = vec![("network.listen".to_owned(), format!("[{listen:?}]"))];
        let config = home.config(&Overrides { settings }).unwrap();
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let site = Site::open_on(engine, home, config.clone(), Some(Instant::now())).unwrap();
        site.0.sign_heads().unwrap();
        let (stop, stopped) = watch::channel(false);
        // As a daemon's, but it loses patience sooner.
        let settings = Settings {
            request_timeout: Duration::from_secs(1),
            slowest_bytes_per_second: 64 * 1024 * 1024,
            ..Settings::default()
        };
        tokio::spawn(start_sync(&site, &config, settings, stopped).unwrap());
        Self {
            site,
            _stop: stop,
            _home: folder,
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
        };
        self.site.add_site(added).await.unwrap();
    }

    pub(super) async fn import(&self, lines: &str) {
        let file = self.site.0.home.path().join("feed.ndjson");
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
